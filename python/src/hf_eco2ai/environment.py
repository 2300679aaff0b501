"""Options from the environment. An empty variable counts as not set."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Dict

from .effects import layered
from .not_used import NOT_USED, reason
from .errors import ConfigurationError, warn_once

PREFIX = "HF_ECO2AI_"
"""`HF_ECO2AI_<OPTION>` sets any option by its name in capitals."""

AUDIT_KEY = "HF_ECO2AI_AUDIT_KEY"
"""The key of the audit log (`TamperProofAuditLogger`), which is no option."""

MORE = {
    "CARBON_COUNTRY": "country", "CARBON_REGION": "region", "CARBON_GRID_INTENSITY": "grid_carbon_intensity",
    "CARBON_LATITUDE": "latitude", "CARBON_LONGITUDE": "longitude", "CARBON_API_ENABLED": "use_real_time_carbon",
    "CO2_SIGNAL_API_TOKEN": "co2_signal_api_token", "GPU_IDS": "gpu_ids", "GPU_MONITORING_ENABLED": "track_gpu_energy",
    "GPU_MEASUREMENT_INTERVAL": "gpu_sampling_interval", "PROMETHEUS_ENABLED": "export_prometheus",
    "PROMETHEUS_HOST": "prometheus_host", "PROMETHEUS_PORT": "prometheus_port", "PROMETHEUS_PREFIX": "prometheus_prefix",
    "REPORT_ENABLED": "save_report", "REPORT_PATH": "report_path", "CPU_MONITORING_ENABLED": "track_cpu_energy",
    "TEST_GPU_SIMULATION": "gpu_simulation", **{f"CARBON_API_{part}": f"carbon_api_{part.lower()}" for part in ("KEY", "URL")},
    "ALERT_ENABLED": "carbon_alerts", **{f"ALERT_MAX_{what}_PER_HOUR": f"max_{what.lower()}_per_hour" for what in ("CO2", "ENERGY", "COST")},
    "REPORT_FORMAT": "report_format",
    "PERFORMANCE_MAX_OVERHEAD_PERCENT": "max_overhead_percent",
}
"""Variables without the prefix that are read too."""

EMAIL = ("email_to", "email_smtp_host", "email_smtp_port", "email_username", "email_password")
"""Options whose names in capitals are variables too, where `ALERT_ENABLED` is set."""

_FILE = "HF_ECO2AI_CONFIG_PATH"


def read_options(environment: Mapping) -> Dict[str, Any]:
    """Returns the options that variables set, as text; they override the file that `HF_ECO2AI_CONFIG_PATH` names.

    Raises:
        ConfigurationError: the file cannot be read or used.
    """
    options: Dict[str, Any] = {}
    names = _names()
    for variable, name in MORE.items():
        if environment.get(variable):
            options[name] = environment[variable]
    for variable, value in environment.items():
        if variable.startswith(PREFIX) and variable not in (_FILE, AUDIT_KEY) and value:
            name = variable[len(PREFIX):].lower()
            if name in names:
                options[name] = value
            else:
                _warn(variable, names)
    if options.get("carbon_alerts") and "alert_webhook" not in options:
        # Other programs read these too: they count where alerts are wanted.
        webhooks = [environment[name] for name in ("SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL") if environment.get(name)]
        options.update(alert_webhook=webhooks[0]) if webhooks else None
    if options.get("carbon_alerts") and environment.get("EMAIL_TO") and environment.get("EMAIL_SMTP_HOST"):
        mail = {name: environment[name.upper()] for name in EMAIL if environment.get(name.upper())}
        options = {**mail, **options}
    _warn_unused(environment)
    return layered(_file(environment.get(_FILE)), options)


def _names() -> tuple:
    from .config import CarbonConfig

    return CarbonConfig.names()


def _warn_unused(environment: Mapping) -> None:
    """One warning for the variables of HF Eco2AI that are set and have no effect, where some that are its own alone are set."""
    found = sorted(name for name, value in environment.items() if value and name in NOT_USED)
    if found:
        shown = "; ".join(f"{name}: {reason(name)}" for name in found)
        warn_once(f"unused:{','.join(found)}", f"variables of HF Eco2AI without effect: {shown} (docs/seed.md has all)")


def _warn(variable: str, names: tuple) -> None:
    if variable in NOT_USED:
        return
    near = difflib.get_close_matches(variable[len(PREFIX):].lower(), list(names), 1)
    hint = f"; did you mean {PREFIX}{near[0].upper()}?" if near else ""
    warn_once(variable, f"{variable} is not a variable of eco2{hint}")


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
