"""Reads a Trainer's ranks, model, data and arguments. Each of them is optional; nothing here raises if one is missing."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any, Dict, Optional

from .work import WorkCount, floors

_ARGUMENTS = ("num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate",
              "warmup_steps", "weight_decay", "world_size")


def is_zero(state: Any) -> bool:
    """Whether this process is rank 0, which writes for all ranks."""
    return bool(getattr(state, "is_world_process_zero", True))


@dataclass
class Training:
    """The values by which one training of a Trainer differs from the next."""

    trial: Any
    retries: bool
    model: Optional[weakref.ref]

    @classmethod
    def of(cls, args: Any, state: Any, model: Any) -> Training:
        """Of the training that begins."""
        try:
            reference = weakref.ref(model) if model is not None else None
        except TypeError:  # a model that takes no weak references
            reference = None
        return cls(trial(state), bool(getattr(args, "auto_find_batch_size", False)), reference)

    def continues(self, before: Optional[Training]) -> bool:
        """Whether this one may be a further attempt of the one before, which has not ended."""
        if before is None or self.trial != before.trial:
            return False
        if self.retries or self.model is None or before.model is None:
            return True
        return self.model() is before.model()


def trial(state: Any) -> Optional[Dict[str, Any]]:
    """The trial of a hyper-parameter search; None outside one."""
    name, parameters = getattr(state, "trial_name", None), getattr(state, "trial_params", None)
    return {"name": name, "parameters": parameters} if name or parameters else None


def work_count(args: Any, state: Any, loader: Any) -> WorkCount:
    """The counts of a run that begins, or goes on after a checkpoint."""
    skips = not getattr(args, "ignore_data_skip", False)
    accumulation = getattr(args, "gradient_accumulation_steps", 1) or 1
    return WorkCount(loader, getattr(args, "world_size", 1) or 1, getattr(state, "global_step", 0) if skips else 0,
                     accumulation, floors(args, state, length(loader) or 0, accumulation))


def metadata(config: Any, args: Any, state: Any, kwargs: Dict[str, Any]) -> Dict[str, Any]:
    """The report's metadata of a Trainer's training."""
    found = of_config(config)
    if trial(state) is not None:
        found["trial"] = trial(state)
    found.update({name: getattr(args, name, None) for name in _ARGUMENTS})
    sanitized = getattr(args, "to_sanitized_dict", None)
    found["training_args"] = sanitized() if callable(sanitized) else {}
    return {**found, **of_model(config, kwargs.get("model"), kwargs.get("train_dataloader"))}


def of_config(config: Any) -> Dict[str, Any]:
    """What the run belongs to."""
    return {"project_name": config.project_name, "experiment_name": config.experiment_name, "run_id": config.run_id,
            "custom_tags": dict(config.custom_tags)}


def of_model(config: Any, model: Any, loader: Any) -> Dict[str, Any]:
    """The model's name and size and the data set's length, as far as they are wanted."""
    found: Dict[str, Any] = {"model_name": name_of(model)}
    if config.track_model_size:
        found["model_parameters"], found["trainable_parameters"] = parameters(model), parameters(model, trainable=True)
    if config.track_dataset_size:
        found["dataset_size"] = length(getattr(loader, "dataset", None))
    return found


def results(state: Any) -> Dict[str, Any]:
    """Returns what is known after the training: epochs, and the last loss that was logged."""
    losses = [entry["loss"] for entry in getattr(state, "log_history", None) or () if "loss" in entry]
    return {"total_epochs": getattr(state, "epoch", None), "final_loss": losses[-1] if losses else None}


def constants(metadata: Dict[str, Any]) -> Dict[str, Any]:
    """The training's values that each record repeats."""
    return {"model_parameters": metadata.get("model_parameters"),
            "batch_size": metadata.get("per_device_train_batch_size")}


def name_of(model: Any) -> Optional[str]:
    """The model's name: where it was loaded from, else its class."""
    if model is None:
        return None
    return getattr(model, "name_or_path", None) or type(model).__name__


def parameters(model: Any, trainable: bool = False) -> Optional[int]:
    """Number of a model's parameters."""
    if not hasattr(model, "parameters"):
        return None
    return sum(part.numel() for part in model.parameters() if part.requires_grad or not trainable)


def length(data: Any) -> Optional[int]:
    """Length of a data set, if it has one."""
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None
