"""MLflow, Weights & Biases, TensorBoard: values at log time, and the report as an artefact. Each is imported when used.

    with eco2.Meter() as meter, eco2.trackers.follow(meter, "mlflow") as follower:
        for step, batch in enumerate(batches):
            train(batch)
            meter.step()
            if step % 50 == 0:
                follower.log(step)

The callbacks of `hf_eco2ai` use the same exporters. A copy of an exporter (pickle, deepcopy) ends no run of the original's. What a tracker cannot hand to a copy stays with the
original: then the copy logs nothing.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Dict

from . import _log
from .meter import Meter
from .report import Report

LOGGED = ("energy_kwh", "co2_kg", "power_watts", "samples_per_kwh", "grid_intensity")
"""Values that go to experiment trackers at log time, as `carbon/<name>`."""

ARTIFACT = "carbon_report.json"
"""The report's name among the artefacts."""


class MLflowExporter:
    """Logs to the active MLflow run, or to one of its own (at `MLFLOW_TRACKING_URI`).

    Raises:
        ImportError: mlflow is not installed.
    """

    def __init__(self, config: Any = None) -> None:
        import mlflow

        self._own = mlflow.active_run() is None
        if self._own:
            mlflow.start_run(run_name=getattr(config, "experiment_name", None))
        self._run = mlflow.active_run().info.run_id

    def log_metrics(self, figures: Dict[str, float], step: int) -> None:
        """Figures at a step."""
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in figures.items()]
        self._client().log_batch(self._run, metrics=metrics)

    def log_report(self, report: Any) -> None:
        """The report as an artefact, the totals as metrics; ends the run if it is ours."""
        totals = {f"carbon/{name}": value for name, value in report.summary.items() if isinstance(value, (int, float))}
        try:
            self.log_metrics(totals, int(report.summary.get("total_steps") or 0))
            self._client().log_text(self._run, report.to_json(), ARTIFACT)
        finally:
            self._end()

    def _end(self) -> None:
        import mlflow

        if self._own and mlflow.active_run() is not None:
            mlflow.end_run()

    def _client(self) -> Any:
        import mlflow

        # By client: the Trainer's own callback may have ended the active run before ours is called.
        return mlflow.MlflowClient()

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_own": False}


class WandbExporter:
    """Logs to the active Weights & Biases run, or to one of its own.

    Raises:
        ImportError: wandb is not installed.
    """

    def __init__(self, config: Any = None) -> None:
        import wandb

        self._own = wandb.run is None
        if self._own:
            wandb.init(project=getattr(config, "project_name", None), name=getattr(config, "experiment_name", None))
        self._run = wandb.run

    def log_metrics(self, figures: Dict[str, float], step: int) -> None:
        """Figures at a step; the step is a figure too, as in the Trainer's own logging."""
        if self._run is not None:
            self._run.log({**figures, "train/global_step": step})

    def log_report(self, report: Any) -> None:
        """The report as an artefact, the totals in the run's summary; ends the run if it is ours."""
        if self._run is None:
            return
        try:
            self._log_report(report)
        finally:
            if self._own:
                self._run.finish()

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_own": False, "_run": None}

    def _log_report(self, report: Any) -> None:
        import wandb

        self._run.summary.update({f"carbon/{name}": value for name, value in report.summary.items() if value is not None})
        artifact = wandb.Artifact("carbon_report", type="carbon_report")
        with artifact.new_file(ARTIFACT, mode="w") as file:
            file.write(report.to_json())
        self._run.log_artifact(artifact)


class TensorBoardExporter:
    """Logs to TensorBoard, into the folder `carbon` of `output_dir` or of `runs`.

    Raises:
        ImportError: neither torch with tensorboard nor tensorboardX is installed.
    """

    def __init__(self, config: Any = None) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            from tensorboardX import SummaryWriter
        self._writer = SummaryWriter(f"{getattr(config, 'output_dir', None) or 'runs'}/carbon")

    def log_metrics(self, figures: Dict[str, float], step: int) -> None:
        """Figures at a step."""
        for name, value in figures.items() if self._writer is not None else ():
            self._writer.add_scalar(name, value, step)

    def log_report(self, report: Any) -> None:
        """The summary as text; closes the writer."""
        if self._writer is not None:
            self._writer.add_text("carbon/report", report.summary(), int(report.summary.get("total_steps") or 0))
            self._writer.close()

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_writer": None}


