"""Exceptions, and messages to the program through `logging`, each once."""

from __future__ import annotations

import functools
import logging
import re
from typing import Optional

from eco2 import NotBuilt

LOGGER = logging.getLogger("hf_eco2ai")
"""Logger for options without effect and for errors; before `logging` is set up, only warnings are shown."""

MOST_KINDS = 32
"""Most different faults of one place that are logged; further ones are only counted."""

_said: set = set()
_kinds: dict = {}


class CarbonTrackingError(Exception):
    """Base class of the errors of this module."""


class ConfigurationError(CarbonTrackingError, ValueError):
    """An option that cannot be used; the message has its name, its value and what is allowed."""


class UnknownOption(ConfigurationError, TypeError):
    """A keyword that is not an option; the message suggests the nearest one."""


class APIError(CarbonTrackingError):
    """The command or the library failed."""


def warn_once(key: str, text: str) -> None:
    """Logs a warning, unless one was logged for that key in this process."""
    if key not in _said:
        _said.add(key)
        LOGGER.warning("%s", text)


def forget_warnings() -> None:
    """Allows every warning to be logged again, for tests and notebooks."""
    _said.clear()
    _kinds.clear()


class Faults:
    """Errors that were not raised into the training: all are counted, and each different one is logged once per process."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, place: str, error: Exception, text: Optional[str] = None) -> None:
        """Counts an error, and logs it unless a similar one was logged before.

        Args:
            place: what failed: a method, an output.
            error: what it raised. Faults of one place are alike if their texts differ in numbers only.
            text: the message; by default place and error.
        """
        self.count += 1
        kinds = _kinds.setdefault(place, set())
        kind = (type(error).__name__, re.sub(r"[0-9a-fA-Fx]*[0-9][0-9a-fA-Fx]*", "#", str(error))[:256])
        if kind in kinds or len(kinds) > MOST_KINDS:
            return
        kinds.add(kind)
        more = "; further kinds of it are counted only" if len(kinds) > MOST_KINDS else ""
        LOGGER.warning("%s%s", text or f"{place}: {error!r}; training goes on", more)


class Guarded:
    """Base class of objects with methods of `never_raising`.

    Attributes:
        faults: errors that were not raised into the training, also those of its outputs.
    """

    faults: Faults

    @property
    def errors(self) -> int:
        """Number of errors that were not raised into the training."""
        return self.faults.count


def never_raising(hook):  # type: ignore[no-untyped-def]
    """Decorates a method of a `Guarded` that must not end the training: its exceptions are added to `self.faults`."""

    @functools.wraps(hook)
    def guarded(self, *arguments, **keywords):  # type: ignore[no-untyped-def]
        try:
            return hook(self, *arguments, **keywords)
        except Exception as error:
            self.faults.add(hook.__name__, error)
            return None

    return guarded


__all__ = ["APIError", "CarbonTrackingError", "ConfigurationError", "NotBuilt"]
