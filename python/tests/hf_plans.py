"""Schedulers and regions by `eco2 plan`: known answers by hand, a clock that the test turns, and no invented curve."""

from __future__ import annotations

import threading
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, List

import eco2
from hf_rig import HfTest

import hf_eco2ai as h
from hf_eco2ai import ConfigurationError, optimization, scheduling
from hf_eco2ai.cli import main

NINE = datetime(2026, 1, 1, 9, tzinfo=timezone.utc)


class Clock:
    """A clock that shows `now`; waiting advances it."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.waits: List[float] = []

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> bool:
        """Is never stopped."""
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)
        return False


class PlansTest(HfTest):
    """With a day's morning in two zones; at 9 h A has 300, then 100, 200, 120."""

    def setUp(self) -> None:
        super().setUp()
        rows = zip(range(9, 13), (300, 100, 200, 120), (150, 160, 170, 180))
        Path("zones.csv").write_text("# kind=direct-average-production\ntime,A,B\n" + "".join(
            f"2026-01-01T{hour:02}:00Z,{a},{b}\n" for hour, a, b in rows), encoding="ascii")

    def scheduler(self, **more: Any) -> h.LowCarbonScheduler:
        """One for zone A, at nine."""
        return h.LowCarbonScheduler(**{"series": "zones.csv", "column": "A", "flexibility_hours": 2.5, "clock": Clock(NINE), **more})


class Windows(PlansTest):
    """When."""

    def test_d17_without_intensities_there_is_no_window_and_no_invented_curve(self) -> None:
        for call in (h.LowCarbonScheduler, h.CarbonAwareScheduler, lambda: h.find_low_carbon_window(4),
                     lambda: h.find_optimal_training_window(4), lambda: h.plan_optimal_training({"estimated_duration_hours": 4})):
            with self.assertRaisesRegex(ConfigurationError, "there is no default"):
                call()
        with self.assertRaisesRegex(ConfigurationError, "needs a place"):
            h.LowCarbonScheduler(provider="neso")
        with self.assertRaisesRegex(ConfigurationError, "both"):
            h.LowCarbonScheduler(provider="neso", country="GB", series="zones.csv")

    def test_d17_the_window_follows_the_series_and_not_the_hour_of_the_day(self) -> None:
        window = self.scheduler(power_watts=2000).find_low_carbon_window(estimated_duration_hours=1.5)
        self.assertEqual((window.start.hour, window.end.hour, window.end.minute), (10, 11, 30))
        # 1.5 h with 2 kW at 100, 100, 200; at once 300, 300, 100.
        self.assertEqual((window.grams, window.grams_now, window.bound_grams), (400, 700, 400))
        self.assertAlmostEqual(window.carbon_reduction, 300 / 7, places=12)
        self.assertEqual((window.kind, window.start_time, window.end_time), ("direct-average-production", window.start, window.end))
        other = self.scheduler(column="B").find_low_carbon_window(1.5)
        self.assertEqual((other.start, other.carbon_reduction), (NINE, 0))

    def test_without_watts_the_share_is_known_and_no_gram(self) -> None:
        window = self.scheduler().find_low_carbon_window(1.5)
        self.assertIsNone(window.grams)
        self.assertGreater(window.carbon_reduction, 40)

    def test_flexibility_is_how_long_the_start_may_wait(self) -> None:
        find = self.scheduler(power_watts=1000).find_low_carbon_window
        self.assertEqual(find(1, flexibility_hours=0).start, NINE)
        self.assertEqual(find(1, flexibility_hours=0.5).start, NINE + timedelta(hours=0.5))
        self.assertEqual(find(1, start_after=NINE + timedelta(hours=2), flexibility_hours=1).start.hour, 12)
        east = timezone(timedelta(hours=5))
        self.assertEqual(find(1, start_after=NINE.astimezone(east), flexibility_hours=1).start.hour, 10)

    def test_a_training_that_may_pause_has_several_slots(self) -> None:
        window = self.scheduler(power_watts=1000, pue=1.5).find_low_carbon_window(2, interruptible=True, flexibility_hours=2)
        self.assertEqual([slot.start.hour for slot in window.slots], [10, 12])
        self.assertEqual(window.grams, 330)

    def test_what_cannot_be_planned_is_refused_with_place_and_remedy(self) -> None:
        for hours, more, word in ((0, {}, "a time above 0"), (-1, {}, "at least 0"), ("4", {}, "allowed: hours"), (1, {"start_after": datetime(2026, 1, 1)}, "time zone"),
                                  (1, {"start_after": datetime(2031, 1, 1, tzinfo=timezone.utc)}, "use a series of that time")):
            with self.assertRaisesRegex(ConfigurationError, word):
                self.scheduler().find_low_carbon_window(hours, **more)
        with self.assertRaisesRegex(ConfigurationError, "no column"):
            self.scheduler(column="C").find_low_carbon_window(1)
        with self.assertRaisesRegex(ConfigurationError, "none.csv"):
            h.find_low_carbon_window(1, series="none.csv")

    def test_functions_are_the_schedulers_methods(self) -> None:
        given = {"series": "zones.csv", "column": "A", "power_watts": 1000, "start_after": NINE, "flexibility_hours": 2}
        for found in (h.find_low_carbon_window(1, **given), h.find_optimal_training_window(1, **given),
                      h.plan_optimal_training({"estimated_duration_hours": 1, "power_watts": 1000}, given),
                      optimization.plan_optimal_training({"estimated_duration_hours": 1}, given)):
            self.assertEqual((found.start.hour, found.grams), (10, 100))
        with self.assertRaisesRegex(ConfigurationError, "max_gpus"):
            h.plan_optimal_training({"estimated_duration_hours": 1, "max_gpus": 4}, given)

    def test_the_script_schedules_as_eco2_plan_does(self) -> None:
        words = ["--series", "zones.csv", "--zone", "A", "--duration", "1", "--within", "2", "--power", "1", "--json"]
        self.assertEqual(main(["schedule", *words]), 0)
        self.assertEqual(main(["schedule"]), 2)


