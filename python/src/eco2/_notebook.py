"""Notebooks: a cell that is run again measures once. The magics `%eco2` and `%%eco2` are in `_magics`, imported when loaded."""

from __future__ import annotations

import sys


def shell():  # type: ignore[no-untyped-def]
    """IPython's shell that this program runs in, or None."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None


def live(cls, opened, options: dict):  # type: ignore[no-untyped-def]
    """In a notebook: the open meter of the same options, if any, except those of `Meter.apart`."""
    if shell() is None:
        return None
    same = (meter for meter in list(opened) if type(meter) is cls and not meter._apart and meter.options == options)
    return next((meter for meter in same if not meter.closed and not meter.forked), None)


def load_ipython_extension(ipython) -> None:  # type: ignore[no-untyped-def]
    """What `%load_ext eco2` calls: opens the session's meter and adds the magics `%eco2` and `%%eco2`."""
    from ._magics import load

    load(ipython)


def unload_ipython_extension(ipython) -> None:  # type: ignore[no-untyped-def]
    """What `%unload_ext eco2` calls: removes the magics and closes the session's meter."""
    from ._magics import unload

    unload(ipython)
