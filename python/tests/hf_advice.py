"""Advice in the names of HF Eco2AI: the command's figures, and none where nothing was measured."""

from __future__ import annotations

import copy
import json
import unittest
from pathlib import Path

import eco2
from hf_rig import HfTest, Loop, printed, written

import hf_eco2ai
from hf_eco2ai import CarbonOptimizer, CarbonReport, Eco2AICallback, suggest_optimizations
from hf_eco2ai.cli import main

STALL = {"kind": "stalled", "device": "", "count": 2, "duration_ns": 20 * 10**9, "longest_ns": 15 * 10**9,
         "usual_ns": 10**9, "energy_uj": 250 * 10**6, "low_uj": 240 * 10**6, "high_uj": 260 * 10**6}


class Advice(HfTest):
    """`CarbonOptimizer` and the report's recommendations."""

    def measured(self, **options):
        """The report of a short training."""
        loop = Loop(Eco2AICallback(**self.options(**{"zone": "FR", **options})))
        loop.begin()
        loop.batches(2)
        self.machine.turn(loop.callback.session.meter, 10**9)
        return loop.end()

    def stalled(self, **options):
        """The same as if it had lasted 100 s, used 1000 J and stalled for a fourth of them."""
        data = copy.deepcopy(self.measured(**options).eco2)
        data["run"]["duration_ns"], data["spells"] = 100 * 10**9, [STALL]
        data["energy"].update(total_uj=10**9, low_uj=10**9, high_uj=10**9)
        data["carbon"].update(grams=40.0, low=40.0, high=40.0)
        return data

    def test_d16_recommendations_are_the_measured_shares_with_their_evidence(self) -> None:
        [advice] = suggest_optimizations(self.stalled())
        self.assertEqual((advice.category, advice.claim), ("stalls", "at-most"))
        self.assertEqual((advice.potential_reduction_percent, advice.potential_co2_savings_kg), (25.0, 0.01))
        self.assertEqual(advice.reduction_interval_percent, (24.0, 26.0))
        self.assertIn({"name": "energy drawn meanwhile", "value": 250.0, "unit": "J"}, advice.evidence)
        self.assertIsNone(advice.estimated_time_hours)
        self.assertTrue(advice.command.startswith("eco2 run -- "))

    def test_k13_recommendations_need_no_zone_and_no_region(self) -> None:
        data = self.stalled(zone=None)
        self.assertEqual(data["carbon"]["zone_source"], "default-world")
        report = CarbonReport.from_json(written(data, "eco2.json"))
        self.assertEqual([advice.category for advice in report.recommendations], ["stalls"])
        self.assertEqual(report.to_dict()["recommendations"][0]["category"], "stalls")

    def test_d17_no_hour_is_advised_without_a_series(self) -> None:
        optimizer = CarbonOptimizer()
        categories = [advice.category for advice in optimizer.analyze_training(self.stalled())]
        self.assertNotIn("hour", categories)
        self.assertIn("hour", [topic["topic"] for topic in optimizer.counsel["silences"]])

    def test_regions_are_compared_and_unknown_ones_refused(self) -> None:
        data = self.stalled()
        data["carbon"]["segments"][0].update(g_per_kwh=144000.0, energy_uj=10**9)
        found = {advice.category: advice for advice in CarbonOptimizer(regions=["SE"]).analyze_training(data)}
        self.assertGreater(found["region"].potential_reduction_percent, 99)
        with self.assertRaisesRegex(hf_eco2ai.APIError, "Germany"):
            CarbonOptimizer(regions=["Germny"]).analyze_training(data)

    def test_a_file_a_report_and_a_carbon_report_give_the_same_advice(self) -> None:
        data = self.stalled()
        path = written(data, "eco2.json")
        whole = CarbonReport.from_json(path)
        self.assertEqual([one.title for one in whole.recommendations], ["Steps stalled"])
        whole.to_json("carbon_report.json")
        for run in (path, whole, "carbon_report.json"):
            self.assertEqual(suggest_optimizations(run), suggest_optimizations(data))
        kept = json.loads(Path("carbon_report.json").read_text(encoding="utf-8"))["recommendations"][0]
        self.assertEqual(kept["impact"], {"reduction_percent": 25.0, "co2_savings_kg": 0.01})
        self.assertEqual(set(kept["implementation"]), {"difficulty", "estimated_time_hours"})
        self.assertEqual(CarbonReport.from_json("carbon_report.json").recommendations, [kept])

    def test_a_short_training_has_no_advice_and_none_is_asked_for_where_none_is_wanted(self) -> None:
        self.assertEqual(self.measured().recommendations, [])
        self.set_env("ECO2_COMMAND", "/none")
        with self.warnings() as heard:
            self.assertEqual(self.measured(enable_recommendations=False).recommendations, [])
            self.assertEqual(heard, [])
            self.assertEqual(self.measured().recommendations, [], "a report without advice is better than none")
        self.assertIn("no advice on the run", heard[0])

    def test_a_report_without_a_measured_run_is_refused(self) -> None:
        Path("old.json").write_text('{"summary": {"total_co2_kg": 1}}', encoding="utf-8")
        with self.assertRaises(hf_eco2ai.ConfigurationError):
            suggest_optimizations(CarbonReport.from_json("old.json"))

    def test_the_script_hands_on(self) -> None:
        path = written(self.stalled(), "eco2.json")
        self.assertEqual(main(["optimize", path, "--json"]), 0)
        self.assertEqual(main(["optimize", "missing.json"]), 1)
        with printed():
            self.assertEqual(main(["optimize", path, "--model-size", "small"]), 2)


if __name__ == "__main__":
    unittest.main()
