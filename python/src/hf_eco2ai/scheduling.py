"""Finds when and where to train, under the names of HF Eco2AI, by `eco2 plan`.

    from hf_eco2ai import LowCarbonScheduler
    scheduler = LowCarbonScheduler(series="gb.csv", flexibility_hours=24)
    window = scheduler.find_low_carbon_window(estimated_duration_hours=6)
    print(window.start, window.carbon_reduction)

A plan requires intensities over time: a file, or a provider that publishes a forecast. Without either there is an error,
because eco2 does not assume a daily profile (docs/plans.md of eco2).
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Optional, Union

import eco2

from .errors import APIError, ConfigurationError
from .windows import RegionPlan, TrainingWindow

NO_SERIES = ("no intensity over time is given: give series=FILE (docs/plans.md) or provider=NAME (docs/intensity.md); "
             "no daily curve fits every grid, so there is no default")
"""The error of a scheduler without intensities."""


class LowCarbonScheduler:
    """Finds when to train, and waits until then.

    Args:
        series: CSV or JSON file of grams CO2e per kilowatt-hour over time.
        column: the file's column.
        provider: service that publishes a forecast, instead of a file: `"neso"`, `"electricity-maps"`, …; its token comes from
        the
            environment. Needs a place.
        zone, country, region: the place, for a provider.
        provider_url, provider_zone: as for `eco2 grid`.
        flexibility_hours: longest delay of the start: the training ends within its duration plus these hours.
        power_watts: power of the training; without it only the relative saving is known, not grams.
        pue: overhead of the facility, 1 or more.
        clock: returns the time, with a time zone.
        wait: waits for a number of seconds, at most until `stop_scheduler()`; returns whether that was called.

    Raises:
        ConfigurationError: neither a series nor a provider, both, or a provider without a place.
    """

    def __init__(self, series: Optional[Union[str, os.PathLike]] = None, column: Optional[str] = None,
                 provider: Optional[str] = None, zone: Optional[str] = None, country: Optional[str] = None,
                 region: Optional[str] = None, provider_url: Optional[str] = None, provider_zone: Optional[str] = None,
                 flexibility_hours: float = 24, power_watts: Optional[float] = None, pue: Optional[float] = None,
                 clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
                 wait: Optional[Callable[[float], bool]] = None) -> None:
        place = zone or "/".join(part for part in (country, region) if part) or None
        if series is None and provider is None:
            raise ConfigurationError(NO_SERIES)
        if series is not None and provider is not None:
            raise ConfigurationError("both a series and a provider are given; give one of them")
        if provider is not None and place is None:
            raise ConfigurationError(f"provider {provider} needs a place: give zone, or country and region")
        self.flexibility_hours, self.power_watts = flexibility_hours, power_watts
        self._source = {"--series": series, "--provider": provider, "--zone": column if provider is None else place,
                        "--provider-url": provider_url, "--provider-zone": provider_zone, "--pue": pue}
        self._clock = clock
        self._stopped = threading.Event()
        self._wait = self._stopped.wait if wait is None else wait

    def find_low_carbon_window(self, estimated_duration_hours: float, start_after: Optional[datetime] = None,
                               flexibility_hours: Optional[float] = None, interruptible: bool = False,
                               profile: Optional[Union[str, os.PathLike]] = None) -> TrainingWindow:
        """Returns the window with the lowest emissions, the earliest of equal ones, compared with a start at `start_after`.

        Args:
            estimated_duration_hours: how long the training takes; with a profile, with the fewest workers.
            start_after: the earliest start time, with a time zone [default: now].
            flexibility_hours: goes over the scheduler's.
            interruptible: it may pause: then `slots` has several.
            profile: file of throughput and watts by number of workers; `slots` then has the number of workers.

        Raises:
            ConfigurationError: an argument, the file or the provider cannot be used; the text has place and remedy.
        """
        flags = self._flags(estimated_duration_hours, start_after, flexibility_hours)
        flags.update({"--interruptible": interruptible, "--profile": profile})
        knows_watts = self.power_watts is not None or profile is not None
        return TrainingWindow.of(planned({**self._source, **flags}), knows_watts)

    find_optimal_training_window = find_optimal_window = find_low_carbon_window

    def compare_regions(self, estimated_duration_hours: float, start_after: Optional[datetime] = None,
                        flexibility_hours: Optional[float] = None, interruptible: bool = False,
                        transfer_kwh: Optional[float] = None) -> List[RegionPlan]:
        """The best window in each column of the series, the best first.

        Args:
            transfer_kwh: energy that moves the training out of `column`; its grams are in `total_grams`.

        Raises:
            ConfigurationError: as for `find_low_carbon_window`, and for a scheduler that asks a provider.
        """
        if self._source["--provider"] is not None:
            raise ConfigurationError("regions are compared by the columns of a file: give series=FILE instead of a provider")
        flags = self._flags(estimated_duration_hours, start_after, flexibility_hours)
        flags.update({"--interruptible": interruptible, "--rank": True, "--transfer": transfer_kwh})
        answer = planned({**self._source, **flags})
        return [RegionPlan.of_zone(zone, self.power_watts is not None) for zone in answer["zones"]]

    def schedule_training(self, train: Callable[[], Any], estimated_duration_hours: float, **keywords: Any) -> Any:
        """Waits for the best window, then trains on this thread.

        Args:
            train: what to call; its result is returned, None if the scheduler was stopped before.
            keywords: those of `find_low_carbon_window`.

        Raises:
            ConfigurationError: as for `find_low_carbon_window`; and what `train` raises.
        """
        window = self.find_low_carbon_window(estimated_duration_hours, **keywords)
        return train() if self.wait_for(window) else None

    def wait_for(self, window: TrainingWindow) -> bool:
        """Waits until a window begins; returns False after `stop_scheduler()`, else True."""
        while not self._stopped.is_set():
            seconds = (window.start - self._clock()).total_seconds()
            if seconds <= 0:
                return True
            # In parts: the wall clock may be set, and a machine may sleep.
            if self._wait(min(seconds, 60.0)):
                return False
        return False

    def stop_scheduler(self) -> None:
        """Ends every wait, now and later. Any thread."""
        self._stopped.set()

    def _flags(self, hours: float, start_after: Optional[datetime], flexibility: Optional[float]) -> Dict[str, Any]:
        spare = self.flexibility_hours if flexibility is None else flexibility
        for name, value in (("estimated_duration_hours", hours), ("flexibility_hours", spare)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
                raise ConfigurationError(f"{name} is {value!r}; allowed: hours, at least 0")
        start = self._clock() if start_after is None else start_after
        if start.tzinfo is None:
            raise ConfigurationError(f"start_after {start} has no time zone; give one, such as datetime.timezone.utc")
        return {"--start": start.isoformat(), "--duration": hours, "--within": hours + spare, "--power": self.power_watts}


CarbonAwareScheduler = LowCarbonScheduler


def find_low_carbon_window(estimated_duration_hours: float, start_after: Optional[datetime] = None,
                           flexibility_hours: float = 24, **keywords: Any) -> TrainingWindow:
    """Returns the window with the lowest emissions; also takes `interruptible`, `profile` and the keywords of
    `LowCarbonScheduler`.

    Raises:
        ConfigurationError: as `LowCarbonScheduler` and its method do; without a series and a provider above all.
    """
    of_job = {name: keywords.pop(name) for name in ("interruptible", "profile") if name in keywords}
    scheduler = LowCarbonScheduler(flexibility_hours=flexibility_hours, **keywords)
    return scheduler.find_low_carbon_window(estimated_duration_hours, start_after, **of_job)


find_optimal_training_window = find_low_carbon_window


def compare_regions(estimated_duration_hours: float, series: Union[str, os.PathLike], **keywords: Any) -> List[RegionPlan]:
    """The best window in each column of a series, the best first; keywords are the scheduler's and the method's.

    Raises:
        ConfigurationError: as `LowCarbonScheduler.compare_regions` does.
    """
    names = ("start_after", "interruptible", "transfer_kwh")
    of_job = {name: keywords.pop(name) for name in names if name in keywords}
    return LowCarbonScheduler(series=series, **keywords).compare_regions(estimated_duration_hours, **of_job)


def plan_optimal_training(task_requirements: Mapping, constraints: Optional[Mapping] = None) -> TrainingWindow:
    """Finds when to train, and with how many workers: the optimum for a known or forecast intensity, by exact search.

    Args:
        task_requirements: `estimated_duration_hours`, and if known `power_watts`, `interruptible`, `profile`.
        constraints: `series` or `provider` with its place, `flexibility_hours`, `start_after` and so on.

    Raises:
        ConfigurationError: as `find_low_carbon_window`; a key that is none of those.
    """
    try:
        return find_low_carbon_window(**{**task_requirements, **(constraints or {})})
    except TypeError as error:
        raise ConfigurationError(str(error).replace("LowCarbonScheduler.__init__()", "plan_optimal_training")) from None


def planned(flags: Mapping) -> Dict[str, Any]:
    """Returns the answer of `eco2 plan --json` to flags. True is a flag without a value; None and False omit it.

    Raises:
        ConfigurationError: it refused them. APIError: there is no command, or it failed otherwise.
    """
    words = ["plan", "--json"]
    for flag, value in flags.items():
        if value is not None and value is not False:
            words += [flag] if value is True else [f"{flag}={os.fspath(value) if isinstance(value, os.PathLike) else value}"]
    try:
        done = eco2.run_cli(words, capture_output=True, text=True)
    except (eco2.Error, OSError) as error:
        raise APIError(str(error)) from None
    if done.returncode:
        raise ConfigurationError(done.stderr.strip().replace("eco2: ", "", 1) or f"eco2 plan ended with {done.returncode}")
    return json.loads(done.stdout)


__all__ = ["CarbonAwareScheduler", "LowCarbonScheduler", "RegionPlan", "TrainingWindow", "compare_regions",
           "find_low_carbon_window", "find_optimal_training_window", "plan_optimal_training"]
