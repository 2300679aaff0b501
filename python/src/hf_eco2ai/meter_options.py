"""Converts a CarbonConfig to the options of an `eco2.Meter`, and opens it. No option prevents the measurement.

An option that cannot be used is omitted, with a warning; an unknown zone is replaced by the next best.
"""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional

import eco2

from . import place as where
from .alerts import webhook_form
from .errors import LOGGER, warn_once
from .files import WRITTEN

NOT_NVIDIA = ["rapl-perf", "rapl-sysfs", "amdsmi", "hwmon", "model"]
"""Sources that are asked with `track_gpu_energy=False`."""

NOT_CPU = ["nvml"]
"""Sources that are asked with `track_cpu_energy=False`."""

FILES = ("trace", "json")
"""Options that name a file to write."""

NAMED_BY_VALUE = ("trace", "json", "intensity_series", "tariff_series", "zone", "embodied", "log", "state_dir")
"""Options whose value, not their name, is in a message about them."""

_LONGEST = 256
_MOST_LABELS = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_REFUSED = re.compile(r'options_json:\d+: (?:no option is named "(?P<unknown>[^"]*)"|(?P<known>[\w.]+) is )')

_BLAMED = (("intensity provider", ("intensity_provider", "provider_url", "provider_zone")), ("e-mail", ("email_to", "email_server", "email_user", "email_from", "email_ca")), ("webhook", ("webhook",)),
           ("latitude", ("locate",)), ("--locate", ("locate",)))
"""How messages that name no option begin or what they contain, and which options they are about."""


def zones(config: Any) -> List[Optional[str]]:
    """Zones to try, best first; None is the flagged world average. A country replaces a region that is not in the table, with a warning."""
    if config.zone:
        named = [config.zone]
    elif config.country and config.region:
        named = [f"{config.country}/{config.region}", config.country]
    else:
        named = [place for place in (config.country, config.region) if place]
    return [*named, None]


def options(config: Any) -> Dict[str, Any]:
    """The meter's options, but for the zone."""
    chosen: Dict[str, Any] = {
        "name": fitting(config.experiment_name or "", "experiment_name"), "run_id": fitting(config.run_id or "", "run_id"),
        "labels": labels(config), "intensity": config.grid_carbon_intensity,
        "pue": config.pue, "interval": config.gpu_sampling_interval, "budget": budget(config),
        "sources": sources(config), "cloud": config.cloud, "equivalents": config.equivalents or None,
        "offsets": offsets(config), "max_overhead_percent": config.max_overhead_percent,
        **email(config), "embodied": "server" if config.include_infrastructure else None,
        "webhook": webhook_form(config.alert_webhook) if config.alert_webhook else None,
        "provider_url": config.carbon_api_url if where.providers(config) else None,
        "gpus": None if config.gpu_ids == "auto" else [str(number) for number in config.gpu_ids],
        "locate": where.located(config), "intensity_provider": where.providers(config),
        "trace": place(config, config.report_path + ".trace.csv") if config.save_raw_metrics else None,
    }
    given = dict(config.meter_options)
    for table in ("budget", "labels"):
        if isinstance(given.get(table), dict):
            given[table] = {**chosen[table], **given[table]}
    return {name: value for name, value in {**chosen, **given}.items() if value not in (None, "", {}, [])}


def sources(config: Any) -> Optional[List[str]]:
    """The sources to read; None: all that are available."""
    if config.gpu_simulation:
        return ["synthetic"]
    if not config.track_cpu_energy:
        return NOT_CPU
    return None if config.track_gpu_energy else NOT_NVIDIA


def offsets(config: Any) -> Dict[str, float]:
    """Purchased offsets, kilograms by name, for separate lines in the report; never subtracted."""
    return {fitting(name, "the name of an offset"): kg for name, kg in config.carbon_offset_credits.items()}


def labels(config: Any) -> Dict[str, str]:
    """Labels of the run and tags: up to 64 of up to 256 bytes. A warning names what is cut or omitted."""
    named = {"project": config.project_name, "experiment": config.experiment_name}
    if config.carbon_price_per_tonne is not None:
        # By this label the library prices the run's carbon.
        named["carbon_price_per_tonne"] = repr(config.carbon_price_per_tonne)
    named = {**named, **{name: value for name, value in config.custom_tags.items() if name not in named}}
    found: Dict[str, str] = {}
    for name, value in named.items():
        name, value = fitting(str(name), "the name of a tag"), fitting(value or "", f"the tag {str(name)[:64]!r}")
        if name and value:
            found.setdefault(name, value)
    over = list(found)[_MOST_LABELS:]
    if over:
        warn_once("custom_tags", f"CarbonConfig.custom_tags: a run has at most {_MOST_LABELS} labels; left out: {', '.join(over)}")
    return {name: value for name, value in found.items() if name not in over}


def fitting(text: str, what: str) -> str:
    """Returns text that an option accepts: no control characters, at most 256 bytes. A warning names what is lost."""
    plain = _CONTROL.sub(" ", text).strip()
    cut = plain.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore").strip()
    if cut != text.strip():
        warn_once(f"text:{what}:{cut}", f"{what} is cut to {_LONGEST} bytes without control characters: {cut[:64]!r}…")
    return cut


def email(config: Any) -> Dict[str, Any]:
    """The recipients of alerts, and the mail server; nothing where one of them is missing."""
    if not (config.email_to and config.email_smtp_host):
        return {}
    port = f":{config.email_smtp_port}" if config.email_smtp_port else ""
    return {"email_to": config.email_to, "email_server": config.email_smtp_host + port, "email_user": config.email_username}


