"""CarbonReport: a run that goes on or has finished, in the format of a carbon report 1.0, from a report of schema
eco2.report/1."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

import eco2

from .batch import impacts
from .errors import APIError, CarbonTrackingError, ConfigurationError, warn_once
from .files import write_text
from .models import NOTHING, CarbonMetrics, CarbonSummary, EnvironmentalImpact, Figures

VERSION = "1.0"
"""Version of the format that `to_dict` follows."""

COLUMNS = ("timestamp", "datetime", "step", "epoch", "energy_kwh", "cumulative_energy_kwh", "power_watts", "co2_kg",
           "cumulative_co2_kg", "grid_intensity", "samples_processed", "samples_per_kwh", "duration_seconds", "loss")
"""Columns of `to_csv`; an empty cell is not known."""


class CarbonReport:
    """A run's report.

    Attributes:
        summary: totals, as attributes, by key, and as text when called.
        environmental_impact: data on the grid.
        detailed_metrics: the records, each with the difference from the one before.
        recommendations: suggestions from what was measured, computed when first read (see `CarbonOptimizer`).
        origin: bounds, quality by device, zone, source and year of the intensity, PUE.
        eco2: the whole report of schema eco2.report/1 as plain data; None where nothing was measured.
        attempts: the starts of a training that started again before it had ended (`auto_find_batch_size` after out-of-memory),
            each with its energy; the totals are over all of them. Empty with one start.
    """

    def __init__(self, figures: Optional[Dict[str, Any]] = None, eco2_report: Optional[Dict[str, Any]] = None,
                 records: Sequence[CarbonMetrics] = (), config: Any = None, metadata: Optional[Dict[str, Any]] = None,
                 text: str = "") -> None:
        figures = NOTHING if figures is None else figures
        self.eco2, self.config, self.training_metadata = eco2_report, config, metadata or {}
        self.report_id: str = figures.get("run_id") or ""
        self.origin = Figures(figures.get("origin", {}))
        self.summary = CarbonSummary(self._summary(figures.get("summary", {})), text)
        impact = figures.get("environmental_impact", {})
        self.environmental_impact = EnvironmentalImpact(**impact)
        self.detailed_metrics: List[CarbonMetrics] = between(records)
        self._recommendations: Optional[List[Any]] = None
        self._file: Optional[Dict[str, Any]] = None

    @property
    def attempts(self) -> List[Dict[str, Any]]:
        """The starts of the training, where there were several."""
        return self.training_metadata.get("attempts", [])

    def _summary(self, figures: Dict[str, Any]) -> Dict[str, Any]:
        known = {name: self.training_metadata.get(name) for name in
                 ("model_name", "model_parameters", "dataset_size", "total_epochs", "final_loss")}
        return {**figures, **{name: value for name, value in known.items() if value is not None}}

    def to_dict(self, detailed: bool = True) -> Dict[str, Any]:
        """Plain data in the format of a carbon report 1.0, with `origin` and the whole `eco2` report added.

        For a report that was read from such a file it is the file's content.
        """
        if self._file is not None:
            return {"origin": {}, "eco2": None, **self._file, **({} if detailed else {"detailed_metrics": []})}
        config = self.config.to_dict() if hasattr(self.config, "to_dict") else self.config
        whole = {
            "metadata": {"report_id": self.report_id, "generated_at": (self.eco2 or {}).get("run", {}).get("ended_at"),
                         "version": VERSION},
            "config": config, "summary": self.summary.to_dict(),
            "environmental_impact": dataclasses.asdict(self.environmental_impact),
            "recommendations": [advice.to_dict() for advice in self.recommendations],
            "metrics_count": len(self.detailed_metrics),
            "training_metadata": self.training_metadata, "system_metadata": self._system(),
            "detailed_metrics": [record.to_dict() for record in self.detailed_metrics] if detailed else [],
            "origin": dict(self.origin), "eco2": self.eco2,
        }
        if not getattr(self.config, "enable_recommendations", True):
            del whole["recommendations"]
        return whole

    @property
    def recommendations(self) -> List[Any]:
        """Suggestions for the run; for a report that was read from a file, those of the file. Empty if they are turned off."""
        if self._recommendations is None:
            self._recommendations = self._advised()
        return self._recommendations

    def _advised(self) -> List[Any]:
        if self.eco2 is None or not getattr(self.config, "enable_recommendations", True):
            return []
        from .optimization import CarbonOptimizer

        try:
            return CarbonOptimizer().analyze_training(self)
        except (CarbonTrackingError, eco2.Error, OSError) as error:
            # A report without advice is better than none.
            warn_once("advice", f"no advice on the run: {error}")
            return []

    def _system(self) -> Dict[str, Any]:
        devices = (self.eco2 or {}).get("devices", ())
        # The report of another program gets no values of this machine.
        here = self.config is not None
        return {"python_version": sys.version.split()[0] if here else None,
                "platform": platform.platform() if here else None,
                "gpu_available": any(device["component"] == "gpu" for device in devices),
                "region": self.origin.get("zone"),
                "renewable_percentage": self.environmental_impact.renewable_percentage,
                "carbon_intensity": self.environmental_impact.regional_average_intensity}

    def to_json(self, path: Union[str, Path, None] = None, detailed: bool = True) -> str:
        """JSON text, also written to `path` if given, as `files.write_text` does.

        Raises:
            OSError: the file cannot be written.
        """
        text = json.dumps(self.to_dict(detailed), indent=2, ensure_ascii=False, default=str) + "\n"
        return _written(path, text)

    def to_csv(self, path: Union[str, Path, None] = None) -> str:
        """The records as CSV with the columns `COLUMNS`, also written to `path` if given."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for record in self.detailed_metrics:
            writer.writerow(["" if value is None else value for value in (getattr(record, name) for name in COLUMNS)])
        return _written(path, out.getvalue())

    def summary_text(self) -> str:
        """The summary for people."""
        return self.summary()

    def to_html(self, path: Union[str, Path, None] = None) -> str:
        """The report as one HTML page with charts, which requests nothing; also written to `path` if given.

        Raises:
            ConfigurationError: the report was read from a file without the measurements of eco2.
            eco2.Error: there is no command eco2, or it refused the report.
            OSError: the file cannot be written.
        """
        return _written(path, self._measured().to_html())

    def to_pdf(self, path: Union[str, Path, None] = None) -> bytes:
        """The HTML page as PDF, printed by an installed Chromium or Chrome; also written to `path` if given.

        Raises:
            As `to_html`; eco2.Error also if there is no browser, or it made no PDF.
        """
        return self._measured().to_pdf(path)

    def _measured(self) -> eco2.Report:
        """The report of eco2 from which a page is drawn."""
        if self.eco2 is None:
            raise ConfigurationError("this report was read from a file without the measurements of eco2, from which a page is drawn")
        return eco2.Report(self.eco2)

    def __repr__(self) -> str:
        return f"CarbonReport({self.report_id!r}, {self.summary.get('total_energy_kwh')} kWh, {self.summary.get('total_co2_kg')} kg)"

    @classmethod
    def from_json(cls, path: Union[str, os.PathLike]) -> CarbonReport:
        """A report from a file: a carbon report 1.0, or one of schema eco2.report/1.

        Raises:
            ConfigurationError: it is neither.
            APIError: the command eco2, which reads the latter, failed.
            OSError: the file cannot be read.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigurationError(f"{path}: not JSON: {error}") from None
        if isinstance(data, dict) and str(data.get("schema", "")).startswith("eco2.report/"):
            return cls(rendered(data), data)
        if not isinstance(data, dict) or not isinstance(data.get("summary"), dict):
            raise ConfigurationError(f"{path}: neither a carbon report nor one of schema eco2.report/1")
        return cls._restored(data)

    @classmethod
    def _restored(cls, data: Dict[str, Any]) -> CarbonReport:
        names = {field.name for field in dataclasses.fields(EnvironmentalImpact)}
        impact = {name: value for name, value in (data.get("environmental_impact") or {}).items() if name in names}
        report = cls({"run_id": (data.get("metadata") or {}).get("report_id"), "summary": data["summary"],
                      "environmental_impact": impact, "origin": data.get("origin") or {}}, data.get("eco2"),
                     config=data.get("config"), metadata=data.get("training_metadata"))
        report.summary = CarbonSummary(data["summary"])
        report.detailed_metrics = [restored(record) for record in data.get("detailed_metrics") or [] if isinstance(record, dict)]
        report._recommendations = data.get("recommendations") or []
        report._file = data
        return report


def between(records: Sequence[CarbonMetrics]) -> List[CarbonMetrics]:
    """Returns the records, each with the energy, power and grams since the last record for which they are known.

    Totals are compared, not sums kept, so the parts add up to the last total. A total is provisional at first: where a
    later one is less, the later one counts. A record whose energy or carbon is not known stays without them.
    """
    known = [record for record in records if record.energy_uj is not None]
    if not known or not eco2.available():
        return list(records)
    totals = _never_above_later([record.energy_uj for record in known])
    instants = itertools.accumulate((record.elapsed_ns for record in known), max)
    found = impacts("totals", [0, *totals], [0, *instants], None)
    energies = iter(zip(found["kwh"][1:], found["watts"][1:]))
    carbon = iter(_never_above_later([record.cumulative_co2_kg for record in records if record.cumulative_co2_kg is not None]))
    whole, grams_kg = [], 0.0
    for record in records:
        if record.energy_uj is not None:
            kwh, watts = next(energies)
            record = dataclasses.replace(record, energy_kwh=kwh, power_watts=watts)
        if record.cumulative_co2_kg is not None:
            # The library's figures, each at the intensities of its time; their differences, not a price by interval.
            until_kg = next(carbon)
            record, grams_kg = dataclasses.replace(record, co2_kg=until_kg - grams_kg), until_kg
        whole.append(record)
    return whole


def _never_above_later(totals: Sequence[Any]) -> List[Any]:
    return list(itertools.accumulate(reversed(totals), min))[::-1]


def restored(data: Dict[str, Any]) -> CarbonMetrics:
    """Returns a record from a file; fields that the format does not have are omitted."""
    flat = {**data, **(data.get("efficiency") or {})}
    return CarbonMetrics(**{field.name: flat[field.name] for field in dataclasses.fields(CarbonMetrics) if field.name in flat})


def rendered(data: Dict[str, Any]) -> Dict[str, Any]:
    """Returns the values of a report of schema eco2.report/1. Raises APIError if the command eco2 fails."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        path.write_text(json.dumps(data), encoding="utf-8")
        done = eco2.run_cli(["report", str(path), "--format", "hf-json"], capture_output=True, text=True)
    if done.returncode:
        raise APIError(done.stderr.strip())
    return json.loads(done.stdout)


def _written(path: Union[str, Path, None], text: str) -> str:
    if path is not None:
        write_text(path, text)
    return text
