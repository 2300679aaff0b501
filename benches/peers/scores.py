"""Scores of the tools' results: errors against the truth, quantiles, counts."""

from __future__ import annotations

import statistics
from typing import Callable, Iterable, List, NamedTuple, Optional

Truth = Callable[[int, int], dict]


class Score(NamedTuple):
    """Errors of a tool over some spans, in percent of the truth, for one component.

    `median`, `worst`: of the spans' absolute errors. `total`: signed, of the sum over the spans. `zeros`: spans that were
    reported as zero or less.
    """

    median: float
    worst: float
    total: float
    zeros: int


def score(spans: List[dict], truth: Truth, component: str) -> Score:
    """The score of spans with their readings; `component` is `cpu` or `gpu`."""
    pairs = [(span["reading"][component], truth(span["from_ns"], span["to_ns"])[component]) for span in spans]
    errors = [abs(reported - true) / true * 100 for reported, true in pairs]
    reported, true = (sum(values) for values in zip(*pairs))
    zeros = sum(value <= 0 for value, _ in pairs)
    return Score(statistics.median(errors), max(errors), (reported - true) / true * 100, zeros)


def within(spans: List[dict], truth: Truth) -> Optional[int]:
    """Number of true totals that lie within the reported bounds; None for a tool without bounds."""
    if "low" not in spans[0]["reading"]:
        return None
    return sum(_holds(span["reading"], sum(truth(span["from_ns"], span["to_ns"]).values())) for span in spans)


def _holds(reading: dict, true: float) -> bool:
    return reading["low"] <= true and (reading["high"] is None or true <= reading["high"])


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which that share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
