"""Passes messages to `logging`, or to a callback of the program: the library's, and one line when a run starts."""

from __future__ import annotations

import os
import sys

from . import _constants as c
from ._load import library

LOGGER = "eco2"
"""Name of the logger that gets every message unless `set_log` was called."""

_LEVELS = {c.ECO2_LOG_ERROR: "error", c.ECO2_LOG_WARN: "warning", c.ECO2_LOG_DEBUG: "debug"}
_callback = None
_hook = None
_hooked_pid = None


def set_log(callback) -> None:
    """Sets the function that gets the library's messages when a meter opens or closes.

    Args:
        callback: takes a level (`"error"`, `"warning"`, `"info"` or `"debug"`) and a text, on the thread that opens or
            closes; what it raises is ignored. `None`: `logging.getLogger("eco2")` again, which is silent until `logging`
            is set up.
    """
    global _callback
    _callback = callback


def emit(level: str, text: str) -> None:
    """Hands a message to the program; never raises."""
    try:
        if _callback is not None:
            _callback(level, text)
        else:
            _to_logging(level, text)
    except Exception:  # the program's own code: what it does wrong is not ours to spread
        pass


def connect() -> None:
    """Makes the library call us, once a process: a forked child starts without."""
    global _hook, _hooked_pid
    if _hooked_pid == os.getpid():
        return
    if library().path is not None:
        from ._abi import LOG_FN

        # Never freed: the library may call it as long as it is loaded.
        _hook = _hook or LOG_FN(lambda data, level, text: emit(_LEVELS.get(level, "error"), text.decode("utf-8", "replace")))
        library().set_log_callback(_hook, None, None)
    _hooked_pid = os.getpid()


def started(meter) -> None:  # type: ignore[no-untyped-def]
    """Reports at the level `info` what a run that starts is measured with. Costs nothing where no one reads that level."""
    try:
        if _callback is not None or _is_read("INFO"):
            from ._shown import start

            emit("info", start(meter.report_object()))
    except Exception as error:  # nothing of this may end the program: a meter without a report, a handler of the program
        emit("debug", f"a run starts; it has no report: {error}")


def _is_read(level: str) -> bool:
    """Whether the logger passes on messages of a level: never before the program imported `logging`."""
    logging = sys.modules.get("logging")
    return logging is not None and logging.getLogger(LOGGER).isEnabledFor(getattr(logging, level))


def _to_logging(level: str, text: str) -> None:
    # Imported here: most programs never log anything, and it is a large part of the time that an import takes.
    import logging

    logger = logging.getLogger(LOGGER)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    getattr(logger, level)("%s", text)
