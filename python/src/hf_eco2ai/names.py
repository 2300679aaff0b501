"""Suggestions for unknown option names, also for those of CodeCarbon."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Optional

_BY_OURS = {
    "gpu_sampling_interval": "measure_power_secs",
    "csv_path": "output_file",
    "save_report": "save_to_file",
    "export_prometheus": "save_to_prometheus",
    "prometheus_host": "prometheus_url",
    "log_to_console": "save_to_logger",
    "country": "country_2letter_iso_code",
    "co2_signal_api_token": "electricitymaps_api_token",
    "alert_webhook": "emissions_endpoint",
    "cloud": "cloud_provider",
    "zone": "cloud_region",
    "meter_options={'wue': …}": "wue",
    "meter_options={'cpu_watts': …}": "default_cpu_power force_cpu_power",
    "export_csv": "on_csv_write",
    "experiment_name": "logger_preamble",
    "carbon_api_key": "api_key",
    "track_cpu_energy": "force_mode_cpu_load",
}

CODECARBON = {theirs: ours for ours, names in _BY_OURS.items() for theirs in names.split()}
"""Keywords of CodeCarbon's `EmissionsTracker`, and the option of CarbonConfig that does most of the same."""


def nearest(name: str, names: Iterable[str]) -> Optional[str]:
    """Returns the most similar option; None if none is similar."""
    known = [*names, *CODECARBON]
    near = difflib.get_close_matches(str(name).lower(), known, 1)
    return CODECARBON.get(near[0], near[0]) if near else None


def unknown(name: str, names: Iterable[str]) -> str:
    """Returns the message for an unknown option."""
    text = f"no option is named {name!r}"
    if name in CODECARBON:
        return f"{text}; CodeCarbon's {name} is {CODECARBON[name]} here"
    near = nearest(name, names)
    return text + (f"; did you mean {near!r}?" if near else "")
