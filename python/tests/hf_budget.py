"""The budget: exact checks, warning or stopping, alone or by config; `check-budget` from the command line."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
import unittest

from hf_rig import GRAM_A_KILOJOULE, JOULE, HfTest, Loop, written

from eco2 import Budget as Found
from hf_eco2ai import (
    CarbonBudgetCallback, CarbonBudgetForecast, CarbonConfig, ConfigurationError, Eco2AICallback, meter_options,
    predict_carbon_budget_exhaustion, track_training,
)
from hf_eco2ai.budget import BudgetWatch


class Watch(unittest.TestCase):
    """When is looked, and what follows; the library's answer is scripted."""

    def watched(self, answers, steps=1000, **options):
        """Steps at which was looked, and the step after which the training was asked to stop."""
        from types import SimpleNamespace as Of

        looked, control, watch = [], Of(should_training_stop=False), BudgetWatch(**options)
        found = lambda: answers(step) if isinstance(answers(step), Found) else Of(decision=answers(step), share=1.0)  # noqa: E731
        session = Of(meter=Of(budget=lambda: looked.append(step) or found()))
        for step in range(1, steps + 1):
            watch.after(step, session, control)
            if control.should_training_stop:
                return looked, step
        return looked, None

    def test_effect_check_frequency(self) -> None:
        looked, stopped = self.watched(lambda step: "go", check_frequency=250)
        self.assertEqual((looked, stopped), ([250, 500, 750, 1000], None))

    def test_effect_budget_action(self) -> None:
        spent = lambda step: "stop" if step > 101 else "warn" if step > 50 else "go"  # noqa: E731
        self.assertEqual(self.watched(spent, action="stop", check_frequency=100), ([100, 200], 200))
        self.assertEqual(self.watched(spent, action="warn", check_frequency=100), ([100, 200], None))

    def test_k10_training_stops_at_the_first_check_after_the_limit_is_crossed(self) -> None:
        def answer(step):
            share = 0.049 * step / 5
            return Found("stop" if step >= 50 else "go", 1, share, "grams", 1000 * share, 1000.0, 600.0)

        with self.logged() as heard:
            looked, stopped = self.watched(answer, action="stop", check_frequency=10)
        self.assertEqual((looked[-1], stopped), (110, 110), "102 % at step 104, checked at 110")
        self.assertEqual(len(heard), 3, heard)
        self.assertIn("at step 50 49 % (490 g of 1000 g) of the carbon budget is spent, and another 600 g that is held back", heard[0])
        self.assertIn("10 steps until the next check", heard[0])
        self.assertIn("stop at the first check that finds it spent", heard[0])
        self.assertIn("is spent at step 110: 108 % (1078 g of 1000 g)", heard[1])

    def test_k10_what_is_held_back_never_stops_a_budget_that_only_warns(self) -> None:
        with self.logged() as heard:
            found = self.watched(lambda step: Found("stop", 1, 0.5, "grams", 500.0, 1000.0, 600.0), steps=40, check_frequency=10)
        self.assertEqual(found, ([10, 20, 30, 40], None))
        self.assertEqual(len(heard), 1)
        self.assertNotIn("asked to stop", heard[0])

    def test_k10_strict_budget_follows_the_library(self) -> None:
        held = Found("stop", 1, 0.9, "grams", 900.0, 1000.0, 0.0)
        self.assertEqual(self.watched(lambda step: held, action="stop", check_frequency=10, strict=True), ([10], 10))
        config = CarbonConfig(enable_carbon_budget=True, max_co2_kg=1, meter_options={"budget": {"strict": True}})
        self.assertTrue(BudgetWatch.of(config).strict)
        self.assertEqual(meter_options.options(config)["budget"], {"max_co2_kg": 1.0, "check_steps": 100, "strict": True})

    def test_k10_warning_of_an_upper_bound_does_not_claim_that_most_is_spent(self) -> None:
        for high, why in ((1000.0, "its upper bound reaches the limit"),
                          (None, "it has no upper bound: a part of the energy is not measured")):
            with self.logged() as heard:
                self.watched(lambda step: Found("warn", 1, 0.0, "grams", 0.0, 1000.0, 0.0, high=high), steps=10,  # noqa: B023
                             check_frequency=10)
            self.assertEqual(heard, [f"at step 10 0 % (0 g of 1000 g) of the carbon budget is spent by value, but {why}"])

    def test_k10_unknown_spending_warns_and_stops_nothing(self) -> None:
        with self.logged() as heard:
            found = self.watched(lambda step: Found("warn", 1, math.nan, "grams", None, 1000.0), steps=20, action="stop",
                                 check_frequency=10)
        self.assertEqual((found, len(heard)), (([10, 20], None), 1))
        self.assertIn("not known", heard[0])

    @contextlib.contextmanager
    def logged(self):
        """What is logged as a warning within the block."""
        with self.assertLogs("hf_eco2ai", "WARNING") as found:
            heard = []
            yield heard
        heard.extend(record.getMessage() for record in found.records)

    def test_k10_a_strict_budget_stops_by_its_upper_bound(self) -> None:
        from types import SimpleNamespace as Of

        watch, control = BudgetWatch(action="stop", check_frequency=1), Of(should_training_stop=False)
        found = Of(decision="stop", share=0.5, spent=5.0, limit=10.0, held=1.0)
        watch.after(1, Of(meter=Of(budget=lambda: found)), control)
        self.assertTrue(control.should_training_stop)

    def test_effect_grace_period(self) -> None:
        self.assertEqual(self.watched(lambda step: "stop", action="stop", check_frequency=10, grace_period=7), ([10], 17))


