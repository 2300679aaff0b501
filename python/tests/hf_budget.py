"""The budget: exact checks, warning or stopping, alone or by config; `check-budget` from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import unittest

from hf_rig import GRAM_A_KILOJOULE, JOULE, HfTest, Loop, written

from hf_eco2ai import (
    CarbonBudgetCallback, CarbonBudgetForecast, ConfigurationError, Eco2AICallback, predict_carbon_budget_exhaustion,
    track_training,
)
from hf_eco2ai.budget import BudgetWatch


class Watch(unittest.TestCase):
    """When is looked, and what follows; the library's answer is scripted."""

    def watched(self, answers, steps=1000, **options):
        """Steps at which was looked, and the step after which the training was asked to stop."""
        from types import SimpleNamespace as Of

        looked, control, watch = [], Of(should_training_stop=False), BudgetWatch(**options)
        session = Of(meter=Of(budget=lambda: looked.append(step) or Of(decision=answers(step), share=1.0)))
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

    def test_k10_what_is_held_back_is_named_and_training_goes_on_until_the_budget_is_spent(self) -> None:
        from types import SimpleNamespace as Of

        watch, control = BudgetWatch(action="stop", check_frequency=10), Of(should_training_stop=False)
        decision = lambda: "stop" if step / 4 + 5.5 >= 10 else "go"  # noqa: E731
        found = lambda: Of(decision=decision(), share=step / 40, spent=step / 4, limit=10.0, held=5.5)  # noqa: E731
        session = Of(meter=Of(budget=found))
        with self.assertLogs("hf_eco2ai", "WARNING") as heard:
            for step in range(1, 100):
                watch.after(step, session, control)
                if control.should_training_stop:
                    break
        self.assertEqual(step, 40, "the first check after the budget was spent")
        first, *rest = [record.getMessage() for record in heard.records]
        self.assertIn("50 % of the carbon budget is used at step 20, and 55 % is held back for the 10 steps", first)
        self.assertEqual([text for text in rest if "held back" in text], [], "named once")

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
        """A fifth of the steps tells what the whole will come to; here it is over a budget of three times what is spent."""
        going = threading.Event()
        self.addCleanup(going.set)
        turning = threading.Thread(target=self.turn_until, args=(going,), daemon=True)
        options = lambda: self.options(grid_carbon_intensity=GRAM_A_KILOJOULE)  # noqa: E731
        probe = Loop(CarbonBudgetCallback(1.0, **options()))
        before = probe.callback.forecast
        self.assertEqual((before.budget_kg, before.spent_kg), (1.0, None))
        self.assertIn("not started", before.recommendation)
        turning.start()
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
        self.assertEqual((found.confidence_level, found.decision), (0.9, "warn"))
        self.assertEqual([text for text in heard if "will probably not be kept" in text], heard)
        self.assertFalse(loop.control.should_training_stop)
        loop.call("on_train_end")
        self.assertEqual((loop.callback.errors, probe.callback.errors), (0, 0))

    def steps(self, loop, count):
        """Steps of ten milliseconds."""
        for _ in range(count):
            time.sleep(0.01)
            loop.batches(1)

    def turn_until(self, over):
        """Uses half a joule every five milliseconds, about."""
        while not over.wait(0.005):
            self.machine.use(JOULE // 2)

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

    def test_a_plain_loop_is_told_to_stop(self) -> None:
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
