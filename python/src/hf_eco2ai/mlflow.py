"""MLflow, in the names of HF Eco2AI. Importable without MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .callback import Eco2AICallback

from .trackers import MLflowExporter, log_carbon_metrics

__all__ = ["MLflowExporter", "MLflowIntegration", "log_carbon_metrics"]


class MLflowIntegration:
    """A callback that logs to MLflow, and the same for a report that is there already."""

    @staticmethod
    def create_callback(**options: Any) -> Eco2AICallback:
        """`Eco2AICallback(mlflow_tracking=True, ...)`."""
        from .callback import Eco2AICallback

        return Eco2AICallback(**{**options, "mlflow_tracking": True})

    @staticmethod
    def log_report(report: Any) -> None:
        """Logs a CarbonReport to the active run, or to one of its own. Raises ImportError without mlflow."""
        MLflowExporter().log_report(report)
