"""Actors of Ray, which have a job but no rank, join one run; two processes stand in for them."""

import json
import os
import subprocess
import sys
import time
import unittest

import eco2
from fixture import SOURCES, Case, fake_gpu

ACTOR = """
import json, sys, time, eco2
meter = eco2.Meter(json.loads(sys.argv[1]))
meter.start_steps()
until = int(sys.argv[2])
for _ in range(5):
    meter.step(samples=8)
while time.monotonic_ns() < until:
    time.sleep(0.01)
meter.close()
report = meter.report_object().to_dict()
print(json.dumps([report["run"]["id"], report["run"].get("rank"), report["energy"]["total_uj"]]))
"""


class Ray(Case):
    """Two actors on one machine, at the same time."""

    def test_actors_of_a_job_are_one_run_whose_counter_counts_once(self):
        options = {**fake_gpu(self.folder), "log": True}
        conf = f"{self.folder}/fake-nvml.conf"
        with open(conf, encoding="ascii") as file:
            text = file.read()
        with open(conf, "w", encoding="ascii") as file:
            file.write(f"origin_ns={time.monotonic_ns()}\n" + text)
        kept = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
        environment = {**kept, "PYTHONPATH": str(SOURCES), "XDG_STATE_HOME": f"{self.folder}/state", "RAY_JOB_ID": "02000000"}
        command = [sys.executable, "-c", ACTOR, json.dumps(options), str(time.monotonic_ns() + 1_500_000_000)]
        actors = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        outputs = [actor.communicate(timeout=60) for actor in actors]
        self.assertEqual([actor.returncode for actor in actors], [0, 0], outputs)
        (one, rank, first_uj), (other, _, second_uj) = (json.loads(out) for out, _ in outputs)
        self.assertEqual((one, other, rank), ("ray-02000000", "ray-02000000", None))
        merged = json.loads(eco2.run_cli(["merge", one, "--json"], env=environment, capture_output=True, text=True, check=True).stdout)
        self.assertEqual(len(merged["merge"]["parts"]), 2)
        # Both saw one GPU for nearly the same time.
        self.assertLess(merged["energy"]["total_uj"], 0.8 * (first_uj + second_uj))
        # Where two short records meet, the energy between their readings is interpolated.
        self.assertGreaterEqual(merged["energy"]["total_uj"], 0.97 * max(first_uj, second_uj))
        self.assertEqual(merged["work"]["samples"], 80, "what both actors processed")


if __name__ == "__main__":
    unittest.main()
