"""Effects of the options of CarbonConfig: resolves aliases, checks ranges, and warns of options without effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Dict, List

from . import place
from .errors import ConfigurationError, warn_once

ALIASES = {
    "experiment_id": "experiment_name", "country_iso_code": "country", "prometheus_enabled": "export_prometheus",
    "measurement_interval": "gpu_sampling_interval", "detailed_gpu_tracking": "per_gpu_metrics",
    "wandb_integration": "wandb_tracking", "mlflow_integration": "mlflow_tracking",
}
"""Documented options that are another name of one that works."""

LATER = {
    "update_interval": "it has no effect: a provider is asked again when its answer's slot is over",
    "enable_performance_optimization": "it has no effect: measuring has its own limit, ECO2_MAX_OVERHEAD_PERCENT",
    "enable_health_monitoring": "it has no effect: every report has the state of each source",
    "expected_load": "it has no effect: the sampling rate follows the counters",
    "cache_size": "it has no effect: nothing is cached", "batch_size": "it has no effect: nothing is batched",
    "enable_caching": "it has no effect: nothing is cached", "enable_batching": "it has no effect: nothing is batched",
    "tracking_frequency": "it has no effect: every step is tracked",
}
"""Options that have no effect, with what to do instead; each warns if it is set to something else than its default."""

MODES = ("machine", "process")
"""Values of `tracking_mode`: totals are the machine's in both; `process` adds this process's share."""

CLOUDS = ("aws", "gcp", "azure")
"""Providers whose published watts the library knows."""

_CHOICES = {
    "log_level": ("STEP", "EPOCH", "BATCH"), "budget_action": ("warn", "stop"),
    "report_format": ("json", "csv", "html", "pdf"), "console_log_level": ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
}
_RANGES = {
    "grid_carbon_intensity": (0, 5000), "gpu_sampling_interval": (0.0001, 60), "prometheus_port": (0, 65535),
    "max_co2_kg": (0, float("inf")), "check_frequency": (1, 2**31), "electricity_price_per_kwh": (0, float("inf")),
    "latitude": (-90, 90), "longitude": (-180, 180), "pue": (1, float("inf")), "grace_period": (0, 2**31),
    "carbon_price_per_tonne": (0, float("inf")), "max_co2_per_hour": (0, float("inf")), "max_energy_per_hour": (0, float("inf")),
    "max_cost_per_hour": (0, float("inf")), "email_smtp_port": (1, 65535), "max_overhead_percent": (0.01, 100),
}
_TRACKERS = {"mlflow": "mlflow_tracking", "wandb": "wandb_tracking", "tensorboard": "tensorboard_tracking",
             "neptune": "neptune_tracking", "prometheus": "export_prometheus"}


def layered(*layers: Mapping) -> Dict[str, Any]:
    """Options of several layers, each over those before: under whichever of its names, one is replaced by what lies above.

    A country or region replaces every place of the layers below; `integrations` replaces the switches that it sets.
    """
    found: Dict[str, Any] = {}
    for layer in layers:
        named = {ALIASES.get(name, name) for name in layer}
        named |= {_TRACKERS[name] for name in _switched(layer.get("integrations")) if name in _TRACKERS}
        if {"country", "region"} & {ALIASES.get(name, name) for name, value in layer.items() if value}:
            named.add("zone")
        if layer.get("country") or layer.get("country_iso_code"):
            named.add("region")
        found = {name: value for name, value in found.items() if ALIASES.get(name, name) not in named}
        found.update(layer)
    return found


def _switched(integrations: Any) -> List[str]:
    given = integrations.strip("[]").split(",") if isinstance(integrations, str) else integrations
    if not isinstance(given, (list, tuple)):  # refused when it is converted
        return []
    return [str(name).strip().lower() for name in given]


def settle(config: Any, environment: Mapping) -> None:
    """Replaces aliases by their options, and takes names and trackers from the environment.

    What follows from other options is noted in `config.derived`.
    """
    given = config.experiment_id or config.experiment_name or environment.get("EXPERIMENT_NAME")
    louder = config.debug or config.verbose_logging
    config.derived = ({"experiment_name"} if not given else set()) | ({"console_log_level"} if louder else set())
    for alias, name in ALIASES.items():
        if getattr(config, alias) is not None:
            setattr(config, name, getattr(config, alias))
    for integration in config.integrations:
        if integration.lower() not in _TRACKERS:
            raise ConfigurationError(f"integrations names {integration!r}; there are {', '.join(_TRACKERS)}")
        if getattr(config, _TRACKERS[integration.lower()]) is None:
            setattr(config, _TRACKERS[integration.lower()], True)
    if config.mlflow_tracking is None:
        config.mlflow_tracking = bool(environment.get("MLFLOW_TRACKING_URI"))
    if config.wandb_tracking is None:
        config.wandb_tracking = bool(environment.get("WANDB_PROJECT"))
    if config.neptune_tracking is None:
        config.neptune_tracking = bool(environment.get("NEPTUNE_PROJECT"))
    config.experiment_name = given or config.project_name
    config.run_id = config.run_id or environment.get("MLFLOW_RUN_ID") or environment.get("WANDB_RUN_ID") or None
    if louder:
        config.console_log_level = "DEBUG"
    if config.report_format.lower() == "csv":
        config.export_csv = True
    for name in _TRACKERS.values():
        setattr(config, name, bool(getattr(config, name)))


def check(config: Any) -> None:
    """Raises ConfigurationError for a choice that does not exist, a number out of range, or options that need others."""
    for name, choices in _CHOICES.items():
        value = getattr(config, name)
        found = next((choice for choice in choices if choice.lower() == value.lower()), None)
        if found is None:
            raise ConfigurationError(f"{name} is {value!r}; allowed: {', '.join(choices)}")
        setattr(config, name, found)
    for name, (low, high) in _RANGES.items():
        value = getattr(config, name)
        if value is not None and not low <= value <= high:
            raise ConfigurationError(f"{name} is {value}; allowed: {low} to {high}")
    if config.cloud is not None and config.cloud not in CLOUDS:
        raise ConfigurationError(f"cloud is {config.cloud!r}; allowed: {', '.join(CLOUDS)}")
    if not (config.track_gpu_energy or config.track_cpu_energy or "sources" in config.meter_options):
        raise ConfigurationError("track_gpu_energy and track_cpu_energy are both False: nothing would be measured")
    if config.enable_carbon_budget and not config.max_co2_kg:
        raise ConfigurationError("enable_carbon_budget needs max_co2_kg, a number of kilograms above 0")


def warn(config: Any) -> None:
    """Warns once of each option that has no effect."""
    for name, why in LATER.items():
        if getattr(config, name) != type(config).__dataclass_fields__[name].default:
            warn_once(name, f"CarbonConfig.{name}: {why}")
    place.warn(config)
    if config.tracking_mode not in (None, *MODES):
        warn_once("tracking_mode", f"CarbonConfig.tracking_mode {config.tracking_mode!r} has no effect; there are {', '.join(MODES)}")
    if config.include_infrastructure and config.pue is None:
        warn_once("include_infrastructure", "CarbonConfig.include_infrastructure adds the embodied emissions of a server, as a line "
                                            "of its own; the facility's overhead is not assumed: give `pue`")
    if bool(config.email_to) != bool(config.email_smtp_host):
        warn_once("email_to", "CarbonConfig.email_to and email_smtp_host have no effect without each other")
    if config.max_cost_per_hour is not None and not config.estimate_costs:
        warn_once("max_cost_per_hour", "CarbonConfig.max_cost_per_hour has no effect without estimate_costs=True")
    if config.max_co2_kg is not None and not config.enable_carbon_budget:
        warn_once("max_co2_kg", "CarbonConfig.max_co2_kg has no effect without enable_carbon_budget=True")
    if config.debug or config.verbose_logging:
        warn_once("debug", "CarbonConfig.debug and verbose_logging are console_log_level DEBUG: there are no further lines")
    if config.gpu_simulation:
        warn_once("gpu_simulation", "CarbonConfig.gpu_simulation: every value is synthetic and flagged so; nothing is measured")
    if config.log_level == "BATCH":
        warn_once("log_level", "CarbonConfig.log_level BATCH is STEP: a line per batch would slow the training")

