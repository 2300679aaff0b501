"""Converts values between Python and the library: handles, texts, statuses, sizes."""

from __future__ import annotations

import ctypes
import math
from functools import partial

from . import _constants as c
from .errors import Error

UNUSABLE = 0xFFFF_FFFF
"""The id of a name in a meter that takes no more names; recording with it raises the reason."""

FAULTS = (c.ECO2_ERR_FORKED, c.ECO2_ERR_DROPPED, c.ECO2_ERR_PANIC)
"""Statuses that are no mistake of the caller's: measuring has a fault, and the program goes on."""

DONE = (c.ECO2_ERR_CLOSED, *FAULTS)
"""Statuses of a meter that takes no more names."""


def check(library, status: int) -> None:  # type: ignore[no-untyped-def]
    """Raises an error for a status that is not 0.

    Raises:
        Error: with the library's text.
    """
    if status:
        raise Error(status, library.error_text())


def encoded(text: str, argument: str) -> bytes:
    """Returns a text for the library.

    Raises:
        Error: it is not a text, is not UTF-8, or contains NUL.
    """
    if not isinstance(text, str):
        raise Error(c.ECO2_ERR_ARGUMENT, f"{argument} is a {type(text).__name__}; allowed: str")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise Error(c.ECO2_ERR_UTF8, f"{argument} is not UTF-8 from character {error.start} on") from None
    if b"\0" in data:
        raise Error(c.ECO2_ERR_ARGUMENT, f"{argument} contains NUL at byte {data.index(0)}")
    return data


def unsigned(value: object, argument: str) -> int:
    """Returns a whole number from 0 to 2**64 - 1; None is 0. Integers of numpy are accepted.

    Raises:
        Error: it is not such a number.
    """
    try:
        number = 0 if value is None else value.__index__()  # type: ignore[attr-defined]
    except AttributeError:
        raise Error(c.ECO2_ERR_ARGUMENT, f"{argument} is {value!r}; allowed: a whole number") from None
    if not 0 <= number < 2**64:
        raise Error(c.ECO2_ERR_ARGUMENT, f"{argument} is {number}; allowed: 0 to 2**64 - 1")
    return number


def number(value: object, argument: str) -> float:
    """A floating-point number; a tensor's or an array's single element too.

    Raises:
        Error: it is not a number.
    """
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise Error(c.ECO2_ERR_ARGUMENT, f"{argument} is {value!r}; allowed: a number") from None


def known(figure: int) -> int | None:
    """Returns an unsigned value, or None for the header's ECO2_UNKNOWN."""
    return None if figure == c.ECO2_UNKNOWN else figure


def finite(figure: float) -> float | None:
    """Returns a value, or None for NaN."""
    return None if math.isnan(figure) else figure


def sized(struct):  # type: ignore[no-untyped-def]
    """An empty struct with its `struct_size` set."""
    return struct(struct_size=ctypes.sizeof(struct))


def text_of(library, call) -> str:  # type: ignore[no-untyped-def]
    """Returns the text that `call(buffer, size, needed)` writes; that of a live meter may grow between two calls.

    Raises:
        Error: as `call`.
    """
    needed = ctypes.c_size_t()
    check(library, call(None, 0, ctypes.byref(needed)))
    while True:
        size = needed.value + needed.value // 8 + 64
        buffer = ctypes.create_string_buffer(size)
        status = call(buffer, size, ctypes.byref(needed))
        if status != c.ECO2_ERR_BUFFER:
            check(library, status)
            return buffer.value.decode("utf-8", "replace")


class Ids(dict):
    """Ids of span names, requested once each."""

    __slots__ = ("_library", "_handle")

    def __init__(self, library, handle) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self._library, self._handle = library, handle

    def __missing__(self, name: str) -> int:
        identifier = ctypes.c_uint32()
        status = self._library.span_id(self._handle, encoded(name, "name"), ctypes.byref(identifier))
        if status in DONE:
            return UNUSABLE
        check(self._library, status)
        self[name] = identifier.value
        return identifier.value


class Calls(dict):
    """Prebound calls of one function by span name: `calls[name]()` records, and returns a status."""

    __slots__ = ("_function", "_handle", "_ids")

    def __init__(self, function, handle, ids: Ids) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self._function, self._handle, self._ids = function, handle, ids

    def __missing__(self, name: str):  # type: ignore[no-untyped-def]
        identifier = self._ids[name]
        call = partial(self._function, self._handle, identifier)
        if identifier != UNUSABLE:
            self[name] = call
        return call
