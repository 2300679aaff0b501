"""The magics of a notebook: `%eco2` shows what the session used so far, `%%eco2` what a cell used.

The session is a run of the process's one meter, from `%load_ext eco2` to the end of the interpreter, which closes it. A cell is
a span of that run, and at the same time measured by a meter of its own, so that it has emissions, bounds and power over time.
"""

from __future__ import annotations

import shlex
import sys

from . import _notebook, tracking
from .errors import Error
from .meter import Meter
from .report import Report

USAGE = "%eco2 [--zone ZONE]; %%eco2 [NAME] [--zone ZONE]"

_MAX_NAME = 256
"""Bytes that the name of a span may have."""

_OF_THE_SESSION = ("json", "trace", "budget", "webhook", "email_to", "email_server", "email_user", "email_from", "email_ca")
"""Options of the session's meter that a cell's does not get: files, limits and alerts."""


class Magics:
    """Both magics, and the zone that was last given to one of them."""

    def __init__(self) -> None:
        self.zone: str | None = None

    def line(self, line: str) -> Report | None:
        """`%eco2`: the session's report so far, with the grid zone that is given here, or was before."""
        name = self._arguments(line)
        if name is not None:
            return _complain(f"{name!r} is not known here; usage: {USAGE}")
        try:
            report = tracking.default_meter().report_object()
            return self._with_zone(report) if self.zone else report
        except Error as error:
            return _complain(str(error))

    def cell(self, line: str, cell: str) -> Report | None:
        """`%%eco2`: runs the cell and returns its report. An interrupted or failing cell is measured too, and fails."""
        name = self._arguments(line) or "cell"
        session, meter = _opened(lambda: tracking.default_meter()), _opened(lambda: self._meter(name))
        if session is not None:
            session.begin(name)
        try:
            done = _notebook.shell().run_cell(cell, store_history=False)
        finally:
            if session is not None and not session.closed:
                session.end(name)
        report = None if meter is None else meter.stop()
        failed = getattr(done, "error_before_exec", None) or getattr(done, "error_in_exec", None)
        if failed is None:
            return report
        if report is not None:
            _display(report)
        # IPython has shown the traceback. Raised again, so that running all cells stops here.
        failed._render_traceback_ = list
        raise failed

    def _meter(self, name: str) -> Meter:
        session = {key: value for key, value in tracking.default_meter().options.items() if key not in _OF_THE_SESSION}
        return Meter.apart(session, log=False, name=name, zone=self.zone or session.get("zone"))

    def _arguments(self, line: str) -> str | None:
        """The name in a magic's line, if any; keeps the zone."""
        try:
            words, name = shlex.split(line), None
        except ValueError as error:  # a quote that is not closed
            raise _usage_error(f"{error}; usage: {USAGE}") from None
        while words:
            word = words.pop(0)
            option, given, value = word.partition("=")
            if option in ("--zone", "-z"):
                self.zone = value if given else (words.pop(0) if words else None)
            elif word.startswith("-") or name is not None:
                raise _usage_error(f"{word} is not known here; usage: {USAGE}")
            else:
                name = word
        if name is not None and len(name.encode("utf-8", "replace")) > _MAX_NAME:
            raise _usage_error(f"the name has more than {_MAX_NAME} bytes; usage: {USAGE}")
        return name

    def _with_zone(self, report: Report) -> Report:
        from ._command import rendered

        return Report(rendered(report.to_dict(), "json", "--zone", str(self.zone)))


def load(ipython) -> None:  # type: ignore[no-untyped-def]
    """Opens the session's meter, unless the program has opened it, and adds the magics. Without a meter, one line states the reason."""
    magics = Magics()
    ipython.register_magic_function(magics.line, magic_kind="line", magic_name="eco2")
    ipython.register_magic_function(magics.cell, magic_kind="cell", magic_name="eco2")
    if tracking.is_closed():
        _opened(lambda: tracking.default_meter(name="notebook"))


def unload(ipython) -> None:  # type: ignore[no-untyped-def]
    """Removes the magics and closes the session's meter."""
    for kind in ("line", "cell"):
        ipython.magics_manager.magics[kind].pop("eco2", None)
    tracking.close_default()


def _opened(opening) -> Meter | None:  # type: ignore[no-untyped-def]
    try:
        return opening()
    except Error as error:
        return _complain(str(error))


def _complain(text: str) -> None:
    # The command's own errors have the prefix already.
    print(f"eco2: {text.removeprefix('eco2: ')}", file=sys.stderr)


def _usage_error(text: str) -> Exception:
    """IPython prints it in one line, without a traceback."""
    try:
        from IPython.core.error import UsageError
    except ImportError:
        return ValueError(text)
    return UsageError(text)


def _display(report: Report) -> None:
    try:
        from IPython.display import display
    except ImportError:
        print(report)
    else:
        display(report)
