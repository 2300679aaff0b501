"""`examples/python/plain_loop.py` runs as a user runs it."""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path

from hf_rig import HfTest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/python/plain_loop.py"


class PlainLoop(HfTest):
    """The example."""

    def test_it_prints_energy_by_step_and_a_report(self) -> None:
        self.set_env("ECO2_LOG", "0")
        done = subprocess.run([sys.executable, str(EXAMPLE), "50"], capture_output=True, text=True, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("step 50: loss", done.stdout)
        self.assertRegex(done.stdout, r"Work +50 steps \(.* each\)")


if __name__ == "__main__":
    unittest.main()
