"""The training's place and its providers of carbon intensity, from the options of CarbonConfig.

No network is used unless `use_real_time_carbon` or `auto_detect_location` is set; the library then sends requests from a
separate thread or when the meter opens.
"""

from __future__ import annotations

import os
from typing import Any, List, Optional

from .errors import warn_once

SIGNAL = "electricity-maps"
"""Whose token `co2_signal_api_token` is: CO2 Signal was its earlier name."""

WEBHOOK = "ECO2_TOKEN_WEBHOOK"
"""Variable in which the library looks for a webhook's address."""

EMAIL = "ECO2_TOKEN_EMAIL"
"""Variable in which the library looks for the password at the mail server."""

TOKEN = "CO2_SIGNAL_API_TOKEN"
"""Variable in which the library looks for it, among others."""


def providers(config: Any) -> List[str]:
    """Returns the providers of carbon intensity over time, best first; may be empty."""
    if not config.use_real_time_carbon or config.grid_carbon_intensity is not None:
        return []
    named = config.intensity_provider or (SIGNAL if config.co2_signal_api_token or config.carbon_api_key else "")
    return [name.strip() for name in named.split(",") if name.strip()]


def located(config: Any) -> Optional[str]:
    """Returns coordinates or `cloud`, if they are set and no other option sets the place."""
    if config.zone or config.country or config.region or config.grid_carbon_intensity is not None:
        return None
    if config.latitude is not None and config.longitude is not None:
        return f"{config.latitude!r},{config.longitude!r}"
    return "cloud" if config.auto_detect_location else None


def hand_over(config: Any) -> None:
    """Sets the variables of this process in which the library looks for secrets. Tokens that are set already stay; a webhook's
    address and a password that are given here replace those."""
    asked = providers(config)
    if asked and config.co2_signal_api_token:
        os.environ.setdefault(TOKEN, config.co2_signal_api_token)
    if asked and config.carbon_api_key:
        os.environ.setdefault(f"ECO2_TOKEN_{asked[0].upper().replace('-', '_')}", config.carbon_api_key)
    if config.alert_webhook:
        os.environ[WEBHOOK] = config.alert_webhook
    if config.email_password:
        os.environ[EMAIL] = config.email_password


def warn(config: Any) -> None:
    """Warns once of each of these options that has no effect as it is set."""
    given = config.zone or config.country or config.region
    own = config.grid_carbon_intensity is not None
    replaced = "grid_carbon_intensity is set and overrides it" if own else None
    if config.use_real_time_carbon and not providers(config):
        why = replaced or f"no provider is named: give intensity_provider, or co2_signal_api_token (or carbon_api_key) for {SIGNAL}; the zone's yearly value is used"
        warn_once("use_real_time_carbon", f"CarbonConfig.use_real_time_carbon has no effect: {why}")
    for name in ("intensity_provider", "co2_signal_api_token", "carbon_api_key", "carbon_api_url"):
        if getattr(config, name) and not config.use_real_time_carbon:
            warn_once(name, f"CarbonConfig.{name} has no effect without use_real_time_carbon=True")
    for name, other in (("latitude", config.longitude), ("longitude", config.latitude)):
        if getattr(config, name) is not None and other is None:
            warn_once(name, f"CarbonConfig.{name} has no effect alone: give latitude and longitude")
    for name, is_set in (("auto_detect_location", config.auto_detect_location), ("latitude", config.latitude is not None)):
        place = f"the place is given as {given}" if given else None
        if is_set and (replaced or place):
            warn_once(name, f"CarbonConfig.{name} has no effect: {replaced or place}")
