"""BenchmarkResult: what measuring costs (`benchmark_monitoring_overhead`), and the energy of a training per unit of work
(`benchmark_training_efficiency`), both from runs that are measured here. Nothing is simulated."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Dict, List, Optional

from .commands import command_output
from .errors import ConfigurationError
from .plain import track_training


@dataclass
class BenchmarkResult:
    """A value of repeated runs.

    Attributes:
        name: what was measured.
        unit: the value's unit.
        value: the median (overhead) or the mean (efficiency); None is not known.
        low, high: the least and most of the repeats (overhead), or the 95 % confidence interval of the mean (efficiency).
        repeats: number of runs behind the value.
        details: the values of single runs, and how they were obtained.
    """

    name: str
    unit: str
    value: Optional[float]
    low: Optional[float]
    high: Optional[float]
    repeats: int
    details: Dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def benchmark_monitoring_overhead(work: Optional[Callable[[], Any]] = None, steps: int = 200, repeats: int = 5,
                                  **options: Any) -> BenchmarkResult:
    """How much longer a step takes because it is measured, in percent of a step without measuring.

    Runs with and without measuring alternate, so that a machine that slows down slows both. Each run is represented by the median
    of its steps. On a busy machine the range includes 0, or more than the true cost: use more repeats.

    Args:
        work: one step; by default a loop of about a millisecond.
        steps: steps of a run.
        repeats: pairs of runs.
        options: of `CarbonConfig`.

    Raises:
        ConfigurationError: fewer than one repeat or step, or options that cannot be used.
    """
    if steps < 1 or repeats < 1:
        raise ConfigurationError("benchmark_monitoring_overhead needs at least one step and one repeat")
    work = work or _default_work
    work()
    plain: List[float] = []
    measured: List[float] = []
    own: List[Optional[float]] = []
    for repeat in range(repeats):
        # The order changes, so that neither kind always follows the other.
        for is_measured in ((False, True) if repeat % 2 == 0 else (True, False)):
            if not is_measured:
                plain.append(_median_step(work, steps, lambda: None))
                continue
            with track_training(**{"save_report": False, **options}) as run:
                measured.append(_median_step(work, steps, run.step))
            own.append(_own_share(run.report.eco2))
    percent = [(with_it / without - 1) * 100 for with_it, without in zip(measured, plain)]
    return BenchmarkResult(
        "monitoring overhead", "% of a step", statistics.median(percent), min(percent), max(percent), repeats,
        {"steps": steps, "step_seconds_without": plain, "step_seconds_with": measured, "cpu_percent_of_one_core": own})


def benchmark_training_efficiency(train: Callable[[Any], Any], repeats: int = 3, name: str = "training",
                                  **options: Any) -> BenchmarkResult:
    """The energy of a training per sample, token or step: the mean of repeated runs with its 95 % confidence interval, by
    `eco2 compare --by`.

    Args:
        train: a whole training; it gets the run, on which it calls `step(samples=..., tokens=...)`.
        repeats: number of runs, at least two.
        name: of the benchmark.
        options: of `CarbonConfig`.

    Raises:
        ConfigurationError: fewer than two repeats, options that cannot be used, or a run that could not be measured.
        APIError: the runs cannot be compared.
    """
    if repeats < 2:
        raise ConfigurationError("benchmark_training_efficiency needs at least two repeats: one run shows no variation")
    reports = []
    for _ in range(repeats):
        with track_training(**{"save_report": False, **options}) as run:
            train(run)
        if run.report is None or run.report.eco2 is None:
            raise ConfigurationError("the training could not be measured: see the log")
        reports.append(run.report.eco2)
    with tempfile.TemporaryDirectory() as folder:
        files = [_labelled(folder, number, name, report) for number, report in enumerate(reports)]
        found = json.loads(command_output(["compare", *files, "--by", "benchmark", "--json"]))
    energy = found["grouping"]["groups"][0]["energy_kwh"]
    return BenchmarkResult(name, f"kWh per {found['per']}", energy["mean"], energy["low"], energy["high"], energy["count"],
                           {"runs": found["runs"], "left_out": found["grouping"]["groups"][0]["left_out"]})


def _labelled(folder: str, number: int, name: str, report: Dict[str, Any]) -> str:
    path = os.path.join(folder, f"{number}.json")
    run = {**report["run"], "name": f"{name} {number + 1}", "labels": {**report["run"]["labels"], "benchmark": name}}
    with open(path, "w", encoding="utf-8") as out:
        json.dump({**report, "run": run}, out)
    return path


def _default_work() -> int:
    return sum(number * number for number in range(20_000))


def _median_step(work: Callable[[], Any], steps: int, after: Callable[[], Any]) -> float:
    """The median of the seconds from one step to the next."""
    times = []
    before = time.perf_counter()
    for _ in range(steps):
        work()
        after()
        now = time.perf_counter()
        times.append(now - before)
        before = now
    return statistics.median(times)


def _own_share(report: Optional[Dict[str, Any]]) -> Optional[float]:
    """CPU time of measuring, percent of one core."""
    if report is None or not report["run"]["duration_ns"]:
        return None
    return report["self"]["cpu_ns"] / report["run"]["duration_ns"] * 100
