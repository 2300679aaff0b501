"""PyTorch Lightning: `Trainer(callbacks=[Eco2AILightningCallback()])`. Importable without Lightning."""

from __future__ import annotations

from typing import Any, Optional

from .budget import BudgetWatch
from .callback import LOGGED, overlaid
from .config import CarbonConfig
from .console import Console
from .errors import never_raising
from .outputs import Outputs
from .report import CarbonReport
from .session import Session
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


class Eco2AILightningCallback(_base()):  # type: ignore[misc]
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
        self.config = overlaid(config, options)
        self.session, self.outputs, self.console = Session(self.config), Outputs(self.config), Console(self.config)
        self.carbon_report: Optional[CarbonReport] = None
        self.errors = 0
        self._work: Optional[WorkCount] = None
        self._budget: Optional[BudgetWatch] = None
        self._batches = 0

    @never_raising
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Opens the meter and begins the first step."""
        self.carbon_report, self._batches = None, 0
        self._work = WorkCount(getattr(trainer, "train_dataloader", None), getattr(trainer, "world_size", 1) or 1)
        self.session.metadata = {"project_name": self.config.project_name, "model_name": type(pl_module).__name__}
        self.session.start()
        if self.config.enable_carbon_budget:
            self._budget = BudgetWatch(self.config.budget_action, self.config.check_frequency, self.config.grace_period)
        if self._zero(trainer):
            self.outputs.start(self.session)
        self.session.meter.step()

    @never_raising
    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Counts batches anew."""
        if self._work is not None:
            self._work.epoch()

    @never_raising
    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any = None, batch: Any = None,
                           batch_idx: int = 0) -> None:
        """Ends the step (a step is a batch here) and begins the next; checks the budget when its turn has come."""
        if self.session.meter is None or self._work is None:
            return
        self._work.micro_batch()
        self._batches += 1
        self.session.meter.step("step", self._work.samples() or 0)
        if self._budget is not None:
            control = _Control()
            self._budget.after(self._batches, self.session, control)
            if control.should_training_stop:
                trainer.should_stop = True

    @never_raising
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Keeps a record and logs its figures by the module's own logger."""
        if self.session.meter is None:
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
        if self.session.meter is None:
            return
        self.session.metadata["total_epochs"] = getattr(trainer, "current_epoch", None)
        self.session.stop()
        self.carbon_report = trainer.carbon_report = self.session.report()
        self.outputs.finish(self.carbon_report, getattr(trainer, "global_rank", 0) or 0)
        if self._zero(trainer):
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
