"""`examples/python/trainer.py` and `pytorch_loop.py`: estimated on a machine without sensors, measured with a (scripted) GPU."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

from hf_real_trainer import REAL, REQUIRED
from hf_rig import HfTest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/python/trainer.py"
TORCH = importlib.util.find_spec("torch") is not None
FAKE = os.environ.get("FAKE_NVML_LIBRARY", "")


@unittest.skipUnless(REAL or REQUIRED, "transformers is not installed")
class TrainerExample(HfTest):
    """The example as a user runs it."""

    def run_with(self, **environment: str) -> str:
        """What it prints."""
        done = subprocess.run([sys.executable, str(EXAMPLE), "20"], capture_output=True, text=True, cwd=self.folder,
                              env={**os.environ, "ECO2_LOG": "0", "ECO2_SYSFS": self.folder + "/none", **environment})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"20 steps, \d+\.\d+ J each")
        self.assertRegex(done.stdout, r"Emissions +\S+ .*CO₂e")
        self.assertTrue(Path("trainer-output/carbon.json").exists())
        return done.stdout

    def test_without_sensors_it_is_estimated_with_bounds(self) -> None:
        self.assertRegex(self.run_with(ECO2_NVML=self.folder + "/none"), r"(?s)quality: .*estimated.*Estimated +100 % of the energy is modelled.*\[")

    def test_with_a_gpu_it_is_measured(self) -> None:
        if not FAKE:
            why = "FAKE_NVML_LIBRARY does not name the scripted driver library"
            self.fail(why) if REQUIRED else self.skipTest(why)
        driver = Path(self.folder, "libnvidia-ml.so.1")
        shutil.copy(FAKE, driver)
        driver.with_name("fake-nvml.conf").write_text("[gpu 0]\nname=NVIDIA Test\nuuid=GPU-1\npower=100\n", encoding="ascii")
        self.assertRegex(self.run_with(ECO2_NVML=str(driver), ECO2_SOURCES="nvml"), r"quality: .*GPU-1.*measured")


@unittest.skipUnless(TORCH or REQUIRED, "torch is not installed")
class LoopExample(HfTest):
    """The plain loop of PyTorch."""

    def test_each_step_has_its_energy(self) -> None:
        driver = {"ECO2_NVML": self.folder + "/none", "ECO2_SYSFS": self.folder + "/none"}
        done = subprocess.run([sys.executable, str(EXAMPLE.with_name("pytorch_loop.py")), "10"], capture_output=True, text=True,
                              cwd=self.folder, env={**os.environ, "ECO2_LOG": "0", **driver})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"<eco2\.Report 'pytorch': .*J \(estimated, plausible range ")
        self.assertRegex(done.stdout, r"(?m)^10 steps, \d+\.\d+ J each; 40960 samples$")


if __name__ == "__main__":
    unittest.main()
