"""PyTorch Lightning: `Trainer(callbacks=[Eco2AILightningCallback()])`. Importable without Lightning."""

from __future__ import annotations

import functools
from typing import Any, Dict, Optional

from eco2.trackers import LOGGED

from . import context
from .config import CarbonConfig, overlaid
from .console import Console
from .errors import Faults, Guarded, never_raising, warn_once
from .outputs import Outputs
from .report import CarbonReport
from .session import Session
from .watch import BudgetWatch, any_rank, reduced
from .work import WorkCount


def _base() -> type:
    for name in ("lightning.pytorch", "pytorch_lightning"):
        try:
            module = __import__(name, fromlist=["Callback"])
            return module.Callback
        except Exception:  # not installed, or broken: nothing of that may reach who imports this
            continue
    return object


class _Control:
    """What the budget asks to stop, in the words of the other Trainer."""

    should_training_stop = False


def agreed_on(trainer: Any, decided: bool) -> bool:
    """Whether any rank of a Lightning trainer has decided so, by its strategy. Every rank has to ask."""
    ask = getattr(getattr(trainer, "strategy", None), "reduce_boolean_decision", None)
    return any_rank(decided) if ask is None else reduced(decided, lambda: ask(decided, all=False))


class Eco2AILightningCallback(Guarded, _base()):  # type: ignore[misc]
    """Measures a Lightning fit.

    Args:
        config: options; without it `CarbonConfig.from_env()`.
        options: single options, over those of `config`, such as `project_name` and `save_report`.

    Attributes:
        carbon_report: the run's CarbonReport once the fit is over (also `trainer.carbon_report`), else None.
        errors: number of faults that were kept from the training.

    Raises:
        ConfigurationError: an option that cannot be used.
    """

    def __init__(self, config: Optional[CarbonConfig] = None, **options: Any) -> None:
        super().__init__()
        self.config, self.faults = overlaid(config, options), Faults()
        self.session, self.outputs = Session(self.config, self.faults), Outputs(self.config, self.faults)
        self.console = Console(self.config)
        self.carbon_report: Optional[CarbonReport] = None
        self._training: Optional[context.Training] = None
        self._work: Optional[WorkCount] = None
        self._budget: Optional[BudgetWatch] = None
        self._batches, self._rank = 0, 0
        if self.config.log_level != "EPOCH":
            warn_once("lightning:log_level", f"CarbonConfig.log_level {self.config.log_level} is EPOCH with Lightning")

    def __getstate__(self) -> Dict[str, Any]:
        # What belongs to the run that goes on in this process.
        return {**self.__dict__, "_budget": None, "_work": None, "_training": None}

    @never_raising
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Opens the meter and begins the first step.

        A fit that begins again without having ended is a further attempt of the same run; one of another module is a run
        of its own.
        """
        # First what the ranks have in common: they agree on the budget whatever fails below.
        agreed = functools.partial(agreed_on, trainer)
        self._budget, self._work, self._batches = BudgetWatch.of(self.config, agreed, self.faults), None, 0
        training = context.Training.of(None, None, pl_module)
        if self.session.going and not training.continues(self._training):
            self.outputs.end(self.session, self._rank)
        self._training = training
        self.carbon_report, self._rank = None, getattr(trainer, "global_rank", 0) or 0
        loader = getattr(trainer, "train_dataloader", None)
        began = self.session.start(batch_size=getattr(loader, "batch_size", None))
        self._work = WorkCount(loader, getattr(trainer, "world_size", 1) or 1)
        self.session.metadata = {**context.of_config(self.config), **context.of_model(self.config, pl_module, loader)}
        if self._zero(trainer) and began:
            self.outputs.start(self.session)
        self.session.meter.start_steps()

    @never_raising
    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Counts batches from 0 again."""
        if self._work is not None:
            self._work.epoch()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any = None, batch: Any = None,
                           batch_idx: int = 0) -> None:
        """Ends the step (a step is a batch here) and begins the next; checks the budget when its turn has come."""
        self._batches += 1
        self._measure()
        self._watch(trainer)

    @never_raising
    def _measure(self) -> None:
        if self._work is not None:
            self._work.micro_batch()
            self.session.meter.step("step", *self._work.done())

    @never_raising
    def _watch(self, trainer: Any) -> None:
        if self._budget is not None:
            control = _Control()
            self._budget.after(self._batches, self.session, control)
            if control.should_training_stop:
                trainer.should_stop = True

    def add_work(self, samples: int = 0, tokens: int = 0) -> None:
        """Adds samples and tokens to the current batch, for a data loader without a length."""
        if self._work is not None:
            self._work.add(samples, tokens)

    @never_raising
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Keeps a record and logs its figures by the module's own logger."""
        if not self.session.going:
            return
        figures = self.session.record(getattr(trainer, "global_step", 0), getattr(trainer, "current_epoch", None))
        more = {f"carbon/{name}": figures["current"].get(name) for name in LOGGED}
        more = {name: value for name, value in more.items() if value is not None}
        if self._zero(trainer):
            self.outputs.log(more, getattr(trainer, "global_step", 0))
            self.console.line(figures, trainer)
            for logger in getattr(trainer, "loggers", None) or ():
                logger.log_metrics(more, step=getattr(trainer, "global_step", 0))

    @never_raising
    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Closes the meter, makes the report, writes what is to be written."""
        budget, self._budget, self._work = self._budget, None, None
        self.session.metadata["total_epochs"] = getattr(trainer, "current_epoch", None)
        if budget is not None and self.session.going:
            budget.last(self._batches, self.session)
        self.carbon_report = trainer.carbon_report = self.outputs.end(
            self.session, self._rank, getattr(trainer, "global_step", 0), getattr(trainer, "current_epoch", None))
        if self._zero(trainer) and self.session.meter is not None:
            self.console.report(self.carbon_report)

    @never_raising
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Training ended early: the report is made of what was measured."""
        if self.carbon_report is None:
            self.on_train_end(trainer, pl_module)

    @staticmethod
    def _zero(trainer: Any) -> bool:
        return bool(getattr(trainer, "is_global_zero", True))


class PyTorchLightningIntegration:
    """HF Eco2AI's way to the callback."""

    @staticmethod
    def create_callback(config: Optional[CarbonConfig] = None, **options: Any) -> Eco2AILightningCallback:
        """The callback."""
        return Eco2AILightningCallback(config, **options)
