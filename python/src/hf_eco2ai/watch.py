"""When a budget is looked at and what follows; with several ranks, all of them do the same after the same step."""

from __future__ import annotations

import sys
from typing import Any, Callable, Optional

from .errors import LOGGER, Faults, warn_once
from .session import Session


WARN_AT = 0.8
"""Share from which on the library warns by the value alone."""


def any_rank(decided: bool) -> bool:
    """Whether any rank has decided so: the maximum over `torch.distributed`, if it is initialised, else what is given.

    Every rank has to ask at the same step. Where the ranks cannot be asked none stops: one that stops alone would
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
    """Steps that a Trainer's training will still take; None where its state has no total."""
    total, done = getattr(state, "max_steps", None), getattr(state, "global_step", 0) or 0
    return total - done if isinstance(total, int) and total > done else None


class BudgetWatch:
    """When to look at the budget, and what to do then.

    Args:
        action: `"warn"` or `"stop"`.
        check_frequency: steps from one look to the next, 1 or more.
        grace_period: steps that the training may go on after the look that found the budget spent.
        agreed: takes this rank's decision and returns whether any rank has decided to stop; called at every look with `"stop"`.
        faults: where a look that fails is counted.
        strict: the library decides by the upper bound (its option `budget.strict`), and its decision is followed.
    """

    def __init__(self, action: str = "warn", check_frequency: int = 100, grace_period: int = 0,
                 agreed: Callable[[bool], bool] = any_rank, faults: Optional[Faults] = None,
                 strict: bool = False) -> None:
        self.action, self.check_frequency, self.grace_period = action, check_frequency, grace_period
        self.crossed_at: Optional[int] = None
        self.stopped_at: Optional[int] = None
        self._near, self.strict = False, strict
        self._agreed, self._faults = agreed, faults or Faults()

    @classmethod
    def of(cls, config: Any, agreed: Callable[[bool], bool] = any_rank,
           faults: Optional[Faults] = None) -> Optional[BudgetWatch]:
        """The watch that a CarbonConfig asks for, if any."""
        if not config.enable_carbon_budget:
            return None
        given = config.meter_options.get("budget")
        strict = isinstance(given, dict) and given.get("strict") is True
        return cls(config.budget_action, config.check_frequency, config.grace_period, agreed, faults, strict)

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
        if is_spent(found, self.strict):
            LOGGER.warning("the carbon budget is spent at step %d: %s", step, amounts(found))
            return True
        if found.decision != "go" and not self._near:
            self._near = True
            LOGGER.warning("%s", self._warning(found, step))
        return False

    def _warning(self, found: Any, step: int) -> str:
        """The warning of a budget that is nearly spent, that the forecast exceeds, or of which nothing is known."""
        finish, limit, held = (getattr(found, name, None) for name in ("finish_p90", "limit", "held"))
        if limit is not None and getattr(found, "spent", None) is None:
            return f"how much of the carbon budget is spent is not known at step {step}"
        if found.decision == "stop":
            back = "what is held back" if held is None else f"another {amount(found, held)} that is held back"
            after = ("; training is asked to stop at the first check that finds it spent" if self.action == "stop" else "")
            return (f"at step {step} {amounts(found)} of the carbon budget is spent, and {back} for the time and the "
                    f"{self.check_frequency} steps until the next check would exceed it{after}")
        if finish is not None and limit is not None and finish > limit:
            return (f"the carbon budget will probably be exceeded: at step {step} {100 * found.share:.0f} % of it is spent, "
                    f"at the end it will be {100 * finish / limit:.0f} %")
        if found.share < WARN_AT:
            why = "its upper bound reaches the limit"
            if getattr(found, "high", 0.0) is None:
                why = "it has no upper bound: a part of the energy is not measured"
            return f"at step {step} {amounts(found)} of the carbon budget is spent by value, but {why}"
        return f"most of the carbon budget is spent at step {step}: {amounts(found)}"


def is_spent(found: Any, strict: bool = False) -> bool:
    """Whether a budget is spent: its value has reached the limit. What the library holds back beyond that is no reason to
    stop a training that is checked again. With `strict` its own decision is, which then rests on the upper bound; so does
    one that what is held back does not explain."""
    spent, limit, held = (getattr(found, name, None) for name in ("spent", "limit", "held"))
    explained = spent is None or limit is None or held is None or spent + held >= limit
    return found.decision == "stop" and (strict or found.share >= 1 or not explained)


def amounts(found: Any) -> str:
    """What is spent of the limit, with units where they are known."""
    spent, limit = getattr(found, "spent", None), getattr(found, "limit", None)
    share = f"{100 * found.share:.0f} %"
    if spent is None or limit is None:
        return share
    return f"{share} ({amount(found, spent)} of {amount(found, limit)})"


def amount(found: Any, value: float) -> str:
    """A value in the unit of the limit that decides."""
    scale, unit = {"grams": (1, "g"), "energy_uj": (1e6, "J")}.get(getattr(found, "unit", None) or "", (1, ""))
    return f"{value / scale:.4g} {unit}".rstrip()
