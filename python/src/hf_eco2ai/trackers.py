"""MLflow, Weights & Biases, TensorBoard: figures at log time, and the report as an artefact. Each is imported when used.

A copy of an exporter (pickle, deepcopy) ends no run of the original's. What a tracker cannot hand to a copy stays with the
original: then the copy logs nothing.
"""

from __future__ import annotations

from typing import Any, Dict

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


def log_carbon_metrics(metrics: Dict[str, float], step: int = 0) -> None:
    """Logs figures to MLflow, as `carbon/<name>` where they have no prefix.

    Raises:
        ImportError: mlflow is not installed.
    """
    named = {name if name.startswith("carbon/") else f"carbon/{name}": value for name, value in metrics.items()}
    MLflowExporter().log_metrics({name: value for name, value in named.items() if value is not None}, step)
