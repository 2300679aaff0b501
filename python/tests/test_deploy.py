"""Files of deploy/ that need no tools to be checked; scripts/deploy checks the rest."""

import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "scripts/dashboards"


class Deploy(unittest.TestCase):
    """Mistakes of HF Eco2AI's deployment."""

    def test_d40_what_is_deployed_runs_once_on_every_node(self):
        files = [path for path in (ROOT / "deploy").rglob("*.yaml") if path.is_file()]
        kinds = {kind for path in files for kind in re.findall(r"^\s*kind: (\w+)$", path.read_text(), re.M)}
        self.assertIn("DaemonSet", kinds)
        self.assertEqual(kinds & {"Deployment", "StatefulSet", "HorizontalPodAutoscaler", "Ingress"}, set())

    def test_d41_dashboards_and_rules_use_metrics_that_exist(self):
        current = subprocess.run([sys.executable, DASHBOARDS, "--check"], capture_output=True, text=True)
        self.assertEqual(current.returncode, 0, current.stdout + current.stderr)

    def test_d41_metric_or_label_that_no_agent_exports_is_refused(self):
        source = DASHBOARDS.read_text().replace("__file__", repr(str(DASHBOARDS)))
        for right, wrong in (("eco2_power_watts)", "eco2_users)"), ("by (instance, component)", "by (instance, region)")):
            self.assertIn(right, source)
            broken = subprocess.run([sys.executable, "-", "--list"], input=source.replace(right, wrong), capture_output=True, text=True)
            self.assertEqual(broken.returncode, 1, broken.stderr)
            self.assertRegex(broken.stderr, "no agent exports eco2_users|have no label region")


if __name__ == "__main__":
    unittest.main()
