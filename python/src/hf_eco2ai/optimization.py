"""Suggestions to reduce a training's energy use, under the names of HF Eco2AI, by `eco2 optimize`.

    from hf_eco2ai import CarbonOptimizer
    for advice in CarbonOptimizer(regions=["FR"]).analyze_training("carbon_report.json"):
        print(advice.title, advice.potential_reduction_percent, advice.command)

Every suggestion is based on measurements in the run; nothing is computed here. See docs/advice.md of eco2.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

import eco2

from .errors import APIError, ConfigurationError
from .models import OptimizationRecommendation
from .power import optimize_power_settings
from .scheduling import plan_optimal_training

__all__ = ["CarbonOptimizationEngine", "CarbonOptimizer", "SustainabilityOptimizer", "generate_recommendations",
           "optimize_power_settings", "plan_optimal_training", "suggest_optimizations"]

Run = Union[Mapping, str, os.PathLike, Any]
"""A CarbonReport, a report of schema eco2.report/1 as plain data, the file of either, a run's id, or "last"."""


class CarbonOptimizer:
    """Suggests how to reduce a run's energy use.

    Attributes:
        `counsel`: the whole answer of the last call, schema eco2.advice/1; its `silences` are the topics not assessed, with the reason.
    """

    def __init__(self, regions: Sequence[str] = (), series: Optional[Union[str, os.PathLike]] = None,
                 column: Optional[str] = None, within_hours: Optional[float] = None, zone: Optional[str] = None) -> None:
        """Sets what the run is compared with.

        Args:
            regions: zones, or columns of the series.
            series: file of intensities over time, for other hours.
            column: the run's own column of it.
            within_hours: hours by which the run may move; 24 by default.
            zone: price the run in this zone instead of the one in its report.
        """
        self.flags = [word for region in regions for word in ("--region", region)]
        given = {"--series": series, "--column": column, "--within": within_hours, "--zone": zone}
        self.flags += [word for flag, value in given.items() if value is not None for word in (flag, str(value))]
        self.counsel: Dict[str, Any] = {}

    def analyze_training(self, report: Run) -> List[OptimizationRecommendation]:
        """Returns suggestions for a run, the largest saving first; empty if there are none.

        Raises:
            APIError: the command eco2 refused the run, the series or a zone.
            ConfigurationError: the report contains no measured run.
        """
        data = _data(report)
        if isinstance(data, str):
            self.counsel = self._asked(data)
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "report.json")
                path.write_text(json.dumps(data), encoding="utf-8")
                self.counsel = self._asked(str(path))
            # The file is gone: commands name the run, whose record may be there.
            for advice in self.counsel["advice"]:
                advice["command"] = advice["command"].replace(str(path), str(data["run"]["id"]))
        return [recommendation(advice) for advice in self.counsel["advice"]]

    suggest_optimizations = generate_recommendations = analyze_training

    def _asked(self, run: str) -> Dict[str, Any]:
        done = eco2.run_cli(["optimize", run, "--json", *self.flags], capture_output=True, text=True)
        if done.returncode:
            raise APIError(done.stderr.strip() or f"eco2 optimize ended with {done.returncode}")
        return json.loads(done.stdout)


CarbonOptimizationEngine = SustainabilityOptimizer = CarbonOptimizer


def suggest_optimizations(report: Run, **keywords: Any) -> List[OptimizationRecommendation]:
    """Returns suggestions for a run; keywords and errors are those of `CarbonOptimizer`."""
    return CarbonOptimizer(**keywords).analyze_training(report)


generate_recommendations = suggest_optimizations


def recommendation(advice: Mapping) -> OptimizationRecommendation:
    """Returns one suggestion of `eco2 optimize --json`, with unchanged values. The time that a change takes was not measured:
    None."""
    return OptimizationRecommendation(
        category=advice["topic"], title=advice["title"], description=advice["text"],
        potential_reduction_percent=advice["percent"], potential_co2_savings_kg=advice["co2_kg"],
        implementation_difficulty=advice["difficulty"], claim=advice["claim"],
        reduction_interval_percent=(advice["low_percent"], advice["high_percent"]),
        evidence=list(advice["evidence"]), command=advice["command"])


def _data(report: Run) -> Union[str, Mapping]:
    """What the command reads: a run's name, or a report of schema eco2.report/1."""
    if isinstance(report, (str, os.PathLike)):
        name = os.fspath(report)
        if not os.path.isfile(name):
            return name
        try:
            report = json.loads(Path(name).read_text(encoding="utf-8"))
        except ValueError:
            # A run log; the command knows.
            return name
    inner = report.get("eco2") if isinstance(report, Mapping) and "eco2" in report else getattr(report, "eco2", report)
    if not isinstance(inner, Mapping):
        raise ConfigurationError("the report holds no measured run, so there is no advice on it")
    return inner
