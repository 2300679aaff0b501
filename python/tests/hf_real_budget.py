"""A budget over a real `torch.distributed` group (gloo): all ranks stop after the same step. Skipped without torch."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import hf_eco2ai

REAL = importlib.util.find_spec("torch") is not None
REQUIRED = os.environ.get("REQUIRE_REAL") == "1"
"""Set by the gate that has installed it: then its absence is a failure."""

RANK = """
import datetime, sys, types
import torch.distributed as group
rank, place = int(sys.argv[1]), sys.argv[2]
group.init_process_group("gloo", init_method="file://" + place, rank=rank, world_size=2, timeout=datetime.timedelta(seconds=30))
from hf_eco2ai.budget import BudgetWatch
answer = types.SimpleNamespace(decision="stop" if rank else "go", share=2.0)
session, control = types.SimpleNamespace(meter=types.SimpleNamespace(budget=lambda: answer)), types.SimpleNamespace()
watch, control.should_training_stop = BudgetWatch("stop", 5), False
step = 0
while not control.should_training_stop and step < 20:
    step += 1
    group.all_reduce(__import__("torch").ones(1))  # what a step of data-parallel training waits for
    watch.after(step, session, control)
print(step)
"""


@unittest.skipUnless(REAL or REQUIRED, "torch is not installed")
class Ranks(unittest.TestCase):
    """Two processes."""

    def test_ranks_of_a_process_group_stop_together(self) -> None:
        variables = {**os.environ, "PYTHONPATH": str(Path(hf_eco2ai.__file__).parent.parent)}
        with tempfile.TemporaryDirectory() as folder:
            ranks = [subprocess.Popen([sys.executable, "-c", RANK, str(rank), folder + "/store"], env=variables, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE) for rank in range(2)]
            told = [rank.communicate(timeout=90) for rank in ranks]
        self.assertEqual([out.strip() for out, _ in told], ["5", "5"], told)


if __name__ == "__main__":
    unittest.main()
