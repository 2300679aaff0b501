"""Keywords of CodeCarbon's `EmissionsTracker`, and the option of `eco2.Meter` that does most of the same."""

from __future__ import annotations

import re

_BY_OURS = {
    "name": "project_name experiment_name",
    "run_id": "experiment_id",
    "interval": "measure_power_secs",
    "zone": "country_iso_code country_2letter_iso_code region cloud_region",
    "cloud": "cloud_provider",
    "gpus": "gpu_ids",
    "json": "output_dir output_file save_to_file",
    "cpu_watts": "default_cpu_power force_cpu_power",
    "intensity_provider": "co2_signal_api_token electricitymaps_api_token",
    "webhook": "emissions_endpoint",
    "pid": "tracking_mode",
}

CODECARBON = {theirs: ours for ours, names in _BY_OURS.items() for theirs in names.split()}
"""CodeCarbon's names, and ours."""

_UNKNOWN = re.compile(r'no option is named "(?P<name>[^"]*)"')


def explained(text: str) -> str:
    """The library's message about an option; where its name is CodeCarbon's, with ours."""
    unknown = _UNKNOWN.search(text)
    if unknown is None or unknown["name"] not in CODECARBON:
        return text
    return f"{text[:unknown.end()]}; CodeCarbon's {unknown['name']} is {CODECARBON[unknown['name']]!r} here"
