"""Accelerate: energy and carbon of a loop with an `Accelerator`."""

from __future__ import annotations

import functools
from typing import Any

from .plain import TrainingRun, track_training


class AccelerateIntegration:
    """Measures a loop with an Accelerator.

        run = AccelerateIntegration(zone="DE").wrap_accelerator(accelerator)
        for batch in loader:
            ...
            run.step(samples=len(batch))
        accelerator.end_training()
        print(run.report.summary())

    Args:
        options: of CarbonConfig.

    Raises:
        ConfigurationError: an option that cannot be used.
    """

    def __init__(self, **options: Any) -> None:
        self.run: TrainingRun = track_training(**options)

    def wrap_accelerator(self, accelerator: Any) -> TrainingRun:
        """Begins the run, and makes `accelerator.end_training()` end it.

        Files are written by rank, as `accelerator.process_index` says; rank 0 speaks to trackers.
        """
        self.run.rank = getattr(accelerator, "process_index", None)
        self.run.__enter__()
        end = getattr(accelerator, "end_training", None)
        if callable(end):
            accelerator.end_training = self._ending(end)
        return self.run

    def _ending(self, end: Any) -> Any:
        @functools.wraps(end)
        def ending(*arguments: Any, **keywords: Any) -> Any:
            self.run.__exit__(None, None, None)
            return end(*arguments, **keywords)

        return ending


def wrap_accelerator(accelerator: Any, **options: Any) -> TrainingRun:
    """`AccelerateIntegration(**options).wrap_accelerator(accelerator)`."""
    return AccelerateIntegration(**options).wrap_accelerator(accelerator)
