"""The arena's figures as tables in Markdown."""

from __future__ import annotations

from typing import Iterable, List


def table(head: List[str], rows: Iterable[List[str]]) -> str:
    """A table; the first column is text."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def errors(rows: List[dict]) -> str:
    """Errors of spans, by component."""
    head = ["", "CPU median", "CPU worst", "CPU sum", "GPU median", "GPU worst", "GPU sum", "reported as 0", "truth within bounds"]
    return table(head, ([row["label"], *_error(row["cpu"]), *_error(row["gpu"]), _zeros(row), _within(row)] for row in rows))


def single(rows: List[dict]) -> str:
    """Signed errors where there was one span only."""
    body = ([row["label"], percent(row["cpu"].total), percent(row["gpu"].total), _within(row)] for row in rows)
    return table(["", "CPU", "GPU", "truth within bounds"], body)


def _error(score) -> List[str]:  # type: ignore[no-untyped-def]
    return [f"{score.median:.2f} %", f"{score.worst:.1f} %", percent(score.total)]


def percent(value: float) -> str:
    """A signed error."""
    return f"{value:+.2f} %"


def _zeros(row: dict) -> str:
    return f"{row['cpu'].zeros} + {row['gpu'].zeros} of {row['count']}"


def _within(row: dict) -> str:
    return "no bounds" if row["within"] is None else f"{row['within']} of {row['count']}"


def costs(rows: List[dict]) -> str:
    """Microseconds of begin and end."""
    shares = ("median", "p90", "p99")
    return table(["", *shares], ([row["label"], *(f"{row[share]:.2f} µs" for share in shares)] for row in rows))


def imports(rows: List[dict]) -> str:
    """What a first reading costs."""
    head = ["", "import, CPU", "import, wall", "first reading, CPU", "first reading, wall", "most memory", "packages", "installed"]
    times = ("import_cpu_ms", "import_ms", "first_cpu_ms", "first_ms")
    sizes = ((f"{row['peak_mib']:.0f} MiB", str(row["packages"]), f"{row['mib']:.0f} MiB") for row in rows)
    spent = ([row["label"], *(f"{row[key]:.0f} ms" for key in times)] for row in rows)
    return table(head, ([*left, *right] for left, right in zip(spent, sizes)))


def background(rows: List[dict]) -> str:
    """CPU while nothing happens."""
    return table(["", "of one core", "processes"], ([row["label"], f"{row['percent']:.2f} %", str(row["processes"])] for row in rows))


def ranks(rows: List[dict]) -> str:
    """Multiples of the truth."""
    body = ([row["label"], *(f"{row[key]:.2f} ×" for key in ("cpu", "gpu", "total"))] for row in rows)
    return table(["", "CPU", "GPUs", "all"], body)
