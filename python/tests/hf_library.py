"""What works without a Trainer: batches, trackers, intensities, comparison, plain loops, Lightning and Accelerate shapes."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest
from array import array
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import eco2
from hf_rig import GRAM_A_KILOJOULE, JOULE, HfTest, Loader, until

import hf_eco2ai as h
from hf_eco2ai import columns
from hf_eco2ai.batch import impacts

KWH_UJ, HOUR_NS = 3_600_000_000_000, 3_600_000_000_000


class Batch(unittest.TestCase):
    """The library's arithmetic by columns."""

    def test_d09_a_tonne_at_fifteen_costs_fifteen(self) -> None:
        found = impacts("energies", [1000 * KWH_UJ], [HOUR_NS], 1000, price_per_tonne=15)
        self.assertEqual((found["grams"], found["credit_cost"]), ([1e6], [15.0]))

    def test_d10_watts_for_an_hour_are_thousandths_of_kilowatt_hours(self) -> None:
        found = h.calculate_carbon_impact_batch([1000.0, 1.0], 3600, [360.0, None])
        self.assertEqual(found["energy_kwh"], [1.0, 0.001])
        self.assertEqual(found["co2_kg"], [0.36, None])
        self.assertAlmostEqual(found["carbon_per_second"][0], 0.0001)
        self.assertEqual(found["grid_intensity"], [360.0, None])

    def test_d11_more_power_is_never_less_carbon(self) -> None:
        grams = h.calculate_carbon_impact_batch([watts * 500.0 for watts in range(20)], 60, 400)["co2_kg"]
        self.assertEqual(grams, sorted(grams))
        self.assertEqual(grams[0], 0)

    def test_running_totals_give_what_lies_between(self) -> None:
        found = impacts("totals", [0, KWH_UJ, 3 * KWH_UJ], [0, HOUR_NS, 2 * HOUR_NS], 100, pue=2)
        self.assertEqual((found["kwh"], found["watts"], found["grams"]), ([0, 1, 2], [None, 1000, 2000], [0, 200, 400]))

    def test_one_interval(self) -> None:
        self.assertEqual(h.get_carbon_impact(2, 0.5, 300), {"energy_kwh": 1.0, "co2_kg": 0.3, "grid_intensity": 300})
        self.assertIsNone(h.get_carbon_impact(2, 0.5, None)["co2_kg"])

    def test_what_cannot_be_is_refused(self) -> None:
        for bad in ([-1.0], [float("nan")], [float("inf")]):
            with self.assertRaises(ValueError):
                h.calculate_carbon_impact_batch(bad, 1, 1)
        with self.assertRaises(ValueError):
            h.calculate_carbon_impact_batch([1.0], [1.0, 2.0], 1)
        with self.assertRaisesRegex(eco2.Error, "5001"):
            h.calculate_carbon_impact_batch([1.0], 1, 5001)
        self.assertEqual(h.calculate_carbon_impact_batch([], 1, 1)["co2_kg"], [])


    def test_k20_buffers_are_read_and_written_where_they_lie(self) -> None:
        power, seconds, grams = array("d", [1000, 500, 0]), array("d", [3600, 7200, 60]), array("d", [360, math.nan, 100])
        for form in (lambda one: one, memoryview, lambda one: memoryview(one).toreadonly(), lambda one: memoryview(bytes(one)).cast("d"),
                     lambda one: (ctypes.c_double * 3)(*one)):
            out = {name: array("d", [-1] * 3) for name in ("energy_kwh", "co2_kg", "carbon_per_second")}
            given = [form(one) for one in (power, seconds, grams)]
            found = h.calculate_carbon_impact_batch(*given, out=out)
            self.assertIs(found["co2_kg"], out["co2_kg"])
            self.assertIs(found["grid_intensity"], given[2])
            self.assertEqual(list(out["energy_kwh"]), [1, 1, 0])
            self.assertEqual((out["co2_kg"][0], out["co2_kg"][2], math.isnan(out["co2_kg"][1])), (0.36, 0, True))
            self.assertAlmostEqual(out["carbon_per_second"][0], 1e-4, 18)
        with mock.patch.object(columns, "copied", side_effect=AssertionError("copied")):
            h.calculate_carbon_impact_batch(power, seconds, grams, out=out)

    def test_k20_buffers_without_out_give_columns_and_lists_give_lists(self) -> None:
        found = h.calculate_carbon_impact_batch(array("d", [1000.0]), 3600, None)
        self.assertEqual((found["energy_kwh"], type(found["co2_kg"])), (array("d", [1]), array))
        self.assertTrue(math.isnan(found["co2_kg"][0]))
        found = h.calculate_carbon_impact_batch([1000.0, 2], (3600, 1800), None)
        self.assertEqual((found["energy_kwh"], found["co2_kg"], found["grid_intensity"]), ([1, 0.001], [None] * 2, [None] * 2))
        mixed = h.calculate_carbon_impact_batch([1000.0], array("d", [3600]), array("f", [360]))
        self.assertEqual((mixed["co2_kg"], mixed["grid_intensity"]), ([0.36], [360.0]))

    def test_k20_columns_of_other_kinds_are_converted(self) -> None:
        wanted = h.calculate_carbon_impact_batch([1, 2, 3], 60, 100)["co2_kg"]
        strided = memoryview(array("d", [1, 9, 2, 9, 3, 9]))[::2]
        for power in (range(1, 4), iter([1, 2, 3]), array("i", [1, 2, 3]), array("f", [1, 2, 3]), strided, (Fraction(1), 2, 3)):
            with self.subTest(power):
                self.assertEqual(list(h.calculate_carbon_impact_batch(power, 60, 100)["co2_kg"]), wanted)

    def test_k20_what_is_no_column_is_refused_and_named(self) -> None:
        good, three = array("d", [1, 2, 3]), [1.0, 2.0, 3.0]
        results = lambda one: dict.fromkeys(("energy_kwh", "co2_kg", "carbon_per_second"), one)  # noqa: E731
        places = lambda: {name: array("d", three) for name in results(0)}  # noqa: E731
        for given, out, words in (
                (("123", 1, 1), None, "power_watts"), ((b"123", 1, 1), None, "power_watts"), ((5, 1, 1), None, "power_watts"),
                (([1, "x"], 1, 1), None, "row 1"), (([1, 10**400], 1, 1), None, "row 1"), (([1, None], 1, 1), None, "row 1"),
                ((three, [1.0, math.nan, 1.0], 1), None, "row 1"), ((three, -1, 1), None, "duration"), ((three, "x", 1), None, "duration"),
                ((three, [1.0], 1), None, "length"), ((three, 1, [1.0] * 4), None, "length"), ((three, 1, 1, 0.5), None, "PUE"),
                ((good, 1, 1), results(array("d", [0] * 2)), "energy_kwh"), ((good, 1, 1), results([0.0] * 3), "energy_kwh"),
                ((good, 1, 1), results(memoryview(bytes(24)).cast("d")), "writable"), ((good, 1, 1), results(good), "shares memory"),
                ((good, 1, good), {**places(), "co2_kg": good}, "shares memory")):
            with self.subTest(given=given, words=words), self.assertRaisesRegex(ValueError, words):
                h.calculate_carbon_impact_batch(*given, out=out)
        self.assertEqual(list(good), three)

    @unittest.skipIf(importlib.util.find_spec("numpy") is None, "numpy is not installed")
    def test_k20_arrays_of_numpy_are_used_in_place_and_numpy_is_never_imported_for_it(self) -> None:
        import numpy

        power = numpy.array([1000.0, 2000.0])
        out = {name: numpy.zeros(2) for name in ("energy_kwh", "co2_kg", "carbon_per_second")}
        with mock.patch.object(columns, "copied", side_effect=AssertionError("copied")):
            h.calculate_carbon_impact_batch(power, numpy.full(2, 3600.0), power / 10, out=out)
        self.assertEqual(out["co2_kg"].tolist(), [0.1, 0.4])
        self.assertEqual(h.calculate_carbon_impact_batch(power[::2], numpy.float64(3600), numpy.float32(100))["co2_kg"][0], 0.1)


