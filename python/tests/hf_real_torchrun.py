"""The real torchrun: ranks of one job, and a job that is started again after one of them was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

import eco2
from fixture import SOURCES
from hf_rig import HfTest

STEPS, SAMPLES = 40, 8
RANK = f"""
import os, signal, time, torch, eco2
attempt, rank = int(os.environ["TORCHELASTIC_RESTART_COUNT"]), int(os.environ["RANK"])
with eco2.Meter(zone="DE") as meter:
    for step in range({STEPS}):
        torch.randn(256, 256) @ torch.randn(256, 256)
        meter.step(samples={SAMPLES})
        time.sleep(0.01)
        if os.environ.get("KILLED") == str(rank) and attempt == 0 and step == {STEPS} // 2:
            os.kill(os.getpid(), signal.SIGKILL)
"""


class Torchrun(HfTest):
    """Two ranks on one machine."""

    def merged(self, **more: str) -> dict:
        """What the command makes of the job's records."""
        script = Path(self.folder) / "rank.py"
        script.write_text(RANK, encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(SOURCES), "XDG_STATE_HOME": f"{self.folder}/state", **more}
        command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=1", "--nproc-per-node=2", "--max-restarts=1",
                   "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--rdzv-id=job-9", str(script)]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        done = eco2.run_cli(["merge", "job-9", "--json"], capture_output=True, text=True, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_ranks_are_one_run(self) -> None:
        merged = self.merged()
        self.assertEqual((merged["run"]["id"], merged["merge"]["ranks"], merged["merge"]["world_size"]), ("job-9", 2, 2))
        self.assertEqual(merged["work"]["samples"], 2 * STEPS * SAMPLES)
        parts = [part["energy"]["total_uj"] for part in merged["merge"]["parts"]]
        self.assertTrue(0.95 * max(parts) <= merged["energy"]["total_uj"] < sum(parts), parts)

    def test_f38_an_elastic_restart_is_a_second_attempt(self) -> None:
        merged = self.merged(KILLED="1")
        attempts = merged["run"]["attempts"]
        self.assertEqual([(attempt["number"], attempt["ranks"]) for attempt in attempts], [(0, 2), (1, 2)])
        self.assertEqual(sum(attempt["energy_uj"] for attempt in attempts), merged["energy"]["total_uj"])
        parts = sorted((part["run"]["attempt"], part["run"]["state"]) for part in merged["merge"]["parts"])
        self.assertEqual(parts, [(0, "provisional")] * 2 + [(1, "final")] * 2)


if __name__ == "__main__":
    unittest.main()
