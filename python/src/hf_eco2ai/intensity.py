"""CarbonIntensityProvider: what a kilowatt-hour weighs, by the table that the command eco2 has, or by a given figure."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Dict, List, Optional

import eco2

from .errors import APIError, ConfigurationError
from .models import EnvironmentalImpact


class Intensities(Mapping):
    """Grams CO2e per kilowatt-hour by zone, of the command's table, which is read when it is first looked at. Read-only.

    A zone is found by its code, its name or an alias; the codes are what it iterates over.
    """

    def __getitem__(self, place: str) -> float:
        try:
            return entry(place)["g_per_kwh"]
        except ConfigurationError as error:
            raise KeyError(str(error)) from None

    def __iter__(self) -> Iterator[str]:
        return (row["zone"] for row in table())

    def __len__(self) -> int:
        return len(table())

    def values(self) -> Any:
        """The figures, in the table's order."""
        return [row["g_per_kwh"] for row in table()]

    def items(self) -> Any:
        """Codes and figures."""
        return [(row["zone"], row["g_per_kwh"]) for row in table()]


class CarbonIntensityProvider:
    """Grams CO2e per kilowatt-hour.

    Args:
        country, region: names, codes or aliases: `"Germany"`, `"USA"` and `"California"`. Neither: the world's average.
        grid_carbon_intensity: a figure of one's own, 0 to 5000, which goes over the table.
        zone: a zone's code, in place of country and region.

    Attributes:
        CARBON_INTENSITIES: the whole table, read-only; see `Intensities`.

    Raises:
        ConfigurationError: there is no figure for that place; the message has the nearest ones.
        APIError: the command failed.
    """

    CARBON_INTENSITIES = Intensities()

    def __init__(self, country: Optional[str] = None, region: Optional[str] = None,
                 grid_carbon_intensity: Optional[float] = None, zone: Optional[str] = None) -> None:
        self._constant = grid_carbon_intensity
        if grid_carbon_intensity is not None and not 0 <= grid_carbon_intensity <= 5000:
            raise ConfigurationError(f"grid_carbon_intensity is {grid_carbon_intensity}; allowed: 0 to 5000")
        place = zone or "/".join(part for part in (country, region) if part)
        self.is_default = not place and grid_carbon_intensity is None
        self.entry: Dict[str, Any] = {} if self._constant is not None else dict(entry(place or "world"))

    def get_carbon_intensity(self) -> float:
        """Grams CO2e per kilowatt-hour."""
        return self._constant if self._constant is not None else self.entry["g_per_kwh"]

    def get_renewable_percentage(self) -> Optional[float]:
        """None: shares of sources come with a later part, and no intensity is ever altered by them."""
        return None

    def get_environmental_impact(self) -> EnvironmentalImpact:
        """What is known of the place."""
        code = self.entry.get("zone")
        return EnvironmentalImpact(
            region_name=self.entry.get("name"), country_code=code.split("-")[0] if code and code[:2].isalpha() else None,
            regional_average_intensity=self.get_carbon_intensity(), global_average_intensity=entry("world")["g_per_kwh"])

    @property
    def source(self) -> str:
        """Who says so, and for which year; `given` for one's own figure."""
        return f"{self.entry['source']}, {self.entry['year']}" if self.entry else "given"


@functools.lru_cache(maxsize=256)
def entry(place: str) -> Dict[str, Any]:
    """A row of the table: `zone`, `name`, `g_per_kwh`, `kind`, `year`, `source`, `licence`, `note`.

    Raises:
        ConfigurationError: there is none of that name.
    """
    return json.loads(_grid([place]))


@functools.lru_cache(maxsize=1)
def table() -> List[Dict[str, Any]]:
    """All rows. Raises APIError if the command fails."""
    return json.loads(_grid([]))


def _grid(arguments: List[str]) -> str:
    try:
        done = eco2.run_cli(["grid", *arguments, "--json"], capture_output=True, text=True)
    except (eco2.Error, OSError) as error:
        raise APIError(str(error)) from None
    if done.returncode:
        kind = ConfigurationError if arguments else APIError
        raise kind(done.stderr.strip().replace("eco2: ", "", 1))
    return done.stdout
