"""Zones as attributes: `regions.GERMANY`, `regions.USA.CALIFORNIA`. Each is the zone's code as text, from the table of eco2.

    from hf_eco2ai import Eco2AICallback, regions
    Eco2AICallback(zone=regions.USA.CALIFORNIA)

`dir(regions)` lists the countries, `dir(regions.USA)` the states. A region without a value of its own, such as
`regions.GERMANY.BAVARIA`, is also its code: it has no `intensity`, and emissions of a run in it use the country's value,
flagged. An unknown name raises AttributeError.
"""

from __future__ import annotations

import re
from typing import List

from .errors import CarbonTrackingError, ConfigurationError
from .intensity import entry, table

_COUNTRIES = ("USA", "UK")
"""Usual names that are not in the table."""

_WITHOUT = {"DE": ("BADEN_WUERTTEMBERG", "BAVARIA", "BERLIN", "BRANDENBURG", "BREMEN", "HAMBURG", "HESSE", "LOWER_SAXONY",
                   "MECKLENBURG_WESTERN_POMERANIA", "NORTH_RHINE_WESTPHALIA", "RHINELAND_PALATINATE", "SAARLAND", "SAXONY",
                   "SAXONY_ANHALT", "SCHLESWIG_HOLSTEIN", "THURINGIA"),
            "CA": ("ALBERTA", "BRITISH_COLUMBIA", "MANITOBA", "NEW_BRUNSWICK", "NEWFOUNDLAND_AND_LABRADOR", "NOVA_SCOTIA",
                   "NORTHWEST_TERRITORIES", "NUNAVUT", "ONTARIO", "PRINCE_EDWARD_ISLAND", "QUEBEC", "SASKATCHEWAN", "YUKON")}
"""Regions that eco2 knows by name, whose figures may not be shipped."""

_CODE = re.compile(r"no yearly carbon intensity for [^(]*\((?P<code>[A-Z]{2}-[A-Z0-9]{1,3})\)")


class Zone(str):
    """A zone's code, whose attributes are its regions."""

    def __getattr__(self, name: str) -> Zone:
        if name.startswith("_"):
            raise AttributeError(name)
        return _zone(f"{self}/{_words(name)}", name)

    def __dir__(self) -> List[str]:
        prefix = f"{self}-"
        return sorted({*_listed(lambda code: code.startswith(prefix)), *_WITHOUT.get(str(self), ()), "intensity"})

    @property
    def intensity(self) -> float:
        """Grams CO2e per kilowatt-hour.

        Raises:
            ConfigurationError: it has no value of its own; the message names the zones that have one.
        """
        return entry(str(self))["g_per_kwh"]


def get(name: str) -> Zone:
    """Returns the zone of a code, name or alias, with or without a value. Raises ConfigurationError if there is none."""
    try:
        return Zone(entry(name)["zone"])
    except ConfigurationError as error:
        without = _CODE.match(str(error))
        if without is None:
            raise
        return Zone(without["code"])


def __getattr__(name: str) -> Zone:
    if name.startswith("_"):
        raise AttributeError(name)
    return _zone(_words(name), name)


def __dir__() -> List[str]:
    return sorted({*_listed(lambda code: "-" not in code and not code.islower()), *_COUNTRIES, "Zone", "get"})


def _listed(wanted) -> List[str]:  # type: ignore[no-untyped-def]
    """Attribute names of the table's zones; none without the command."""
    try:
        return [_typed(row["name"]) for row in table() if wanted(row["zone"])]
    except CarbonTrackingError:
        return []


def _typed(name: str) -> str:
    return re.sub(r"\W+", "_", name.replace("'", "")).strip("_").upper()


def _zone(place: str, name: str) -> Zone:
    try:
        return get(place)
    except ConfigurationError as error:
        raise AttributeError(f"{name}: {error}") from None


def _words(name: str) -> str:
    return name.replace("_", " ")
