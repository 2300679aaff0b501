"""Checks what can be measured on this machine, and what is missing, by `eco2 doctor`."""

from __future__ import annotations

import importlib.util
import json
from typing import Any, Dict, Sequence

import eco2

from .errors import APIError


def run_hardware_check(arguments: Sequence[str] = ()) -> Dict[str, Any]:
    """Every source with its status, reason and remedy, devices, and a verdict: the JSON of `eco2 doctor --json`.

    Args:
        arguments: further flags of the command, such as `--sysfs`.

    Raises:
        APIError: there is no command, or it failed.
    """
    try:
        done = eco2.run_cli(["doctor", "--json", *arguments], capture_output=True, text=True)
        return json.loads(done.stdout)
    except (eco2.Error, OSError) as error:
        raise APIError(str(error)) from None
    except ValueError:
        raise APIError(f"eco2 doctor: {done.stderr.strip()}") from None


def validate(config: Any) -> Dict[str, Any]:
    """Checks what is missing for the options of a CarbonConfig.

    Returns:
        `valid`, `issues` (what cannot work), `warnings` (what works with less), `hardware`.
    """
    issues = [f"{option}=True needs the package {package}" for option, package in
              (("mlflow_tracking", "mlflow"), ("wandb_tracking", "wandb"))
              if getattr(config, option) and importlib.util.find_spec(package) is None]
    warnings = []
    try:
        hardware = run_hardware_check()
        if hardware["exit_code"]:
            warnings.append(f"sensors: {hardware['verdict']}; what is missing is estimated, and flagged")
    except APIError as error:
        hardware = {}
        issues.append(str(error))
    if not (config.zone or config.country or config.region or config.grid_carbon_intensity is not None):
        warnings.append("no zone is given: energy is priced at the world's average, and flagged")
    return {"valid": not issues, "issues": issues, "warnings": warnings, "hardware": hardware}
