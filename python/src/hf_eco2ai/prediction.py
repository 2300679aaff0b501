"""Predicts a training's energy and emissions from similar past runs (predict_training_impact). Every value is computed by the
command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Mapping, Optional, Tuple

from .commands import command_output
from .errors import ConfigurationError

_UNITS = {"grams": 1e3, "energy_uj": 3.6e12, "duration_ns": 3.6e12}
"""Grams of a kilogram, microjoules of a kilowatt-hour, nanoseconds of an hour."""


@dataclass
class CarbonPrediction:
    """Prediction of a training's emissions from past runs; a value that is not known is None.

    A further run lies in `confidence_interval` (kg CO2e) and `energy_interval_kwh` with a probability of `confidence_level`, if runs
    vary as a normal distribution. `backtest_error_percent` is the median error of the energy that is predicted for each past run
    from the others, `backtest_held_percent` the share of them in their interval. `note` has what limits the prediction.
    """

    predicted_co2_kg: Optional[float] = None
    confidence_interval: Optional[Tuple[float, float]] = None
    predicted_energy_kwh: Optional[float] = None
    energy_interval_kwh: Optional[Tuple[float, float]] = None
    predicted_hours: Optional[float] = None
    confidence_level: float = 0.9
    runs: int = 0
    steps: Optional[int] = None
    backtest_error_percent: Optional[float] = None
    backtest_held_percent: Optional[float] = None
    note: str = ""


def predict_training_impact(name: Optional[str] = None, steps: Optional[int] = None,
                            labels: Optional[Mapping[str, str]] = None) -> CarbonPrediction:
    """Predicts a training from the stored runs of its kind, by `eco2 runs --predict`.

    Args:
        name: name of the past runs; `*` replaces any characters. By default all runs.
        steps: number of steps of the training; by default a run like the past ones.
        labels: labels of the past runs.

    Returns:
        A prediction; with fewer than three usable runs without values, and with a note.

    Raises:
        ConfigurationError: `steps` is less than 1.
        APIError: the command failed.
    """
    if steps is not None and steps < 1:
        raise ConfigurationError(f"steps is {steps}; allowed: 1 or more")
    flags = [*(["--name", name] if name else []), *(flag for pair in (labels or {}).items() for flag in ("--label", "=".join(pair)))]
    wanted = ["--predict"] if steps is None else [f"--predict={steps}"]
    found = json.loads(command_output(["runs", *flags, *wanted, "--limit", "1", "--json"]))["prediction"]

    def amount(key: str) -> Tuple[Optional[float], Optional[Tuple[float, float]]]:
        value = found[key]
        if value is None:
            return None, None
        return value["value"] / _UNITS[key], (value["low"] / _UNITS[key], value["high"] / _UNITS[key])

    (co2, co2_range), (kwh, kwh_range) = amount("grams"), amount("energy_uj")
    return CarbonPrediction(co2, co2_range, kwh, kwh_range, amount("duration_ns")[0], 0.9, found["runs"], found["steps"],
                            found["backtest_error_percent"], found["backtest_held_percent"], found["note"])
