"""eco2: the energy and the carbon of machine-learning training, with bounds.

    import eco2

    with eco2.Meter(name="bert", zone="DE") as meter:
        for batch in batches:
            train(batch)
            meter.step(samples=len(batch))
    print(meter.report("text"))

Every figure comes from libeco2, which reads the counters on a thread of its own; Python only hands it through. Nothing
known is None, never 0. A fault of measuring never raises into the program; see docs/python.md.
"""

from __future__ import annotations

from ._grid import plan, zone
from ._load import available, library
from ._log import set_log
from ._notebook import load_ipython_extension, unload_ipython_extension
from ._read import report_formats
from ._version import VERSION as __version__
from .errors import Error, LoadError, NotBuilt
from .meter import Meter
from .records import Budget, Device, Energy, Series, Total
from .report import Report, merge
from .spans import Span
from .tracking import default_meter, track

__all__ = ["Budget", "Device", "Energy", "Error", "LoadError", "Meter", "NotBuilt", "Report", "Series", "Span", "Total",
           "available", "codecarbon", "command", "default_meter", "load_ipython_extension", "main", "merge", "plan", "report_formats",
           "run_cli", "set_log", "track", "trackers", "unload_ipython_extension", "version", "zone"]


def version() -> str:
    """The version of the loaded library; empty elsewhere than on Linux.

    Raises:
        LoadError: it is missing, cannot be loaded or has another version.
    """
    return library().version().decode()


def __getattr__(name: str):  # type: ignore[no-untyped-def]
    # What most programs do not need is imported when it is asked for: the command needs subprocess.
    if name in ("command", "main", "run_cli"):
        from . import _command

        return getattr(_command, name)
    if name in ("codecarbon", "trackers"):
        import importlib

        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'eco2' has no attribute {name!r}")
