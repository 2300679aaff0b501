"""Examples with the real JAX, Ray and DeepSpeed, as a user starts them. Each is skipped where its package is not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

import eco2
from hf_rig import HfTest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"
REQUIRED = os.environ.get("REQUIRE_REAL") == "1"


def installed(name: str) -> bool:
    """Whether a package is there; always, where its absence is a failure."""
    return REQUIRED or importlib.util.find_spec(name) is not None


class Started(HfTest):
    """A run whose energy may be an estimate: the tests look at its form."""

    def setUp(self) -> None:
        super().setUp()
        self.set_env("XDG_STATE_HOME", f"{self.folder}/state")

    def started(self, *command: str) -> str:
        """What a command prints; its runs are stored in the test's folder."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def merged(self, run: str) -> dict:
        """The records of a run, merged."""
        return json.loads(eco2.run_cli(["merge", run, "--json"], capture_output=True, text=True, check=True).stdout)


class Examples(Started):
    """On this machine's CPU."""

    @unittest.skipUnless(installed("jax"), "jax is not installed")
    def test_steps_of_jax_are_declared_as_synchronised(self) -> None:
        self.assertIn("{'step': (20, 'synchronize')}", self.started(sys.executable, str(EXAMPLES / "jax_loop.py"), "20"))

    @unittest.skipUnless(installed("ray"), "ray is not installed")
    def test_actors_of_ray_are_one_run(self) -> None:
        one, other = self.started(sys.executable, str(EXAMPLES / "ray_actors.py")).split()
        self.assertEqual(one, other)
        self.assertTrue(one.startswith("ray-"), one)
        found = self.merged(one)
        self.assertEqual((len(found["merge"]["parts"]), found["work"]["samples"]), (2, 160))


class DeepSpeed(Started):
    """Its launcher with two ranks on this machine, without a GPU."""

    @unittest.skipUnless(installed("deepspeed"), "deepspeed is not installed")
    def test_ranks_of_the_launcher_are_one_run(self) -> None:
        self.set_env("DS_ACCELERATOR", "cpu")
        launcher = [str(Path(sys.executable).with_name("deepspeed")), "--num_gpus", "2", "--master_addr", "127.0.0.1"]
        eco2.run_cli(["run", "--name", "ranks", "--", *launcher, str(EXAMPLES / "distributed_loop.py")], check=True)
        found = self.merged("last")
        self.assertEqual((len(found["merge"]["parts"]), found["work"]["steps"], found["work"]["samples"]), (3, 20, 2 * 20 * 8))
        self.assertFalse([event["text"] for event in found["events"] if event["kind"] == "ranks-missing"])


if __name__ == "__main__":
    unittest.main()
