"""How many samples and tokens a step has processed, from the Trainer's data loader; None where it has no length.

Samples: every micro-batch ends with one hook call (`on_substep_end` or `on_step_end`). Its size is the data loader's,
but for the last of an epoch, which has what is left of the data set. Each rank counts its own: what each saw is summed
when runs are merged. Where the loader has no length or no batch size nothing is counted, with one warning.
"""

from __future__ import annotations

import math
from typing import Any, Optional

from .errors import warn_once


class WorkCount:
    """Counts of a training loop. `loader` is its data loader; `resumed_at` the step of the checkpoint that
    the run goes on from, of `accumulation` micro-batches each; `whole_only`: the Trainer is one that does not take the
    micro-batches that are left at an epoch's end for a step (see `floors`)."""

    def __init__(self, loader: Any = None, ranks: int = 1, resumed_at: int = 0, accumulation: int = 1,
                 whole_only: bool = False) -> None:
        self._full, self._last, self._batches = sizes(loader, ranks)
        # As the Trainer computes where in an epoch it goes on.
        self._index = resumed_at % steps_of_epoch(self._batches, accumulation, whole_only) * accumulation
        self._goes_on = self._index > 0
        self._tokens: Optional[int] = None
        self._samples = 0
        self._added: Optional[tuple] = None

    @property
    def counts_samples(self) -> bool:
        """Whether samples can be counted."""
        return self._full is not None

    def epoch(self) -> None:
        """An epoch begins: the next micro-batch is its first, unless the epoch goes on after a checkpoint."""
        if not self._goes_on:
            self._index = 0
        self._goes_on = False

    def micro_batch(self) -> None:
        """A micro-batch was processed."""
        self._index += 1
        if self._full is not None:
            self._samples += self._last if self._index == self._batches else self._full

    def add(self, samples: int = 0, tokens: int = 0) -> None:
        """Work of the step that goes on, which the program counted itself."""
        before = self._added or (0, 0)
        self._added = (before[0] + samples, before[1] + tokens)

    def done(self, seen: Optional[int] = None) -> tuple:
        """`(samples, tokens)` since the last call; 0 where they cannot be counted. `seen` as for `tokens`."""
        samples, tokens = self.samples() or 0, self.tokens(seen) or 0
        more, self._added = self._added or (0, 0), None
        return samples + more[0], tokens + more[1]

    def samples(self) -> Optional[int]:
        """Samples since the last call; None where they cannot be counted."""
        counted, self._samples = self._samples, 0
        return counted if self._full is not None else None

    def tokens(self, seen: Optional[int]) -> Optional[int]:
        """Tokens since the last call, from the Trainer's count of all it has seen; None while it does not count."""
        before, self._tokens = self._tokens, seen
        if not seen or before is None:
            return None
        return max(seen - before, 0)


class FlopCount:
    """Floating-point operations of a training, from the Trainer's own count (`state.total_flos`: model size times tokens).

    Args:
        state: the Trainer's state when the training begins; its count goes on from a checkpoint's, which is not counted here.
        before: the count of earlier attempts of the same run.
    """

    def __init__(self, state: Any = None, before: Optional[FlopCount] = None) -> None:
        self._resumed_at = _flop(state)
        self._earlier: float = before._last if before is not None else 0.0
        self._last: float = self._earlier

    def done(self, state: Any) -> float:
        """Operations until now; 0 where the Trainer does not count them."""
        self._last = self._earlier + max(_flop(state) - self._resumed_at, 0.0)
        return self._last


def _flop(state: Any) -> float:
    found = getattr(state, "total_flos", None)
    return float(found) if isinstance(found, (int, float)) else 0.0


def steps_of_epoch(batches: int, accumulation: int, whole_only: bool = False) -> int:
    """Steps of an epoch of `batches` micro-batches, `accumulation` of them per step; at least 1."""
    return max(batches // accumulation if whole_only else -(-batches // accumulation), 1)


def floors(args: Any, state: Any, batches: int, accumulation: int) -> bool:
    """Whether the Trainer rounds the steps of an epoch down, as transformers did up to 4.51, by its own totals.

    Where they are the same either way, or the Trainer has no totals, it is taken for a current version, which rounds up.
    """
    steps, epochs = getattr(state, "max_steps", None), getattr(state, "num_train_epochs", None)
    wanted = getattr(args, "num_train_epochs", None)
    up, down = (steps_of_epoch(batches, accumulation, whole_only) for whole_only in (False, True))
    if not steps or not batches:
        return False
    if (getattr(args, "max_steps", 0) or 0) > 0:
        return epochs == -(-steps // down) != -(-steps // up)
    return wanted is not None and steps == math.ceil(wanted * down) != math.ceil(wanted * up)


def sizes(loader: Any, ranks: int = 1) -> tuple:
    """`(samples of a micro-batch, of an epoch's last, micro-batches of an epoch)`; Nones where they are not known.

    With several ranks the samplers fill the last batch up, so that every rank has as much to do.
    """
    try:
        size, batches, data = _batch_size(loader), len(loader), len(loader.dataset)
    except (AttributeError, TypeError, NotImplementedError):
        size = None
    if not size:
        warn_once("samples", "samples are not counted: the data loader has no length; "
                             "call callback.add_work(samples=...) in the training loop")
        return None, None, 0
    if ranks > 1:
        return size, size, batches
    return size, min(size, data - size * (batches - 1)), batches


def _batch_size(loader: Any) -> Optional[int]:
    size = getattr(loader, "batch_size", None)
    return size or getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
