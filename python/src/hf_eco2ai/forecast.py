"""The forecast of a carbon budget, in the names of HF Eco2AI. Every figure is the library's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from .errors import CarbonTrackingError


NOT_STARTED = "no forecast yet: the run has not started"


@dataclass
class CarbonBudgetForecast:
    """Whether a training will fit its budget. None is what is not known, such as the end before enough steps were seen.

    `estimated_completion_co2_kg` lies between `low_co2_kg` and `high_co2_kg` in a share `confidence_level` of runs
    (back-tested), and below `p90_co2_kg` in nine of ten. `budget_utilization_percent` is what is spent by now,
    `forecasted_overage_kg` what the estimate is over the budget. `intensity` says how the rest is weighed.
    """

    estimated_completion_co2_kg: Optional[float] = None
    budget_utilization_percent: Optional[float] = None
    forecasted_overage_kg: Optional[float] = None
    confidence_level: Optional[float] = None
    recommendation: str = "no budget: give max_co2_kg"
    budget_kg: Optional[float] = None
    spent_kg: Optional[float] = None
    low_co2_kg: Optional[float] = None
    high_co2_kg: Optional[float] = None
    p90_co2_kg: Optional[float] = None
    hours_to_completion: Optional[float] = None
    intensity: Optional[str] = None
    decision: Optional[str] = None

    @classmethod
    def of(cls, session: Any) -> CarbonBudgetForecast:
        """The forecast of a session now; without figures where nothing is limited, measured, or started yet."""
        config, found = session.config, session.figures().get("carbon_budget")
        if not found and session.meter is None and getattr(config, "enable_carbon_budget", False) and config.max_co2_kg:
            return cls(budget_kg=config.max_co2_kg, recommendation=NOT_STARTED)
        return cls(**(found or {}))


def predict_carbon_budget_exhaustion(run: Any) -> CarbonBudgetForecast:
    """The forecast of a run that goes on, by its own steps.

    Args:
        run: a callback with a budget (`CarbonBudgetCallback`, `Eco2AICallback`), or what `track_training` gives.

    Raises:
        CarbonTrackingError: it is none of these.
    """
    session = getattr(run, "session", None)
    if session is None:
        raise CarbonTrackingError(f"{type(run).__name__} has no run to forecast; give a callback or track_training's run")
    return CarbonBudgetForecast.of(session)
