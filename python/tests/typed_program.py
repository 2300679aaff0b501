"""A program as users write it, for mypy --strict in the gate `notebook`: what it takes for granted is what the types promise."""

from __future__ import annotations

from pathlib import Path

import eco2
from eco2.codecarbon import EmissionsTracker


def measured() -> float | None:
    """A run with steps, spans and a budget."""
    with eco2.Meter(name="bert", zone="DE", gpus=[0], budget={"max_co2_kg": 5.0}, json=Path("report.json")) as meter:
        for samples in range(3):
            meter.step(samples=samples, loss=0.5)
        with meter.span("evaluation"):
            pass
        total: eco2.Total | None = meter.total("step")
        energy: eco2.Energy | None = meter.now()
        joules: float | None = None if total is None or energy is None else total.joules
    report: eco2.Report = meter.stop()
    low: float = report.kwh_range[0]
    grams: float | None = None if report.co2_kg is None else report.co2_kg * 1e3
    text: str = report.quality + report.to_html() + report.summary()
    return joules or low or grams or float(len(text))


@eco2.track
def tracked(value: int) -> int:
    """A decorated function."""
    return value + 1


def switched() -> float | None:
    """CodeCarbon's classes."""
    tracker = EmissionsTracker(project_name="p", country_iso_code="DEU", gpu_ids="0")
    tracker.start()
    return tracker.stop()
