"""Finds the library, compares its version, and hands it out; elsewhere than on Linux, a stand-in that measures nothing.

`ECO2_LIBRARY` names a file and nothing else is tried. Without it: what the wheel brought along, what was built in the
checkout this file lies in, and what the system's loader knows.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from . import _constants as c
from ._absent import Absent
from ._version import VERSION
from .errors import LoadError

VARIABLE = "ECO2_LIBRARY"
"""Environment variable: the library's file."""

REMEDY = f"run `pip install ./python` in a checkout of eco2, or set {VARIABLE} to the file"

PACKAGE = Path(__file__).resolve().parent
_loaded = None


def library():
    """The library, loaded at the first call; an `Absent` elsewhere than on Linux.

    Raises:
        LoadError: it is missing, cannot be loaded or has another version.
    """
    global _loaded
    if _loaded is None:
        _loaded = _find()
    return _loaded


def available() -> bool:
    """Whether the library is there and measures; False elsewhere than on Linux.

    Raises:
        LoadError: as `library`.
    """
    return not isinstance(library(), Absent)


def checkout() -> Path | None:
    """The checkout of eco2 that this file lies in, if any."""
    root = PACKAGE.parent.parent.parent
    return root if (root / "Cargo.toml").is_file() and (root / "ffi").is_dir() else None


def built(name: str) -> list[Path]:
    """Where a file of the wheel, or of the checkout's builds, may be; the first that exists counts."""
    places = [PACKAGE / "_native" / name]
    root = checkout()
    if root is not None:
        target = Path(os.environ.get("CARGO_TARGET_DIR") or root / "target")
        places += [target / "release" / name, target / "debug" / name]
    return places


def _find():
    given = os.environ.get(VARIABLE)
    if given:
        return _load([Path(given)], [])
    if not sys.platform.startswith("linux"):
        return Absent(sys.platform)
    soname = "libeco2.so." + VERSION.rpartition(".")[0]
    return _load(built("libeco2.so"), [soname])


def _load(files: list[Path], names: list[str]):
    tried = []
    for file in files:
        if file.is_file():
            return _open(str(file))
        tried.append(f"{file}: no such file")
    for name in names:
        try:
            return _open(name)
        except OSError as error:
            tried.append(f"{name}: {error}")
    raise LoadError("libeco2 was not found; tried:\n  " + "\n  ".join(tried) + f"\n{REMEDY}")


def _open(path: str):
    from . import _abi

    try:
        loaded = _abi.Library(path)
    except AttributeError as error:
        raise LoadError(f"{path}: not the libeco2 of version {VERSION} ({error}); {REMEDY}") from None
    except OSError as error:
        if os.sep not in path:
            raise
        raise LoadError(f"{path}: cannot be loaded: {error}; {REMEDY}") from None
    version, abi = (loaded.version() or b"?").decode(), loaded.abi_version()
    if (version, abi) != (VERSION, c.ECO2_ABI_VERSION):
        raise LoadError(f"{path}: is version {version} with interface {abi}, but this package needs version {VERSION} "
                        f"with interface {c.ECO2_ABI_VERSION}; {REMEDY}")
    return loaded
