"""MLflow, under the names of HF Eco2AI. Can be imported without MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .callback import Eco2AICallback

from .trackers import MLflowExporter, log_carbon_metrics

__all__ = ["MLflowExporter", "MLflowIntegration", "log_carbon_metrics"]


class MLflowIntegration:
    """A callback that logs to MLflow, and a function that logs a finished report."""

    @staticmethod
    def create_callback(**options: Any) -> Eco2AICallback:
        """`Eco2AICallback(mlflow_tracking=True, ...)`."""
        from .callback import Eco2AICallback

        return Eco2AICallback(**{**options, "mlflow_tracking": True})

    @staticmethod
    def log_report(report: Any) -> None:
        """Logs a CarbonReport to the active run, or to one of its own. Raises ImportError without mlflow."""
        MLflowExporter().log_report(report)
