"""A carbon budget: compared by the library at every `check_frequency`-th step; warns, or stops the training."""

from __future__ import annotations

from typing import Any, Optional

from .config import CarbonConfig
from .errors import LOGGER, ConfigurationError, never_raising
from .hooks import TrainerCallback
from .session import Session


class BudgetWatch:
    """When to look at the budget, and what to do then.

    Args:
        action: `"warn"` or `"stop"`.
        check_frequency: steps from one look to the next, 1 or more.
        grace_period: steps that the training may go on after the look that found the budget spent.
    """

    def __init__(self, action: str = "warn", check_frequency: int = 100, grace_period: int = 0) -> None:
        self.action, self.check_frequency, self.grace_period = action, check_frequency, grace_period
        self.crossed_at: Optional[int] = None
        self.stopped_at: Optional[int] = None
        self._near = False

    def after(self, step: int, session: Session, control: Any) -> None:
        """After a step: looks, if its turn has come; asks the Trainer to stop, if that is wanted and grace is over."""
        if self.crossed_at is None and step % self.check_frequency == 0:
            self._look(step, session)
        if self.crossed_at is not None and self.action == "stop" and step >= self.crossed_at + self.grace_period:
            if self.stopped_at is None:
                self.stopped_at = step
                LOGGER.warning("the carbon budget is spent: training is asked to stop after step %d", step)
            control.should_training_stop = True

    def _look(self, step: int, session: Session) -> None:
        found = session.meter.budget()
        if found.decision == "stop":
            self.crossed_at = step
            LOGGER.warning("the carbon budget is spent at step %d (%.0f %% of it)", step, 100 * found.share)
        elif found.decision == "warn" and not self._near:
            self._near = True
            LOGGER.warning("most of the carbon budget is spent at step %d (%.0f %% of it)", step, 100 * found.share)


class CarbonBudgetCallback(TrainerCallback):  # type: ignore[misc, valid-type]
    """Warns or stops a Trainer whose run has spent a budget; works alone, with a meter of its own that writes nothing.

    Args:
        max_co2_kg: kilograms CO2e, above 0.
        action: `"warn"`, or `"stop"`: training ends after the step at which the check found the budget spent.
        check_frequency: steps from one check to the next, 1 or more; exact.
        grace_period: steps that a training to be stopped may still go on.
        options: of CarbonConfig, such as `zone`.

    Raises:
        ConfigurationError: an option that cannot be used.
    """

    def __init__(self, max_co2_kg: float, action: str = "warn", check_frequency: int = 100, grace_period: int = 0,
                 **options: Any) -> None:
        if not max_co2_kg:
            raise ConfigurationError(f"max_co2_kg is {max_co2_kg!r}; allowed: a number of kilograms above 0")
        self.config = CarbonConfig.from_env(**{
            **options, "enable_carbon_budget": True, "max_co2_kg": max_co2_kg, "budget_action": action,
            "check_frequency": check_frequency, "grace_period": grace_period,
            "meter_options": {"log": False, **options.get("meter_options", {})}})
        self.errors = 0
        self.session = Session(self.config)
        self.watch = self._new_watch()

    def _new_watch(self) -> BudgetWatch:
        return BudgetWatch(self.config.budget_action, self.config.check_frequency, self.config.grace_period)

    @never_raising
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Opens the meter."""
        self.watch = self._new_watch()
        self.session.start()

    @never_raising
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Checks, if it is time."""
        if self.session.meter is not None:
            self.watch.after(state.global_step, self.session, control)

    @never_raising
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Closes the meter."""
        self.session.stop()
