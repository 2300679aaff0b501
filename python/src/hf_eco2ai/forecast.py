"""The forecast of a carbon budget, under the names of HF Eco2AI. Every value is computed by the library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from .errors import CarbonTrackingError


NOT_STARTED = "no forecast yet: the run has not started"
NOTHING_KNOWN = "no forecast: give the number of steps, or wait for more of them; no budget: give max_co2_kg"


@dataclass
class CarbonBudgetForecast:
    """Whether a training will stay within its budget. A value that is not known is None, such as the end before enough steps
    were measured.

    `estimated_completion_co2_kg` lies between `low_co2_kg` and `high_co2_kg` in a share `confidence_level` of runs
    (back-tested), and below `p90_co2_kg` in nine of ten. `budget_utilization_percent` is the share spent so far,
    `forecasted_overage_kg` the amount of the estimate above the budget; both are None without a budget, as `budget_kg`.
    `intensity` names the
    intensity of the rest. `backtest_error_percent` is the median error of the energy forecast at this point in `backtest_runs`
    recorded runs.
    """

    estimated_completion_co2_kg: Optional[float] = None
    budget_utilization_percent: Optional[float] = None
    forecasted_overage_kg: Optional[float] = None
    confidence_level: Optional[float] = None
    recommendation: str = NOTHING_KNOWN
    budget_kg: Optional[float] = None
    spent_kg: Optional[float] = None
    low_co2_kg: Optional[float] = None
    high_co2_kg: Optional[float] = None
    p90_co2_kg: Optional[float] = None
    hours_to_completion: Optional[float] = None
    intensity: Optional[str] = None
    decision: Optional[str] = None
    backtest_error_percent: Optional[float] = None
    backtest_runs: Optional[int] = None

    @classmethod
    def of(cls, session: Any) -> CarbonBudgetForecast:
        """Returns the forecast of a session, with or without a budget; without values before the run and before enough
        steps."""
        figures = session.figures()
        found = figures.get("carbon_budget") or figures.get("carbon_forecast")
        if not found and session.meter is None:
            limit = session.config.max_co2_kg if getattr(session.config, "enable_carbon_budget", False) else None
            return cls(budget_kg=limit, recommendation=NOT_STARTED)
        return cls(**(found or {}))


def predict_carbon_budget_exhaustion(run: Any) -> CarbonBudgetForecast:
    """Returns the forecast of a run that goes on, from its steps.

    Args:
        run: a callback (`CarbonBudgetCallback`, `Eco2AICallback`), with a budget or without, or what `track_training` gives.

    Raises:
        CarbonTrackingError: it is none of these.
    """
    session = getattr(run, "session", None)
    if session is None:
        raise CarbonTrackingError(f"{type(run).__name__} has no run to forecast; give a callback or track_training's run")
    return CarbonBudgetForecast.of(session)
