"""The page `docs/measured/peers.md`: question, method, machine and tables."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import textwrap
from pathlib import Path
from typing import Callable, NamedTuple

import cases
import tables


class Section(NamedTuple):
    """A part of the page: a title, an introduction, the table."""

    title: str
    text: str
    table: Callable[[list], str]

    def render(self, rows: list) -> str:
        """As Markdown."""
        return f"## {self.title}\n\n{self.text.strip()}\n\n{self.table(rows)}"


SECTIONS = {
    "totals": Section("A run of 10 s", """
Errors of each tool's result for one run, started and ended as in its documentation.
""", tables.single),
    "wraps": Section("10 s over two wraps", f"""
The counter's range is {cases.SMALL_RANGE_UJ // 1_000_000} J here, so that it wraps every 4 s; really a package wraps after a
quarter of an hour under full load. The span ends in the middle of the range: Zeus' watching process, which looks once a second, has
seen every wrap by then. CodeCarbon reads a task's counters at its two ends only; the last row is a whole run, in which it
reads every second.
""", tables.single),
    "long_spans": Section("Spans of 500 ms", """
20 spans at no particular phase. Median and worst are of the spans' absolute errors; "sum" is the signed error of all spans
together. A span that was reported as 0 had no update of its counter (CPU + GPU spans).
""", tables.errors),
    "short_spans": Section("Spans of 50 ms", """
60 spans of half the period of the GPU's counter. No tool can know what happened between two updates: eco2 reports bounds,
which are compared with the truth.
""", tables.errors),
    "costs": Section("What a span costs the calling thread", """
Begin and end with nothing in between. The scripted driver answers at once and the counter's file lies in memory, so for
tools that read at the edges this is the least it can be. eco2 only stores a time, whatever the driver takes.
""", tables.costs),
    "imports": Section("Up to the first reading", """
In a fresh interpreter, from its first line; medians of five after one that is not counted. CPU times are of all threads
and of processes that the tool starts. "Installed" is without pip and compiled bytecode.
""", tables.imports),
    "background": Section("CPU while the program sleeps", """
30 s within a run, all tools at once, with their processes. By default eco2 reads once a second while there is no span, CodeCarbon every
15 s (and its own load every second), Zeus looks for wraps once a second and reads at the edges. eco2 is not first here: in the first
seconds of a run it also reads utilisation and the process table once a second, to show whose energy it is, which Zeus does not show. Later
it reads them every ten seconds: [0.014 to 0.022 %](sampling.md#the-real-thread).
""", tables.background),
    "ranks": Section("Four ranks on one machine with four GPUs", """
The sum of the ranks' results for the same 5 s, in multiples of the truth. CodeCarbon is used as it is; each rank of Zeus
is given its GPU, as its documentation shows; eco2 is used as it is, and its reports are merged. (CodeCarbon's `gpu_ids`
could give each rank its GPU; the package would still be counted by every rank.)
""", tables.ranks),
}

INTRO = """
# Benchmark against CodeCarbon and Zeus

Compare eco2 with CodeCarbon and Zeus by what they report and what they cost, and repeat the benchmark.

**Question.** What do eco2, CodeCarbon and Zeus report on a machine whose energy is known, and what does measuring cost?

**Answer, of this run.** {answer}

**Machine that is measured.** One package whose power is {cpu}, and GPUs that draw {gpu} (`millisecond:watts`, repeated). A
writer keeps the package's counter equal to the integral of its curve every millisecond; the GPUs are the scripted driver
of `samplers/fake-nvml`, whose counters change every 100 ms. The truth of a span is the integral of the curves from the
return of the call that begins it to the call that ends it.

**How the tools come to read it.** The counter's tree is at `/sys/class/powercap` within a mount namespace; the driver is
found by `LD_LIBRARY_PATH`. No tool is patched and each is used as published, from an environment of its own. CodeCarbon
needs an `nvidia-smi` to believe in a GPU: an empty script. Its offline tracker is used, and its memory estimate is left out
of every comparison. Zeus' windows do not synchronise with a framework, since there is none.

**Command.** `scripts/arena --write docs/measured/peers.md` (`scripts/test --full` runs it without writing). It ends with 1
where eco2 misses a target of [`claims.py`](../../benches/peers/claims.py).

**Run.** {date}; {machine}; load average {load}. eco2 {eco2}, CodeCarbon {codecarbon}, Zeus {zeus}, Python
{python}. The writer's largest delay was {lag} ms. One run: compare the tools with each other, on your machine.

**Not shown.** Real counters and drivers, which err in ways of their own and take longer to answer; other loads; GPUs without an
energy counter; networks.
"""


def whole(found: dict, arena: cases.Arena) -> str:
    """The page."""
    intro = INTRO.strip().format(**_facts(arena), answer=answer(found)).split("\n\n")
    filled = "\n\n".join(textwrap.fill(part, 120, break_long_words=False, break_on_hyphens=False) for part in intro)
    return filled + "\n" + "".join("\n" + SECTIONS[name].render(rows) for name, rows in found.items())


ANSWERS = (
    ("ranks", "four ranks on one machine count {} times the truth", lambda row: f"{row['total']:.2f}"),
    ("wraps", "over two wraps of a counter a span is off by {}", lambda row: tables.percent(row["cpu"].total)),
    ("long_spans", "a GPU's span of 500 ms is off by {} (median)", lambda row: f"{row['gpu'].median:.2f} %"),
    ("short_spans", "of 60 spans of 50 ms, {} are reported as 0", lambda row: str(row["gpu"].zeros)),
    ("costs", "begin and end take {} of the calling thread (median)", lambda row: f"{row['median']:.1f} µs"),
    ("imports", "the first reading takes {} of CPU", lambda row: f"{row['first_cpu_ms']:.0f} ms"),
    ("background", "and {} of a core go to measuring while nothing happens",
     lambda row: f"{row['percent']:.2f} %"),
)
"""The answer at the top of the page: case, sentence, value of a row."""


def answer(found: dict) -> str:
    """The main figures in one sentence."""
    parts = (text.format(", ".join(_of_each(found[case], figure))) for case, text, figure in ANSWERS)
    return "In the order eco2, CodeCarbon, Zeus: " + "; ".join(parts) + "."


def _of_each(rows: list, figure: Callable[[dict], str]) -> list:
    return [figure(next(row for row in rows if row["label"] == entry.label)) for entry in cases.ALL]


def _facts(arena: cases.Arena) -> dict:
    versions = {name: _version(arena.venvs / name) for name in ("eco2", "codecarbon", "zeus")}
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return {**versions, "cpu": f"`{cases.CPU.script()}`", "gpu": f"`{cases.GPU.script()}`", "date": datetime.date.today().isoformat(),
            "machine": _machine(), "load": load, "python": platform.python_version(), "lag": f"{max(arena.lags):.1f}"}


def _version(venv: Path) -> str:
    packages = [str(path) for path in (venv / "lib").glob("python*/site-packages")]
    return next(found.version for found in importlib.metadata.distributions(path=packages) if found.metadata["Name"] == venv.name)


def _machine() -> str:
    cpu = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    virtual = "virtual machine, " if "hypervisor" in Path("/proc/cpuinfo").read_text(encoding="utf-8") else ""
    return f"{virtual}{os.cpu_count()} cores of {cpu.group(1) if cpu else platform.machine()}, Linux {platform.release()}"
