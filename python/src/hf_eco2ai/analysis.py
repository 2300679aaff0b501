"""CarbonComparison: compares runs by `eco2 compare`, and draws one bar per run with its interval as SVG."""

from __future__ import annotations

import html
import json
import os
import tempfile
from typing import Any, Dict, List, Optional, Sequence, Union

import eco2

from .errors import APIError, ConfigurationError
from .files import write_text
from .report import CarbonReport

COLUMNS = ("total_energy_kwh", "total_co2_kg", "total_duration_hours", "average_power_watts", "energy_per_sample",
           "co2_per_sample", "average_samples_per_kwh", "final_loss")
"""The columns of each run; None is not known. One run of each configuration does not show the variation between runs."""


class CarbonComparison:
    """Runs by name."""

    def __init__(self) -> None:
        self.experiments: Dict[str, CarbonReport] = {}

    def add_experiment(self, name: str, report: Union[CarbonReport, str, os.PathLike]) -> None:
        """Adds a report, or the file of one. Raises as `CarbonReport.from_json`."""
        self.experiments[name] = report if isinstance(report, CarbonReport) else CarbonReport.from_json(report)

    def compare(self) -> List[Dict[str, Any]]:
        """One row per run: that with the least energy per sample (else the least energy) first, unknown ones last."""
        rows = [{"name": name, **{column: report.summary.get(column) for column in COLUMNS}}
                for name, report in self.experiments.items()]
        key = "energy_per_sample" if all(row["energy_per_sample"] is not None for row in rows) else "total_energy_kwh"
        return sorted(rows, key=lambda row: (row[key] is None, row[key] or 0))

    def comparison(self, per: Optional[str] = None, pareto: Sequence[str] = ()) -> Dict[str, Any]:
        """The answer of `eco2 compare`: values per unit with bounds, whether the bounds overlap, runs that no other run dominates.

        Args:
            per: `step`, `sample`, `token` or `run`; by default the unit that all runs have counted.
            pareto: of `grams`, `energy`, `duration`, `cost`.

        Raises:
            ConfigurationError: fewer than two runs, or one without a report of eco2.
            APIError: the command failed; the text has the reason.
        """
        flags = [*(["--per", per] if per else []), *(["--pareto", ",".join(pareto)] if pareto else [])]
        return json.loads(self._asked([*flags, "--json"]))

    def summary(self) -> str:
        """The comparison as text: `eco2 compare`'s where every run is a report of eco2, else the rows."""
        if len(self.experiments) > 1 and all(report.eco2 is not None for report in self.experiments.values()):
            return self._asked([]).rstrip("\n")
        lines = ["\t".join(("name", *COLUMNS))]
        for row in self.compare():
            lines.append("\t".join("-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
                                   for value in row.values()))
        return "\n".join(lines)

    def plot_comparison(self, path: str = "carbon_comparison.svg", metric: str = "grams") -> str:
        """Writes one bar per run with its interval as SVG, and returns the path. An arrow marks an interval without an upper
        bound.

        Args:
            path: a file that ends with `.svg`.
            metric: `grams` or `energy_kwh`, a unit of work.

        Raises:
            ConfigurationError: another ending or metric, or as `comparison`.
        """
        if not str(path).endswith(".svg") or metric not in ("grams", "energy_kwh"):
            raise ConfigurationError("plot_comparison writes .svg, of grams or energy_kwh")
        found = self.comparison()
        return write_text(path, _svg(found["runs"], metric, found["per"]))

    def _asked(self, flags: List[str]) -> str:
        missing = [name for name, report in self.experiments.items() if report.eco2 is None]
        if missing or len(self.experiments) < 2:
            raise ConfigurationError(f"two reports of eco2 are needed; without one: {', '.join(missing) or 'none'}")
        with tempfile.TemporaryDirectory() as folder:
            files = [_written(folder, place, name, report.eco2)
                     for place, (name, report) in enumerate(self.experiments.items())]
            done = eco2.run_cli(["compare", *files, *flags], capture_output=True, text=True, check=False)
        if done.returncode:
            raise APIError(done.stderr.strip() or f"eco2 compare ended with {done.returncode}")
        return done.stdout


def _written(folder: str, place: int, name: str, report: Any) -> str:
    """The report in a file, under the experiment's name."""
    path = os.path.join(folder, f"{place}.json")
    with open(path, "w", encoding="utf-8") as out:
        json.dump({**report, "run": {**report["run"], "name": name}}, out)
    return path


def _svg(runs: List[Dict[str, Any]], metric: str, per: str) -> str:
    """Bars from 0, a line from the lower to the upper bound, an arrow where there is no upper bound; a run whose value is
    not known has a text instead."""
    known = [run[metric] for run in runs if run[metric] is not None]
    most = max((figure["value"] if figure["high"] is None else figure["high"] for figure in known), default=0.0) or 1.0
    lines = []
    for place, run in enumerate(runs):
        top, figure = 40 + 30 * place, run[metric]
        lines.append(f'<text x="150" y="{top + 14}" text-anchor="end">{html.escape(run["name"])}</text>')
        if figure is None:
            lines.append(f'<text x="160" y="{top + 14}">not known</text>')
            continue
        is_open = figure["high"] is None
        wide, low, high = (160 + 400 * (value / most) for value in
                           (figure["value"], figure["low"], most if is_open else figure["high"]))
        head = "l-6 -4m6 4l-6 4" if is_open else ""
        lines.append(f'<rect x="160" y="{top}" width="{wide - 160:.1f}" height="18" fill="#7a9"/>')
        lines.append(f'<path d="M{low:.1f} {top + 9}H{high:.1f}{head}" fill="none" stroke="#000" stroke-width="2"/>')
        bound = f' (at least {figure["low"]:.4g})' if is_open else ""
        lines.append(f'<text x="570" y="{top + 14}">{figure["value"]:.4g}{bound}</text>')
    title = f'<text x="160" y="24">{metric} per {html.escape(per)}</text>'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{60 + 30 * len(runs)}" font-size="13" '
            f'font-family="sans-serif">{title}{"".join(lines)}</svg>\n')
