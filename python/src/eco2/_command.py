"""The command `eco2` that the wheel brings along: where it is, and how to run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from . import _constants as c
from ._load import PACKAGE, built, checkout, why_absent
from .errors import Error

VARIABLE = "ECO2_COMMAND"
"""Environment variable: the command's file."""


def command() -> str:
    """The path of the command: `ECO2_COMMAND`, else the wheel's, which lies with the environment's programs, a checkout's
    build, or one on the PATH.

    Raises:
        Error: there is none; the message lists where it was looked for.
    """
    given = os.environ.get(VARIABLE)
    places = [given] if given else [*_installed(), *(str(path) for path in built("eco2"))]
    for place in places:
        if os.path.isfile(place) and os.access(place, os.X_OK) and (given or not _is_script(place)):
            return place
    found = None if given else shutil.which("eco2")
    # The console script of this package would only come back here.
    if found and not _is_script(found):
        return found
    why = why_absent() or f"tried {', '.join(places)}"
    raise Error(c.ECO2_ERR_NO_DATA, f"the command eco2 was not found: {why}; or set {VARIABLE} to the file")


def run_cli(arguments: Sequence[str], **keywords):  # type: ignore[no-untyped-def]
    """Runs the command and returns what `subprocess.run` returns; `keywords` are handed to it.

    Raises:
        Error: there is no command.
    """
    return subprocess.run([command(), *arguments], **keywords)


def main() -> int:
    """The console script `eco2`: becomes the command, with this process's arguments."""
    try:
        path = command()
    except Error as error:
        print(f"eco2: {error}", file=sys.stderr)
        return 1
    os.execv(path, [path, *sys.argv[1:]])


def rendered(report: Mapping, format: str, *more: str) -> bytes:
    """A report in a format of `eco2 report`, rendered by the command.

    Args:
        report: a report of schema `eco2.report/1`.
        format: one of the command's formats; `pdf` needs an installed Chromium or Chrome.
        more: further flags, such as `--zone`.

    Raises:
        Error: there is no command, it refused the report, or no browser made a PDF.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "report.json"), os.path.join(folder, "rendered")
        with open(source, "w", encoding="utf-8") as out:
            json.dump(report, out)
        done = run_cli(["report", "--format", format, "--output", target, *more, source], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Error(c.ECO2_ERR_RENDER, done.stderr.strip() or f"eco2 report ended with {done.returncode}")
        with open(target, "rb") as made:
            return made.read()


def _installed() -> list[str]:
    """Where an installer has put the wheel's command: by its record, or in a folder next to one that was named with --target."""
    from importlib import metadata

    if checkout() is not None:
        return []
    try:
        files = metadata.distribution("eco2").files or []
    except metadata.PackageNotFoundError:
        files = []
    found = [os.path.normpath(file.locate()) for file in files if file.name == "eco2"]
    return [*found, str(PACKAGE.parent / "bin" / "eco2")]


def _is_script(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True
