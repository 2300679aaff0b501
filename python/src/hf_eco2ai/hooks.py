"""The base class of the Trainer callbacks: transformers' own, if it is installed, else one with the same hooks."""

from __future__ import annotations

from typing import Any

HOOKS = ("on_init_end", "on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_step_begin",
         "on_pre_optimizer_step", "on_optimizer_step", "on_substep_end", "on_step_end", "on_evaluate", "on_predict",
         "on_save", "on_log", "on_prediction_step")
"""Names of the hooks that a Trainer calls, as of transformers 4.46."""


def _nothing(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
    """Called by the Trainer; does nothing."""


def _base() -> type:
    try:
        from transformers import TrainerCallback

        return TrainerCallback
    except Exception:  # not installed, or broken: nothing of that may reach who imports this
        return type("TrainerCallback", (), {name: _nothing for name in HOOKS})


TrainerCallback = _base()


def give_trainer_its_report(find: Any) -> None:
    """Adds the read-only attribute `carbon_report` to transformers' Trainer, once: `find(trainer)` gives its value."""
    import sys

    module = sys.modules.get("transformers.trainer")
    trainer = getattr(module, "Trainer", None)
    if trainer is not None and not hasattr(trainer, "carbon_report"):
        trainer.carbon_report = property(find, doc="CarbonReport of the run; None before training and without a callback.")
