"""Zones to type: `regions.GERMANY`, `regions.USA.CALIFORNIA`. Each is a zone's code as text, by the table of eco2.

    from hf_eco2ai import Eco2AICallback, regions
    Eco2AICallback(zone=regions.USA.CALIFORNIA)

A region that the table does not have raises AttributeError: a country's figure is never taken for a region's.
"""

from __future__ import annotations

from .errors import ConfigurationError
from .intensity import entry


class Zone(str):
    """A zone's code, whose attributes are its regions."""

    def __getattr__(self, name: str) -> Zone:
        if name.startswith("_"):
            raise AttributeError(name)
        return _zone(f"{self}/{_words(name)}", name)

    @property
    def intensity(self) -> float:
        """Grams CO2e per kilowatt-hour."""
        return entry(str(self))["g_per_kwh"]


def get(name: str) -> Zone:
    """The zone of a code, name or alias. Raises ConfigurationError if there is none."""
    return Zone(entry(name)["zone"])


def __getattr__(name: str) -> Zone:
    if name.startswith("_"):
        raise AttributeError(name)
    return _zone(_words(name), name)


def _zone(place: str, name: str) -> Zone:
    try:
        return get(place)
    except ConfigurationError as error:
        raise AttributeError(f"{name}: {error}") from None


def _words(name: str) -> str:
    return name.replace("_", " ")
