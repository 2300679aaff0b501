"""Builds the wheel `eco2`: the hooks of PEP 517 and PEP 660, with the standard library alone.

On Linux cargo builds `libeco2.so` and the command `eco2`, in release and from the checkout that this file lies in; the
wheel is `py3-none-<platform>`, for Python calls the library through ctypes and needs no extension module. Elsewhere, or
with `--config-settings pure=true`, the wheel has neither: it installs, and measures nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import eco2_wheel as wheel

PYTHON = Path(__file__).resolve().parent.parent
ROOT = PYTHON.parent
CRATES = {"eco2-ffi": "libeco2.so", "eco2-cli": "eco2"}
"""What is built, by crate."""
PROFILES = {"eco2-ffi": "release", "eco2-cli": "small"}
"""Cargo's profile of each, which names its folder: the library is built for speed, the command for size."""


class UnsupportedOperation(Exception):
    """What a frontend expects of a hook that is not offered."""


def get_requires_for_build_wheel(config_settings=None):
    """Nothing but cargo, which no Python package brings along."""
    return []


get_requires_for_build_editable = get_requires_for_build_sdist = get_requires_for_build_wheel


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """Writes the metadata without building anything, and returns their folder's name."""
    return wheel.write_metadata(Path(metadata_directory), _project(), version(), _licences())


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Writes the wheel and returns its file name."""
    files = {path.relative_to(PYTHON / "src").as_posix(): path for path in _sources()}
    with tempfile.TemporaryDirectory() as folder:
        native = {} if _pure(config_settings) else _native(Path(folder))
        files.update({f"eco2/_native/{name}": path for name, path in native.items()})
        return wheel.write(Path(wheel_directory), _project(), version(), _tag(bool(native)), files, _licences())


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """Writes a wheel that points at the sources here, and builds what they load from the target folder."""
    if not _pure(config_settings):
        _cargo()
    pointer = {"_eco2_editable.pth": f"{PYTHON / 'src'}\n".encode()}
    return wheel.write(Path(wheel_directory), _project(), version(), _tag(False), pointer, _licences())


def build_sdist(sdist_directory, config_settings=None):
    """Not offered: the sources are the whole checkout.

    Raises:
        UnsupportedOperation: always.
    """
    raise UnsupportedOperation("there is no source distribution of the Python package alone; install from a checkout")


def version() -> str:
    """The workspace's version, which the package's own must be.

    Raises:
        RuntimeError: they differ.
    """
    workspace = (ROOT / "Cargo.toml").read_text(encoding="utf-8").partition("[workspace.package]")[2]
    package = (PYTHON / "src/eco2/_version.py").read_text(encoding="utf-8")
    wanted, found = (re.findall(r'(?mi)^version = "(.+)"', text)[0] for text in (workspace, package))
    if wanted != found:
        raise RuntimeError(f"Cargo.toml has version {wanted}, python/src/eco2/_version.py has {found}")
    return wanted


def _pure(config_settings) -> bool:
    asked = str((config_settings or {}).get("pure", "")).lower() in ("1", "true", "yes")
    return asked or not sys.platform.startswith("linux")


def _tag(native: bool) -> str:
    platform = re.sub(r"[-. ]", "_", sysconfig.get_platform()) if native else "any"
    return f"py3-none-{platform}"


def _sources() -> list[Path]:
    files = (PYTHON / "src").rglob("*")
    return sorted(path for path in files if path.is_file() and "__pycache__" not in path.parts and "_native" not in path.parts)


def _licences() -> list[Path]:
    return sorted(ROOT.glob("LICENSE-*"))


def _project() -> dict:
    """The table `project` of pyproject.toml; Python 3.9 has no TOML reader, and ours is of a simple shape."""
    text = (PYTHON / "pyproject.toml").read_text(encoding="utf-8")
    return {"project": _table(text, "project"), "scripts": _table(text, "project.scripts")}


def _table(text: str, name: str) -> dict:
    body = re.findall(rf"(?ms)^\[{re.escape(name)}\]$(.*?)(?=^\[|\Z)", text)[0]
    return {key: json.loads(value) for key, value in re.findall(r"(?m)^([\w-]+) = (.+)$", body)}


def _native(folder: Path) -> dict[str, Path]:
    """The built files, without debugging information, in `folder`."""
    built, files = _cargo(), {}
    for crate, name in CRATES.items():
        files[name] = Path(shutil.copy2(built / PROFILES[crate] / name, folder / name))
        strip = shutil.which("strip")
        if strip:
            subprocess.run([strip, "--strip-unneeded", str(files[name])], check=True)
        files[name].chmod(0o755)
    return files


def _cargo() -> Path:
    """Builds, and returns the folder that holds the profiles' folders.

    Raises:
        RuntimeError: cargo is missing.
    """
    cargo = shutil.which("cargo") or shutil.which("cargo", path=os.path.expanduser("~/.cargo/bin"))
    if cargo is None:
        raise RuntimeError("cargo is missing: install Rust from https://rustup.rs, then try again")
    # One after the other: built together, the crates' features would be joined, and all built again. The command goes
    # without the grid services over the network, whose TLS alone would make the wheel half as large again.
    for crate, profile in PROFILES.items():
        command = [cargo, "build", "--profile", profile, "--locked", "--no-default-features", "-p", crate]
        subprocess.run(command, cwd=ROOT, check=True)
    said = subprocess.run([cargo, "metadata", "--format-version", "1", "--no-deps", "--locked"], cwd=ROOT, check=True,
                          stdout=subprocess.PIPE).stdout
    return Path(json.loads(said)["target_directory"])
