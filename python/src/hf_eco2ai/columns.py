"""Columns of numbers for the library: a buffer of doubles is used in place, everything else is copied into one.

A buffer is what `memoryview` takes: `array.array("d")`, a numpy array of float64, a memory-mapped file cast to doubles.
"""

from __future__ import annotations

import ctypes
import math
import sys
from array import array
from typing import Any, Dict, Optional, Tuple

from eco2._load import library

DOUBLES = ("d", "@d", "=d", "<d" if sys.byteorder == "little" else ">d")
"""Formats of a buffer of native doubles."""

DOUBLE_POINTER = ctypes.POINTER(ctypes.c_double)


class _PyBuffer(ctypes.Structure):
    """`Py_buffer` of CPython's stable interface."""

    _fields_ = [("buf", ctypes.c_void_p), ("obj", ctypes.c_void_p), ("len", ctypes.c_ssize_t), ("itemsize", ctypes.c_ssize_t),
                ("readonly", ctypes.c_int), ("ndim", ctypes.c_int), ("format", ctypes.c_char_p), ("shape", ctypes.c_void_p),
                ("strides", ctypes.c_void_p), ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p)]


class Column:
    """A contiguous column of doubles, and what keeps it in memory.

    Attributes:
        rows: its length.
        address: of its first element.
        own: the copy that was made, or None where the caller's buffer is used.
    """

    def __init__(self, view: memoryview, own: Optional[array]) -> None:
        self._view, self.own, self.rows, self.address = view, own, len(view), address_of(view)

    @property
    def pointer(self) -> Any:
        """As a field of a ctypes struct."""
        return ctypes.cast(self.address, DOUBLE_POINTER)

    @property
    def span(self) -> Tuple[int, int]:
        """The addresses that it takes."""
        return self.address, self.address + 8 * self.rows


def column(values: Any, name: str) -> Column:
    """A column to read. None in a sequence is not known.

    Raises:
        ValueError: something that is not a sequence or buffer of numbers.
    """
    view = doubles(values)
    if view is not None:
        return Column(view, None)
    own = copied(values, name)
    return Column(memoryview(own), own)


def place(buffer: Any, rows: int, name: str) -> Column:
    """A column to write: a buffer of that many doubles that may be written to.

    Raises:
        ValueError: it is none.
    """
    view = doubles(buffer)
    if view is None or view.readonly or len(view) != rows:
        raise ValueError(f"{name} is not a writable, contiguous buffer of {rows} doubles")
    return Column(view, None)


def is_buffer(values: Any) -> bool:
    """Whether values are in a buffer, and not in a list or another sequence."""
    try:
        memoryview(values).release()
    except TypeError:
        return False
    return True


def doubles(values: Any) -> Optional[memoryview]:
    """The buffer's view if it can be used as it is: one dimension of aligned native doubles without gaps."""
    try:
        view: Any = memoryview(values)
    except TypeError:
        return None
    if view.format not in DOUBLES or view.ndim != 1 or not view.c_contiguous:
        return None
    if view.readonly and not hasattr(ctypes, "pythonapi"):  # another Python
        return None
    if view.format != "d":
        view = view.cast("B").cast("d") if len(view) else memoryview(array("d"))
    return view if address_of(view) % 8 == 0 else None


def copied(values: Any, name: str) -> array:
    """The numbers as doubles of our own; None becomes NaN.

    Raises:
        ValueError: something else.
    """
    numbers = None if isinstance(values, (str, bytes, bytearray)) else listed(values)
    if numbers is None:
        raise ValueError(f"{name} is a {type(values).__name__}; allowed: a sequence or a buffer of numbers")
    found = collected(numbers) if type(numbers) in _GETTERS else None
    if found is not None:
        return found
    try:
        return array("d", numbers)
    except (TypeError, OverflowError):
        pass
    try:
        return array("d", [math.nan if value is None else value for value in numbers])
    except (TypeError, OverflowError):
        index = next(index for index, value in enumerate(numbers) if value is not None and not _is_number(value))
        raise ValueError(f"{name} of row {index} is {numbers[index]!r}; allowed: a number, or None if not known") from None


def _interpreters(name: str) -> Any:
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p)


_GETTERS: Dict[type, Any] = {}
if hasattr(ctypes, "pythonapi"):
    _GETTERS = {list: _interpreters("PyList_GetItem"), tuple: _interpreters("PyTuple_GetItem")}
    _NUMBER, _FAILED = _interpreters("PyFloat_AsDouble"), _interpreters("PyErr_Occurred")


def collected(values: Any) -> Optional[array]:
    """A list's or tuple's numbers, in half the time that `array` takes: the library calls the interpreter's own functions.
    None where an element is no number."""
    found = filled(len(values))
    fill = getattr(library(), "column_fill", None)
    if fill is None or library().path is None:
        return None
    place = ctypes.cast(address_of(memoryview(found)), DOUBLE_POINTER)
    try:
        # The lock is held meanwhile; what the interpreter's functions raise comes out of the call.
        status = fill(id(values), _GETTERS[type(values)], _NUMBER, _FAILED, place, len(values))
    except (TypeError, OverflowError, IndexError):
        return None
    return found if status == 0 else None


def listed(values: Any) -> Any:
    """Values as something to go over more than once; None where that cannot be."""
    if isinstance(values, (list, tuple, array)):
        return values
    try:
        return memoryview(values).tolist() if is_buffer(values) else list(values)
    except (TypeError, ValueError, NotImplementedError):
        return None


def _is_number(value: Any) -> bool:
    try:
        array("d", [value])
    except (TypeError, OverflowError):
        return False
    return True


def filled(rows: int) -> array:
    """A column of our own, for results."""
    return array("d", [0.0]) * rows


def known(values: array) -> list:
    """A column as a list; NaN is None."""
    return [value if value == value else None for value in values.tolist()]


def overlap(one: Column, other: Column) -> bool:
    """Whether two columns share an element."""
    return one.span[0] < other.span[1] and other.span[0] < one.span[1]


def address_of(view: memoryview) -> int:
    """The address of a view's first element, also of one that may only be read (which ctypes has no call for)."""
    if not view.readonly:
        return ctypes.addressof((ctypes.c_char * 0).from_buffer(view)) if view.nbytes else 0
    buffer = _PyBuffer()
    if ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(buffer), 0):
        raise ValueError("the buffer cannot be read")
    try:
        return buffer.buf or 0
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
