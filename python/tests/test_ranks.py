"""Python ranks of one run, as a launcher starts them: one total of the one GPU that all of them see."""

import json
import os
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

import eco2
from fixture import PEAK_W, SOURCES, Case, fake_gpu

RANK = """
import json, os, sys, time, eco2
options, out, until_ns = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
before = time.monotonic_ns()
meter = eco2.Meter(options)
begun = time.monotonic_ns()
while time.monotonic_ns() < until_ns:
    meter.step(samples=1)
    if not os.path.exists(out + ".up"):
        open(out + ".up", "w").close()
    time.sleep(0.01)
ended = time.monotonic_ns()
meter.close()
json.dump({"inner": [begun, ended], "outer": [before, time.monotonic_ns()], "report": meter.report_object().to_dict()}, open(out, "w"))
"""
RUN = "job-7"
PATIENCE_S = 60
UPDATE_UJ = PEAK_W * 20_000
"""What the GPU draws between two updates of its counter."""


def truth_uj(windows: list) -> int:
    """The GPU's energy from the first beginning to the last end, of its constant power."""
    return PEAK_W * (max(to_ns for _, to_ns in windows) - min(from_ns for from_ns, _ in windows)) // 1000


class Ranks(Case):
    def setUp(self) -> None:
        super().setUp()
        self.options = {**fake_gpu(self.folder), "log": True}
        conf = Path(self.folder) / "fake-nvml.conf"
        # One time for all processes: they look at one and the same counter.
        conf.write_text(f"origin_ns={time.monotonic_ns()}\n" + conf.read_text())

    def environment(self, **more: str) -> dict:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return {**kept, "PYTHONPATH": str(SOURCES), "XDG_STATE_HOME": f"{self.folder}/state", **more}

    def start(self, rank: int, world: int, attempt: int = 0, seconds: float = 1.5, **options: object) -> subprocess.Popen:
        launched = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "TORCHELASTIC_RESTART_COUNT": attempt}
        variables = {"TORCHELASTIC_RUN_ID": RUN, **{name: str(value) for name, value in launched.items()}}
        until_ns = time.monotonic_ns() + int(seconds * 1e9)
        given = json.dumps({**self.options, **options})
        command = [sys.executable, "-c", RANK, given, self.out(rank, attempt), str(until_ns)]
        started = subprocess.Popen(command, env=self.environment(**variables), stderr=subprocess.PIPE, text=True)
        self.addCleanup(started.kill)
        return started

    def out(self, rank: int, attempt: int = 0) -> str:
        return f"{self.folder}/{attempt}-{rank}.json"

    def report_of(self, started: subprocess.Popen, rank: int, attempt: int = 0) -> dict:
        _, errors = started.communicate(timeout=PATIENCE_S)
        self.assertEqual(started.returncode, 0, errors)
        return json.loads(Path(self.out(rank, attempt)).read_text())

    def all_of(self, world: int, attempt: int = 0, **more: object) -> list:
        started = [self.start(rank, world, attempt, **more) for rank in range(world)]
        return [self.report_of(one, rank, attempt) for rank, one in enumerate(started)]

    def merged_records(self) -> dict:
        """What the command makes of the run's folder."""
        done = eco2.run_cli(["merge", RUN, "--json"], capture_output=True, text=True, env=self.environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def assert_true(self, total_uj: int, ranks: list) -> None:
        """The figure lies between the GPU's energy within the open meters and that around them, give or take an update."""
        least, most = (truth_uj([one[which] for one in ranks]) for which in ("inner", "outer"))
        self.assertTrue(least * 0.97 - UPDATE_UJ < total_uj < most * 1.03 + UPDATE_UJ, (least, total_uj, most))

    def test_f39_four_ranks_count_the_gpu_once(self):
        ranks = self.all_of(4)
        reports = [one["report"] for one in ranks]
        merged = eco2.merge(reports)
        self.assert_true(merged.energy.total_uj, ranks)
        self.assertGreater(sum(report["energy"]["total_uj"] for report in reports), 2 * merged.energy.total_uj)
        self.assertEqual((merged.merge.ranks, merged.merge.world_size, merged.run.id), (4, 4, RUN))
        self.assertEqual(merged.work.samples, sum(report["work"]["samples"] for report in reports))
        self.assertEqual(self.merged_records()["energy"]["total_uj"], merged.energy.total_uj)

    def test_f37_a_rank_that_is_killed_leaves_what_it_had(self):
        victim, other = self.start(0, 3, seconds=PATIENCE_S), self.start(1, 3, seconds=3)
        self.await_file(self.out(0) + ".up")
        time.sleep(0.5)
        victim.send_signal(signal.SIGKILL)
        victim.communicate(timeout=PATIENCE_S)
        self.assertEqual(victim.returncode, -signal.SIGKILL)
        report = self.report_of(other, 1)["report"]
        merged = self.merged_records()
        self.assertEqual((merged["merge"]["ranks"], merged["merge"]["missing_ranks"]), (2, [2]))
        # Where both have read, the one that ended in order goes before the one that was killed.
        self.assertGreaterEqual(merged["energy"]["total_uj"], report["energy"]["total_uj"])
        parts = [part["energy"]["total_uj"] for part in merged["merge"]["parts"]]
        self.assertTrue(len(parts) == 2 and min(parts) > 0, parts)
        states = {part["run"]["rank"]: part["run"]["state"] for part in merged["merge"]["parts"]}
        self.assertEqual(states, {0: "provisional", 1: "final"})
        self.assertLess(merged["energy"]["total_uj"], sum(parts), "the GPU that both saw counts once")

    def test_f38_a_restart_with_fewer_ranks_adds_up(self):
        first, second = self.all_of(2), self.all_of(1, attempt=1)
        merged = self.merged_records()
        attempts = [(attempt["number"], attempt["world_size"]) for attempt in merged["run"]["attempts"]]
        self.assertEqual(attempts, [(0, 2), (1, 1)])
        energies = [attempt["energy_uj"] for attempt in merged["run"]["attempts"]]
        self.assertEqual(sum(energies), merged["energy"]["total_uj"])
        for energy_uj, ranks in zip(energies, (first, second)):
            self.assert_true(energy_uj, ranks)

    def test_f40_two_hosts_of_one_name_are_two(self):
        started = [self.start(rank, 2, procfs=self.host(f"0f0e0d0c-0b0a-4908-8706-05040302010{rank}")) for rank in range(2)]
        ranks = [self.report_of(one, rank) for rank, one in enumerate(started)]
        merged = eco2.merge([one["report"] for one in ranks])
        self.assertEqual(merged.merge.machines, 2)
        self.assertEqual(merged.energy.total_uj, sum(one["report"]["energy"]["total_uj"] for one in ranks))
        told = [event.text for event in merged.events if event.kind == "host-name-shared"]
        self.assertTrue(told and "trainer" in told[0], merged.to_dict()["events"])

    def host(self, boot_id: str) -> str:
        """A procfs of a machine named trainer."""
        kernel = Path(self.folder) / boot_id / "sys/kernel"
        (kernel / "random").mkdir(parents=True)
        (kernel / "random/boot_id").write_text(boot_id + "\n")
        (kernel / "hostname").write_text("trainer\n")
        return str(Path(self.folder) / boot_id)

    def await_file(self, path: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), until, path)
            time.sleep(0.02)


if __name__ == "__main__":
    unittest.main()
