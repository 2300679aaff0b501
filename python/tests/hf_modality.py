"""Runs compared by the modality that their labels state; a bill of materials by CycloneDX's own schema."""

from __future__ import annotations

import os
import subprocess
import unittest
from pathlib import Path

import eco2
from hf_rig import HfTest

from hf_eco2ai import APIError, ModalityType, get_modality_analytics, primary_modality

TRACE = "# eco2.trace/1\n# domain package-0 component=cpu kind=energy unit=J max_w=2000\nbefore_ns,after_ns,domain,value\n"


class Modality(HfTest):
    """Replayed runs of known energies."""

    def run_of(self, name: str, joules: int, modality: str) -> str:
        """A report file."""
        rows = "".join(f"{at},{at},package-0,{at // 1_000_000_000 * joules // 10}\n" for at in range(0, 10_000_000_001, 1_000_000_000))
        Path("trace.csv").write_text(TRACE + rows, encoding="ascii")
        words = ["replay", "trace.csv", "--name", name, "--label", f"modality={modality}", "--json", f"{name}.json"]
        eco2.run_cli(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return f"{name}.json"

    def test_modality_is_what_the_label_states(self) -> None:
        self.assertEqual(primary_modality({"modality": "text"}), ModalityType.TEXT)
        self.assertEqual(primary_modality({"modality": "smell"}), ModalityType.OTHER)
        self.assertIsNone(primary_modality({"team": "nlp"}), "nothing is guessed")
        self.assertEqual(str(ModalityType.VISION), "vision")

    def test_runs_are_compared_by_modality(self) -> None:
        runs = [self.run_of("a", 1000, "text"), self.run_of("b", 1200, "text"), self.run_of("c", 3000, "vision")]
        found = get_modality_analytics(runs, per="run")
        self.assertEqual([(group["label"], len(group["runs"])) for group in found["groups"]], [("text", 2), ("vision", 1)])
        self.assertAlmostEqual(found["groups"][0]["energy_kwh"]["mean"] * 3.6e6, 1100, delta=1)
        self.assertIsNone(found["groups"][1]["energy_kwh"]["low"], "one run shows no variation")
        with self.assertRaises(APIError):
            get_modality_analytics(["none.json", "gone.json"])

    def test_bill_of_materials_is_valid_by_the_schema_of_cyclonedx(self) -> None:
        try:
            from cyclonedx.schema import SchemaVersion
            from cyclonedx.validation.json import JsonStrictValidator
        except ImportError as error:
            if os.environ.get("REQUIRE_REAL"):
                raise
            self.skipTest(f"cyclonedx-python-lib[json-validation] is not installed: {error}")
        run = self.run_of("a", 1000, "text")
        words = ["report", run, "--format", "cyclonedx", "--zone", "DE"]
        text = eco2.run_cli(words, capture_output=True, text=True, check=True).stdout
        self.assertIn('"specVersion": "1.7"', text)
        for version, document in ((SchemaVersion.V1_7, text), (SchemaVersion.V1_6, text.replace('"1.7"', '"1.6"'))):
            self.assertIsNone(JsonStrictValidator(version).validate_str(document), document)
            wrong = document.replace('"tCO2eq"', '"kg"')
            self.assertIsNotNone(JsonStrictValidator(version).validate_str(wrong), "the check can fail")


if __name__ == "__main__":
    unittest.main()
