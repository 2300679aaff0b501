"""CarbonConfig as the options of an `eco2.Meter`, and the opening of one that no wrong zone keeps from measuring."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

import eco2

from . import place as where
from .errors import warn_once

NOT_NVIDIA = ["rapl-perf", "rapl-sysfs", "hwmon", "model"]
"""Sources that are asked with `track_gpu_energy=False`."""

_LABEL_BYTES = 256


def zones(config: Any) -> List[Optional[str]]:
    """Zones to try, best first; None is the flagged world average. A country stands in for its region, with a warning."""
    if config.zone:
        named = [config.zone]
    elif config.country and config.region:
        named = [f"{config.country}/{config.region}", config.country]
    else:
        named = [place for place in (config.country, config.region) if place]
    return [*named, None]


def options(config: Any) -> Dict[str, Any]:
    """The meter's options, but for the zone."""
    chosen: Dict[str, Any] = {
        "name": config.experiment_name, "run_id": config.run_id, "labels": labels(config), "intensity": config.grid_carbon_intensity,
        "pue": config.pue, "interval": config.gpu_sampling_interval, "budget": budget(config),
        "sources": None if config.track_gpu_energy else NOT_NVIDIA,
        "locate": where.located(config), "intensity_provider": where.providers(config),
        "trace": place(config, config.report_path + ".trace.csv") if config.save_raw_metrics else None,
    }
    return {name: value for name, value in {**chosen, **config.meter_options}.items() if value not in (None, {}, [])}


def labels(config: Any) -> Dict[str, str]:
    """Tags, and what the run belongs to; a value is cut to 256 bytes."""
    named = {**config.custom_tags, "project": config.project_name, "experiment": config.experiment_name}
    if config.carbon_price_per_tonne is not None:
        # By this label the library prices the run's carbon.
        named["carbon_price_per_tonne"] = repr(config.carbon_price_per_tonne)
    cut = {name: value.encode()[:_LABEL_BYTES].decode("utf-8", "ignore") for name, value in named.items() if value}
    return {name: value for name, value in cut.items() if value}


def budget(config: Any) -> Dict[str, Any]:
    """Limits and the price of energy."""
    limits: Dict[str, Any] = {}
    if config.enable_carbon_budget:
        limits.update(max_co2_kg=config.max_co2_kg, check_steps=config.check_frequency)
    if config.estimate_costs:
        limits.update(price_per_kwh=config.electricity_price_per_kwh, currency="USD")
    return limits


def place(config: Any, path: str) -> str:
    """A file's path within `output_dir`, where one is given."""
    return os.path.join(config.output_dir, path) if config.output_dir else path


def opened(config: Any, total_steps: Optional[int] = None) -> eco2.Meter:
    """A meter by these options. A zone without a figure is warned of, and the next best is taken.

    Args:
        config: a CarbonConfig.
        total_steps: steps that the training will take in this process; with a budget its end is then forecast.

    Raises:
        eco2.Error: another option cannot be used, or the meter cannot be opened.
    """
    where.hand_over(config)
    given = options(config)
    if total_steps and total_steps > 0 and "total_hours" not in given.get("budget", {}):
        given["budget"] = {"total_steps": total_steps, **given.get("budget", {})}
    try:
        return _in_best_zone(config, given)
    except eco2.Error as error:
        if "intensity_provider" not in given or "intensity provider" not in str(error):
            raise
        # Who cannot be asked costs the live figures, and not the measurement.
        warn_once("intensity_provider", f"{error}; the zone's yearly figure is used")
        return _in_best_zone(config, {name: value for name, value in given.items() if name != "intensity_provider"})


def _in_best_zone(config: Any, given: Dict[str, Any]) -> eco2.Meter:
    candidates: List[Optional[str]] = [None] if {"intensity", "zone", "locate"} & set(given) else zones(config)
    for zone in candidates[:-1]:
        try:
            return eco2.Meter.apart({**given, "zone": zone})
        except eco2.Error as error:
            if "intensity provider" in str(error) or ("zone" not in str(error) and "region" not in str(error)):
                raise
            warn_once(f"zone:{zone}", f"{error}; the next best zone is taken")
    return eco2.Meter.apart(given)