class Tracking(HfTest):
    """Trackers and loops on a machine whose counter the test turns."""

    def test_k03_current_consumption_never_falls(self) -> None:
        tracker = h.EnergyTracker(**self.options())
        shown = iter([(3.0, 1.0), (2.5, 0.8), (3.5, 1.2), (None, None)])
        def figures() -> dict:
            energy, carbon = next(shown)
            return {"current": {"power_watts": 5.0, "energy_kwh": energy, "co2_kg": carbon}}
        tracker.session.figures = figures  # type: ignore[method-assign]
        found = [tracker.get_current_consumption() for _ in range(4)]
        self.assertEqual(found, [(5.0, 3.0, 1.0), (5.0, 3.0, 1.0), (5.0, 3.5, 1.2), (5.0, None, None)])

    def test_an_energy_tracker_gives_the_counters_energy(self) -> None:
        tracker = h.EnergyTracker(**self.options(grid_carbon_intensity=GRAM_A_KILOJOULE))
        self.assertEqual(tracker.get_current_consumption(), (None, None, None))
        self.assertTrue(tracker.is_available())
        tracker.start_tracking()
        self.machine.turn(tracker.session.meter, 1000 * JOULE)
        self.assertIsNone(tracker.get_efficiency_metrics(0)["samples_per_kwh"])
        self.assertIsNotNone(tracker.get_efficiency_metrics(40)["samples_per_kwh"])
        totals = tracker.stop_tracking()
        self.assertAlmostEqual(tracker.get_efficiency_metrics(50)["samples_per_kwh"], 50 * 3600, 3)
        self.assertAlmostEqual(totals.total_energy_kwh, 1 / 3600, 12)
        self.assertAlmostEqual(totals.total_co2_kg, 0.001, 12)
        self.assertEqual((totals.total_samples, totals.total_steps), (None, None), "asking counts nothing")

    def test_d06_looking_at_totals_changes_none(self) -> None:
        monitor = h.GPUMonitor(**self.options())
        monitor.start_monitoring()
        self.machine.turn(monitor._tracker.session.meter, 1000 * JOULE)
        for _ in range(20):
            monitor.get_metrics_summary()
        monitor.stop_monitoring()
        self.assertAlmostEqual(monitor.get_aggregated_metrics().energy_kwh, 1 / 3600, 12)

    def test_d05_no_gpu_is_an_empty_list_and_no_error(self) -> None:
        monitor = h.GPUMonitor(**self.options())
        monitor.start_monitoring()
        self.assertEqual((monitor.get_current_metrics(), monitor.is_available), ([], False))
        monitor.stop_monitoring()

    def test_a_system_monitor_has_the_packages_power(self) -> None:
        monitor = h.SystemMonitor(**self.options())
        monitor.start_monitoring()
        self.machine.turn(monitor._tracker.session.meter, 1000 * JOULE)
        self.assertGreater(monitor.get_current_metrics().power_watts, 0)
        monitor.stop_monitoring()

    def test_k13_a_system_monitor_has_the_hosts_cpu_and_memory(self) -> None:
        monitor = h.SystemMonitor(**self.options())
        monitor.start_monitoring()
        self.assertTrue(until(lambda: monitor.get_current_metrics().memory_percent))
        self.assertTrue(until(lambda: monitor.get_current_metrics().cpu_percent is not None))
        now = monitor.get_current_metrics()
        self.assertTrue(0 < now.memory_percent < 100 and 0 <= now.cpu_percent <= 100, now)
        monitor.stop_monitoring()

    def test_d03_generated_figures_only_where_asked_for_and_marked(self) -> None:
        with h.track_training(**self.options(meter_options={"sources": ["synthetic"]})) as run:
            run.step(samples=1)
        self.assertTrue(run.report.origin.synthetic)
        self.assertEqual(set(run.report.origin.quality.values()), {"synthetic"})
        with h.track_training(**self.options()) as run:
            run.step(samples=1)
        self.assertFalse(run.report.origin.synthetic)

    def test_a_plain_loop_counts_its_steps(self) -> None:
        with h.track_training(**self.options(zone="DE")) as run:
            for _ in range(5):
                run.step(samples=8, tokens=64, loss=0.5, lr=0.1)
            self.assertEqual(run.log(loss=0.5).samples_processed, 40)
        self.assertEqual((run.report.summary.total_steps, run.report.summary.total_samples, run.errors), (5, 40, 0))
        self.assertEqual(run.report.eco2["work"]["extra"]["lr"], 0.1)

    def test_a_plain_loop_survives_what_is_wrong_with_measuring(self) -> None:
        with self.warnings(), self.no_meter(), h.track_training(**self.options()) as run:
            run.step(samples=8)
            run.log()
        self.assertIn("nothing was measured", run.report.summary())
        self.assertIsNone(run.report.summary.total_energy_kwh)
        self.assertGreaterEqual(run.errors, 2)

    def test_the_decorator_measures_each_call(self) -> None:
        @h.track(**self.options())
        def train(value):
            return value + 1

        self.assertEqual(train(1), 2)
        self.assertIn("Energy", train.carbon_report.summary())

    def test_an_accelerators_end_is_the_runs(self) -> None:
        ended = []
        accelerator = SimpleNamespace(is_main_process=True, end_training=lambda: ended.append(True))
        run = h.wrap_accelerator(accelerator, **self.options())
        run.step(samples=3)
        accelerator.end_training()
        self.assertEqual((run.report.summary.total_samples, ended), (3, [True]))


