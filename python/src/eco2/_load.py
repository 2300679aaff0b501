"""Finds the library, compares its version, and hands it out; a stand-in that measures nothing where the package has none.

`ECO2_LIBRARY` names a file and nothing else is tried. Without it: what the wheel brought along, what was built in the
checkout this file lies in, and what the system's loader knows. The wheel for every platform has no library: it is what
installers take on other systems, and on a Linux that the other wheels do not fit.
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

REMEDY = f"install eco2 again (`pip install --force-reinstall eco2`), or set {VARIABLE} to the file"
FROM_SOURCE = "build it here with `pip install --no-binary eco2 eco2`, which needs cargo"
GLIBC = (2, 28)
"""The oldest glibc that released libraries run with."""

PACKAGE = Path(__file__).resolve().parent
_loaded = None


def library():
    """The library, loaded at the first call; an `Absent` in a wheel without one, and elsewhere than on Linux.

    Raises:
        LoadError: it is missing, cannot be loaded or has another version.
    """
    global _loaded
    if _loaded is None:
        _loaded = _find()
    return _loaded


def available() -> bool:
    """Whether the library is there and measures; False in a wheel without one, and elsewhere than on Linux.

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
        return Absent(why_absent())
    soname = "libeco2.so." + VERSION.rpartition(".")[0]
    if why_absent():
        try:
            return _open(soname)
        except OSError:
            return Absent(why_absent())
    return _load(built("libeco2.so"), [soname])


def why_absent() -> str:
    """Why this package has neither library nor command, and what to do; empty if it has them, or should."""
    if not sys.platform.startswith("linux"):
        return f"eco2 measures on Linux only, and this is {sys.platform}"
    if (PACKAGE / "_native" / "absent").is_file():
        return f"this wheel of eco2 has no library: {_why_pure()}; {FROM_SOURCE}"
    return ""


def _why_pure() -> str:
    """Why the installer took the wheel without a library, by what the released ones need."""
    import platform

    machine, (libc, found) = platform.machine(), platform.libc_ver()
    if libc != "glibc":
        return "the others need glibc, which this system does not have (musl?)"
    if tuple(int(part) for part in found.split(".")[:2]) < GLIBC:
        return f"the others need glibc {GLIBC[0]}.{GLIBC[1]}, and this system has {found}"
    return f"there may be no other for {machine}, or this one was chosen"


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
        raise LoadError(f"{path}: cannot be loaded: {_other_machine(path) or error}; {REMEDY}") from None
    version, abi = (loaded.version() or b"?").decode(), loaded.abi_version()
    if (version, abi) != (VERSION, c.ECO2_ABI_VERSION):
        raise LoadError(f"{path}: is version {version} with interface {abi}, but this package needs version {VERSION} "
                        f"with interface {c.ECO2_ABI_VERSION}; {REMEDY}")
    return loaded


MACHINES = {3: "i686", 62: "x86_64", 183: "aarch64", 21: "ppc64le", 22: "s390x", 243: "riscv64"}
"""Processors, by their number in the header of a library."""


def _other_machine(path: str) -> str:
    """What a library is for, if that is not this machine; empty if it is, or is not known."""
    import platform

    with open(path, "rb") as file:
        header = file.read(20)
    is_for = MACHINES.get(int.from_bytes(header[18:20], "little"), "") if header[:4] == b"\x7fELF" else ""
    here = platform.machine()
    return f"it is for {is_for}, and this machine is {here}" if is_for not in ("", here) else ""
