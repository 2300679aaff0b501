"""Every documented name imports, and constructs, in an interpreter without torch, transformers or any other package."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import eco2
from hf_rig import HfTest, printed

import hf_eco2ai
from hf_eco2ai.cli import main

PACKAGE = Path(hf_eco2ai.__file__).parent
DOCUMENTED = """Eco2AICallback CarbonBudgetCallback CarbonConfig CarbonMetrics CarbonReport CarbonSummary EnergyTracker
GPUMonitor CarbonIntensityProvider PrometheusExporter ReportExporter OptimizationRecommendation EnvironmentalImpact
GPUMetrics SystemMetrics CarbonBudgetForecast CarbonDataStorage MLflowExporter WandbExporter CarbonComparison
LowCarbonScheduler CarbonOptimizer regions diagnostics get_carbon_impact generate_carbon_report
calculate_carbon_equivalents find_optimal_training_window CarbonTrackingError ConfigurationError APIError lightning mlflow
analysis scheduling optimization integrations SystemMonitor MetricCollector calculate_carbon_impact_batch""".split()

CONSTRUCT = """
import sys
import tempfile
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "lightning", "pytorch_lightning", "accelerate", "mlflow",
                                  "wandb", "yaml", "numpy"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import hf_eco2ai as h, eco2
for name in h.__all__:
    getattr(h, name)
h.Eco2AICallback(project_name="p"); h.CarbonBudgetCallback(1.0); h.CarbonConfig(); h.CarbonMetrics(); h.CarbonReport()
h.CarbonSummary(); h.EnergyTracker(); h.GPUMonitor(); h.SystemMonitor(); h.CarbonIntensityProvider(grid_carbon_intensity=1)
h.PrometheusExporter(); h.ReportExporter(); h.EnvironmentalImpact(); h.GPUMetrics(); h.SystemMetrics(); h.MetricCollector()
h.OptimizationRecommendation(); h.CarbonComparison(); h.Eco2AILightningCallback(project_name="p", save_report=False)
h.PyTorchLightningIntegration.create_callback(); h.AccelerateIntegration(); h.MLflowIntegration(); h.SLURMIntegration()
h.KubernetesIntegration(); h.DockerIntegration(); h.track_training()
from hf_eco2ai.lightning import Eco2AILightningCallback
from hf_eco2ai.analysis import CarbonComparison
from hf_eco2ai.diagnostics import run_hardware_check
from hf_eco2ai.scheduling import LowCarbonScheduler
from hf_eco2ai.optimization import CarbonOptimizer
from hf_eco2ai.integrations import MLflowIntegration
from hf_eco2ai.mlflow import log_carbon_metrics
print("all")
"""


class Names(HfTest):
    """What can be imported."""

    def test_d29_every_documented_name_exists(self) -> None:
        self.assertEqual(set(DOCUMENTED) - set(hf_eco2ai.__all__), set())
        self.assertEqual(set(hf_eco2ai.__all__) - set(dir(hf_eco2ai)), set())
        with self.assertRaises(AttributeError):
            hf_eco2ai.no_such_name

    def test_d26_names_construct_where_nothing_else_is_installed(self) -> None:
        done = subprocess.run([sys.executable, "-c", CONSTRUCT], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, "all\n"), done.stderr)

    def test_d26_d33_only_the_standard_library_is_imported_outside_functions(self) -> None:
        allowed = {*sys.stdlib_module_names, "eco2", "hf_eco2ai"} if hasattr(sys, "stdlib_module_names") else None
        if allowed is None:
            self.skipTest("this Python does not list its standard library")
        for path in PACKAGE.glob("*.py"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names.append(node.module or "")
                for name in names:
                    self.assertIn(name.split(".")[0], allowed, path.name)

    def test_d33_the_package_depends_on_nothing(self) -> None:
        project = PACKAGE.parents[1] / "pyproject.toml"
        if not project.exists():
            self.skipTest("installed: there is no pyproject.toml")
        self.assertRegex(project.read_text(encoding="utf-8"), r"(?m)^dependencies = \[\]$")

    def test_files_are_one_subject_each(self) -> None:
        for path in [*PACKAGE.glob("*.py"), *Path(__file__).parent.glob("hf_*.py")]:
            text = path.read_text(encoding="utf-8")
            self.assertLess(len(text.splitlines()), 450, path.name)
            self.assertTrue(ast.get_docstring(ast.parse(text)), path.name)


class Script(HfTest):
    """`hf-eco2ai` and `python -m hf_eco2ai`."""

    def test_d27_every_entry_point_exists(self) -> None:
        done = subprocess.run([sys.executable, "-m", "hf_eco2ai", "--version"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, f"hf-eco2ai {eco2.__version__}\n"), done.stderr)
        done = subprocess.run([sys.executable, "-m", "hf_eco2ai", "demo"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("SYNTHETIC", done.stdout.upper())
        self.assertEqual(main([]), 2)
        self.assertEqual(main(["fly"]), 2)

    def test_config_validate_and_report(self) -> None:
        with printed() as out:
            self.assertEqual(main(["config", "-o", "config.json"]), 0)
            self.assertEqual(main(["validate", "-c", "config.json", "--project", "mine", "--dry-run"]), 0)
            self.assertEqual(main(["validate", "-c", "config.json"]), 0)
        self.assertIn("project mine: valid", out.getvalue())
        self.assertIn("no zone is given", out.getvalue())
        Path("report.json").write_text('{"summary": {"total_co2_kg": 6.5, "total_duration_hours": 2}}', encoding="utf-8")
        with printed() as out:
            self.assertEqual(main(["report", "-r", "report.json", "--format", "csv"]), 0)
        self.assertEqual(out.getvalue(), "metric,value\ntotal_energy_kwh,\ntotal_co2_kg,6.5\nduration_hours,2\n"
                                         "average_power_watts,\nequivalent_km_driven,\n")
        self.assertEqual(main(["report", "-r", "missing.json"]), 1)
        Path("bad.json").write_text('{"budget": 1}', encoding="utf-8")
        self.assertEqual(main(["validate", "-c", "bad.json"]), 1)

    def test_the_hardware_check_is_doctors(self) -> None:
        found = hf_eco2ai.run_hardware_check(["--sysfs", self.machine.folder])
        self.assertEqual(found["schema"], "eco2.doctor/1")
        self.assertTrue(re.match("ok|some|all|none", found["verdict"]) or found["verdict"])


class Pipes(unittest.TestCase):
    def test_k16_reader_that_leaves_is_no_failure(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            report = os.path.join(folder, "report.json")
            with open(report, "w", encoding="utf-8") as file:
                json.dump({"metadata": {"version": "1.0"}, "summary": {"total_co2_kg": 1.0},
                           "detailed_metrics": [{"step": step} for step in range(20_000)]}, file)
            command = [sys.executable, "-m", "hf_eco2ai", "report", "--report", report, "--format", "json"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
                running.stdout.read(10)
                running.stdout.close()
                told = running.stderr.read().decode()
                self.assertEqual((running.wait(), told), (0, ""))


if __name__ == "__main__":
    unittest.main()
