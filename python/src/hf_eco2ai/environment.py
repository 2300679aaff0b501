"""Options from the environment. An empty variable is one that is not set."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Dict

from .effects import layered
from .errors import ConfigurationError, warn_once

PREFIX = "HF_ECO2AI_"
"""`HF_ECO2AI_<OPTION>` sets any option by its name in capitals."""

MORE = {
    "CARBON_COUNTRY": "country", "CARBON_REGION": "region", "CARBON_GRID_INTENSITY": "grid_carbon_intensity",
    "CARBON_LATITUDE": "latitude", "CARBON_LONGITUDE": "longitude", "CARBON_API_ENABLED": "use_real_time_carbon",
    "CO2_SIGNAL_API_TOKEN": "co2_signal_api_token", "GPU_IDS": "gpu_ids", "GPU_MONITORING_ENABLED": "track_gpu_energy",
    "GPU_MEASUREMENT_INTERVAL": "gpu_sampling_interval", "PROMETHEUS_ENABLED": "export_prometheus",
    "PROMETHEUS_HOST": "prometheus_host", "PROMETHEUS_PORT": "prometheus_port", "PROMETHEUS_PREFIX": "prometheus_prefix",
    "REPORT_ENABLED": "save_report", "REPORT_PATH": "report_path",
}
"""Variables without the prefix that are read too."""

NOT_USED = {
    "HF_ECO2AI_ENV": "there is one way to measure, in production as elsewhere",
    "HF_ECO2AI_AUDIT_KEY": "the audit log is not built yet", "HF_ECO2AI_MASTER_KEY": "nothing is encrypted here",
}
"""Variables of HF Eco2AI that have no effect, and why."""

_FILE = "HF_ECO2AI_CONFIG_PATH"


def read_options(environment: Mapping) -> Dict[str, Any]:
    """The options that variables give, as text; a file named by `HF_ECO2AI_CONFIG_PATH` lies below them.

    Raises:
        ConfigurationError: the file cannot be read or used.
    """
    options: Dict[str, Any] = {}
    names = _names()
    for variable, name in MORE.items():
        if environment.get(variable):
            options[name] = environment[variable]
    for variable, value in environment.items():
        if variable.startswith(PREFIX) and variable != _FILE and value:
            name = variable[len(PREFIX):].lower()
            if name in names:
                options[name] = value
            else:
                _warn(variable, names)
    return layered(_file(environment.get(_FILE)), options)


def _names() -> tuple:
    from .config import CarbonConfig

    return CarbonConfig.names()


def _warn(variable: str, names: tuple) -> None:
    why = NOT_USED.get(variable)
    near = difflib.get_close_matches(variable[len(PREFIX):].lower(), list(names), 1)
    hint = f"; did you mean {PREFIX}{near[0].upper()}?" if near else ""
    warn_once(variable, f"{variable} has no effect: {why}" if why else f"{variable} is no variable of eco2{hint}")


def _file(path: Any) -> Dict[str, Any]:
    if not path:
        return {}
    import json

    from .yaml_file import read_options as read_yaml

    try:
        if not str(path).endswith(".json"):
            return read_yaml(path)
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{_FILE}: {error}") from None
    if not isinstance(data, dict):
        raise ConfigurationError(f"{_FILE}: {path}: an object of options is expected")
    return data
