"""What is handed out: views over the figures that the library gives, in the names of HF Eco2AI. Unknown is None."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

_SUMMARY = """total_energy_kwh total_co2_kg average_power_watts peak_power_watts total_duration_hours total_steps
total_epochs total_samples average_samples_per_kwh energy_per_sample co2_per_sample estimated_cost_usd
carbon_credit_cost_usd equivalent_km_driven equivalent_trees_needed equivalent_coal_burned_kg model_name model_parameters
dataset_size final_loss""".split()
_CURRENT = """power_watts energy_kwh co2_kg samples_processed samples_per_kwh tokens_processed tokens_per_kwh
energy_per_sample co2_per_sample watts_per_sample grid_intensity co2_kg_per_hour duration_seconds energy_uj duration_ns""".split()
_ORIGIN = """energy_low_kwh energy_high_kwh co2_low_kg co2_high_kg pue facility_energy_kwh estimated synthetic missing_ns
zone zone_source intensity_source intensity_year intensity_kind""".split()

NOTHING: Dict[str, Any] = {
    "summary": dict.fromkeys(_SUMMARY), "current": dict.fromkeys(_CURRENT), "gpu_metrics": {}, "environmental_impact": {},
    "carbon_budget": None,
    "carbon_forecast": None,
    "origin": {**dict.fromkeys(_ORIGIN), "quality": {}},
}
"""The library's figures where nothing is known: every key is there."""


class Figures(dict):
    """A dict whose values are attributes too: `figures.energy_kwh` is `figures["energy_kwh"]`."""

    def __getattr__(self, name: str) -> Any:
        try:
            value = self[name]
        except KeyError:
            raise AttributeError(f"no value {name!r}; there are {', '.join(self)}") from None
        return Figures(value) if isinstance(value, dict) and not isinstance(value, Figures) else value


class CarbonSummary(Figures):
    """The totals of a run: `report.summary.total_co2_kg`, `report.summary["total_co2_kg"]`, and as text `report.summary()`."""

    def __init__(self, figures: Optional[Dict[str, Any]] = None, text: str = "") -> None:
        super().__init__(figures or {})
        self.__dict__["text"] = text

    def __call__(self) -> str:
        """The summary for people."""
        return self.__dict__["text"] or "\n".join(f"{name}: {value}" for name, value in self.items() if value is not None)

    def to_dict(self) -> Dict[str, Any]:
        """Plain data."""
        return dict(self)


@dataclass
class CarbonMetrics:
    """One record: the run's figures at an instant.

    Energies and times are kept as the integers of the account (microjoules, nanoseconds since the start), so that what
    lies between two records is exact, whichever of them are left out.
    """

    timestamp: float = 0.0
    datetime: str = ""
    step: int = 0
    epoch: Optional[float] = None
    energy_uj: Optional[int] = None
    elapsed_ns: int = 0
    energy_kwh: Optional[float] = None
    cumulative_energy_kwh: Optional[float] = None
    power_watts: Optional[float] = None
    co2_kg: Optional[float] = None
    cumulative_co2_kg: Optional[float] = None
    grid_intensity: Optional[float] = None
    gpu_metrics: Dict[str, Any] = field(default_factory=dict)
    samples_processed: Optional[int] = None
    samples_per_kwh: Optional[float] = None
    tokens_processed: Optional[int] = None
    tokens_per_kwh: Optional[float] = None
    duration_seconds: Optional[float] = None
    training_context: Dict[str, Any] = field(default_factory=dict)
    environment: Dict[str, Any] = field(default_factory=dict)
    quality: Dict[str, str] = field(default_factory=dict)

    @property
    def loss(self) -> Optional[float]:
        """The loss that the trainer logged here."""
        return self.training_context.get("loss")

    def to_dict(self) -> Dict[str, Any]:
        """The record in the format of a carbon report 1.0, with `quality` by device, and the integers `energy_uj` and `elapsed_ns`."""
        return {
            "timestamp": self.timestamp, "datetime": self.datetime, "step": self.step, "epoch": self.epoch,
            "energy_kwh": self.energy_kwh, "cumulative_energy_kwh": self.cumulative_energy_kwh,
            "power_watts": self.power_watts, "co2_kg": self.co2_kg, "cumulative_co2_kg": self.cumulative_co2_kg,
            "grid_intensity": self.grid_intensity, "gpu_metrics": self.gpu_metrics,
            "efficiency": {"samples_processed": self.samples_processed, "samples_per_kwh": self.samples_per_kwh,
                           "tokens_processed": self.tokens_processed, "tokens_per_kwh": self.tokens_per_kwh},
            "duration_seconds": self.duration_seconds, "training_context": self.training_context,
            "environment": self.environment, "quality": self.quality,
            "energy_uj": self.energy_uj, "elapsed_ns": self.elapsed_ns,
            "energy_uj": self.energy_uj, "elapsed_ns": self.elapsed_ns,
        }


