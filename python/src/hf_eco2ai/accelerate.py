"""Accelerate: energy use and emissions of a loop with an `Accelerator`."""

from __future__ import annotations

from typing import Any, Callable

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
        """Starts the run; `accelerator.end_training()` ends it. A second call before that, as in a function that
        `find_executable_batch_size` repeats, starts a further attempt of the same run.

        Each rank (`accelerator.process_index`) writes its own files; only rank 0 logs to trackers.
        """
        self.run.rank = getattr(accelerator, "process_index", None)
        self.run.__enter__()
        end = getattr(accelerator, "end_training", None)
        if callable(end):
            accelerator.end_training = Ending(self.run, end)
        return self.run


class Ending:
    """`Accelerator.end_training` that ends the run first; unlike a local function it can be pickled."""

    def __init__(self, run: TrainingRun, end: Callable) -> None:
        self.run, self.end, self.__doc__ = run, end, end.__doc__

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Ends both."""
        self.run.__exit__(None, None, None)
        return self.end(*arguments, **keywords)


def wrap_accelerator(accelerator: Any, **options: Any) -> TrainingRun:
    """`AccelerateIntegration(**options).wrap_accelerator(accelerator)`."""
    return AccelerateIntegration(**options).wrap_accelerator(accelerator)
