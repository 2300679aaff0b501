"""Requests of an inference server: how a meter's energy is divided among them."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Hashable, Mapping

from . import _abi
from . import _constants as c
from ._handles import known, sized, unsigned
from ._read import unknown
from .errors import Error
from .records import Request, Requests


class Numbers(dict):
    """The library's number of each open request, by the caller's key."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        super().__init__()
        self._next = itertools.count()

    def __missing__(self, key: Hashable) -> int:
        return self.setdefault(key, next(self._next))


def step(library, handle, numbers: Numbers, tokens: Mapping[Hashable, int]) -> int:  # type: ignore[no-untyped-def]
    """Divides the energy since the last call; returns a status.

    Raises:
        Error: `tokens` is not a mapping to whole numbers.
    """
    if not isinstance(tokens, Mapping):
        raise Error(c.ECO2_ERR_ARGUMENT, f"tokens is a {type(tokens).__name__}; allowed: a mapping of requests to their tokens")
    counts = [unsigned(count, f"tokens of {key!r}") for key, count in tokens.items()]
    column = ctypes.c_uint64 * len(counts)
    return library.request_step(handle, column(*[numbers[key] for key in tokens]), column(*counts), len(counts))


def one(library, handle, call, number: int | None) -> Request | None:  # type: ignore[no-untyped-def]
    """What `call` gives of a request; None for one that is not open."""
    if number is None:
        return None
    found = sized(_abi.RequestEnergy)
    status = call(handle, number, ctypes.byref(found))
    if status:
        return None if status == c.ECO2_ERR_NOT_OPEN else unknown(library, status)
    return Request(found.tokens, known(found.energy_uj), bool(found.flags & c.ECO2_NOW_COMPLETE))


def sums(library, handle) -> Requests:  # type: ignore[no-untyped-def]
    """The sums over all requests."""
    found = sized(_abi.RequestTotals)
    status = library.request_sums(handle, ctypes.byref(found))
    if status:
        unknown(library, status)
        return Requests(0, 0, 0, None, None, False, None, None)
    return Requests(found.finished, found.open, found.tokens, known(found.energy_uj), known(found.idle_uj),
                    bool(found.flags & c.ECO2_NOW_COMPLETE), known(found.p50_uj_per_token), known(found.p95_uj_per_token))
