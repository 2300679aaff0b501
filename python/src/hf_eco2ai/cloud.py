"""CloudProviderIntegration: data on a cloud region, and options to measure a run in it, under the names of HF Eco2AI.

No instance's watts are guessed. Within a machine, `config_for` makes the library take the provider's published watts of a
thread where there is no counter (its option `cloud`), flagged as an estimate with bounds, and the region's zone.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from .batch import calculate_carbon_impact_batch
from .config import CarbonConfig
from .errors import ConfigurationError
from .intensity import entry


class CloudProviderIntegration:
    """Regions of AWS, Google Cloud and Azure."""

    @staticmethod
    def get_aws_carbon_data(region: str, duration_hours: Optional[float] = None, power_watts: Optional[float] = None) -> Dict[str, Any]:
        """A region such as `us-east-1`.

        Args:
            region: as the provider names it.
            duration_hours, power_watts: with both, the energy and emissions of a load of that power there (before PUE).

        Returns:
            `region`, `location`, `zone`, `g_per_kwh`, `kind`, `year`, `source`, `note`, `pue` with year and source (None:
            not disclosed), `energy_kwh`, `co2_kg` (None without power and duration).

        Raises:
            ConfigurationError: no such region, with the nearest ones.
        """
        return _region("aws", region, duration_hours, power_watts)

    @staticmethod
    def get_gcp_carbon_data(region: str, duration_hours: Optional[float] = None, power_watts: Optional[float] = None) -> Dict[str, Any]:
        """A region such as `europe-west1`; as `get_aws_carbon_data`."""
        return _region("gcp", region, duration_hours, power_watts)

    @staticmethod
    def get_azure_carbon_data(region: str, duration_hours: Optional[float] = None, power_watts: Optional[float] = None) -> Dict[str, Any]:
        """A region such as `westeurope`; as `get_aws_carbon_data`."""
        return _region("azure", region, duration_hours, power_watts)

    @staticmethod
    def config_for(provider: str, region: str, **options: Any) -> CarbonConfig:
        """Options of a run in a cloud's region: its zone, and the provider's published watts where there is no counter.

        Raises:
            ConfigurationError: no such provider, region or option.
        """
        zone = f"{provider}:{region}"
        entry(zone)
        return CarbonConfig(**{"cloud": provider, "zone": zone, **options})


def _region(provider: str, region: str, hours: Optional[float], watts: Optional[float]) -> Dict[str, Any]:
    found = entry(f"{provider}:{region}")
    about = found.get("cloud") or {}
    if not about:
        raise ConfigurationError(f"{provider}:{region} is not a cloud region")
    data = {"region": region, "location": about.get("location"), "pue": about.get("pue"), "pue_year": about.get("pue_year"),
            "pue_source": about.get("pue_source"), "energy_kwh": None, "co2_kg": None,
            **{name: found.get(name) for name in ("zone", "name", "g_per_kwh", "kind", "year", "source", "licence", "note")}}
    if hours is not None and watts is not None:
        impact = calculate_carbon_impact_batch([watts], hours * 3600, found["g_per_kwh"])
        data.update({name: impact[name][0] for name in ("energy_kwh", "co2_kg")})
    return data