@dataclass
class GPUMetrics:
    """A GPU now: watts, percent, megabytes, degrees Celsius, kilowatt-hours since the start."""

    device_id: str = ""
    name: str = ""
    power_watts: Optional[float] = None
    utilization_percent: Optional[float] = None
    memory_used_mb: Optional[float] = None
    memory_total_mb: Optional[float] = None
    temperature_c: Optional[float] = None
    energy_kwh: Optional[float] = None


@dataclass
class SystemMetrics:
    """The machine without its GPUs now: percent, watts, seconds of the wall clock."""

    cpu_percent: Optional[float] = None
    memory_percent: Optional[float] = None
    power_watts: Optional[float] = None
    timestamp: float = 0.0


@dataclass
class EnvironmentalImpact:
    """What is known of the grid. Shares are of the zone's production in `mix_year`, percent; None where they are not known.
    They are context: an intensity has them already, and they change no value."""

    renewable_percentage: Optional[float] = None
    fossil_fuel_percentage: Optional[float] = None
    nuclear_percentage: Optional[float] = None
    mix_year: Optional[int] = None
    region_name: Optional[str] = None
    country_code: Optional[str] = None
    timezone: Optional[str] = None
    peak_hours_co2: Optional[float] = None
    off_peak_hours_co2: Optional[float] = None
    optimal_training_window: Optional[str] = None
    regional_average_intensity: Optional[float] = None
    global_average_intensity: Optional[float] = None
    efficiency_percentile: Optional[float] = None


@dataclass
class OptimizationRecommendation:
    """Advice on a run, from what was measured in it; made by `CarbonOptimizer`.

    Attributes:
        category: idle-gpu, stalls, power-limit, hour or region.
        potential_reduction_percent: the share of the run's energy that went into it (at most the upper end of the interval
            can be saved), or of its grams by computation, according to `claim`; None where nothing is claimed.
        potential_co2_savings_kg: the kilograms CO2e that this is.
        estimated_time_hours: always None: it was not measured.
        claim: at-most, computed or untold.
        reduction_interval_percent: between which bounds the percentage lies.
        evidence: the figures that it rests on, each with name, value and unit.
        command: what to run to find out.
    """

    category: str = ""
    title: str = ""
    description: str = ""
    potential_reduction_percent: Optional[float] = None
    potential_co2_savings_kg: Optional[float] = None
    implementation_difficulty: str = ""
    estimated_time_hours: Optional[float] = None
    claim: str = "untold"
    reduction_interval_percent: Tuple[Optional[float], Optional[float]] = (None, None)
    evidence: List[Dict[str, Any]] = field(default_factory=list)
    command: str = ""

    def to_dict(self) -> Dict[str, Any]:
        """Plain data in the format of a carbon report 1.0, with `claim`, interval, `evidence` and `command` added."""
        impact = {"reduction_percent": self.potential_reduction_percent, "co2_savings_kg": self.potential_co2_savings_kg}
        return {"category": self.category, "title": self.title, "description": self.description, "impact": impact,
                "implementation": {"difficulty": self.implementation_difficulty,
                                   "estimated_time_hours": self.estimated_time_hours},
                "claim": self.claim, "reduction_interval_percent": list(self.reduction_interval_percent),
                "evidence": self.evidence, "command": self.command}


def gpus(figures: Dict[str, Any]) -> List[GPUMetrics]:
    """The GPUs in the library's figures."""
    by = figures.get("gpu_metrics", {})
    of = lambda name, gpu: by.get(name, {}).get(gpu)  # noqa: E731
    return [GPUMetrics(gpu, name, of("power_watts", gpu), of("utilization", gpu), of("memory_used", gpu),
                       of("memory_total", gpu), of("temperature", gpu), of("energy_kwh", gpu))
            for gpu, name in by.get("name", {}).items()]