class Budget(HfTest):
    """With a meter."""

    def spend(self, loop, grams):
        """Turns the counter, and waits until the meter has seen it."""
        self.machine.turn(loop.callback.session.meter, int(grams * 1000 * JOULE))

    def test_d30_the_budget_callback_works_on_its_own(self) -> None:
        options = self.options(grid_carbon_intensity=GRAM_A_KILOJOULE)
        loop = Loop(CarbonBudgetCallback(0.001, action="stop", check_frequency=10, **options))
        loop.begin()
        loop.batches(10)
        self.assertFalse(loop.control.should_training_stop)
        self.spend(loop, 1.5)
        loop.batches(9)
        self.assertFalse(loop.control.should_training_stop)
        with self.warnings() as heard:
            loop.batches(1)
        self.assertTrue(loop.control.should_training_stop)
        self.assertIn("budget is spent", heard[0])
        loop.call("on_train_end")
        self.assertEqual(loop.callback.errors, 0)

    def test_d15_the_end_is_forecast_from_the_runs_own_steps(self) -> None:
        """A fifth of the steps forecasts the whole; here it is over a budget of three times what is spent."""
        options = lambda: self.options(grid_carbon_intensity=GRAM_A_KILOJOULE)  # noqa: E731
        probe = Loop(CarbonBudgetCallback(1.0, **options()))
        before = probe.callback.forecast
        self.assertEqual((before.budget_kg, before.spent_kg), (1.0, None))
        self.assertIn("not started", before.recommendation)
        probe.begin()
        self.steps(probe, 30)
        each_kg = probe.callback.forecast.spent_kg / 30
        self.assertIsNone(probe.callback.forecast.estimated_completion_co2_kg, "how long it will be is not known")
        probe.call("on_train_end")
        loop = Loop(CarbonBudgetCallback(160 * each_kg, action="stop", check_frequency=15, **options()))
        loop.state.max_steps = 300
        loop.begin()
        with self.warnings() as heard:
            self.steps(loop, 60)
        found = predict_carbon_budget_exhaustion(loop.callback)
        self.assertAlmostEqual(found.estimated_completion_co2_kg / (found.spent_kg * 5), 1, delta=0.3)
        self.assertTrue(found.low_co2_kg <= found.estimated_completion_co2_kg <= found.p90_co2_kg <= found.high_co2_kg)
        self.assertGreater(found.forecasted_overage_kg, 0)
        self.assertEqual(found.confidence_level, 0.9)
        self.assertEqual(len(heard), 1, heard)
        self.assertFalse(loop.control.should_training_stop)
        loop.call("on_train_end")
        self.assertEqual((loop.callback.errors, probe.callback.errors), (0, 0))

    def test_k10_a_forecast_without_a_budget_states_that_it_has_none(self) -> None:
        """Before the run it has not started; with too few steps there is none yet; then it has an end and a back-test error."""
        loop = Loop(Eco2AICallback(**self.options(grid_carbon_intensity=GRAM_A_KILOJOULE)))
        before = predict_carbon_budget_exhaustion(loop.callback)
        self.assertEqual((before.recommendation, before.budget_kg), ("no forecast yet: the run has not started", None))
        loop.state.max_steps = 150
        loop.begin()
        early = predict_carbon_budget_exhaustion(loop.callback)
        self.assertTrue(early.recommendation.startswith("no forecast: "), early)
        self.steps(loop, 30)
        found = predict_carbon_budget_exhaustion(loop.callback)
        self.assertIsNone(found.budget_kg)
        self.assertAlmostEqual(found.estimated_completion_co2_kg / (found.spent_kg * 5), 1, delta=0.4)
        self.assertIn("without a budget", found.recommendation)
        self.assertTrue(found.backtest_error_percent > 0 and found.backtest_runs > 0, found)
        loop.call("on_train_end")

    def steps(self, loop, count):
        """Steps of one and two joules in turns. Each is read before the step ends, so that it does not matter how long one takes."""
        for number in range(count):
            self.machine.turn(loop.callback.session.meter, JOULE * (1 + number % 2), pause=0.003)
            loop.batches(1)

    def test_k10_coarse_checks_with_a_meter_stop_once_the_budget_is_spent(self) -> None:
        loop = Loop(CarbonBudgetCallback(0.001, action="stop", check_frequency=10, **self.options(grid_carbon_intensity=GRAM_A_KILOJOULE)))
        loop.begin()
        with self.warnings() as heard:
            for grams, stops in ((0.5, False), (0.4, False), (0.2, True)):
                self.spend(loop, grams)
                loop.batches(10)
                self.assertEqual(loop.control.should_training_stop, stops, heard)
        self.assertTrue(any("held back" in text for text in heard[:-2]), heard)
        self.assertIn("is spent at step 30: 110 %", heard[-2])
        loop.call("on_train_end")

    def test_by_config_it_stops_or_warns(self) -> None:
        for action, stops in (("stop", True), ("warn", False)):
            loop = Loop(Eco2AICallback(**self.options(grid_carbon_intensity=GRAM_A_KILOJOULE, enable_carbon_budget=True, max_co2_kg=0.001,
                                                      budget_action=action, check_frequency=1)))
            loop.begin()
            loop.batches(1)
            self.spend(loop, 1.5)
            with self.warnings() as heard:
                loop.batches(3)
            self.assertEqual(len([text for text in heard if "spent" in text]), 2 if stops else 1)
            self.assertEqual(loop.control.should_training_stop, stops)
            loop.end()

    def test_what_is_no_budget_is_refused(self) -> None:
        for kg in (0, None):
            with self.assertRaises(ConfigurationError):
                CarbonBudgetCallback(kg)
        with self.assertRaises(ConfigurationError):
            CarbonBudgetCallback(1.0, action="explode")

    def test_options_that_a_budget_alone_does_not_use_warn(self) -> None:
        with self.warnings() as heard:
            CarbonBudgetCallback(1.0, save_report=True, export_csv=False, zone="DE")
        self.assertEqual(len(heard), 1, heard)
        self.assertIn("save_report", heard[0])

    def test_a_plain_loop_sees_that_it_should_stop(self) -> None:
        options = self.options(grid_carbon_intensity=GRAM_A_KILOJOULE, enable_carbon_budget=True, max_co2_kg=0.001,
                               budget_action="stop", check_frequency=2)
        with self.warnings(), track_training(**options) as run:
            run.step()
            self.machine.turn(run.session.meter, 1500 * JOULE)
            self.assertFalse(run.should_stop)
            run.step()
            self.assertTrue(run.should_stop)
        self.assertEqual(run.errors, 0)

    def test_d28_check_budget_has_one_exit_code_in_every_format(self) -> None:
        report = written({"summary": {"total_co2_kg": 6.0}}, "report.json")
        for form in ("text", "json"):
            for limit, code in (("5.0", 1), ("7", 0)):
                done = subprocess.run([sys.executable, "-m", "hf_eco2ai", "check-budget", "--report", report, "--max-co2", limit,
                                       "--format", form], capture_output=True, text=True)
                self.assertEqual(done.returncode, code, (form, limit, done.stderr))
        found = json.loads(done.stdout)
        self.assertEqual((found["budget_kg"], found["actual_kg"], found["exceeded"], found["remaining_kg"]), (7.0, 6.0, False, 1.0))


if __name__ == "__main__":
    unittest.main()
