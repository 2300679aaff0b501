"""Outputs in addition to the log: files, a page for Prometheus, experiment trackers. If one fails, the others continue."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Callable, Dict, List, Optional

from .errors import LOGGER, Faults
from .files import WRITTEN
from .meter_options import place


class Outputs:
    """The outputs that a CarbonConfig requests.

    A copy (pickle, deepcopy) has no trackers and no page.

    Args:
        config: the options.
        faults: where outputs that fail are counted.
    """

    def __init__(self, config: Any, faults: Optional[Faults] = None) -> None:
        self.config, self.faults = config, faults or Faults()
        self.trackers: List[Any] = []
        self.prometheus: Any = None

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "trackers": [], "prometheus": None}

    def start(self, session: Any) -> None:
        """Starts a run: opens the page and the trackers, on rank 0 only."""
        self.trackers = []
        if self.config.export_prometheus:
            self._try("prometheus", lambda: self._serve(session))
        for name, wanted in (("MLflowExporter", self.config.mlflow_tracking), ("WandbExporter", self.config.wandb_tracking),
                             ("TensorBoardExporter", self.config.tensorboard_tracking),
                             ("NeptuneExporter", self.config.neptune_tracking)):
            if wanted:
                self._try(name, partial(self._follow, name))

    def log(self, figures: Dict[str, float], step: int) -> None:
        """Writes the values of a log record."""
        for tracker in self.trackers:
            self._try(type(tracker).__name__, partial(tracker.log_metrics, figures, step))

    def end(self, session: Any, rank: int = 0, step: Optional[int] = None, epoch: Optional[float] = None) -> Any:
        """Ends the session's run: closes the meter, finishes the outputs, and gives the report.

        Args:
            session: the run.
            rank: this process's number among those of the run.
            step, epoch: progress of the training, for the last record.
        """
        session.finish(step, epoch)
        report = session.report()
        if session.meter is not None:
            self.finish(report, rank, session.number)
        return report

    def finish(self, report: Any, rank: int, run: int) -> None:
        """Finishes a run: writes the files (one per rank) and passes the report to the trackers.

        A file that an earlier run of this process wrote is renamed first: each trial of a search keeps its report.
        """
        if self.config.save_report:
            self._write("report", report.to_json, self.config.report_path, rank, run)
        page = {"html": report.to_html, "pdf": report.to_pdf}.get(self.config.report_format.lower())
        if self.config.save_report and page is not None:
            stem = os.path.splitext(self.config.report_path)[0]
            self._write(self.config.report_format, page, f"{stem}.{self.config.report_format.lower()}", rank, run)
        if self.config.export_csv:
            self._write("csv", report.to_csv, self.config.csv_path, rank, run)
        trackers, self.trackers = self.trackers, []
        for tracker in trackers:
            self._try(type(tracker).__name__, partial(tracker.log_report, report))
        if self.prometheus is not None:
            self.prometheus.stop()
            self.prometheus = None

    def _write(self, what: str, write: Callable[[str], Any], path: str, rank: int, run: int) -> None:
        target = of_rank(place(self.config, path), rank)

        def written() -> None:
            moved = WRITTEN.claim(target, run)
            if moved is not None:
                LOGGER.info("%s of the run before is now %s", target, moved)
            write(target)

        self._try(what, written)

    def _serve(self, session: Any) -> None:
        from .prometheus import PrometheusExporter

        self.prometheus = PrometheusExporter(self.config.prometheus_port, self.config.prometheus_host,
                                             prefix=self.config.prometheus_prefix)
        self.prometheus.start(session.meter)
        LOGGER.info("metrics at %s", self.prometheus.get_metrics_url())

    def _follow(self, name: str) -> None:
        from . import neptune, trackers

        self.trackers.append(getattr(neptune if name == "NeptuneExporter" else trackers, name)(self.config))

    def _try(self, what: str, action: Callable[[], Any]) -> None:
        try:
            action()
        except Exception as error:
            self.faults.add(what, error)


def of_rank(path: str, rank: int) -> str:
    """Returns the name of a rank's file; rank 0 has the name that was set."""
    stem, ending = os.path.splitext(path)
    return path if rank == 0 else f"{stem}-rank{rank}{ending}"
