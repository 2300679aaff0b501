"""CarbonConfig: every option, its type and default. An option without effect warns (module `effects`)."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

from . import effects, names
from .convert import SECRETS, WHERE, converted
from .errors import ConfigurationError, UnknownOption, warn_once
from .files import write_text


@dataclass
class CarbonConfig:
    """Options: what to measure, how to compute emissions and cost, what to write.

    Args:
        environment: variables that names and trackers are taken from; by default those of the process. docs/hf-eco2ai.md
            lists the others.

    Unlike in HF Eco2AI the grid zone is not set unless `country`, `region`, `country_iso_code` or `zone` is given
    (without one the report uses the world average, flagged), and live intensity is off.

    Raises:
        ConfigurationError: a value of a wrong type or out of range; the message names the option.
    """

    project_name: str = "hf-training"
    experiment_name: Optional[str] = None
    run_id: Optional[str] = None
    country: Optional[str] = None
    region: Optional[str] = None
    latitude: Optional[float] = None
    longitude: Optional[float] = None
    grid_carbon_intensity: Optional[float] = None
    gpu_ids: Union[str, List[int]] = "auto"
    track_gpu_energy: bool = True
    aggregate_gpus: bool = True
    per_gpu_metrics: bool = False
    gpu_sampling_interval: Optional[float] = None
    log_level: str = "EPOCH"
    log_to_console: bool = True
    console_log_level: str = "INFO"
    export_prometheus: Optional[bool] = None
    prometheus_port: int = 9091
    prometheus_host: str = "localhost"
    save_report: bool = True
    report_path: str = "carbon_report.json"
    export_csv: bool = False
    csv_path: str = "carbon_metrics.csv"
    use_real_time_carbon: bool = False
    auto_detect_location: bool = False
    update_interval: int = 3600
    enable_carbon_budget: bool = False
    max_co2_kg: Optional[float] = None
    budget_action: str = "warn"
    check_frequency: int = 100
    mlflow_tracking: Optional[bool] = None
    wandb_tracking: Optional[bool] = None
    custom_tags: Dict[str, str] = field(default_factory=dict)
    enable_recommendations: bool = True
    track_model_size: bool = True
    track_dataset_size: bool = True
    estimate_costs: bool = False
    electricity_price_per_kwh: float = 0.12
    enable_performance_optimization: bool = False
    enable_health_monitoring: bool = False
    expected_load: str = "medium"
    cache_size: int = 5000
    batch_size: int = 50
    enable_caching: bool = True
    enable_batching: bool = True
    # Documented by HF Eco2AI, but absent from its code.
    tracking_mode: Optional[str] = None
    experiment_id: Optional[str] = None
    output_dir: Optional[str] = None
    co2_signal_api_token: Optional[str] = field(default=None, repr=False)
    country_iso_code: Optional[str] = None
    prometheus_enabled: Optional[bool] = None
    prometheus_prefix: Optional[str] = None
    measurement_interval: Optional[float] = None
    debug: bool = False
    verbose_logging: bool = False
    save_raw_metrics: bool = False
    carbon_alerts: bool = False
    max_co2_per_hour: Optional[float] = None
    alert_webhook: Optional[str] = field(default=None, repr=False)
    integrations: List[str] = field(default_factory=list)
    tracking_frequency: Optional[int] = None
    include_infrastructure: bool = False
    detailed_gpu_tracking: Optional[bool] = None
    wandb_integration: Optional[bool] = None
    mlflow_integration: Optional[bool] = None
    # New here.
    zone: Optional[str] = None
    intensity_provider: Optional[str] = None
    pue: Optional[float] = None
    tensorboard_tracking: Optional[bool] = None
    neptune_tracking: Optional[bool] = None
    carbon_price_per_tonne: Optional[float] = None
    grace_period: int = 0
    track_cpu_energy: bool = True
    gpu_simulation: bool = False
    cloud: Optional[str] = None
    equivalents: bool = False
    carbon_offset_credits: Dict[str, Any] = field(default_factory=dict)
    carbon_api_key: Optional[str] = field(default=None, repr=False)
    carbon_api_url: Optional[str] = None
    max_overhead_percent: Optional[float] = None
    max_energy_per_hour: Optional[float] = None
    max_cost_per_hour: Optional[float] = None
    email_to: List[str] = field(default_factory=list)
    email_smtp_host: Optional[str] = None
    email_smtp_port: Optional[int] = None
    email_username: Optional[str] = None
    email_password: Optional[str] = field(default=None, repr=False)
    report_format: str = "json"
    meter_options: Dict[str, Any] = field(default_factory=dict)
    environment: InitVar[Optional[Mapping]] = None

    def __post_init__(self, environment: Optional[Mapping]) -> None:
        for option in dataclasses.fields(self):
            setattr(self, option.name, converted(option.name, str(option.type), getattr(self, option.name)))
        effects.settle(self, os.environ if environment is None else environment)
        effects.check(self)
        effects.warn(self)

    def to_dict(self) -> Dict[str, Any]:
        """The options as plain data; secrets (`convert.SECRETS`: tokens, addresses, passwords) are left out where unset and
        shown as `"set"` otherwise: a saved configuration holds none, and loading it warns of that."""
        data = dataclasses.asdict(self)
        for secret in SECRETS:
            data[secret] = None if data[secret] is None else "set"
        return data

    def to_json(self, path: Union[str, Path, None] = None) -> str:
        """The options as JSON text, also written to `path` if given."""
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"
        if path is not None:
            write_text(path, text)
        return text

    @classmethod
    def names(cls) -> tuple:
        """Every option's name, in the order of the documentation."""
        return tuple(option.name for option in dataclasses.fields(cls))

    @classmethod
    def from_dict(cls, data: Mapping, environment: Optional[Mapping] = None) -> CarbonConfig:
        """Options from plain data; options that are not set come from `environment`, by default the process's.

        Raises:
            ConfigurationError: an unknown name, with the nearest known one, or a value that does not fit.
        """
        for name in data:
            if name not in cls.names():
                raise UnknownOption(names.unknown(name, cls.names()))
        left_out = [name for name in SECRETS if data.get(name) == "set"]
        for name in left_out:
            warn_once(f"secret:{name}", f"{name} is not in the saved configuration, which holds no secrets: give it again{WHERE[name]}")
        given: Dict[str, Any] = {name: None if name in left_out else value for name, value in data.items()}
        return cls(**given, environment=environment)

    @classmethod
    def from_json(cls, source: Union[str, Path]) -> CarbonConfig:
        """Options from a JSON file.

        Raises:
            ConfigurationError: no JSON object, or as for `from_dict`.
            OSError: the file cannot be read.
        """
        text = Path(source).read_text(encoding="utf-8")
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ConfigurationError(f"{source}: not JSON: {error}") from None
        if not isinstance(data, dict):
            raise ConfigurationError(f"{source}: an object of options is expected")
        return cls.from_dict(data)

    @classmethod
    def from_yaml(cls, path: Union[str, Path] = "eco2ai.yaml") -> CarbonConfig:
        """Options from a file such as `eco2ai.yaml`: sections `tracking`, `carbon`, `monitoring`, or plain options.

        Raises:
            ConfigurationError: a line that is not understood, or as for `from_dict`.
            OSError: the file cannot be read.
        """
        from .yaml_file import read_options

        return cls.from_dict(read_options(path))

    @classmethod
    def from_env(cls, environment: Optional[Mapping] = None, **over: Any) -> CarbonConfig:
        """Options from `HF_ECO2AI_*` and the other variables of docs/hf-eco2ai.md; keyword arguments override them.

        They override the file that `HF_ECO2AI_CONFIG_PATH` names.

        Raises:
            ConfigurationError: a variable with a value that does not fit, or as for `from_dict`.
        """
        from .environment import read_options

        given = os.environ if environment is None else environment
        return cls.from_dict(effects.layered(read_options(given), over), given)

    def validate_environment(self) -> Dict[str, Any]:
        """Checks what can be measured on this machine, and what is missing for these options.

        Returns:
            `valid` (bool), `issues` and `warnings` (texts), `hardware` (as `diagnostics.run_hardware_check()`).
        """
        from .diagnostics import validate

        return validate(self)


def _checking(made: Any) -> Any:
    """The constructor, with an error for an unknown option that suggests the nearest one."""

    @functools.wraps(made)
    def constructor(self: CarbonConfig, *values: Any, **given: Any) -> None:
        for name in given:
            if name not in CarbonConfig.names() and name != "environment":
                raise UnknownOption(names.unknown(name, CarbonConfig.names()))
        made(self, *values, **given)

    return constructor


CarbonConfig.__init__ = _checking(CarbonConfig.__init__)  # type: ignore[method-assign]


def overlaid(config: Optional[CarbonConfig], options: Dict[str, Any]) -> CarbonConfig:
    """Returns a configuration with single options replaced; without one, with these options over the environment. `config` is
    not changed.

    Raises:
        ConfigurationError: as CarbonConfig.
    """
    if config is None:
        return CarbonConfig.from_env(**options)
    if not options:
        return config
    # Values that were derived from other options are derived again.
    data = {name: value for name, value in dataclasses.asdict(config).items() if name not in config.derived}  # type: ignore[attr-defined]
    return CarbonConfig.from_dict(effects.layered(data, options))