class Regions(PlansTest):
    """Where."""

    def test_regions_are_compared_with_the_way_there(self) -> None:
        regions = self.scheduler(power_watts=1000).compare_regions(1, flexibility_hours=0, transfer_kwh=0.2)
        # At nine: B 150 and 0.2 kWh at (300 + 150) / 2; A 300 and nothing to move.
        self.assertEqual([(found.region, found.grams, found.transfer_grams, found.total_grams) for found in regions],
                         [("B", 150, 45, 195), ("A", 300, 0, 300)])
        self.assertIsNone(h.compare_regions(1, "zones.csv", start_after=NINE)[0].total_grams)
        with self.assertRaisesRegex(ConfigurationError, "columns of a file"):
            h.LowCarbonScheduler(provider="neso", zone="GB").compare_regions(1)


class Waiting(PlansTest):
    """Until then."""

    def test_it_waits_for_the_window_and_trains(self) -> None:
        clock = Clock(NINE)
        scheduler = self.scheduler(clock=clock, wait=clock.wait)
        self.assertEqual(scheduler.schedule_training(lambda: clock.now, 1), NINE + timedelta(hours=1))
        self.assertEqual((sum(clock.waits), max(clock.waits)), (3600, 60))

    def test_stop_scheduler_ends_the_wait(self) -> None:
        scheduler = self.scheduler()
        results: List[Any] = []
        thread = threading.Thread(target=lambda: results.append(scheduler.schedule_training(lambda: 1 / 0, 1)))
        thread.start()
        scheduler.stop_scheduler()
        thread.join(60)
        self.assertEqual(results, [None])
        self.assertFalse(scheduler.wait_for(scheduler.find_low_carbon_window(1)))


class Library(PlansTest):
    """The same from the library, without the command."""

    def test_plans_and_zones_are_the_commands(self) -> None:
        flags = {"--series": "zones.csv", "--zone": "A", "--duration": 1.5, "--within": 4, "--power": 2000}
        plan = eco2.plan(Path("zones.csv"), 1.5, 4, zone="A", power=2000)
        self.assertEqual(plan, scheduling.planned(flags))
        self.assertEqual(eco2.zone("DE"), h.CarbonIntensityProvider("DE").entry)

    def test_a_series_of_ones_own(self) -> None:
        points = [{"time": f"2026-01-01T0{hour}:00Z", "value": value} for hour, value in enumerate((3, 1, 2))]
        plan = eco2.plan({"schema": "eco2.series/1", "points": points}, 1, 3, power=1000, start=None)
        self.assertEqual((plan["start"], plan["grams"]), ("2026-01-01T01:00:00Z", 1))

    def test_d14_d17_what_is_not_known_is_refused(self) -> None:
        for call, word in ((lambda: eco2.zone("Germny"), "Germany"), (lambda: eco2.plan(None, 1, 2), "series is needed"),
                           (lambda: eco2.plan("none.csv", 1, 2), "none.csv"), (lambda: eco2.plan("a", 1, 2, pwer=1), "pwer"),
                           (lambda: eco2.plan("a", 1, 2, power=object()), "request"), (lambda: eco2.zone("a\0"), "NUL")):
            with self.assertRaisesRegex(eco2.Error, word):
                call()


if __name__ == "__main__":
    unittest.main()
