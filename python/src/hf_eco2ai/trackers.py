"""The exporters to experiment trackers, those of `eco2.trackers`."""

from eco2.trackers import ARTIFACT, MLflowExporter, TensorBoardExporter, WandbExporter, log_carbon_metrics

__all__ = ["ARTIFACT", "MLflowExporter", "TensorBoardExporter", "WandbExporter", "log_carbon_metrics"]
