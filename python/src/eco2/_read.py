"""What a meter can be asked: the calls that wait for a lock, and records of what they gave."""

from __future__ import annotations

import ctypes
from functools import partial

from . import _abi
from . import _constants as c
from ._handles import check, encoded, finite, known, sized, text_of
from .errors import Error
from .records import Budget, Device, Series, Total

FORMATS = {"json": c.ECO2_REPORT_JSON, "text": c.ECO2_REPORT_TEXT, "csv": c.ECO2_REPORT_CSV,
           "spans-csv": c.ECO2_REPORT_SPANS_CSV, "openmetrics": c.ECO2_REPORT_OPENMETRICS,
           "openmetrics-hf": c.ECO2_REPORT_OPENMETRICS_HF, "codecarbon": c.ECO2_REPORT_CODECARBON,
           "hf-json": c.ECO2_REPORT_HF_JSON, "sci": c.ECO2_REPORT_SCI, "hf": c.ECO2_REPORT_HF,
           "boamps": c.ECO2_REPORT_BOAMPS, "scope2": c.ECO2_REPORT_SCOPE2, "ai-act": c.ECO2_REPORT_AI_ACT,
           "methods": c.ECO2_REPORT_METHODS, "summary": c.ECO2_REPORT_SUMMARY}
"""Formats that the library renders, by the command's names (`eco2 report --format`)."""

BY_COMMAND = ("html", "markdown", "latex", "firefox", "esg", "gpai", "cyclonedx", "pdf")
"""Formats that only the command renders."""

SYNCS = {c.ECO2_SYNC_NONE: "none", c.ECO2_SYNC_SYNCHRONIZE: "synchronize", c.ECO2_SYNC_EVENT: "event"}
DECISIONS = {c.ECO2_BUDGET_GO: "go", c.ECO2_BUDGET_WARN: "warn", c.ECO2_BUDGET_PAUSE: "pause",
             c.ECO2_BUDGET_STOP: "stop"}
RANGES = {c.ECO2_RANGE_HARD: "hard", c.ECO2_RANGE_PLAUSIBLE: "plausible"}
UNITS = {c.ECO2_UNIT_MICROJOULES: "energy_uj", c.ECO2_UNIT_GRAMS: "grams", c.ECO2_UNIT_MONEY: "money"}
COMPONENTS = {c.ECO2_COMPONENT_CPU: "cpu", c.ECO2_COMPONENT_MEMORY: "memory", c.ECO2_COMPONENT_GPU: "gpu",
              c.ECO2_COMPONENT_OTHER: "other"}
QUALITIES = {c.ECO2_QUALITY_MEASURED: "measured", c.ECO2_QUALITY_DERIVED: "derived",
             c.ECO2_QUALITY_ESTIMATED: "estimated", c.ECO2_QUALITY_SYNTHETIC: "synthetic",
             c.ECO2_QUALITY_MISSING: "missing"}
TEXTS = {"id": c.ECO2_TEXT_ID, "name": c.ECO2_TEXT_NAME, "domain": c.ECO2_TEXT_DOMAIN, "source": c.ECO2_TEXT_SOURCE}

NOTHING = (c.ECO2_ERR_NO_DATA, c.ECO2_ERR_FORKED)
"""Statuses that mean that nothing is known here."""


def report_formats() -> tuple[str, ...]:
    """Names of the formats of a report, those of `eco2 report --format`."""
    return (*FORMATS, *BY_COMMAND)


def unknown(library, status: int) -> None:  # type: ignore[no-untyped-def]
    """None for a status that means that nothing is known; raises any other."""
    if status not in NOTHING:
        check(library, status)


def total(library, handle, identifier: int | None) -> Total | None:  # type: ignore[no-untyped-def]
    """The sum of a name's spans, or None."""
    if identifier is None:
        return None
    found = sized(_abi.SpanSum)
    status = library.span_total(handle, identifier, ctypes.byref(found))
    if status:
        return unknown(library, status)
    return Total(found.count, found.duration_ns, known(found.energy_uj), found.low_uj, known(found.high_uj),
                 found.state == c.ECO2_STATE_FINAL, SYNCS.get(found.sync, str(found.sync)), found.free_low_uj,
                 known(found.free_high_uj), RANGES.get(found.range_kind), finite(found.range_percent))


