"""Replaces the library on a system that has none: calls that record succeed, calls that read have no data. One warning reports it."""

from __future__ import annotations

import warnings

from . import _constants as c

SUCCEED = {"meter_open", "meter_close", "meter_free", "span_id", "span_begin", "span_end", "step", "step_work", "start_steps", "extra",
           "declare_sync", "set_log_callback", "span_between", "meter_forked",
           "request_step"}
"""Calls that do nothing, successfully; every other one has no data."""


class LeftBehind:
    """The library of a meter's copy (pickle, deepcopy): as in a forked child, nothing is recorded and nothing is known."""

    path = None

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments: c.ECO2_ERR_FORKED

    def error_text(self) -> str:
        """Why nothing is known."""
        return "this meter is a copy; the one that measures is where it was opened"


class Absent:
    """Has the functions of `_abi.Library`, and measures nothing.

    Args:
        why: why there is no library, and what to do about it.
    """

    path = None

    def __init__(self, why: str) -> None:
        self.why = f"{why}; nothing is recorded, and nothing is known"
        warnings.warn(self.why, RuntimeWarning, stacklevel=2)

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        status = c.ECO2_OK if name in SUCCEED else c.ECO2_ERR_NO_DATA
        return lambda *arguments: status

    def version(self) -> bytes:
        """No version."""
        return b""

    def error_text(self) -> str:
        """Why nothing is known."""
        return self.why
