"""Where figures go beside the log: files, a page for Prometheus, experiment trackers. One that fails keeps no other."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List

from .errors import LOGGER, warn_once
from .meter_options import place


class Outputs:
    """The outputs that a CarbonConfig asks for."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.trackers: List[Any] = []
        self.prometheus: Any = None
        self.failures: List[str] = []

    def start(self, session: Any) -> None:
        """A run begins: opens what is asked for. For one rank only: pages and trackers speak for all."""
        self.trackers = []
        if self.config.export_prometheus:
            self._try("prometheus", lambda: self._serve(session))
        for name, wanted in (("MLflowExporter", self.config.mlflow_tracking), ("WandbExporter", self.config.wandb_tracking),
                             ("TensorBoardExporter", self.config.tensorboard_tracking)):
            if wanted:
                self._try(name, lambda name=name: self._follow(name))

    def log(self, figures: Dict[str, float], step: int) -> None:
        """Figures at log time."""
        for tracker in self.trackers:
            self._try(type(tracker).__name__, lambda tracker=tracker: tracker.log_metrics(figures, step))

    def end(self, session: Any, rank: int = 0) -> Any:
        """Ends the session's run: closes the meter, finishes the outputs, and gives the report."""
        session.stop()
        report = session.report()
        if session.meter is not None:
            self.finish(report, rank)
        return report

    def finish(self, report: Any, rank: int = 0) -> None:
        """The run is over: writes the files (one a rank) and hands the report to the trackers."""
        if self.config.save_report:
            self._try("report", lambda: report.to_json(of_rank(place(self.config, self.config.report_path), rank)))
        if self.config.export_csv:
            self._try("csv", lambda: report.to_csv(of_rank(place(self.config, self.config.csv_path), rank)))
        trackers, self.trackers = self.trackers, []
        for tracker in trackers:
            self._try(type(tracker).__name__, lambda tracker=tracker: tracker.log_report(report))
        if self.prometheus is not None:
            self.prometheus.stop()
            self.prometheus = None

    def _serve(self, session: Any) -> None:
        from .prometheus import PrometheusExporter

        self.prometheus = PrometheusExporter(self.config.prometheus_port, self.config.prometheus_host,
                                             prefix=self.config.prometheus_prefix)
        self.prometheus.start(session.meter)
        LOGGER.info("metrics at %s", self.prometheus.get_metrics_url())

    def _follow(self, name: str) -> None:
        from . import trackers

        self.trackers.append(getattr(trackers, name)(self.config))

    def _try(self, what: str, action: Callable[[], Any]) -> None:
        try:
            action()
        except Exception as error:
            self.failures.append(f"{what}: {error!r}")
            warn_once(f"output:{what}:{type(error).__name__}", f"{what}: {error!r}; training goes on")


def of_rank(path: str, rank: int) -> str:
    """A file's name for one of several ranks; that of rank 0 is as it was given."""
    stem, ending = os.path.splitext(path)
    return path if rank == 0 else f"{stem}-rank{rank}{ending}"