class Lightning(HfTest):
    """The hooks in the order in which Lightning calls them; the real one runs under `scripts/test --full`."""

    def fit(self, callback, batches=5):
        """Two epochs."""
        trainer = SimpleNamespace(train_dataloader=Loader(batches * 4 - 1, 4), world_size=1, is_global_zero=True, loggers=[],
                                  global_step=0, current_epoch=0, global_rank=0, should_stop=False)
        module = SimpleNamespace()
        callback.on_train_start(trainer, module)
        for trainer.current_epoch in range(2):
            callback.on_train_epoch_start(trainer, module)
            for index in range(batches):
                if trainer.should_stop:
                    break
                callback.on_train_batch_end(trainer, module, None, None, index)
                trainer.global_step += 1
            callback.on_train_epoch_end(trainer, module)
        callback.on_train_end(trainer, module)
        return trainer

    def test_d32_a_fit_is_measured(self) -> None:
        callback = h.Eco2AILightningCallback(**self.options(zone="DE"))
        trainer = self.fit(callback)
        report = trainer.carbon_report
        self.assertEqual((report.summary.total_steps, report.summary.total_samples, callback.errors), (10, 38, 0))

    def test_a_budget_stops_a_fit(self) -> None:
        callback = h.Eco2AILightningCallback(**self.options(enable_carbon_budget=True, max_co2_kg=1, budget_action="stop",
                                                            check_frequency=3))
        from unittest import mock

        with mock.patch.object(eco2.Meter, "budget", lambda meter: SimpleNamespace(decision="stop", share=2.0)), self.warnings():
            trainer = self.fit(callback)
        self.assertEqual((trainer.should_stop, trainer.global_step), (True, 3))


    def test_a_fit_has_the_metadata_of_a_trainer(self) -> None:
        part = SimpleNamespace(numel=lambda: 21, requires_grad=True)
        trainer = SimpleNamespace(train_dataloader=object(), world_size=1, is_global_zero=True, loggers=[], global_rank=0)
        callback = h.Eco2AILightningCallback(**self.options(custom_tags={"team": "nlp"}, track_dataset_size=False))
        with self.warnings():
            callback.on_train_start(trainer, SimpleNamespace(parameters=lambda: [part]))
        callback.add_work(samples=5, tokens=7)
        callback.on_train_batch_end(trainer, None)
        callback.on_train_end(trainer, None)
        report = trainer.carbon_report
        self.assertEqual((report.summary.model_parameters, report.summary.total_samples, report.eco2["work"]["tokens"]), (21, 5, 7))
        self.assertEqual(report.training_metadata["custom_tags"], {"team": "nlp"})
        self.assertNotIn("dataset_size", report.training_metadata)

    def test_a_fit_without_a_meter_has_a_report_with_the_reason(self) -> None:
        with self.warnings() as heard, self.no_meter():
            trainer = self.fit(h.Eco2AILightningCallback(**self.options(log_level="STEP")))
        self.assertIn("nothing was measured", trainer.carbon_report.summary())
        self.assertIsNone(trainer.carbon_report.summary.total_co2_kg)
        self.assertTrue(any("log_level" in text for text in heard), heard)


