"""CarbonComparison: runs side by side, per sample where samples were counted."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Union

import eco2

from .report import CarbonReport

COLUMNS = ("total_energy_kwh", "total_co2_kg", "total_duration_hours", "average_power_watts", "energy_per_sample",
           "co2_per_sample", "average_samples_per_kwh", "final_loss")
"""What is compared; None is not known. One run each says nothing about chance: repeat before you conclude."""


class CarbonComparison:
    """Runs by name."""

    def __init__(self) -> None:
        self.experiments: Dict[str, CarbonReport] = {}

    def add_experiment(self, name: str, report: Union[CarbonReport, str, os.PathLike]) -> None:
        """Adds a report, or the file of one. Raises as `CarbonReport.from_json`."""
        self.experiments[name] = report if isinstance(report, CarbonReport) else CarbonReport.from_json(report)

    def compare(self) -> List[Dict[str, Any]]:
        """A row a run, the least energy by sample (else the least energy) first; unknown ones last."""
        rows = [{"name": name, **{column: report.summary.get(column) for column in COLUMNS}}
                for name, report in self.experiments.items()]
        key = "energy_per_sample" if all(row["energy_per_sample"] is not None for row in rows) else "total_energy_kwh"
        return sorted(rows, key=lambda row: (row[key] is None, row[key] or 0))

    def summary(self) -> str:
        """The rows as text."""
        lines = ["\t".join(("name", *COLUMNS))]
        for row in self.compare():
            lines.append("\t".join("-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
                                   for value in row.values()))
        return "\n".join(lines)

    def plot_comparison(self, path: str = "carbon_comparison.png") -> None:
        """Raises eco2.NotBuilt: comes with a later part."""
        raise eco2.NotBuilt("CarbonComparison.plot_comparison")
