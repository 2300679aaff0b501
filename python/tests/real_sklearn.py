"""`examples/python/sklearn_search.py` with the real scikit-learn. The gate `notebook` of scripts/test installs it."""

import importlib.util
import os
import re
import subprocess
import sys
import unittest

from fixture import ROOT, SOURCES, Case

REQUIRED = os.environ.get("REQUIRE_REAL") == "1"


@unittest.skipUnless(REQUIRED or importlib.util.find_spec("sklearn") is not None, "scikit-learn is not installed")
class Example(Case):
    def run_with(self, **environment: str) -> str:
        """What the example prints."""
        done = subprocess.run([sys.executable, str(ROOT / "examples/python/sklearn_search.py"), "5", "10"], capture_output=True, text=True,
                              cwd=self.folder, env={**os.environ, "PYTHONPATH": str(SOURCES), "ECO2_LOG": "0", **environment})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_each_candidate_has_its_energy(self):
        shown = self.run_with(ECO2_SYSFS=f"{self.folder}/none", ECO2_NVML=f"{self.folder}/none")
        self.assertEqual(re.findall(r"^(\d+) trees: accuracy 0\.\d+, \d+\.\d+ J$", shown, re.M), ["5", "10"])
        self.assertRegex(shown, r"<eco2\.Report 'forest': .*J \(estimated, plausible range ")

    def test_without_a_sensor_and_an_estimate_it_is_not_known(self):
        shown = self.run_with(ECO2_SOURCES="rapl-sysfs", ECO2_SYSFS=f"{self.folder}/none", ECO2_ESTIMATE="false")
        self.assertEqual(shown.count("energy not known"), 3, shown)


if __name__ == "__main__":
    unittest.main()
