"""The targets of eco2 in the arena, independent of the peers' results."""

from __future__ import annotations

from typing import Iterator

FIRST_READING_MS = 50
"""CPU time of import and first reading."""


def missed(results: dict) -> Iterator[str]:
    """Yields every target that eco2 missed."""
    for case in ("totals", "wraps", "long_spans", "short_spans"):
        yield from _accuracy(case, results[case][0])
    # The least of the rounds: other load on the machine only adds to it.
    first, ranks = results["imports"][0]["least_cpu_ms"], results["ranks"][0]
    if first > FIRST_READING_MS:
        yield f"the first reading took {first:.0f} ms of CPU, not at most {FIRST_READING_MS}"
    for part in ("cpu", "gpu", "total"):
        if not 0.99 <= ranks[part] <= 1.01:
            yield f"four ranks count {part} {ranks[part]:.3f} times"


def _accuracy(case: str, row: dict) -> Iterator[str]:
    if row["within"] != row["count"]:
        yield f"{case}: the truth lies within the bounds {row['within']} times of {row['count']}"
    if case in ("totals", "wraps"):
        for part in ("cpu", "gpu"):
            if abs(row[part].total) > 1:
                yield f"{case}: {part} is off by {row[part].total:+.2f} %"
