"""ReportExporter: a report to files."""

from __future__ import annotations

import os
from typing import Any, Optional, Union

from .errors import ConfigurationError
from .files import write_text
from .models import CarbonSummary
from .prometheus import PrometheusExporter
from .report import CarbonReport
from .trackers import MLflowExporter, TensorBoardExporter, WandbExporter

__all__ = ["MLflowExporter", "PrometheusExporter", "ReportExporter", "TensorBoardExporter", "WandbExporter",
           "generate_carbon_report"]


class ReportExporter:
    """Writes reports; each method returns the path it wrote.

    Args:
        output_dir: folder of relative paths; created if it does not exist.
    """

    def __init__(self, output_dir: Union[str, os.PathLike, None] = None) -> None:
        self.output_dir = os.fspath(output_dir) if output_dir is not None else ""

    def export_json(self, report: CarbonReport, path: str = "carbon_report.json", include_details: bool = True) -> str:
        """The report as JSON, with or without its records. Raises OSError."""
        report.to_json(self._place(path), include_details)
        return self._place(path)

    def export_csv(self, report: CarbonReport, path: str = "carbon_metrics.csv") -> str:
        """The records as CSV. Raises OSError."""
        report.to_csv(self._place(path))
        return self._place(path)

    def export_summary(self, report: CarbonReport, path: str = "carbon_summary.txt") -> str:
        """The summary as text. Raises OSError."""
        return write_text(self._place(path), report.summary() + "\n")

    def export_html_dashboard(self, report: CarbonReport, path: str = "carbon_dashboard.html") -> str:
        """The report as one HTML page with charts, as `CarbonReport.to_html` writes it. Returns the path."""
        report.to_html(self._place(path))
        return self._place(path)

    def _place(self, path: str) -> str:
        return os.path.join(self.output_dir, os.fspath(path))


def generate_carbon_report(tracking_data: Any, output_format: str = "json", path: Optional[str] = None) -> str:
    """A report as text.

    Args:
        tracking_data: a CarbonReport, the path of one, a callback, or a tracker.
        output_format: `json`, `csv`, `html`, `text` (or `summary`). A PDF is not text: `CarbonReport.to_pdf` returns one.
        path: also written there.

    Raises:
        ConfigurationError: another format, or data without a report.
    """
    report = _report(tracking_data)
    if output_format == "html":
        return report.to_html(path)
    if output_format == "json":
        return report.to_json(path)
    if output_format == "csv":
        return report.to_csv(path)
    if output_format not in ("text", "summary"):
        raise ConfigurationError(f"output_format is {output_format!r}; allowed: json, csv, html, text; CarbonReport.to_pdf makes a PDF")
    if path is not None:
        ReportExporter().export_summary(report, path)
    return report.summary()


def _report(data: Any) -> CarbonReport:
    if isinstance(data, CarbonReport):
        return data
    if isinstance(data, (str, os.PathLike)):
        return CarbonReport.from_json(data)
    if hasattr(data, "generate_report"):
        return data.generate_report()
    if hasattr(data, "session"):
        return data.session.report()
    if isinstance(data, dict):
        return CarbonReport({"summary": CarbonSummary(data)})
    raise ConfigurationError(f"a {type(data).__name__} contains no report")