def budget(config: Any) -> Dict[str, Any]:
    """Limits, limits per hour, and the price of energy."""
    rates = {"max_co2_kg_per_hour": config.max_co2_per_hour, "max_energy_kwh_per_hour": config.max_energy_per_hour,
             "max_cost_per_hour": config.max_cost_per_hour if config.estimate_costs else None}
    limits: Dict[str, Any] = {name: limit for name, limit in rates.items() if limit}
    if config.enable_carbon_budget:
        limits.update(max_co2_kg=config.max_co2_kg, check_steps=config.check_frequency)
    if config.estimate_costs:
        limits.update(price_per_kwh=config.electricity_price_per_kwh, currency="USD")
    return limits


def place(config: Any, path: str) -> str:
    """A file's path within `output_dir`, where one is given."""
    return os.path.join(config.output_dir, path) if config.output_dir else path


def opened(config: Any, total_steps: Optional[int] = None, run: Any = None) -> eco2.Meter:
    """Opens a meter with these options. An option that cannot be used is omitted, with a warning.

    Args:
        config: a CarbonConfig.
        total_steps: steps that the training will take in this process; with a budget its end is then forecast.
        run: the run's number in this process: files of an earlier run are renamed, not overwritten.

    Raises:
        eco2.Error: the meter cannot be opened with any subset of the options.
    """
    where.hand_over(config)
    given = options(config)
    if total_steps and total_steps > 0 and "total_hours" not in given.get("budget", {}):
        given["budget"] = {"total_steps": total_steps, **given.get("budget", {})}
    given = with_places(given, run)
    while True:
        try:
            return _in_best_zone(config, given)
        except eco2.LoadError:
            raise
        except eco2.Error as error:
            blamed = to_blame(error, given)
            if not blamed:
                return _with_less(config, given, error)
            wanted = given.get("zone")
            given = without(given, blamed, error)
            if blamed == ["zone"] and not given.get("zone_fallback"):
                # Its country's value, else the world average: the report's `zone_source` is `country` or `unknown`.
                given = {**given, "zone": wanted, "zone_fallback": True}


def with_places(given: Dict[str, Any], run: Any) -> Dict[str, Any]:
    """Creates the folders of the files that options name, and omits an option whose folder cannot be created."""
    for name in [name for name in FILES if name in given]:
        path = os.fspath(given[name])
        try:
            if os.path.dirname(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
            moved = WRITTEN.claim(path, run)
            if moved is not None:
                LOGGER.info("%s of the run before is now %s", path, moved)
        except OSError as error:
            given = without(given, [name], error)
    return given


def to_blame(error: eco2.Error, given: Dict[str, Any]) -> List[str]:
    """Returns the options that the library refuses; `budget.max_co2_kg` is one of a table. Empty if its message names none."""
    text = str(error)
    refused = _REFUSED.match(text)
    if refused:
        return [name for name in [refused["unknown"] if refused["known"] is None else refused["known"]] if _has(given, name)]
    for words, names in _BLAMED:
        if words in text and names[0] in given:
            return [name for name in names if name in given]
    # A message about a file or a place shows its name.
    return [name for name in NAMED_BY_VALUE if name in given and str(given[name]) in text][:1]


def _has(given: Dict[str, Any], name: str) -> bool:
    table, _, rest = name.partition(".")
    return name in given or (isinstance(given.get(table), dict) and rest in given[table])


def without(given: Dict[str, Any], names: List[str], error: Exception) -> Dict[str, Any]:
    """Returns the options without these, and warns once."""
    left = {name: value for name, value in given.items() if name not in names}
    for table, _, name in (name.partition(".") for name in names if name not in given):
        left[table] = {other: value for other, value in left[table].items() if other != name}
    instead = "; the zone's yearly value is used" if "intensity_provider" in names else ""
    warn_once(f"option:{','.join(names)}:{error}", f"{', '.join(names)} cannot be used and is left out: {error}{instead}")
    return left


def _with_less(config: Any, given: Dict[str, Any], error: eco2.Error) -> eco2.Meter:
    """Opens the meter without one option, or else without all options that can be omitted. Used if no message names the
    option."""
    spare = [name for name in given if name not in ESSENTIAL]
    for names in [*([name] for name in reversed(spare)), spare]:
        try:
            meter = _in_best_zone(config, {name: value for name, value in given.items() if name not in names})
        except eco2.Error:
            continue
        without(given, names, error)
        return meter
    raise error


ESSENTIAL = ("sysfs", "procfs", "nvml", "sources", "gpus", "estimate", "interval", "log", "state_dir", "pid", "quiet")
"""Options that decide what is measured: they are left out only where the library refuses them by name."""


def _in_best_zone(config: Any, given: Dict[str, Any]) -> eco2.Meter:
    candidates: List[Optional[str]] = [None] if {"intensity", "zone", "locate"} & set(given) else zones(config)
    best = candidates[0]
    if best is None:
        return eco2.Meter.apart(given)
    try:
        return eco2.Meter.apart({**given, "zone": best})
    except eco2.Error as error:
        if to_blame(error, given) or not any(word in str(error) for word in ("zone", "region", "yearly carbon intensity")):
            raise
        warn_once(f"zone:{best}", f"{error}; the next best zone is used")
    # Its country's value, else the world average: the report's `zone_source` is then `country` or `unknown`.
    return eco2.Meter.apart({**given, "zone": best, "zone_fallback": True})