class WithoutLibrary(unittest.TestCase):
    """Where libeco2 cannot be loaded."""

    def test_what_is_documented_runs_and_knows_nothing(self) -> None:
        program = ("import warnings; warnings.simplefilter('error', ResourceWarning)\n"
                   "import eco2, hf_eco2ai as h\n"
                   "with h.track_training(save_report=True) as run: run.step(samples=1); run.log()\n"
                   "assert run.report.summary.total_energy_kwh is None and run.report.origin.estimated is None\n"
                   "assert 'nothing was measured' in run.report.summary()\n"
                   "@h.track\n"
                   "def f(): return 3\n"
                   "assert f() == 3 and f.carbon_report.summary.total_co2_kg is None\n"
                   "with warnings.catch_warnings(record=True) as heard:\n"
                   "    warnings.simplefilter('always')\n"
                   "    @eco2.track\n"
                   "    def g(): return 4\n"
                   "    assert [g(), g()] == [4, 4]\n"
                   "assert len(heard) == 1 and 'unmeasured' in str(heard[0].message), heard\n"
                   "tracker = h.EnergyTracker()\n"
                   "assert tracker.stop_tracking().total_co2_kg is None\n")
        variables = {**os.environ, "ECO2_LIBRARY": "/nowhere/libeco2.so", "PYTHONPATH": str(Path(eco2.__file__).parent.parent)}
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, "-c", program], cwd=folder, env=variables, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_frameworks_are_imported_by_their_own_callback_only(self) -> None:
        program = ("import sys\n"
                   "asked = set()\n"
                   "class Watch:\n"
                   "    def find_spec(self, name, *rest): asked.add(name.split('.')[0])\n"
                   "sys.meta_path.insert(0, Watch())\n"
                   "import hf_eco2ai as h\n"
                   "h.CarbonConfig, h.track_training, h.wrap_accelerator, h.SLURMIntegration, h.MLflowIntegration, h.EnergyTracker\n"
                   "h.CarbonReport, h.PrometheusExporter, h.ReportExporter, h.CarbonIntensityProvider\n"
                   "found = asked & {'torch', 'transformers', 'lightning', 'pytorch_lightning', 'mlflow'}\n"
                   "assert not found, found\n")
        variables = {**os.environ, "PYTHONPATH": str(Path(eco2.__file__).parent.parent)}
        done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


