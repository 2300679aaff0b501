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

import sys

if sys.version_info < (3, 9):  # noqa: UP036  before any import that an older one refuses with a message of its own
    raise ImportError(f"eco2 needs Python 3.9 or newer, and this is {sys.version.split()[0]}: use a newer one for this environment")

from ._version import VERSION as __version__

TYPE_CHECKING = False  # what type checkers take for true; `typing` is most of what an import of eco2 would cost
if TYPE_CHECKING:
    from . import codecarbon, trackers
    from ._command import command, main, run_cli
    from ._grid import plan, zone
    from ._load import available
    from ._log import set_log
    from ._notebook import load_ipython_extension, unload_ipython_extension
    from ._read import report_formats
    from .errors import Error, LoadError, NotBuilt
    from .meter import Meter
    from .records import Budget, Device, Energy, Request, Requests, Series, Total
    from .report import Report, merge
    from .spans import Span
    from .tracking import default_meter, track

_NAMES = {
    "_command": ("command", "main", "run_cli"),
    "_grid": ("plan", "zone"),
    "_load": ("available",),
    "_log": ("set_log",),
    "_notebook": ("load_ipython_extension", "unload_ipython_extension"),
    "_read": ("report_formats",),
    "errors": ("Error", "LoadError", "NotBuilt"),
    "meter": ("Meter",),
    "records": ("Budget", "Device", "Energy", "Request", "Requests", "Series", "Total"),
    "report": ("Report", "merge"),
    "spans": ("Span",),
    "tracking": ("default_meter", "track"),
}
"""Names by the module that has them. Each module is imported when one of its names is asked for: an import of eco2 costs little."""

_PLACES = {name: module for module, names in _NAMES.items() for name in names}
_MODULES = (*_NAMES, "codecarbon", "trackers", "_abi", "_names", "_options", "_shown")

__all__ = ["Budget", "Device", "Energy", "Error", "LoadError", "Meter", "NotBuilt", "Report", "Request", "Requests", "Series",
           "Span", "Total", "available", "codecarbon", "command", "default_meter", "load_ipython_extension", "main", "merge", "plan", "report_formats", "run_cli",
           "set_log", "track", "trackers", "unload_ipython_extension", "version", "zone"]


def version() -> str:
    """The version of the loaded library; empty elsewhere than on Linux.

    Raises:
        LoadError: it is missing, cannot be loaded or has another version.
    """
    from ._load import library

    return str(library().version().decode())


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str):
        from importlib import import_module

        if name in _MODULES:
            return import_module(f".{name}", __name__)
        if name not in _PLACES:
            raise AttributeError(f"module 'eco2' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f".{_PLACES[name]}", __name__), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
