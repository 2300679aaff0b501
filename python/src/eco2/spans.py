"""Spans: measure a part of the program, as a context manager or as a decorator.

A span never raises: if nothing can be recorded (the meter is closed, the process is a forked child, the ring is full), the
program continues, and the report counts what was dropped. A span has no state, so that one object may be used repeatedly,
within itself, and by many threads at once.
"""

from __future__ import annotations

import functools
from collections import deque
from threading import get_ident

from ._constants import ECO2_ERR_ARGUMENT, ECO2_ERR_FORKED
from ._log import emit

_COROUTINE, _GENERATOR, _ASYNC_GENERATOR = 0x80, 0x20, 0x200


class Span:
    """Measures a block (`with span:`) or every call of a function (`@span`).

    It does not wait for work that is queued on a GPU: the energy of that work counts for the span that is open when the GPU
    does it. `Meter.span` has other ways.
    """

    __slots__ = ("name", "_begin", "_end")

    def __init__(self, name: str, begin, end) -> None:  # type: ignore[no-untyped-def]
        self.name, self._begin, self._end = name, begin, end

    def __enter__(self) -> Span:
        self._begin()
        return self

    def __exit__(self, kind: object = None, error: object = None, trace: object = None) -> None:
        self._end()

    def __call__(self, function):  # type: ignore[no-untyped-def]
        return wrapped(function, lambda: self)

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return _left_behind, (self.name,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def _left_behind(name: str) -> Span:
    """The copy of a span (pickle, deepcopy): it measures nothing, as the copy of its meter."""
    return Span(name, _not_recorded, _not_recorded)


def _not_recorded() -> int:
    return ECO2_ERR_FORKED


class Synchronized(Span):
    """A span that waits for the device at both edges: exact, and it stalls the queue twice."""

    __slots__ = ("_wait", "_reported")

    def __init__(self, name: str, begin, end, synchronize) -> None:  # type: ignore[no-untyped-def]
        super().__init__(name, begin, end)
        self._wait, self._reported = synchronize, False

    def __enter__(self) -> Synchronized:
        self._synchronize()
        self._begin()
        return self

    def __exit__(self, *raised: object) -> None:
        self._synchronize()
        self._end()

    def _synchronize(self) -> None:
        try:
            self._wait()
        except Exception as error:
            if not self._reported:
                self._reported = True
                emit("error", f"span {self.name!r}: synchronize() failed: {error!r}")


class Stamped(Span):
    """A span whose start and end are time stamps of the device: nothing waits, and the span is recorded when both stamps are
    known.

    `event()` is called at each edge and returns a poll, which returns the edge's time in nanoseconds of the monotonic
    clock, or None while the device has not got there.
    """

    __slots__ = ("_event", "_record", "_open", "_pending", "_reported", "_owed")

    def __init__(self, name: str, record, event, owed: set) -> None:  # type: ignore[no-untyped-def]
        super().__init__(name, None, None)
        self._event, self._record, self._reported = event, record, False
        self._owed = owed  # the meter's: those that wait for a stamp, to be asked at the end
        self._open: dict = {}
        self._pending: deque = deque()

    def __enter__(self) -> Stamped:
        self._open.setdefault(get_ident(), []).append(self._stamp())
        return self

    def __exit__(self, *raised: object) -> None:
        begun, ended = self._open[get_ident()].pop(), self._stamp()
        if begun is not None and ended is not None:
            self._pending.append((begun, ended))
            self._owed.add(self)
        self.settle()

    def settle(self) -> int:
        """Records the spans whose stamps are known by now; returns how many still wait."""
        for _ in range(len(self._pending)):
            try:
                waiting = self._pending.popleft()
            except IndexError:  # another thread was faster
                break
            if not self._settled(*waiting):
                self._pending.append(waiting)
        if not self._pending:
            self._owed.discard(self)
            if self._pending:  # another thread added one meanwhile
                self._owed.add(self)
        return len(self._pending)

    def _settled(self, begun, ended) -> bool:  # type: ignore[no-untyped-def]
        try:
            begin_ns, end_ns = begun(), ended()
            if begin_ns is None or end_ns is None:
                return False
            status = self._record(int(begin_ns), int(end_ns))
        except Exception as error:
            self._fail(error)
            return True
        if status == ECO2_ERR_ARGUMENT:
            self._fail(ValueError(f"stamps {begin_ns} and {end_ns} are not within the run"))
        return True

    def _stamp(self):  # type: ignore[no-untyped-def]
        try:
            return self._event()
        except Exception as error:
            return self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._reported:
            self._reported = True
            emit("error", f"span {self.name!r}: event() failed, such spans are not recorded: {error!r}")


def wrapped(function, span):  # type: ignore[no-untyped-def]
    """Returns the function with every call measured; `span()` returns the context manager of a call.

    Raises:
        TypeError: a generator function, whose call does nothing yet.
    """
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if flags & (_GENERATOR | _ASYNC_GENERATOR):
        raise TypeError(f"{function.__name__} is a generator function: calling it does nothing yet; use `with` inside it")
    if flags & _COROUTINE:
        return _wrapped_coroutine(function, span)

    @functools.wraps(function)
    def measured(*arguments, **keywords):  # type: ignore[no-untyped-def]
        with span():
            return function(*arguments, **keywords)

    return measured


def _wrapped_coroutine(function, span):  # type: ignore[no-untyped-def]
    @functools.wraps(function)
    async def measured(*arguments, **keywords):  # type: ignore[no-untyped-def]
        with span():
            return await function(*arguments, **keywords)

    return measured
