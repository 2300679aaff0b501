"""Training loops without a Trainer: a context manager that counts steps, and a decorator.

    with track_training(project_name="mnist", zone="DE") as run:
        for batch in batches:
            train(batch)
            run.step(samples=len(batch))
    print(run.report.summary())
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional

from .callback import overlaid
from .config import CarbonConfig
from .errors import never_raising
from .models import Figures
from .outputs import Outputs
from .report import CarbonReport
from .session import Session


class TrainingRun:
    """A measured loop; made by `track_training`. A fault of measuring never raises into the loop.

    Attributes:
        report: the CarbonReport once the block is left, else None.
        errors: number of faults that were kept from the loop.
    """

    def __init__(self, config: CarbonConfig) -> None:
        self.config, self.errors, self.report = config, 0, None  # type: Any, int, Optional[CarbonReport]
        self.session, self.outputs = Session(config), Outputs(config)
        self._steps = 0

    @never_raising
    def step(self, samples: int = 0, tokens: int = 0, loss: Optional[float] = None, **extra: float) -> None:
        """Ends a step and begins the next: what it has processed, its loss, figures of one's own for the report."""
        self._steps += 1
        self.session.meter.step("step", samples, tokens, loss, extra or None)

    @never_raising
    def log(self, **context: Any) -> Figures:
        """Keeps a record and returns the figures now."""
        figures = self.session.record(self._steps, **context)
        self.outputs.log({f"carbon/{name}": value for name, value in figures["current"].items()
                          if isinstance(value, float)}, self._steps)
        return Figures(figures["current"])

    def __enter__(self) -> TrainingRun:
        self.session.metadata = {"project_name": self.config.project_name, "run_id": self.config.run_id}
        self._start()
        return self

    @never_raising
    def _start(self) -> None:
        self.session.start()
        self.outputs.start(self.session)
        self.session.meter.step("step")

    @never_raising
    def __exit__(self, *raised: object) -> None:
        if self.session.meter is not None:
            self.session.stop()
            self.report = self.session.report()
            self.outputs.finish(self.report)


def track_training(config: Optional[CarbonConfig] = None, **options: Any) -> TrainingRun:
    """A run for a `with` block, by a CarbonConfig or single options.

    Raises:
        ConfigurationError: an option that cannot be used.
    """
    return TrainingRun(overlaid(config, options))


def track(function: Optional[Callable] = None, **options: Any) -> Callable:
    """A decorator: each call is a run of its own, whose report is `function.carbon_report` afterwards.

    Raises:
        ConfigurationError: an option that cannot be used.
    """
    if function is None:
        return functools.partial(track, **options)

    @functools.wraps(function)
    def measured(*arguments: Any, **keywords: Any) -> Any:
        with track_training(**options) as run:
            result = function(*arguments, **keywords)
        measured.carbon_report = run.report  # type: ignore[attr-defined]
        return result

    measured.carbon_report = None  # type: ignore[attr-defined]
    return measured
