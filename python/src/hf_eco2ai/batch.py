"""Energy and carbon of many intervals at once, computed by the library."""

from __future__ import annotations

import ctypes
import math
from typing import Any, Dict, List, Optional, Sequence, Union

from eco2 import _abi
from eco2 import _constants as c
from eco2._load import library
from eco2.errors import Error

from .errors import APIError

Column = Union[Sequence[Optional[float]], float, None]

KINDS = {"energies": c.ECO2_BATCH_ENERGIES, "totals": c.ECO2_BATCH_TOTALS, "powers": c.ECO2_BATCH_POWERS}
"""What a column of amounts holds: microjoules of intervals, running totals in microjoules, or mean microwatts."""

_OUT = ("kwh", "watts", "grams", "grams_per_s", "credit_cost")


def impacts(kind: str, amounts: Sequence[int], times_ns: Sequence[int], g_per_kwh: Column, pue: float = 1.0,
            price_per_tonne: float = 0.0) -> Dict[str, List[Optional[float]]]:
    """The impact of each interval.

    Args:
        kind: one of `KINDS`.
        amounts, times_ns: integers; times are durations, or instants for `"totals"`, whose first row only starts.
        g_per_kwh: 0 to 5000, one for all or one a row; None is not known.
        pue: 1 or more, applied to the grams only.
        price_per_tonne: of carbon; 0 is none.

    Returns:
        Lists `kwh`, `watts`, `grams`, `grams_per_s`, `credit_cost`; None is not known.

    Raises:
        ValueError: columns of different lengths, or a value that is no unsigned 64-bit integer.
        eco2.Error: ECO2_ERR_ARGUMENT for a value out of range.
        APIError: there is no library here.
    """
    count = len(amounts)
    intensities = [g_per_kwh] * count if g_per_kwh is None or isinstance(g_per_kwh, (int, float)) else list(g_per_kwh)
    if not count == len(times_ns) == len(intensities):
        raise ValueError("columns differ in length")
    given = [math.nan if value is None else value for value in intensities]
    out = {name: (ctypes.c_double * count)() for name in _OUT}
    batch = _abi.Batch(ctypes.sizeof(_abi.Batch), KINDS[kind], count, _unsigned(amounts), _unsigned(times_ns),
                       (ctypes.c_double * count)(*given), pue, price_per_tonne, *out.values())
    if library().path is None:
        raise APIError("there is no library for this system")
    status = library().batch_impact(ctypes.byref(batch))
    if status:
        raise Error(status, library().said())
    return {name: [None if math.isnan(value) else value for value in column] for name, column in out.items()}


def _unsigned(values: Sequence[int]) -> Any:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
            raise ValueError(f"{value!r} is not an unsigned 64-bit integer")
    return (ctypes.c_uint64 * len(values))(*values)


def calculate_carbon_impact_batch(power_watts: Sequence[float], duration_seconds: Column, grid_intensity: Column,
                                  pue: float = 1.0) -> Dict[str, List[Optional[float]]]:
    """Energy and carbon of many intervals of known mean power.

    Args:
        power_watts: mean power of each interval, 0 or more.
        duration_seconds: one for all, or one an interval.
        grid_intensity: grams CO2e per kilowatt-hour, 0 to 5000; one for all or one an interval; None is not known.
        pue: 1 or more.

    Returns:
        Lists `energy_kwh`, `co2_kg`, `grid_intensity`, `carbon_per_second` (kilograms); None is not known.

    Raises:
        As `impacts`.
    """
    durations = [duration_seconds] * len(power_watts) if isinstance(duration_seconds, (int, float)) else duration_seconds
    found = impacts("powers", [_scaled(watts, 6) for watts in power_watts], [_scaled(s, 9) for s in durations or ()],
                    grid_intensity, pue)
    intensities = [grid_intensity] * len(power_watts) if not isinstance(grid_intensity, (list, tuple)) else grid_intensity
    return {"energy_kwh": found["kwh"], "co2_kg": [kilograms(g) for g in found["grams"]],
            "grid_intensity": list(intensities), "carbon_per_second": [kilograms(g) for g in found["grams_per_s"]]}


def get_carbon_impact(duration_hours: float, power_consumption_kw: float,
                      carbon_intensity: Optional[float]) -> Dict[str, Optional[float]]:
    """Energy and carbon of one interval.

    Args:
        duration_hours, power_consumption_kw: 0 or more.
        carbon_intensity: grams CO2e per kilowatt-hour, 0 to 5000; None is not known.

    Raises:
        As `impacts`.
    """
    found = impacts("powers", [_scaled(power_consumption_kw, 9)], [_scaled(duration_hours * 3600, 9)], carbon_intensity)
    return {"energy_kwh": found["kwh"][0], "co2_kg": kilograms(found["grams"][0]), "grid_intensity": carbon_intensity}


def kilograms(grams: Optional[float]) -> Optional[float]:
    """Grams in the unit of HF Eco2AI."""
    return None if grams is None else grams / 1000


def _scaled(value: Optional[float], digits: int) -> int:
    if value is None or not value >= 0 or math.isinf(value):
        raise ValueError(f"{value!r} is not a number of 0 or more")
    return round(value * 10**digits)
