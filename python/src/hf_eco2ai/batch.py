"""Energy use and emissions of many intervals at once, computed by the library."""

from __future__ import annotations

import ctypes
import math
from array import array
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from eco2 import _abi
from eco2 import _constants as c
from eco2._load import library
from eco2.errors import Error

from .columns import Column, column, filled, is_buffer, known, overlap, place
from .errors import APIError

Values = Union[Sequence[Optional[float]], float, None]

KINDS = {"energies": c.ECO2_BATCH_ENERGIES, "totals": c.ECO2_BATCH_TOTALS, "powers": c.ECO2_BATCH_POWERS}
"""What a column of amounts holds: microjoules of intervals, running totals in microjoules, or mean microwatts."""

_OUT = ("kwh", "watts", "grams", "grams_per_s", "credit_cost")
RESULTS = ("energy_kwh", "co2_kg", "carbon_per_second")
"""Columns that `calculate_carbon_impact_batch` computes."""


class ValueRefused(Error, ValueError):
    """A value out of range; the message names its column and row."""


def impacts(kind: str, amounts: Sequence[int], times_ns: Sequence[int], g_per_kwh: Values, pue: float = 1.0,
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
    intensities = column([g_per_kwh] * count if _is_one(g_per_kwh) else g_per_kwh, "g_per_kwh")
    if not count == len(times_ns) == intensities.rows:
        raise ValueError("columns differ in length")
    out = {name: filled(count) for name in _OUT}
    batch = _abi.Batch(ctypes.sizeof(_abi.Batch), KINDS[kind], count, _unsigned(amounts), _unsigned(times_ns),
                       intensities.pointer, pue, price_per_tonne, *(column(one, name).pointer for name, one in out.items()))
    _call(library().batch_impact, ctypes.byref(batch))
    return {name: known(one) for name, one in out.items()}


def _call(function: Any, *arguments: Any) -> None:
    if library().path is None:
        raise APIError("there is no library for this system")
    status = function(*arguments)
    if status:
        raise ValueRefused(status, library().error_text())


def _unsigned(values: Sequence[int]) -> Any:
    try:
        numbers = array("Q", values)
    except (TypeError, OverflowError):
        wrong = next(value for value in values if not isinstance(value, int) or not 0 <= value < 2**64)
        raise ValueError(f"{wrong!r} is not an unsigned 64-bit integer") from None
    return (ctypes.c_uint64 * len(numbers)).from_buffer(numbers) if numbers else None


def _is_one(values: Any) -> bool:
    """Whether it is one value for all rows; numpy's scalars too."""
    return values is None or (hasattr(values, "__float__") and (getattr(values, "ndim", None) == 0 or not hasattr(values, "__len__")))


def calculate_carbon_impact_batch(power_watts: Any, duration_seconds: Any, grid_intensity: Any, pue: float = 1.0,
                                  out: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
    """Returns energy use and emissions of many intervals of known mean power.

    Columns are sequences of numbers, or buffers of doubles (`array.array("d")`, numpy's float64, a `memoryview`), which are
    read in place. Buffers are several times as fast.

    Args:
        power_watts: mean power of each interval, 0 to 1.8e13.
        duration_seconds: one for all, or one an interval; 0 to 1.8e10.
        grid_intensity: grams CO2e per kilowatt-hour, 0 to 5000; one for all or one an interval; None, or NaN in a buffer,
            is not known.
        pue: 1 or more; applied to the emissions, not to the energy.
        out: writable buffers of doubles for the results, by the names of `RESULTS`; they share no memory with the input or each
            other. After an error their contents are undefined.

    Returns:
        `energy_kwh`, `co2_kg`, `carbon_per_second` (kilograms), and `grid_intensity` as it was given. Buffers of `out` where
        given; else `array.array("d")` if `power_watts` is a buffer, with NaN for what is not known, and otherwise lists, with
        None.

    Raises:
        ValueError: columns of different lengths, or a value that is no number or out of range (also an `eco2.Error`).
        APIError: there is no library here.
    """
    power = column(power_watts, "power_watts")
    flags, duration = _one_or_each(duration_seconds, "duration_seconds", power.rows, c.ECO2_POWERS_ONE_DURATION)
    more, intensity = _one_or_each(grid_intensity, "grid_intensity", power.rows, c.ECO2_POWERS_ONE_INTENSITY)
    results = {name: filled(power.rows) for name in RESULTS} if out is None else {name: out[name] for name in RESULTS}
    places = [place(one, power.rows, f"out[{name!r}]") for name, one in results.items()]
    if out is not None:
        _check_no_overlap(places, [power, duration, intensity])
    batch = _abi.Powers(ctypes.sizeof(_abi.Powers), flags | more, power.rows, power.pointer, duration.pointer,
                        intensity.pointer, pue, *(one.pointer for one in places))
    unknown = ctypes.c_uint64()
    _call(library().batch_powers, ctypes.byref(batch), ctypes.byref(unknown))
    lists = out is None and not is_buffer(power_watts)
    if lists:
        results = {name: known(one) if unknown.value else one.tolist() for name, one in results.items()}
        if not isinstance(grid_intensity, list):
            grid_intensity = [grid_intensity] * power.rows if _is_one(grid_intensity) else list(grid_intensity)
    return {**results, "grid_intensity": grid_intensity}


def _one_or_each(values: Any, name: str, rows: int, flag: int) -> tuple:
    if _is_one(values):
        return flag, column([values], name)
    found = column(values, name)
    if found.rows != rows:
        raise ValueError(f"columns differ in length: {name} has {found.rows} rows, power_watts {rows}")
    return 0, found


def _check_no_overlap(places: List[Column], inputs: List[Column]) -> None:
    for index, one in enumerate(places):
        if any(overlap(one, other) for other in [*inputs, *places[:index]]):
            raise ValueError("a buffer of out shares memory with another column")


def get_carbon_impact(duration_hours: float, power_consumption_kw: float,
                      carbon_intensity: Optional[float]) -> Dict[str, Optional[float]]:
    """Returns energy use and emissions of one interval.

    Args:
        duration_hours, power_consumption_kw: 0 or more.
        carbon_intensity: grams CO2e per kilowatt-hour, 0 to 5000; None is not known.

    Raises:
        As `calculate_carbon_impact_batch`.
    """
    found = calculate_carbon_impact_batch([power_consumption_kw * 1000], duration_hours * 3600, carbon_intensity)
    return {"energy_kwh": found["energy_kwh"][0], "co2_kg": found["co2_kg"][0], "grid_intensity": carbon_intensity}
