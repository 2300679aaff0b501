"""The example with the real JAX, as a user starts it. It is skipped where JAX is not installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import unittest
from pathlib import Path

from hf_rig import HfTest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"
REQUIRED = os.environ.get("REQUIRE_REAL") == "1"


def installed(name: str) -> bool:
    """Whether a package is there; always, where its absence is a failure."""
    return REQUIRED or importlib.util.find_spec(name) is not None


class Examples(HfTest):
    """A run whose energy may be an estimate: the test looks at its form."""

    def started(self, name: str, *arguments: str) -> str:
        """What an example prints; its runs are stored in the test's folder."""
        self.set_env("XDG_STATE_HOME", f"{self.folder}/state")
        done = subprocess.run([sys.executable, str(EXAMPLES / name), *arguments], capture_output=True, text=True, timeout=300,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    @unittest.skipUnless(installed("jax"), "jax is not installed")
    def test_steps_of_jax_are_declared_as_synchronised(self) -> None:
        self.assertIn("{'step': (20, 'synchronize')}", self.started("jax_loop.py", "20"))


if __name__ == "__main__":
    unittest.main()
