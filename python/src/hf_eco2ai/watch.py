"""When a budget is looked at and what follows; with several ranks, all of them do the same after the same step."""

from __future__ import annotations

import sys
from typing import Any, Callable, Optional

from .errors import LOGGER, Faults, warn_once
from .session import Session


def any_rank(decided: bool) -> bool:
    """Whether any rank has decided so: the maximum over `torch.distributed`, if it is initialised, else what is given.

    Every rank has to ask at the same step. Where the ranks cannot be asked nobody stops: one that stops alone would
    leave the others waiting for it.
    """
    torch = sys.modules.get("torch")
    group = getattr(torch, "distributed", None)
    if group is None or not group.is_available() or not group.is_initialized() or group.get_world_size() < 2:
        return decided
    return reduced(decided, lambda: _maximum(torch, group, decided))


def reduced(decided: bool, ask: Callable[[], bool]) -> bool:
    """What `ask` finds; where it fails, False, with a warning."""
    try:
        return bool(ask())
    except Exception as error:
        warn_once("budget:ranks", f"the ranks cannot agree on the budget, so none stops: {error!r}")
        return False


def _maximum(torch: Any, group: Any, decided: bool) -> bool:
    place = torch.device("cuda", torch.cuda.current_device()) if group.get_backend() == "nccl" else torch.device("cpu")
    found = torch.tensor([int(decided)], dtype=torch.int32, device=place)
    group.all_reduce(found, op=group.ReduceOp.MAX)
    return bool(found.item())


def steps_to_come(state: Any) -> Optional[int]:
    """Steps that a Trainer's training will still take; None where its state does not say."""
    total, done = getattr(state, "max_steps", None), getattr(state, "global_step", 0) or 0
    return total - done if isinstance(total, int) and total > done else None


class BudgetWatch:
    """When to look at the budget, and what to do then.

    Args:
        action: `"warn"` or `"stop"`.
        check_frequency: steps from one look to the next, 1 or more.
        grace_period: steps that the training may go on after the look that found the budget spent.
        agreed: says, of this rank's decision, whether any rank has decided to stop; asked at every look with `"stop"`.
        faults: where a look that fails is counted.
    """

    def __init__(self, action: str = "warn", check_frequency: int = 100, grace_period: int = 0,
                 agreed: Callable[[bool], bool] = any_rank, faults: Optional[Faults] = None) -> None:
        self.action, self.check_frequency, self.grace_period = action, check_frequency, grace_period
        self.crossed_at: Optional[int] = None
        self.stopped_at: Optional[int] = None
        self._near = self._held = False
        self._agreed, self._faults = agreed, faults or Faults()

    @classmethod
    def of(cls, config: Any, agreed: Callable[[bool], bool] = any_rank,
           faults: Optional[Faults] = None) -> Optional[BudgetWatch]:
        """The watch that a CarbonConfig asks for, if any."""
        if not config.enable_carbon_budget:
            return None
        return cls(config.budget_action, config.check_frequency, config.grace_period, agreed, faults)

    def after(self, step: int, session: Session, control: Any) -> None:
        """After a step: looks, if its turn has come; asks the Trainer to stop, if that is wanted and grace is over.

        To be called by every rank after every step, whatever became of its meter: the others wait for its answer.
        """
        if self.crossed_at is None and step % self.check_frequency == 0:
            spent = self._look(step, session)
            if self._agreed(spent) if self.action == "stop" else spent:
                self.crossed_at = step
        if self.crossed_at is not None and self.action == "stop" and step >= self.crossed_at + self.grace_period:
            if self.stopped_at is None:
                self.stopped_at = step
                LOGGER.warning("the carbon budget is spent: training is asked to stop after step %d", step)
            control.should_training_stop = True

    def last(self, step: int, session: Session) -> None:
        """When training ends, before the meter is closed: looks once more, and only warns."""
        if self.crossed_at is None:
            self._look(step, session)

    def _look(self, step: int, session: Session) -> bool:
        """Whether this rank's budget is spent. A fault is no answer and never reaches the other ranks."""
        if session.meter is None:
            return False
        try:
            found = session.meter.budget()
        except Exception as error:
            self._faults.add("budget", error, f"the budget was not checked: {error!r}; training goes on")
            return False
        held_back = found.decision == "stop" and _only_with_held_back(found)
        if held_back and not self._held:
            self._held = self._near = True
            LOGGER.warning("%.0f %% of the carbon budget is used at step %d, and %.0f %% is held back for the %d steps until "
                           "the next check, the largest step and the reserve: training goes on until the budget is spent",
                           100 * found.share, step, 100 * found.held / found.limit, self.check_frequency)
        elif found.decision == "stop" and not held_back:
            LOGGER.warning("the carbon budget is spent at step %d (%.0f %% of it)", step, 100 * found.share)
        elif found.decision in ("warn", "pause") and not self._near:
            self._near = True
            LOGGER.warning(*_near(found, step))
        return found.decision == "stop" and not held_back


def _only_with_held_back(found: Any) -> bool:
    """Whether a budget is not spent yet, but would be with what is held back until the next check."""
    spent, limit, held = (getattr(found, name, None) for name in ("spent", "limit", "held"))
    return None not in (spent, limit, held) and spent < limit <= spent + held


def _near(found: Any, step: int) -> tuple:
    """The warning of a budget that is nearly spent, that the forecast is over, or of which nothing is known."""
    finish, limit = getattr(found, "finish_p90", None), getattr(found, "limit", None)
    if finish is not None and limit is not None and finish > limit:
        return ("the carbon budget will probably not be kept: at step %d %.0f %% of it is spent, at the end it will be %.0f %%",
                step, 100 * found.share, 100 * found.finish / limit)
    if limit is not None and getattr(found, "spent", None) is None:
        return "how much of the carbon budget is spent is not known at step %d", step
    return "most of the carbon budget is spent at step %d (%.0f %% of it)", step, 100 * found.share
