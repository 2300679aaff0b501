"""Shows a report to a person: the line of `repr`, and the card of a notebook with power over time as a line.

The values are those of the report, scaled and rounded to three significant digits; nothing is computed from several of them
except power, the slope of the energy curves. A card is one piece of HTML without style sheet, script or request. Its colour
is the page's own, so that it is readable on light and dark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import ceil, floor, log10

_ENERGY = ((3.6e11, 3.6e12, "kWh"), (3.6e8, 3.6e9, "Wh"), (1e6, 1e6, "J"), (1e3, 1e3, "mJ"), (0, 1, "µJ"))
_MASS = ((1e6, 1e6, "t"), (1e3, 1e3, "kg"), (1, 1, "g"), (1e-3, 1e-3, "mg"), (0, 1e-6, "µg"))
_POWER = ((1e6, 1e6, "MW"), (1e3, 1e3, "kW"), (1, 1, "W"), (0, 1e-3, "mW"))
"""Units, largest first: the value from which one is used, its size, its name. Values are microjoules, grams, watts."""

_QUALITIES = ("synthetic", "estimated", "derived", "measured")
"""Qualities of energy, worst first."""

_BARS, _WIDTH, _HEIGHT = 60, 240, 36
"""Stretches of time that the line of power has, and its size in pixels."""

_WORLD = ("default-world", "unknown")
"""Sources of a zone that mean the world average."""


def quality(report: Mapping) -> str:
    """The worst quality among the parts of the energy; `missing` where none is known."""
    energy = report.get("energy") or {}
    if energy.get("total_uj") is None:
        return "missing"
    # An energy of 0 has no parts: then the quality is that of the devices.
    found = [name for name in _QUALITIES if energy.get(f"{name}_uj")] or [device.get("quality", "") for device in _summed(report)]
    return next((name for name in _QUALITIES if name in found), "missing")


def _summed(report: Mapping) -> list[Mapping]:
    """The devices that are part of the total."""
    return [device for device in report.get("devices") or () if not device.get("overlaps")]


def line(report: Mapping) -> str:
    """A report in one line."""
    rows = [f"{value} ({remark})" if remark else value or f"{title.lower()} not known" for title, value, remark in _rows(report)]
    return f"<eco2.Report {(report.get('run') or {}).get('name', '')!r}: {', '.join(rows)}>"


def card(report: Mapping) -> str:
    """A report as HTML for a notebook."""
    cells = "".join(f'<b>{escape(title)}</b><span style="white-space:nowrap">{escape(value or "not known")}</span><span>{escape(remark)}</span>'
                    for title, value, remark in _rows(report))
    grid = "display:grid;grid-template-columns:max-content max-content 1fr;gap:.2em 1.2em;align-items:center"
    return f'<div style="{grid}">{cells}{_power(report)}</div>'


def start(report: Mapping) -> str:
    """What a run that starts is measured with: sensors by component, what is estimated, the grid zone."""
    sensors: dict[str, list[str]] = {}
    estimated: list[str] = []
    for device in _summed(report):
        parts = estimated if device.get("quality") == "estimated" else sensors.setdefault(device.get("source", ""), [])
        parts.append(device.get("component", ""))
    read = ", ".join(f"{source} ({_each(parts)})" for source, parts in sensors.items()) or "none"
    modelled = f"; estimated: {_each(estimated)}" if estimated else ""
    zone = _zone(report.get("carbon") or {}) or "none"
    return f"measuring {(report.get('run') or {}).get('name', '')!r}: sensors: {read}{modelled}; grid zone: {zone}"


def _each(parts: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(parts))


def _zone(carbon: Mapping) -> str:
    is_world = carbon.get("zone_source") in _WORLD
    return "world average, no grid zone set" if is_world else str(carbon.get("zone", ""))


def _rows(report: Mapping) -> list[tuple[str, str, str]]:
    """Title, value and remark of energy, emissions and time; the value is empty where it is not known."""
    carbon, run = (report.get(part) or {} for part in ("carbon", "run"))
    rows = [("Energy", *_energy(report)), ("Emissions", *_emissions(carbon))]
    if run.get("duration_ns") is not None:
        rows.append(("Time", _duration(run["duration_ns"] / 1e9), "" if run.get("state") == "final" else "provisional"))
    return rows


def _energy(report: Mapping) -> tuple[str, str]:
    energy = report.get("energy") or {}
    bounds = (energy.get("total_uj"), energy.get("low_uj") or 0, energy.get("high_uj"))
    value, spread = _bounded(*bounds, _ENERGY, energy.get("range_kind") == "plausible")
    return value, ", ".join(filter(None, (quality(report), spread))) if value else ""


def _emissions(carbon: Mapping) -> tuple[str, str]:
    bounds = (carbon.get("grams"), carbon.get("low") or 0, carbon.get("high"))
    value, spread = _bounded(*bounds, _MASS, carbon.get("range_kind") == "plausible", " CO₂e")
    if not value:
        return "", ""
    intensities = {part.get("g_per_kwh") for part in carbon.get("segments") or ()}
    rate = f"{_digits(intensities.pop())} g/kWh" if len(intensities) == 1 else ""
    return value, ", ".join(filter(None, (spread, _zone(carbon), rate)))


def _bounded(value, low, high, units, is_plausible: bool, suffix: str = "") -> tuple[str, str]:  # type: ignore[no-untyped-def]
    """A value and its range, `± 1.2 %` where that is symmetric to a tenth, else both ends; empty where nothing is known."""
    if value is None and not low:
        return "", ""
    size, unit = _unit(value or low or high or 0, units)
    if high is None:
        return f"at least {_digits(low / size, floor)} {unit}{suffix}", ""
    # A value of 0 with an upper bound is not known to be 0: the sensor may not resolve it.
    if value is None or value <= 0 < high:
        return f"{_digits(low / size, floor)} – {_digits(high / size, ceil)} {unit}{suffix}", ""
    shown = f"{_digits(value / size)} {unit}{suffix}"
    below, above = value - low, high - value
    widest = max(below, above)
    if widest <= 0:
        return shown, ""
    if not is_plausible and abs(below - above) <= widest / 10:
        return shown, f"± {_digits(100 * widest / value, ceil, 2)} %"
    bounds = f"{_digits(low / size, floor)} – {_digits(high / size, ceil)} {unit}"
    return shown, f"plausible range {bounds}" if is_plausible else bounds


def _unit(value: float, units: Sequence[tuple[float, float, str]]) -> tuple[float, str]:
    return next(((size, name) for least, size, name in units if value >= least), units[-1][1:])


def _digits(value: float, rounding: Callable[[float], float] = round, significant: int = 3) -> str:
    """A number with that many significant digits, rounded to the nearest, up or down; groups of three from five digits on."""
    if not value:
        return "0"
    decimals = significant - 1 - floor(log10(abs(value)))
    scale = 10.0**decimals
    # A bound that is a decimal number already stays it: its binary form is off by less than a thousandth of the last digit.
    exact = round(value * scale, 3)
    rounded = rounding(exact) / scale
    if abs(rounding(exact)) >= 10**significant:
        decimals -= 1  # 9.996 is 10.0
    text = f"{rounded:,.{max(decimals, 0)}f}"
    return text.replace(",", " ") if abs(rounded) >= 10_000 else text.replace(",", "")


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{_digits(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _power(report: Mapping) -> str:
    """The row of power over time; empty where no curve is known."""
    watts = powers(report, _BARS)
    if not watts:
        return ""
    most = max(watts)
    mean = sum(watts) / len(watts)
    heights = [f"{_HEIGHT - (_HEIGHT - 2) * (power / most if most else 0):.1f}" for power in watts]
    changes = [at for at in range(1, len(heights)) if heights[at] != heights[at - 1]]
    path = f"M0 {heights[0]}" + "".join(f"H{_WIDTH * at / len(heights):g}V{heights[at]}" for at in changes) + f"H{_WIDTH}"
    size, unit = _unit(most, _POWER)
    remark = f"mean {_digits(mean / size)}, highest {_digits(most / size)} {unit}"
    return (f'<b>Power</b><svg role="img" aria-label="Power over time: {remark}" width="{_WIDTH}" height="{_HEIGHT}" '
            f'viewBox="0 0 {_WIDTH} {_HEIGHT}"><path d="{path}V{_HEIGHT}H0Z" fill="currentColor" opacity=".15"/>'
            f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg><span>{remark}</span>')


def powers(report: Mapping, parts: int) -> list[float]:
    """Mean power in equal parts of the run, watts, over the devices that are summed; empty where none is known."""
    devices = {device.get("id") for device in _summed(report)}
    # A curve of many devices, which long reports have in place of one for each, is that of a component's summed devices.
    curves = [curve for curve in report.get("curves") or () if curve.get("devices") or curve.get("device") in devices]
    end_ns = (report.get("run") or {}).get("duration_ns") or 0
    if not curves or not end_ns:
        return []
    edges = [end_ns * at / parts for at in range(parts + 1)]
    total_uj = [sum(each) for each in zip(*(_at(edges, (0, *curve["t_ns"]), (0, *curve["energy_uj"])) for curve in curves))]
    return [(after - before) * 1e3 * parts / end_ns for before, after in zip(total_uj, total_uj[1:])]


def _at(instants: Sequence[float], t_ns: Sequence[float], energy_uj: Sequence[float]) -> list[float]:
    """A curve's energy at ascending instants: on straight lines between its points, and constant after the last one."""
    found, point = [], 0
    for instant in instants:
        while point + 1 < len(t_ns) and t_ns[point + 1] < instant:
            point += 1
        if point + 1 == len(t_ns):
            found.append(energy_uj[point])
            continue
        width = t_ns[point + 1] - t_ns[point]
        share = (instant - t_ns[point]) / width if width else 0
        found.append(energy_uj[point] + share * (energy_uj[point + 1] - energy_uj[point]))
    return found
