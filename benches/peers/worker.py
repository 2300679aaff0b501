"""One tool in one case, in a separate process: `worker.py TOOL CASE OUT ARGUMENTS`, the last as JSON.

Writes to OUT the tool's result and the monotonic times of the measured code: from the return of the call that begins to
the call that ends.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from time import monotonic_ns, perf_counter_ns
from typing import List

import processes
from curve import MS
from tools import TOOLS


def sleep_until(at_ns: int) -> None:
    """Sleeps to a reading of the monotonic clock."""
    time.sleep(max(0, at_ns - monotonic_ns()) / 1e9)


def run(tool, seconds: float) -> List[dict]:  # type: ignore[no-untyped-def]
    """One run of the tool."""
    tool.warm()
    return [run_until(tool, monotonic_ns() + int(seconds * 1e9))]


def spans(tool, plan: List[List[int]]) -> List[dict]:  # type: ignore[no-untyped-def]
    """Spans of given lengths with gaps before them, both in milliseconds."""
    tool.prepare()
    edges = {}
    for at, (length_ms, gap_ms) in enumerate(plan):
        time.sleep(gap_ms / 1e3)
        edges[f"span {at}"] = span(tool, f"span {at}", length_ms)
    readings = tool.finish()
    return [{**edge, "reading": readings[name]} for name, edge in edges.items()]


def aligned(tool, length_ms: int, period_ns: float, origin_ns: int) -> List[dict]:  # type: ignore[no-untyped-def]
    """One span that ends in the middle of a counter's range, which it passes in a period."""
    tool.prepare()
    middle_ns = monotonic_ns() + length_ms * MS - origin_ns + period_ns / 2
    sleep_until(origin_ns + int((middle_ns // period_ns + 0.5) * period_ns) - length_ms * MS)
    edges = span(tool, "aligned", length_ms)
    return [{**edges, "reading": tool.finish()["aligned"]}]


def span(tool, name: str, length_ms: int) -> dict:  # type: ignore[no-untyped-def]
    """One span of a length; returns its edges."""
    tool.begin(name)
    from_ns = monotonic_ns()
    sleep_until(from_ns + length_ms * MS)
    to_ns = monotonic_ns()
    tool.end(name)
    return {"from_ns": from_ns, "to_ns": to_ns}


def cost(tool, count: int) -> List[int]:  # type: ignore[no-untyped-def]
    """Nanoseconds of begin and end of one span, many times, nothing in it."""
    tool.prepare()
    taken = []
    for _ in range(count):
        begun = perf_counter_ns()
        tool.begin("step")
        tool.end("step")
        taken.append(perf_counter_ns() - begun)
    return taken


def step(tool, count: int) -> List[int]:  # type: ignore[no-untyped-def]
    """Nanoseconds of eco2's one call a step."""
    tool.prepare()
    call, taken = tool.stepper(), []
    for _ in range(count):
        begun = perf_counter_ns()
        call()
        taken.append(perf_counter_ns() - begun)
    return taken


def idle(tool, seconds: float) -> dict:  # type: ignore[no-untyped-def]
    """CPU time of this process and its children while the program sleeps within a run."""
    tool.warm()
    tool.run_begin()
    time.sleep(3)
    before_ns, from_ns = processes.cpu_ns(), monotonic_ns()
    time.sleep(seconds)
    used_ns, passed_ns = processes.cpu_ns() - before_ns, monotonic_ns() - from_ns
    tool.run_end()
    return {"percent": 100 * used_ns / passed_ns, "processes": 1 + len(processes.children())}


def rank(tool, folder: str, rank: int) -> List[dict]:  # type: ignore[no-untyped-def]
    """One of several that measure at the same time: waits for the file `go`, which has its start and end."""
    tool.warm()
    (Path(folder) / f"ready-{rank}").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.05)
    from_ns, to_ns = json.loads((Path(folder) / "go").read_text())
    sleep_until(from_ns)
    result = run_until(tool, to_ns)
    report = getattr(tool, "report", None)
    return [{**result, "report": report and report.to_dict()}]


def run_until(tool, to_ns: int) -> dict:  # type: ignore[no-untyped-def]
    """One run of the tool to a time."""
    tool.run_begin()
    begun_ns = monotonic_ns()
    sleep_until(to_ns)
    ended_ns = monotonic_ns()
    return {"from_ns": begun_ns, "to_ns": ended_ns, "reading": tool.run_end()}


CASES = {case.__name__: case for case in (run, spans, aligned, cost, step, idle, rank)}

if __name__ == "__main__":
    name, case, out, arguments = sys.argv[1:]
    keywords = json.loads(arguments)
    result = CASES[case](TOOLS[name](**keywords.pop("options", {})), **keywords)
    Path(out).write_text(json.dumps(result))
