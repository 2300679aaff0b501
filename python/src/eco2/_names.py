"""Keywords of CodeCarbon 3.3: the option of `eco2.Meter` that does the same, or why there is none."""

from __future__ import annotations

import re

_OPTIONS = {
    "name": "project_name",
    "labels": "experiment_id experiment_name metadata",
    "interval": "measure_power_secs",
    "zone": "country_iso_code country_2letter_iso_code region cloud_provider cloud_region",
    "intensity": "force_carbon_intensity_g_co2e_kwh",
    "intensity_provider": "electricitymaps_api_token co2_signal_api_token",
    "gpus": "gpu_ids",
    "cpu_watts": "force_cpu_power default_cpu_power",
    "scope": "tracking_mode",
    "json": "output_dir output_file save_to_file output_methods on_csv_write",
    "webhook": "emissions_endpoint",
}

_NO_OPTION = {
    "log_level logger_preamble save_to_logger logging_logger": 'messages go to logging.getLogger("eco2")',
    "allow_multiple_runs": "several runs at once need no option",
    "force_mode_cpu_load rapl_include_dram rapl_prefer_psys": "eco2 chooses the sensors and counts each part once",
    "force_ram_power": "memory is read, or estimated from its size",
    "save_to_prometheus prometheus_url": 'report("openmetrics") has the metrics',
    "save_to_api api_endpoint api_key api_call_interval": "no values are sent to a service of CodeCarbon",
    "save_to_logfire output_handlers": 'report("json") has every value',
    "offline": "the network is never asked for a place; set zone",
}

CODECARBON = {theirs: ours for ours, names in _OPTIONS.items() for theirs in names.split()}
"""CodeCarbon's names, and ours."""

WITHOUT = {theirs: why for names, why in _NO_OPTION.items() for theirs in names.split()}
"""CodeCarbon's names that have no option here, and what to do."""

_UNKNOWN = re.compile(r'no option is named "(?P<name>[^"]*)"')


def explained(text: str) -> str:
    """The library's message about an option; where its name is CodeCarbon's, with what it is here."""
    unknown = _UNKNOWN.search(text)
    name = unknown["name"] if unknown else ""
    if name in CODECARBON:
        hint = f"CodeCarbon's {name} is {CODECARBON[name]!r} here"
    elif name in WITHOUT:
        hint = f"CodeCarbon's {name} has no counterpart here: {WITHOUT[name]}"
    else:
        return text
    return f"{text[:unknown.end()]}; {hint}; eco2.codecarbon has CodeCarbon's classes"  # type: ignore[union-attr]
