"""What became of the tools' figures: errors against the truth, quantiles, counts."""

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


def score(seen: List[dict], truth: Truth, component: str) -> Score:
    """The score of readings with their edges; `component` is `cpu` or `gpu`."""
    pairs = [(one["reading"][component], truth(one["from_ns"], one["to_ns"])[component]) for one in seen]
    errors = [abs(reported - true) / true * 100 for reported, true in pairs]
    reported, true = (sum(values) for values in zip(*pairs))
    return Score(statistics.median(errors), max(errors), (reported - true) / true * 100, sum(reported <= 0 for reported, _ in pairs))


def within(seen: List[dict], truth: Truth) -> Optional[int]:
    """How many of the true totals lie within the reported bounds; None for a tool without bounds."""
    if "low" not in seen[0]["reading"]:
        return None
    return sum(_holds(one["reading"], sum(truth(one["from_ns"], one["to_ns"]).values())) for one in seen)


def _holds(reading: dict, true: float) -> bool:
    return reading["low"] <= true and (reading["high"] is None or true <= reading["high"])


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which that share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
