"""Stored records and reports, their sums, the prediction from past runs, and budgets of projects: known energies, real SQLite files."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import stat
import subprocess
import unittest
import unittest.mock
from pathlib import Path
from unittest import mock

import eco2
from hf_rig import HfTest

from hf_eco2ai import (CarbonBudgetAlert, CarbonDataAggregator, CarbonDataStorage, CarbonMetrics, ConfigurationError,
                       predict_training_impact)

KWH_UJ = 3_600_000_000_000


class History(HfTest):
    """A storage in the test's folder."""

    def setUp(self) -> None:
        super().setUp()
        self.set_env("XDG_STATE_HOME", os.path.join(self.folder, "state"))
        self.storage = CarbonDataStorage("data/carbon.db")

    def report(self, run_id: str, started_at: str, hours: int = 1, joules: int = 3_600_000, project: str = "bert",
               samples: int = 0) -> dict:
        """The report of a run that used its energy evenly; 400 g/kWh."""
        lines = ["# eco2.trace/1", "# domain package-0 component=cpu kind=energy unit=J max_w=2000", "before_ns,after_ns,domain,value"]
        for hour in range(hours + 1):
            at = 1_000 + hour * 3_600_000_000_000
            lines.append(f"{at},{at},package-0,{joules * hour // hours}")
        Path("trace.csv").write_text("\n".join(lines) + "\n", encoding="ascii")
        done = eco2.run_cli(["replay", "trace.csv", "--started-at", started_at, "--intensity", "400", "--label",
                             f"project={project}", "--json", "-"], capture_output=True, text=True, check=True)
        document = json.loads(done.stdout)
        document["run"]["id"] = run_id
        document["work"]["samples"] = samples or None
        return document

    def test_d18_three_reports_of_a_kilowatt_hour_are_three(self) -> None:
        for number in range(3):
            self.storage.store_report(self.report(f"r{number}", f"2026-01-0{number + 1}T10:00:00Z"))
        self.storage.store_report(self.report("r0", "2026-01-01T10:00:00Z"))
        summary = self.storage.get_project_summary("bert")
        self.assertEqual((summary["runs"], summary["energy_uj"], summary["total_energy_kwh"]), (3, 3 * KWH_UJ, 3.0))
        self.assertAlmostEqual(summary["total_co2_kg"], 1.2)
        self.assertEqual((summary["duration_hours"], summary["unreported_energy_kwh"]), (3.0, None))
        nothing = self.storage.get_project_summary("none")
        self.assertEqual((nothing["runs"], nothing["total_energy_kwh"], nothing["total_co2_kg"]), (0, None, None))

    def test_d18_records_of_a_total_add_up_to_the_total(self) -> None:
        for kwh in (1, 2, 3):
            self.storage.store_metric(CarbonMetrics(timestamp=1_000.0 + kwh, step=kwh, energy_uj=kwh * KWH_UJ), "bert", "a")
        self.assertEqual(self.storage.get_project_summary("bert")["unreported_energy_kwh"], 3.0)
        again = CarbonMetrics(timestamp=1_003.0, step=3, energy_uj=3 * KWH_UJ)
        self.assertFalse(self.storage.store_metric(again, "bert", "a"), "the same record again")
        self.storage.store_metric({"timestamp": 1_010, "cumulative_energy_kwh": 0.5}, "bert", "a")
        self.storage.store_metric({"timestamp": 1_020, "energy_kwh": 0.25}, "bert", "b")
        self.storage.store_metric({"timestamp": 1_030}, "bert", "b")
        self.assertEqual(self.storage.get_project_summary("bert")["unreported_energy_kwh"], 3.75, "a restart adds, nothing known does not")
        self.storage.store_report({**self.report("a", "2026-01-01T00:00:00Z")}, project="bert")
        summary = self.storage.get_project_summary("bert")
        self.assertEqual((summary["total_energy_kwh"], summary["unreported_energy_kwh"]), (1.0, 0.25), "a run counts once")
        metrics = self.storage.get_metrics("bert", "a", start=1_002, end=1_004)
        self.assertEqual([(row["step"], row["delta_uj"]) for row in metrics], [(2, KWH_UJ), (3, KWH_UJ)])
        self.assertEqual(len(self.storage.get_metrics(limit=2)), 2)

    def test_periods_are_sums_by_hand(self) -> None:
        rng, by_hand = random.Random(5), {}
        for number in range(6):
            day, hour, hours = rng.randrange(1, 20), rng.randrange(24), rng.randrange(1, 30)
            joules = hours * rng.randrange(1, 1000)
            project = rng.choice(["a", "b"])
            self.storage.store_report(self.report(f"r{number}", f"2026-01-{day:02}T{hour:02}:00:00Z", hours, joules, project))
            for offset in range(hours):
                key = (f"2026-01-{day + (hour + offset) // 24:02}T00:00:00Z", project)
                by_hand[key] = by_hand.get(key, 0) + joules // hours
        aggregator = CarbonDataAggregator(self.storage)
        found = {(row["from"], row["project"]): row["energy_uj"] / 1e6 for row in aggregator.aggregate_by_time("day")}
        self.assertEqual(set(found), set(by_hand))
        for key, joules in by_hand.items():
            self.assertAlmostEqual(found[key], joules, delta=0.01, msg=str(key))
        totals = aggregator.aggregate_by_project()
        for project in ("a", "b"):
            weeks = sum(row["energy_uj"] for row in aggregator.aggregate_by_time("week", project))
            self.assertEqual(weeks, totals[project]["energy_uj"])

    def test_percentiles_are_those_of_the_stored_runs(self) -> None:
        aggregator = CarbonDataAggregator(self.storage)
        self.assertEqual(aggregator.get_efficiency_percentiles()["p50"], None)
        for number in range(1, 5):
            self.storage.store_report(self.report(f"r{number}", "2026-01-01T00:00:00Z", samples=number * 100))
        self.storage.store_report(self.report("r9", "2026-01-01T00:00:00Z"))
        found = aggregator.get_efficiency_percentiles()
        self.assertEqual((found["runs"], found["p25"], found["p50"], found["p90"]), (4, 100.0, 200.0, 400.0))

    def test_trends_cleanup_and_export(self) -> None:
        self.storage.store_report(self.report("old", "2020-01-01T00:00:00Z"))
        self.storage.store_metric({"timestamp": 1_000, "energy_kwh": 1}, "bert", "x")
        now = subprocess.run(["date", "-u", "+%Y-%m-%dT%H:00:00Z"], capture_output=True, text=True, check=True).stdout.strip()
        self.storage.store_report(self.report("new", now, samples=50))
        self.assertEqual([(row["run_id"], row["samples_per_kwh"]) for row in self.storage.get_efficiency_trends("bert")], [("new", 50.0)])
        whole = json.loads(Path(self.storage.export_data("all.json")).read_text(encoding="utf-8"))
        self.assertEqual((len(whole["carbon_metrics"]), len(whole["carbon_reports"])), (1, 2))
        self.assertEqual(len(Path(self.storage.export_data("all.csv", "csv")).read_text(encoding="utf-8").splitlines()), 3)
        removed = {"carbon_metrics": 1, "carbon_reports": 1}
        self.assertEqual(self.storage.cleanup_old_data(30, dry_run=True), removed)
        with mock.patch.dict(os.environ, {"DATA_RETENTION_DAYS": "30"}):
            self.assertEqual(self.storage.cleanup_old_data(dry_run=True), removed)
        with mock.patch.dict(os.environ, {"DATA_RETENTION_DAYS": "a month"}), self.assertRaisesRegex(ConfigurationError, "DATA_RETENTION_DAYS is a month"):
            self.storage.cleanup_old_data()
        self.assertEqual(len(self.storage.get_reports()), 2)
        for days, found in (("30", removed), ("100000", {table: 0 for table in removed}), ("", removed)):
            with unittest.mock.patch.dict(os.environ, {"DATA_RETENTION_DAYS": days}):
                self.assertEqual(self.storage.cleanup_old_data(dry_run=True), found, days)
        with unittest.mock.patch.dict(os.environ, {"DATA_RETENTION_DAYS": "soon"}):
            self.assertRaisesRegex(ConfigurationError, "DATA_RETENTION_DAYS", self.storage.cleanup_old_data)
        self.assertEqual(self.storage.cleanup_old_data(30), removed)
        self.assertEqual([report.report_id for report in self.storage.get_reports()], ["new"])

    def test_bad_files_and_values_are_refused_with_their_place(self) -> None:
        self.assertEqual(stat.S_IMODE(os.stat("data/carbon.db").st_mode), 0o600)
        Path("junk.db").write_text("not a database, but long enough for the header of one" * 20, encoding="ascii")
        with self.assertRaisesRegex(ConfigurationError, "junk.db"):
            CarbonDataStorage("junk.db")
        sqlite3.connect("later.db").executescript("CREATE TABLE t (a); PRAGMA user_version = 9;")
        with self.assertRaisesRegex(ConfigurationError, "version 9"):
            CarbonDataStorage("later.db")
        for energy in (-1, float("nan"), "1", True):
            with self.assertRaisesRegex(ConfigurationError, "energy_kwh"):
                self.storage.store_metric({"energy_kwh": energy})
        with self.assertRaisesRegex(ConfigurationError, "report of eco2"):
            self.storage.store_report({"summary": {}})
        for wrong in (lambda: CarbonDataAggregator(self.storage).aggregate_by_time("year"),
                      lambda: self.storage.export_data("a.xml", "xml"), lambda: self.storage.cleanup_old_data(-1)):
            self.assertRaises(ConfigurationError, wrong)

    def test_a_budget_has_levels_and_an_unknown_part_is_a_warning(self) -> None:
        self.assertEqual(CarbonBudgetAlert(1.0, project="bert").check(self.storage)["level"], "unknown")
        self.storage.store_report(self.report("a", "2026-01-01T00:00:00Z"))
        levels = [CarbonBudgetAlert(limit, project="bert").check(self.storage)["level"] for limit in (1.0, 0.49, 0.42, 0.3)]
        self.assertEqual(levels, ["ok", "warning", "critical", "critical"])
        unpriced = {**self.report("b", "2026-01-02T00:00:00Z"), "carbon": None}
        self.storage.store_report(unpriced)
        found = CarbonBudgetAlert(100.0, project="bert").check(self.storage)
        self.assertEqual((found["level"], found["is_lower_bound"]), ("warning", True))
        for wrong in ({"limit_kg_co2": 0}, {"limit_kg_co2": 1, "warning_threshold_pct": 99}):
            self.assertRaises(ConfigurationError, lambda: CarbonBudgetAlert(**wrong))  # noqa: B023

    def test_a_prediction_needs_past_runs_and_names_its_error(self) -> None:
        few = predict_training_impact("train", steps=10)
        self.assertEqual((few.predicted_co2_kg, few.confidence_interval, few.runs), (None, None, 0))
        self.assertIn("3 are needed", few.note)
        for _ in range(4):
            with eco2.Meter(**{**self.machine.options(), "log": True, "intensity": 400, "name": "train"}) as meter:
                self.machine.turn(meter, 10**8)
        found = predict_training_impact("tra*")
        self.assertEqual((found.runs, found.steps), (4, None))
        self.assertAlmostEqual(found.predicted_energy_kwh, 1e8 / KWH_UJ, delta=0.2e8 / KWH_UJ)
        low, high = found.confidence_interval
        self.assertTrue(0 <= low <= found.predicted_co2_kg <= high)
        self.assertIsNotNone(found.backtest_error_percent)
        self.assertRaises(ConfigurationError, lambda: predict_training_impact(steps=0))


if __name__ == "__main__":
    unittest.main()
