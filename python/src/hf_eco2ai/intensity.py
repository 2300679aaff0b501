"""CarbonIntensityProvider: the carbon intensity of electricity, from the table of the command eco2, from a given value, or
from a provider of current values."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, List, Optional

import eco2

from .errors import APIError, ConfigurationError
from .models import EnvironmentalImpact
from .windows import instant as _instant


class Intensities(Mapping):
    """Grams CO2e per kilowatt-hour by zone, from the command's table, which is read at first use. Read-only.

    A zone is found by its code, its name or an alias; iteration gives the codes.
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
        """The values, in the table's order."""
        return [row["g_per_kwh"] for row in table()]

    def items(self) -> Any:
        """Codes and values."""
        return [(row["zone"], row["g_per_kwh"]) for row in table()]


class CarbonIntensityProvider:
    """Grams CO2e per kilowatt-hour.

    Args:
        country, region: names, codes or aliases: `"Germany"`, `"USA"` and `"California"` [default: world average].
        grid_carbon_intensity: a value of your own, 0 to 5000, which overrides the table.
        zone: a zone's code, in place of country and region.
        provider: providers of the current intensity: `"neso"`, `"electricity-maps,energy-charts"`, … [default: none].
            Its token comes from the environment (docs/intensity.md of eco2). An answer is kept until its slot is over.
        provider_url, provider_zone: as for `eco2 grid`.
        series, column: intensities of later hours (as for `LowCarbonScheduler`), for the impact's peak and window only.
        clock: returns the time, with a time zone.

    Attributes:
        CARBON_INTENSITIES: the whole table, read-only; see `Intensities`.
        entry: data on the place; with a provider its last answer, with `at`, `until`, `estimated` and `chain`.

    Raises:
        ConfigurationError: there is no value for that place (the message suggests the nearest names), or the provider cannot be
            queried.
        APIError: the command failed.
    """

    CARBON_INTENSITIES = Intensities()

    def __init__(self, country: Optional[str] = None, region: Optional[str] = None,
                 grid_carbon_intensity: Optional[float] = None, zone: Optional[str] = None, provider: Optional[str] = None,
                 provider_url: Optional[str] = None, provider_zone: Optional[str] = None,
                 series: Any = None, column: Optional[str] = None,
                 clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self._constant = grid_carbon_intensity
        if grid_carbon_intensity is not None and not 0 <= grid_carbon_intensity <= 5000:
            raise ConfigurationError(f"grid_carbon_intensity is {grid_carbon_intensity}; allowed: 0 to 5000")
        place = zone or "/".join(part for part in (country, region) if part)
        self.is_default = not place and grid_carbon_intensity is None
        self.entry: Dict[str, Any] = {}
        self._asking: List[str] = []
        self._clock, self._good_until = clock, clock()
        self._series, self._column = series, column
        if provider is not None and grid_carbon_intensity is None:
            if not place:
                raise ConfigurationError(f"provider {provider} needs a place: give zone, or country and region")
            self._asking = [place, *_flags(provider=provider, provider_url=provider_url, provider_zone=provider_zone)]
            self._ask()
        elif grid_carbon_intensity is None:
            self.entry = dict(entry(place or "world"))

    def _ask(self) -> None:
        self.entry = json.loads(_grid(self._asking))
        now = self._clock()
        until = _instant(self.entry["until"]) if self.entry["until"] else now
        self._good_until = until if until > now else now + _PATIENCE

    def get_carbon_intensity(self) -> float:
        """Grams CO2e per kilowatt-hour; a provider is queried again after the slot of its last answer.

        If no provider answers, it is the zone's yearly value: `is_live` is then False, and `entry["chain"]` has the reasons.
        """
        if self._constant is not None:
            return self._constant
        if self._asking and self._clock() >= self._good_until:
            self._ask()
        return self.entry["g_per_kwh"]

    @property
    def is_live(self) -> bool:
        """Whether the value is a provider's, not the yearly one or one of your own."""
        return bool(self._asking) and self.entry["provider"] != "table"

    def get_renewable_percentage(self) -> Optional[float]:
        """Share of renewables in the zone's production in the year of the mix, percent; None if it is not known.

        For information only: the intensity includes it already, and no value is computed from it.
        """
        return self._share("renewable_percent")

    def _share(self, name: str) -> Any:
        mix = self.entry.get("mix")
        return mix[name] if mix else None

    def get_environmental_impact(self) -> EnvironmentalImpact:
        """Returns data on the place; peak, lowest and best hour require `series`, and are those of its first 24 hours."""
        code = self.entry.get("zone")
        return EnvironmentalImpact(
            renewable_percentage=self._share("renewable_percent"), fossil_fuel_percentage=self._share("fossil_percent"),
            nuclear_percentage=self._share("nuclear_percent"), mix_year=self._share("year"),
            region_name=self.entry.get("name"), timezone=self.entry.get("time_zone"), country_code=code.split("-")[0] if code and code[:2].isalpha() else None,
            regional_average_intensity=self.get_carbon_intensity(), global_average_intensity=entry("world")["g_per_kwh"],
            **(day(self._series, self._column) if self._series is not None else {}))

    @property
    def source(self) -> str:
        """The source of the value and its year or end; `given` for a value of the caller's own."""
        if not self.entry:
            return "given"
        return f"{self.entry['source']}, {self.entry['year'] or self.entry.get('until')}"


def day(series: Any, column: Optional[str] = None) -> Dict[str, Any]:
    """Returns the hours with the highest and the lowest intensity in the first 24 hours of a series, by plans of one hour.

    Raises:
        ConfigurationError: the series cannot be used.
    """
    try:
        # A plan of one hour at 1000 W has the emissions of one kilowatt-hour.
        first = eco2.plan(series, 1, 1, zone=column)
        start, hours = _instant(first["start"]), [first]
        for hour in range(1, 24):
            try:
                hours.append(eco2.plan(series, 1, 1, zone=column, start=_text(start + timedelta(hours=hour))))
            except eco2.Error:
                break
    except eco2.Error as error:
        raise ConfigurationError(str(error)) from None
    known = [hour for hour in hours if hour["grams"] is not None]
    if not known:
        return {}
    least, most = (pick(known, key=lambda hour: hour["grams"]) for pick in (min, max))
    window = f"{least['start']}/{least['slots'][-1]['to']}"
    return {"peak_hours_co2": most["grams"], "off_peak_hours_co2": least["grams"], "optimal_training_window": window}


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


_PATIENCE = timedelta(minutes=5)
"""How long an answer that is over already, or the yearly figure, is kept before a provider is asked again."""


def _flags(**given: Optional[str]) -> List[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value is not None]


@functools.lru_cache(maxsize=256)
def entry(place: str) -> Dict[str, Any]:
    """A row of the table: `zone`, `name`, `g_per_kwh`, `kind`, `year`, `source`, `licence`, `note`, `mix`, `cloud`.

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
