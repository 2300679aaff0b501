"""The live view of a node: what `eco2 top` prints, of a real agent where the command is there."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from hf_rig import HfTest

import eco2
from hf_eco2ai import RealTimeCarbonDashboard, generate_live_summary
from hf_eco2ai.errors import CarbonTrackingError

COMMAND = os.environ.get("ECO2_COMMAND", "")


def has_top() -> bool:
    """Whether the command is there and has an agent."""
    return bool(COMMAND) and Path(COMMAND).exists() and subprocess.run([COMMAND, "top", "--help"], capture_output=True).returncode == 0


class Dashboard(HfTest):
    """The dashboard."""

    def test_intervals_and_places_that_cannot_be_are_refused(self) -> None:
        for interval in (0.0, 0.5, 3601.0, float("nan")):
            with self.assertRaises(ValueError):
                RealTimeCarbonDashboard(interval)
        with self.assertRaises(ValueError):
            RealTimeCarbonDashboard(folder="a", url="b")

    @unittest.skipUnless(has_top(), "needs the command with its agent (ECO2_COMMAND)")
    def test_summary_and_values_are_those_of_the_agent(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = str(Path(folder) / "run")
            with self.assertRaisesRegex(CarbonTrackingError, "eco2 serve"):
                generate_live_summary(folder=run)
            agent = subprocess.Popen([COMMAND, "serve", "--dir", run, "--listen", "127.0.0.1:0", "--source", "synthetic"], stderr=subprocess.DEVNULL)
            try:
                dashboard, end = RealTimeCarbonDashboard(folder=run), time.monotonic() + 20
                values = None
                while values is None and time.monotonic() < end:
                    try:
                        found = dashboard.get_live_metrics()
                        values = found if found["total_uj"] else None
                    except CarbonTrackingError:
                        time.sleep(0.2)
                self.assertGreater(values["total_uj"], 0)
                self.assertTrue(all(device["quality"] == "synthetic" for device in values["devices"]))
                shown = []
                dashboard.run(shown.append, updates=1)
                self.assertIn("DEVICE", shown[0])
                self.assertIn("synthetic", shown[0])
            finally:
                agent.kill()
                agent.wait()

    def test_names_are_in_the_package(self) -> None:
        self.assertTrue(callable(generate_live_summary) and eco2.run_cli)


if __name__ == "__main__":
    unittest.main()