def rank(library, handle) -> int | None:  # type: ignore[no-untyped-def]
    """This process's rank, or None."""
    found = ctypes.c_uint32()
    status = library.meter_rank(handle, ctypes.byref(found))
    return unknown(library, status) if status else found.value


def devices(library, handle) -> list[Device]:  # type: ignore[no-untyped-def]
    """Every device."""
    count = ctypes.c_uint32()
    status = library.device_count(handle, ctypes.byref(count))
    if status:
        unknown(library, status)
        return []
    return [_device(library, handle, index) for index in range(count.value)]


def _device(library, handle, index: int) -> Device:  # type: ignore[no-untyped-def]
    found = sized(_abi.DeviceInfo)
    check(library, library.device_get(handle, index, ctypes.byref(found)))

    def text(which: int) -> str:
        return text_of(library, partial(library.device_text, handle, index, which))

    texts = {name: text(which) for name, which in TEXTS.items()}
    return Device(
        index=index, **texts, model=text(c.ECO2_TEXT_MODEL) or None, method=text(c.ECO2_TEXT_METHOD) or None,
        component=COMPONENTS.get(found.component, "other"),
        quality=QUALITIES.get(found.quality, "missing"), summed=bool(found.flags & c.ECO2_DEVICE_SUMMED),
        energy_uj=known(found.energy_uj), low_uj=known(found.low_uj), high_uj=known(found.high_uj),
        wraps=found.wraps, resets=found.resets, coverage=found.coverage, mean_w=finite(found.mean_w),
        peak_w=finite(found.peak_w), gain_percent=finite(found.gain_percent),
        free_low_uj=known(found.free_low_uj), free_high_uj=known(found.free_high_uj),
        range_kind=RANGES.get(found.range_kind), range_percent=finite(found.range_percent))


def series(library, handle, device: str) -> Series:  # type: ignore[no-untyped-def]
    """The knots of a device; more may come between the question for their number and the answer."""
    name, needed = encoded(device, "device"), ctypes.c_size_t()
    check(library, library.series(handle, name, None, None, None, 0, ctypes.byref(needed)))
    while True:
        capacity = needed.value + 64
        columns = [(ctypes.c_uint64 * capacity)() for _ in range(3)]
        status = library.series(handle, name, *columns, capacity, ctypes.byref(needed))
        if status != c.ECO2_ERR_BUFFER:
            check(library, status)
            return Series(device, *(column[:needed.value] for column in columns))


def budget(library, handle) -> Budget:  # type: ignore[no-untyped-def]
    """What became of the budget."""
    found = sized(_abi.BudgetState)
    check(library, library.budget_check(handle, ctypes.byref(found)))
    limit = finite(found.limit)
    unit = None if limit is None else UNITS.get(found.unit, str(found.unit))
    return Budget(DECISIONS.get(found.decision, "stop"), found.limits, found.share, unit, finite(found.spent), limit,
                  finite(found.held), finite(found.finish), finite(found.finish_low), finite(found.finish_high),
                  finite(found.finish_p90), finite(found.low), finite(found.high),
                  None if limit is None else QUALITIES.get(found.quality, str(found.quality)),
                  finite(found.quality_percent))


def report(library, handle, format: str) -> str:  # type: ignore[no-untyped-def]
    """The report as text, in a format that the library renders."""
    known_as = format.replace(".", "-") if isinstance(format, str) else format  # `spans.csv` and the like, until 0.1
    if known_as not in FORMATS:
        allowed = ", ".join(name for name in report_formats() if name != "pdf")
        remedy = "; a report's to_pdf() makes one" if format == "pdf" else ""
        raise Error(c.ECO2_ERR_ARGUMENT, f"format is {format!r}; allowed: {allowed}{remedy}")
    return text_of(library, partial(library.report, handle, FORMATS[known_as]))
