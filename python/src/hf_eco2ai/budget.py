"""A carbon budget without a report: the library compares it at every `check_frequency`-th step; it warns, or stops the
training."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

from .config import CarbonConfig
from .context import Training
from .errors import ConfigurationError, Faults, Guarded, never_raising, warn_once
from .forecast import CarbonBudgetForecast
from .hooks import TrainerCallback
from .session import Session
from .watch import BudgetWatch, steps_to_come


USED = ("project_name", "experiment_name", "experiment_id", "run_id", "zone", "country", "country_iso_code", "region", "pue",
        "grid_carbon_intensity", "gpu_ids", "track_gpu_energy", "gpu_sampling_interval", "measurement_interval", "custom_tags",
        "meter_options")
"""Options of CarbonConfig that have an effect on a budget alone."""


class CarbonBudgetCallback(Guarded, TrainerCallback):  # type: ignore[misc, valid-type]
    """Warns or stops a Trainer whose run has spent a budget; works alone, with a meter of its own that writes nothing.

    The limit applies to what this process's meter measures (its machine) since training began in this process, failed attempts
    included. With several ranks all stop as soon as one of them finds its budget spent. With `"stop"`, every rank needs the
    callback, because the ranks agree at each check.

    Args:
        max_co2_kg: kilograms CO2e, above 0.
        action: `"warn"`, or `"stop"`: training ends after the step at which the check found the budget spent.
        check_frequency: steps from one check to the next, 1 or more; exact.
        grace_period: steps that the training may still do before it stops.
        options: of CarbonConfig, such as `zone`; an option without effect here warns.

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
        for name in sorted(set(options) - set(USED)):
            if options[name] not in (None, False):
                warn_once(f"budget:{name}", f"CarbonBudgetCallback: {name} has no effect here; Eco2AICallback has it")
        self.faults = Faults()
        self.session = Session(self.config, self.faults)
        self.watch = BudgetWatch.of(self.config, faults=self.faults)
        self._step: Optional[Callable[[], int]] = None
        self._training: Optional[Training] = None

    def __getstate__(self) -> Dict[str, Any]:
        # What belongs to the run that goes on in this process.
        return {**self.__dict__, "_step": None, "_training": None}

    @property
    def forecast(self) -> CarbonBudgetForecast:
        """Forecast of the emissions at the end of the training."""
        return CarbonBudgetForecast.of(self.session)

    @never_raising
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Opens the meter. A training that starts again before it has ended continues with the same budget."""
        self.watch = BudgetWatch.of(self.config, faults=self.faults)
        self._step = None
        training = Training.of(args, state, kwargs.get("model"))
        if not training.continues(self._training):
            self.session.stop()
        self._training = training
        self.session.start(steps_to_come(state))
        self.session.meter.start_steps()
        self._step = self.session.meter.stepper()

    @never_raising
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ends a step and begins the next; checks, if it is time."""
        if self._step is not None:
            self._step()
        self.watch.after(state.global_step, self.session, control)

    @never_raising
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Checks a last time, which only warns, and closes the meter."""
        if self.session.going:
            self.watch.last(state.global_step, self.session)
        self.session.stop()
