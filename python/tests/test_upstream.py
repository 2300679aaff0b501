"""Exports against the definitions of the tools that they are made for. Skipped without a package index."""

import ast
import csv
import json
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

from fixture import ROOT

VERSION = "3.3.2"
"""The CodeCarbon whose columns report/src/render/codecarbon.rs has."""
PATIENCE_S = 60


def downloaded(folder: str) -> zipfile.ZipFile:
    """CodeCarbon's wheel, by pip; skips the test where there is none to have."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--retries", "0",
               "--timeout", "10", "--dest", folder, f"codecarbon=={VERSION}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise unittest.SkipTest("the package index does not answer") from None
    wheels = list(Path(folder).glob("codecarbon-*.whl"))
    if done.returncode != 0 or not wheels:
        raise unittest.SkipTest(f"codecarbon {VERSION} cannot be downloaded")
    return zipfile.ZipFile(wheels[0])


class CodeCarbon(unittest.TestCase):
    def test_k14_codecarbon_columns_are_upstreams_in_its_order_and_units(self):
        with tempfile.TemporaryDirectory() as folder, downloaded(folder) as wheel:
            data = wheel.read("codecarbon/output_methods/emissions_data.py").decode()
            tracker = wheel.read("codecarbon/emissions_tracker.py").decode()
        record = next(node for node in ast.parse(data).body if getattr(node, "name", "") == "EmissionsData")
        fields = [node.target.id for node in record.body if isinstance(node, ast.AnnAssign)]
        with open(ROOT / "cli/tests/golden/files/export_codecarbon.txt", encoding="utf-8", newline="") as file:
            row = next(iter(csv.DictReader(file)))
        self.assertEqual(list(row), fields)
        # As upstream: PUE is in powers and energies, water is litres, and a mean power times the time is the energy.
        for line in ("power *= self._pue", "energy *= self._pue", "water_consumed=self._total_water.litres"):
            self.assertIn(line, tracker)
        hours = float(row["duration"]) / 3600
        for part in ("cpu", "gpu", "ram"):
            self.assertAlmostEqual(float(row[f"{part}_power"]) * hours / 1000, float(row[f"{part}_energy"]), places=12)
        parts = sum(float(row[f"{part}_energy"]) for part in ("cpu", "gpu", "ram"))
        self.assertAlmostEqual(parts, float(row["energy_consumed"]), places=12)
        self.assertEqual(row["country_iso_code"], "DEU")

    def test_every_keyword_of_codecarbon_is_known(self):
        from eco2._names import CODECARBON, WITHOUT
        from eco2._options import Options

        with tempfile.TemporaryDirectory() as folder, downloaded(folder) as wheel:
            tracker = ast.parse(wheel.read("codecarbon/emissions_tracker.py").decode())
            data = ast.parse(wheel.read("codecarbon/output_methods/emissions_data.py").decode())
        functions = [node for node in ast.walk(tracker) if isinstance(node, ast.FunctionDef) and node.name in ("__init__", "track_emissions")]
        keywords = {argument.arg for node in functions for argument in node.args.args + node.args.kwonlyargs if argument.annotation}
        self.assertGreater(len(keywords), 40)
        self.assertEqual(keywords - {*CODECARBON, *WITHOUT, *Options.__annotations__, "fn", "tracker"}, set())
        from eco2.codecarbon import _NOT_OF_A_TASK

        run, task = ([node.target.id for node in record.body if isinstance(node, ast.AnnAssign)] for record in data.body
                     if getattr(record, "name", "") in ("EmissionsData", "TaskEmissionsData"))
        self.assertEqual(["task_name", *(name for name in run if name not in _NOT_OF_A_TASK)], task)
        # Columns that are text, the others are numbers.
        from eco2.codecarbon import _TEXTS

        record = next(node for node in data.body if getattr(node, "name", "") == "EmissionsData")
        fields = {node.target.id: node.annotation.id for node in record.body if isinstance(node, ast.AnnAssign)}
        self.assertEqual({name for name, kind in fields.items() if kind == "str"}, set(_TEXTS))

    def test_boamps_documents_have_the_fields_of_codecarbons_data_model(self):
        with tempfile.TemporaryDirectory() as folder, downloaded(folder) as wheel:
            source = wheel.read("codecarbon/output_methods/boamps/models.py")
        model = {"__name__": "boamps_models"}
        exec(compile(source, "models.py", "exec"), model)  # Data classes of the format's five schemas; it imports nothing of CodeCarbon.
        document = json.loads((ROOT / "cli/tests/golden/files/export_boamps.json").read_text(encoding="utf-8"))
        self.assertEqual(model["BoAmpsReport"].from_dict(document).to_dict(), document)
        document["measures"][0]["measureDuration"] = 4.0
        self.assertRaises(TypeError, model["BoAmpsReport"].from_dict, document)


if __name__ == "__main__":
    unittest.main()
