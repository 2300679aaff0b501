"""Energy use and emissions of Hugging Face trainings with one line of code, under the names of HF Eco2AI:

    from hf_eco2ai import Eco2AICallback

    trainer = Trainer(..., callbacks=[Eco2AICallback(zone="DE")])
    trainer.train()
    print(trainer.carbon_report.summary())

Every value comes from libeco2. All names can be imported and constructed without torch or transformers; a name imports what it
needs when it is first used. A name whose part is not built yet raises eco2.NotBuilt when it is used.
"""

from importlib import import_module
from typing import Any

from eco2 import __version__

_NAMES = {
    "alerts": ("add_anomaly_callback", "get_anomaly_report"),
    "accelerate": ("AccelerateIntegration", "wrap_accelerator"),
    "analysis": ("CarbonComparison",),
    "audit": ("AuditEventType", "TamperProofAuditLogger"),
    "batch": ("calculate_carbon_impact_batch", "get_carbon_impact"),
    "benchmark": ("BenchmarkResult", "benchmark_monitoring_overhead", "benchmark_training_efficiency"),
    "budget": ("CarbonBudgetCallback",),
    "callback": ("Eco2AICallback", "MetricCollector"),
    "cloud": ("CloudProviderIntegration",),
    "config": ("CarbonConfig",),
    "consumers": ("Monitored", "MonitoredEnergy"),
    "dashboard": ("RealTimeCarbonDashboard", "generate_live_summary"),
    "diagnostics": ("run_hardware_check",),
    "equivalents": ("calculate_carbon_equivalents",),
    "errors": ("APIError", "CarbonTrackingError", "ConfigurationError", "NotBuilt"),
    "esg": ("ESGMetrics",),
    "exporters": ("ReportExporter", "generate_carbon_report"),
    "forecast": ("CarbonBudgetForecast", "predict_carbon_budget_exhaustion"),
    "history": ("CarbonBudgetAlert", "CarbonDataAggregator", "CarbonDataStorage"),
    "integrations": ("DockerIntegration", "KubernetesIntegration", "SLURMIntegration"),
    "intensity": ("CarbonIntensityProvider",),
    "lightning": ("Eco2AILightningCallback", "PyTorchLightningIntegration"),
    "mlflow": ("MLflowIntegration",),
    "modality": ("ModalityType", "get_modality_analytics", "primary_modality"),
    "models": ("CarbonMetrics", "CarbonSummary", "EnvironmentalImpact", "GPUMetrics", "OptimizationRecommendation",
               "SystemMetrics"),
    "neptune": ("NeptuneExporter",),
    "optimization": ("CarbonOptimizationEngine", "CarbonOptimizer", "SustainabilityOptimizer",
                     "generate_recommendations", "suggest_optimizations"),
    "plain": ("TrainingRun", "track", "track_training"),
    "power": ("optimize_power_settings",),
    "prediction": ("CarbonPrediction", "predict_training_impact"),
    "prometheus": ("PrometheusExporter",),
    "report": ("CarbonReport",),
    "scheduling": ("CarbonAwareScheduler", "LowCarbonScheduler", "compare_regions", "find_low_carbon_window",
                   "find_optimal_training_window", "plan_optimal_training"),
    "security": ("sanitize_metrics", "validate_export_path"),
    "tracker": ("EnergyTracker", "GPUMonitor", "SystemMonitor"),
    "trackers": ("MLflowExporter", "TensorBoardExporter", "WandbExporter", "log_carbon_metrics"),
}
_MODULES = ("accelerate", "analysis", "diagnostics", "exporters", "integrations", "lightning", "mlflow", "optimization",
            "regions", "scheduling")
_PLACES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [*sorted(_PLACES), *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        value = getattr(import_module(f".{_PLACES[name]}", __name__), name)
    elif name in _MODULES:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list:
    return sorted({*globals(), *__all__})
