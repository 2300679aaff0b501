"""Exceptions, and how a message reaches the program: by `logging`, each once."""

from __future__ import annotations

import functools
import logging

from eco2 import NotBuilt

LOGGER = logging.getLogger("hf_eco2ai")
"""Hears of every option without effect and of every fault; silent until `logging` is set up, but for warnings."""

_said: set = set()


class CarbonTrackingError(Exception):
    """Anything that goes wrong here."""


class ConfigurationError(CarbonTrackingError, ValueError):
    """An option that cannot be used; the message names it, what it was and what is allowed."""


class APIError(CarbonTrackingError):
    """A command or a library that did not do what it was asked for."""


def warn_once(key: str, text: str) -> None:
    """Logs a warning, unless one was logged for that key in this process."""
    if key not in _said:
        _said.add(key)
        LOGGER.warning("%s", text)


def forget_warnings() -> None:
    """Makes every warning heard again, for tests and notebooks."""
    _said.clear()


def never_raising(hook):  # type: ignore[no-untyped-def]
    """A method that must not end the training: what it raises is counted in `self.errors` and logged once a kind."""

    @functools.wraps(hook)
    def guarded(self, *arguments, **keywords):  # type: ignore[no-untyped-def]
        try:
            return hook(self, *arguments, **keywords)
        except Exception as error:
            self.errors += 1
            warn_once(f"{hook.__name__}:{type(error).__name__}", f"{hook.__name__}: {error!r}; training goes on")
            return None

    return guarded


__all__ = ["APIError", "CarbonTrackingError", "ConfigurationError", "NotBuilt"]
