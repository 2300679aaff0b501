"""The process's one meter, and the decorator that measures a function with it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from threading import Lock

from . import _constants as c
from .errors import Error
from .meter import Meter, close_quietly, merged
from .spans import wrapped

_lock = Lock()
_default: Meter | None = None


def default_meter(**options: object) -> Meter:
    """The process's one meter: opened at the first call, and again after it was closed; closed at exit.

    In a forked child it is the parent's, and records nothing.

    Args:
        options: as for `Meter`, at the call that opens it.

    Raises:
        Error: as `Meter`; ECO2_ERR_OPTIONS if it is open with other options.
    """
    global _default
    with _lock:
        if _default is None or _default.closed:
            _default = Meter(options)
        elif options and merged(options, {}) != _default.options:
            raise Error(c.ECO2_ERR_OPTIONS, "the default meter is open with other options; close it first")
        return _default


def is_closed() -> bool:
    """Whether the process's one meter is not open."""
    return _default is None or _default.closed


def close_default() -> None:
    """Closes the process's one meter, if it is open."""
    meter = _default
    if meter is not None:
        close_quietly(meter)


def track(function: Callable | str | None = None, *, name: str | None = None, meter: Meter | None = None,
          sync: str = "none", synchronize: Callable | None = None, event: Callable | None = None) -> Callable:
    """Measures every call of a function as a span: `@track`, `@track("name")` or `@track(name=..., meter=...)`.

    Args:
        function: the function, or the span's name.
        name: the span's name; without it the function's qualified name.
        meter: where it is recorded; without it `default_meter()`, which the first call opens. Where that cannot be opened
            the function runs unmeasured, with one warning.
        sync, synchronize, event: as for `Meter.span`.

    Raises:
        TypeError: at decoration, for a generator function.
    """
    if not callable(function):
        return lambda decorated: track(decorated, name=name or function, meter=meter, sync=sync,
                                       synchronize=synchronize, event=event)
    called = name or getattr(function, "__qualname__", type(function).__name__)
    kept: list = []  # the last meter and its span, so that a call does not make one

    def span():  # type: ignore[no-untyped-def]
        owner = meter or _default_or_none()
        if owner is None:
            return nullcontext()
        if not kept or kept[0][0] is not owner:
            kept[:] = [(owner, owner.span(called, sync, synchronize, event))]
        return kept[0][1]

    return wrapped(function, span)


_failed = False


def _default_or_none() -> Meter | None:
    """The default meter. Once it could not be opened no call tries again until `default_meter` itself succeeds."""
    global _failed
    if _default is None and _failed:
        return None
    try:
        return default_meter()
    except Error as error:
        _failed = True
        warnings.warn(f"eco2: functions run unmeasured: {error}", RuntimeWarning, stacklevel=4)
        return None


def _renew_lock() -> None:
    # A thread of the parent's may have held it at the fork, and does not exist here.
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
