"""Training loops without a Trainer: a context manager that counts steps, and a decorator.

    with track_training(project_name="mnist", zone="DE") as run:
        for batch in batches:
            train(batch)
            run.step(samples=len(batch))
    print(run.report.summary())
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Dict, Optional

from . import context
from .config import CarbonConfig, overlaid
from .errors import Faults, Guarded, never_raising
from .models import Figures
from .outputs import Outputs
from .report import CarbonReport
from .session import Session
from .watch import BudgetWatch


class TrainingRun(Guarded):
    """A measured loop; made by `track_training`. A measurement error never raises into the loop.

    Args:
        config: options.
        rank: this process's number among several; by default from the launcher's variables. Rank 0 alone serves
            metrics and logs to experiment trackers; files of the others have their number.

    Attributes:
        report: the CarbonReport once the block is left (for a run that could not be measured, one without values and with the reason), else None.
        should_stop: whether a budget with `budget_action="stop"` is spent: leave the loop then. The same on all ranks, which have to
            call `step` equally often where `torch.distributed` is initialised: at each check they ask one another.
        errors: number of errors that were not raised into the loop.
    """

    def __init__(self, config: CarbonConfig, rank: Optional[int] = None) -> None:
        self.config, self.faults, self.report = config, Faults(), None  # type: Any, Faults, Optional[CarbonReport]
        self.session, self.outputs, self.rank = Session(config, self.faults), Outputs(config, self.faults), rank
        self.should_training_stop = False
        self._steps, self._budget = 0, None  # type: int, Optional[BudgetWatch]

    def __getstate__(self) -> Dict[str, Any]:
        # What belongs to the run that goes on in this process.
        return {**self.__dict__, "_budget": None}

    @property
    def should_stop(self) -> bool:
        """Whether the budget is spent and the training should stop."""
        return self.should_training_stop

    def step(self, samples: int = 0, tokens: int = 0, loss: Optional[float] = None, **extra: float) -> None:
        """Ends a step and starts the next; takes the samples and tokens of the step, its loss, and values of your own."""
        self._steps += 1
        self._measure(samples, tokens, loss, extra)
        self._watch()

    @never_raising
    def _measure(self, samples: int, tokens: int, loss: Optional[float], extra: Any) -> None:
        self.session.meter.step("step", samples, tokens, loss, extra or None)

    @never_raising
    def _watch(self) -> None:
        if self._budget is not None:
            self._budget.after(self._steps, self.session, self)

    @never_raising
    def log(self, **context: Any) -> Figures:
        """Keeps a record and returns the current values."""
        figures = self.session.record(self._steps, **context)
        self.outputs.log({f"carbon/{name}": value for name, value in figures["current"].items()
                          if isinstance(value, float)}, self._steps)
        return Figures(figures["current"])

    def __enter__(self) -> TrainingRun:
        # Begun again without having ended, as Accelerate's `find_executable_batch_size` does: a further attempt.
        self.report, self._steps, self.should_training_stop = None, 0, False
        self._budget = BudgetWatch.of(self.config, faults=self.faults)
        self.session.metadata = context.of_config(self.config)
        self._start()
        return self

    @never_raising
    def _start(self) -> None:
        began = self.session.start()
        if self.rank is None:
            self.rank = self.session.rank()
        if self.rank == 0 and began:
            self.outputs.start(self.session)
        self.session.meter.start_steps()

    def __exit__(self, *raised: object) -> None:
        self._end()
        if self.report is None:
            self.report = CarbonReport(config=self.config, text="nothing was measured: see the log")

    @never_raising
    def _end(self) -> None:
        if not self.session.going:
            return
        if self._budget is not None:
            self._budget.last(self._steps, self.session)
        self.report = self.outputs.end(self.session, self.rank or 0, self._steps)


def track_training(config: Optional[CarbonConfig] = None, **options: Any) -> TrainingRun:
    """A run for a `with` block, by a CarbonConfig or single options.

    Raises:
        ConfigurationError: an option that cannot be used.
    """
    return TrainingRun(overlaid(config, options))


def track(function: Optional[Callable] = None, **options: Any) -> Callable:
    """Decorator: each call is a separate run, whose report is `function.carbon_report` afterwards.

    Raises:
        ConfigurationError: an option that cannot be used.
    """
    if function is None:
        return functools.partial(track, **options)

    run_options = dict(options)
    config = overlaid(run_options.pop("config", None), run_options)

    @functools.wraps(function)
    def measured(*arguments: Any, **keywords: Any) -> Any:
        run = TrainingRun(config)
        try:
            with run:
                return function(*arguments, **keywords)
        finally:
            measured.carbon_report = run.report  # type: ignore[attr-defined]

    measured.carbon_report = None  # type: ignore[attr-defined]
    return measured
