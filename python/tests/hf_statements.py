"""Electricity and emissions by site, benchmarks over measured runs, and Neptune by a stand-in: known energies."""

from __future__ import annotations

import json
import os
import sys
import types
import unittest
from pathlib import Path
from unittest import mock

import eco2
from hf_rig import JOULE, HfTest

from hf_eco2ai import (BenchmarkResult, ConfigurationError, ESGMetrics, NeptuneExporter, benchmark_monitoring_overhead,
                       benchmark_training_efficiency)


class Statements(HfTest):
    """Statements of measured runs."""

    def setUp(self) -> None:
        super().setUp()
        self.set_env("XDG_STATE_HOME", os.path.join(self.folder, "state"))

    def report(self, name: str, started_at: str, site: str, *more: str) -> str:
        """The file of a run of 1 kWh in an hour, at 400 g/kWh and PUE 1.5."""
        Path("trace.csv").write_text(
            "# eco2.trace/1\n# domain package-0 component=cpu kind=energy unit=J max_w=2000\nbefore_ns,after_ns,domain,value\n"
            "1000,1000,package-0,0\n3600000001000,3600000001000,package-0,3600000\n", encoding="ascii")
        flags = ["--started-at", started_at, "--intensity", "400", "--pue", "1.5", "--label", f"site={site}", *more]
        done = eco2.run_cli(["replay", "trace.csv", *flags, "--json", "-"], capture_output=True, text=True, check=True)
        document = json.loads(done.stdout)
        document["run"]["id"] = name
        Path(f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
        return f"{name}.json"

    def test_metrics_by_month_and_site_have_both_methods(self) -> None:
        contract = ("--market-instrument", "PPA", "--market-intensity", "20")
        runs = [self.report("a", "2026-01-02T10:00:00Z", "lyon", *contract), self.report("b", "2026-01-09T10:00:00Z", "lyon", *contract),
                self.report("c", "2026-02-02T10:00:00Z", "paris")]
        lyon, paris = ESGMetrics.by_site(runs)
        self.assertEqual((lyon.month, lyon.site, lyon.runs, paris.month, paris.site), ("2026-01", "lyon", 2, "2026-02", "paris"))
        # 2 kWh at PUE 1.5: 3 kWh, 1.2 kg by location, 60 g by the contract.
        self.assertAlmostEqual(lyon.electricity_kwh, 3.0)
        self.assertAlmostEqual(lyon.scope2_location_t, 1.2e-3)
        self.assertAlmostEqual(lyon.scope2_market_t, 60e-6)
        self.assertAlmostEqual(lyon.location_factor_g_per_kwh, 400.0)
        self.assertEqual((lyon.market_instrument, lyon.mapping, lyon.runs_without_contract), ("PPA", "not checked", 0))
        self.assertAlmostEqual(lyon.measured_percent, 100.0)
        self.assertEqual((paris.scope2_market_t, paris.runs_without_contract), (None, 1))

    def test_overhead_is_that_of_measured_loops(self) -> None:
        steps = []
        result = benchmark_monitoring_overhead(lambda: steps.append(sum(range(2_000))), steps=20, repeats=3, **self.options())
        self.assertIsInstance(result, BenchmarkResult)
        # One call before, then 3 pairs of 20 steps.
        self.assertEqual((len(steps), result.repeats, len(result.details["step_seconds_with"])), (121, 3, 3))
        self.assertTrue(result.low <= result.value <= result.high)
        self.assertTrue(all(share >= 0 for share in result.details["cpu_percent_of_one_core"]))
        self.assertEqual(json.loads(json.dumps(result.to_dict()))["unit"], "% of a step")
        with self.assertRaises(ConfigurationError):
            benchmark_monitoring_overhead(repeats=0)

    def test_efficiency_is_the_mean_of_repeats_with_its_interval(self) -> None:
        joules = iter((100, 110, 120))

        def train(run) -> None:
            self.machine.next_run()
            run.step(samples=10)
            self.machine.turn(run.session.meter, next(joules) * JOULE)

        result = benchmark_training_efficiency(train, repeats=3, name="tiny", **self.options())
        self.assertEqual((result.name, result.unit, result.repeats), ("tiny", "kWh per sample", 3))
        # 100, 110, 120 J for 10 samples: 11 J each; standard deviation 1 J, t(2) = 4.303.
        joule = 1 / 3.6e6
        self.assertAlmostEqual(result.value, 11 * joule, delta=1e-4 * joule)
        self.assertAlmostEqual(result.high - result.value, 4.303 / 3 ** 0.5 * joule, delta=1e-2 * joule)
        with self.assertRaises(ConfigurationError):
            benchmark_training_efficiency(train, repeats=1)


class Neptune(HfTest):
    """The exporter by a stand-in of the client; the real one runs with the frameworks."""

    def test_figures_totals_and_report_reach_the_run_which_ends(self) -> None:
        class Run(dict):
            """Series by name."""

            def __missing__(self, name):
                self[name] = mock.Mock()
                return self[name]

            stop = mock.Mock()

        run = Run()
        client, kinds = types.ModuleType("neptune"), types.ModuleType("neptune.types")
        client.init_run, kinds.File = mock.Mock(return_value=run), mock.Mock()
        with mock.patch.dict(sys.modules, {"neptune": client, "neptune.types": kinds}):
            exporter = NeptuneExporter(types.SimpleNamespace(experiment_name="e"))
            exporter.log_metrics({"carbon/energy_kwh": 0.5}, 3)
            exporter.log_report(types.SimpleNamespace(summary={"total_steps": 3, "model_name": None}, to_json=lambda: '{"a": 1}'))
            exporter.log_metrics({"carbon/energy_kwh": 0.6}, 4)
        self.assertEqual(client.init_run.call_args.kwargs["name"], "e")
        run["carbon/energy_kwh"].append.assert_called_once_with(0.5, step=3)
        self.assertEqual(run["carbon/summary"], {"total_steps": 3})
        run["carbon_report"].upload.assert_called_once_with(kinds.File.from_content.return_value)
        run.stop.assert_called_once_with()


if __name__ == "__main__":
    unittest.main()