EXPORTERS = {"mlflow": MLflowExporter, "wandb": WandbExporter, "tensorboard": TensorBoardExporter}
"""The exporters by the names that `follow` takes."""


def follow(meter: Meter, *names: str, folder: str | None = None) -> Follower:
    """Logs a meter's values to trackers: at steps by `log`, and its report at the end.

    Args:
        meter: an open meter; its option `name` names a tracker's run that is started here.
        names: of `EXPORTERS`. A run that is active is used, else one is started and ended.
        folder: where TensorBoard's folder `carbon` is made, by default `runs`.

    Raises:
        ValueError: a name that no exporter has.
        ImportError: a tracker is not installed.
    """
    unknown = [name for name in names if name not in EXPORTERS]
    if unknown or not names:
        raise ValueError(f"tracker {', '.join(map(repr, unknown)) or 'missing'}; allowed: {', '.join(EXPORTERS)}")
    config = _Names(meter.options.get("name"), folder)
    return Follower(meter, [EXPORTERS[name](config) for name in names])


class Follower:
    """Hands a meter's values to trackers. A tracker that fails is logged as a warning, and the program goes on."""

    def __init__(self, meter: Meter, exporters: list) -> None:
        self.meter, self._exporters, self._failed = meter, exporters, set()  # type: ignore[var-annotated]

    def log(self, step: int) -> None:
        """The run's values until now, at a step: `carbon/` and each of `LOGGED` that is known."""
        current = _figures(self.meter).get("current", {})
        figures = {f"carbon/{name}": current[name] for name in LOGGED if current.get(name) is not None}
        for exporter in self._exporters:
            self._try(exporter, partial(exporter.log_metrics, figures, step))

    def end(self) -> Report:
        """Stops the meter, hands its report to the trackers, ends the trackers' runs that were started here, returns the report."""
        report = self.meter.stop()
        finished = _Finished(report, _figures(self.meter).get("summary", {}))
        exporters, self._exporters = self._exporters, []
        for exporter in exporters:
            self._try(exporter, partial(exporter.log_report, finished))
        return report

    def _try(self, exporter: Any, action: Any) -> None:
        try:
            action()
        except Exception as error:
            failure = f"{type(exporter).__name__}: {error!r}"
            if failure not in self._failed:
                self._failed.add(failure)
                _log.emit("warning", failure)

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *raised: object) -> None:
        self.end()


class _Names:
    """What the exporters take names and folder from."""

    def __init__(self, name: str | None, folder: str | None) -> None:
        self.experiment_name, self.project_name, self.output_dir = name, None, folder


class _Finished:
    """A report as the exporters take it."""

    def __init__(self, report: Report, totals: Dict[str, Any]) -> None:
        self.summary, self.to_json = _Totals(totals, report.summary), report.to_json


class _Totals(dict):
    """Totals by name, and as text when called."""

    def __init__(self, totals: Dict[str, Any], text: Any) -> None:
        super().__init__(totals)
        self._text = text

    def __call__(self) -> str:
        return self._text()


def _figures(meter: Meter) -> Dict[str, Any]:
    try:
        return json.loads(meter.report("hf-json"))
    except Exception as error:
        _log.emit("warning", f"no values for the trackers: {error}")
        return {}


def log_carbon_metrics(metrics: Dict[str, float], step: int = 0) -> None:
    """Logs figures to MLflow, as `carbon/<name>` where they have no prefix.

    Raises:
        ImportError: mlflow is not installed.
    """
    named = {name if name.startswith("carbon/") else f"carbon/{name}": value for name, value in metrics.items()}
    MLflowExporter().log_metrics({name: value for name, value in named.items() if value is not None}, step)
