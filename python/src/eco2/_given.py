"""What a program gives, as the library takes it: options as JSON, the work of a step as a struct."""

from __future__ import annotations

import ctypes
import json
import struct
from collections.abc import Mapping

from . import _abi
from . import _constants as c
from ._handles import encoded, number, unsigned
from .errors import Error

WORK_SIZE = ctypes.sizeof(_abi.Work)

# The fields in one call, a third of what a ctypes structure costs; a test compares the layouts.
PACK_WORK = struct.Struct("=IIQQd").pack


def merged(options: Mapping | None, more: Mapping) -> dict:
    """Both, the second over the first, without what is None."""
    if options is not None and not isinstance(options, Mapping):
        raise Error(c.ECO2_ERR_OPTIONS, f"options is a {type(options).__name__}; allowed: a mapping of option names")
    return {key: value for key, value in {**(options or {}), **more}.items() if value is not None}


def as_json(options: Mapping) -> bytes:
    """The options as the library takes them; paths and tuples are written as text and lists."""
    try:
        text = json.dumps(options, default=_plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Error(c.ECO2_ERR_OPTIONS, f"options cannot be written as JSON: {error}") from None
    return encoded(text, "options")


def _plain(value: object) -> object:
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} is neither text, number, list nor mapping")


def work_of(samples: object, tokens: object, loss: object) -> bytes:
    """What a step did, as the library's struct.

    Raises:
        Error: a value cannot be converted to its field.
    """
    flags = 0 if loss is None else c.ECO2_WORK_HAS_LOSS
    loss = 0.0 if loss is None else number(loss, "loss")
    return PACK_WORK(WORK_SIZE, flags, unsigned(samples, "samples"), unsigned(tokens, "tokens"), loss)