class Places(HfTest):
    """Intensities, by the command's table."""

    def test_the_table_is_a_read_only_mapping(self) -> None:
        table = h.CarbonIntensityProvider.CARBON_INTENSITIES
        self.assertEqual((table["DE"], table["Germany"], "Atlantis" in table), (342.06, 342.06, False))
        self.assertTrue(len(table) > 50 and "US-CA" in list(table))
        self.assertEqual(dict(table.items())["DE"], 342.06)
        with self.assertRaises(TypeError):
            table["DE"] = 1

    def test_d14_every_figure_has_a_source_and_aliases_agree(self) -> None:
        figures = {h.CarbonIntensityProvider(*place).get_carbon_intensity() for place in
                   (("USA", "California"), ("US", "CA"), (None, "California"), ("USA/CA",))}
        self.assertEqual(len(figures), 1)
        provider = h.CarbonIntensityProvider("Germany")
        self.assertEqual((provider.get_carbon_intensity(), provider.entry["year"]), (342.06, 2024))
        self.assertIn("Ember", provider.source)

    def test_d14_an_unknown_place_is_an_error_and_no_place_is_the_flagged_world(self) -> None:
        for place in (("Atlantis",), ("Germany", "Bavaria")):
            with self.assertRaises(h.ConfigurationError):
                h.CarbonIntensityProvider(*place)
        self.assertTrue(h.CarbonIntensityProvider().is_default)
        self.assertFalse(h.CarbonIntensityProvider("DE").is_default)

    def test_d12_renewable_shares_are_the_dated_mix_or_unknown_and_change_no_figure(self) -> None:
        germany, virginia = h.CarbonIntensityProvider("DE"), h.CarbonIntensityProvider(zone="aws:us-east-1")
        self.assertEqual((germany.get_renewable_percentage(), germany.entry["mix"]["year"]), (52.41, 2023))
        self.assertEqual(germany.get_carbon_intensity(), 342.06)
        impact = germany.get_environmental_impact()
        self.assertEqual((impact.nuclear_percentage, impact.fossil_fuel_percentage), (1.73, 45.86))
        self.assertEqual(impact.mix_year, 2023)
        self.assertIsNone(virginia.get_renewable_percentage())
        self.assertIsNone(h.CarbonIntensityProvider(grid_carbon_intensity=5).get_renewable_percentage())
        self.assertEqual(h.CarbonIntensityProvider("DE").get_environmental_impact().country_code, "DE")

    def test_a_given_figure_goes_over_the_table(self) -> None:
        self.assertEqual(h.CarbonIntensityProvider("DE", grid_carbon_intensity=12.0).get_carbon_intensity(), 12.0)
        with self.assertRaises(h.ConfigurationError):
            h.CarbonIntensityProvider(grid_carbon_intensity=6000)

    def test_regions_can_be_typed(self) -> None:
        self.assertEqual((h.regions.GERMANY, h.regions.USA.CALIFORNIA, h.regions.get("France")), ("DE", "US-CA", "FR"))
        self.assertEqual(h.regions.GERMANY.intensity, 342.06)
        with self.assertRaises(AttributeError):
            h.regions.GERMANY.NARNIA

    def test_runs_are_compared_by_sample(self) -> None:
        comparison = h.CarbonComparison()
        for name, kwh, each in (("b", 1.0, 0.2), ("a", 2.0, 0.1)):
            data = {"summary": {"total_energy_kwh": kwh, "energy_per_sample": each}}
            with open(name + ".json", "w", encoding="utf-8") as file:
                json.dump(data, file)
            comparison.add_experiment(name, name + ".json")
        self.assertEqual([row["name"] for row in comparison.compare()], ["a", "b"])
        self.assertIn("energy_per_sample", comparison.summary())
        with self.assertRaises(h.ConfigurationError):
            comparison.plot_comparison()

    def test_runs_of_eco2_are_compared_by_the_command_with_bounds_and_words(self) -> None:
        comparison = h.CarbonComparison()
        for name, grams in (("b <i>", 200.0), ("a", 100.0)):
            demo = json.loads(eco2.run_cli(["demo", "--json"], capture_output=True, text=True).stdout)
            demo["carbon"].update(grams=grams, low=grams - 1, high=grams + 1)
            comparison.add_experiment(name, h.CarbonReport(eco2_report=demo))
        found = comparison.comparison(per="run", pareto=["grams", "energy"])
        self.assertEqual([run["grams"]["value"] for run in found["runs"]], [200.0, 100.0])
        self.assertEqual(found["runs"][0]["name"], "b <i>")
        self.assertEqual(len(found["verdicts"]), 1)
        self.assertRegex(comparison.summary(), "(?i)one run .*repeat")
        with open(comparison.plot_comparison("c.svg"), encoding="utf-8") as file:
            drawn = file.read()
        self.assertIn("b &lt;i&gt;", drawn)
        self.assertEqual(drawn.count("<rect"), 2)
        with self.assertRaises(h.APIError):
            comparison.comparison(per="epoch")

    def test_k01_an_open_upper_bound_is_drawn_as_an_arrow_and_not_as_the_value(self) -> None:
        from hf_eco2ai.analysis import _svg

        bounded = {"name": "a", "grams": {"value": 50.0, "low": 40.0, "high": 100.0}}
        unbounded = {"name": "b", "grams": {"value": 60.0, "low": 55.0, "high": None}}
        first, second = _svg([bounded, unbounded], "grams", "run").split('text-anchor="end">b<')
        # 400 units are 100 g: the line of the first ends at its upper bound, that of the second at the edge, with an arrow.
        self.assertIn('d="M320.0 49H560.0"', first)
        self.assertIn('d="M380.0 79H560.0l-6 -4m6 4l-6 4"', second)
        self.assertIn("60 (at least 55)", second)
        alone = _svg([unbounded], "grams", "run")
        self.assertIn("H560.0l-6", alone)

    def test_d13_equivalents_come_from_one_cited_set(self) -> None:
        found = h.calculate_carbon_equivalents(60.0)
        self.assertAlmostEqual(found["equivalent_trees_needed"], 1.0)
        self.assertAlmostEqual(found["equivalent_km_driven"], 60 / (0.398 / 1.609344))
        self.assertIn("US EPA", found["source"])
        with self.assertRaises(h.ConfigurationError):
            h.calculate_carbon_equivalents(-1.0)

    def test_reports_of_any_kind_become_text(self) -> None:
        report = h.CarbonReport({"summary": {"total_energy_kwh": 1.0}})
        self.assertIn('"total_energy_kwh": 1.0', h.generate_carbon_report(report))
        self.assertEqual(h.generate_carbon_report(report, "text"), "total_energy_kwh: 1.0")
        with self.assertRaisesRegex(h.ConfigurationError, "CarbonReport.to_pdf makes a PDF"):
            h.generate_carbon_report(report, "pdf")
        with self.assertRaises(h.ConfigurationError):
            h.generate_carbon_report(report, "fax")


if __name__ == "__main__":
    unittest.main()
