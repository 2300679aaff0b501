"""Builds the wheel `eco2` and its source distribution: the hooks of PEP 517 and PEP 660, with the standard library alone.

On Linux cargo builds `libeco2.so` and the command `eco2`, in release and from the sources that this file lies in; the
wheel is `py3-none-<platform>`, because Python calls the library through ctypes and needs no extension module. Elsewhere the
wheel has neither: it installs, and measures nothing.

Settings (`--config-settings NAME=VALUE`):
    pure=true        the wheel without library and command, on Linux too
    native=FOLDER    take `libeco2.so` and `eco2` from this folder instead of building them
    platform=TAG     the platform that the wheel is for, e.g. `manylinux_2_28_x86_64` [default: this machine's]
    notices=FILE     licence texts of the crates that are inside, which `scripts/third-party` writes
    sbom=FILE        bill of materials of the command and the library (CycloneDX), for `.dist-info/sboms` (PEP 770)
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import eco2_wheel as wheel

PYTHON = Path(__file__).resolve().parent.parent
ROOT = PYTHON.parent
CRATES = {"eco2-ffi": "libeco2.so", "eco2-cli": "eco2"}
"""What is built, by crate."""
LIBRARY_FOLDER = "eco2/_native"
"""Where the library is in the wheel."""
LEFT_OUT = (".ci/", "docs/pictures/", "fuzz/")
"""Folders that the source distribution does not have."""
NO_LIBRARY = b"This wheel has no library: it was built for every platform.\n"
"""Marks the wheel without a library, so that loading it is no error."""


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
    settings = config_settings or {}
    files = {path.relative_to(PYTHON / "src").as_posix(): path for path in _sources()}
    project = _project()
    if _pure(settings):
        files[f"{LIBRARY_FOLDER}/absent"] = NO_LIBRARY
        return wheel.write(Path(wheel_directory), project, version(), "py3-none-any", files, _licences())
    built = Path(settings["native"]) if "native" in settings else _cargo()
    files[f"{LIBRARY_FOLDER}/libeco2.so"] = built / "libeco2.so"
    # The installer puts it on the PATH; the script of that name, which looks for it, is for the other wheels.
    files[f"{wheel.data_folder(project['project'], version())}/scripts/eco2"] = built / "eco2"
    del project["scripts"]["eco2"]
    tag = f"py3-none-{settings.get('platform') or _platform()}"
    if "sbom" in settings:
        files[f"{wheel.folder_name(project['project'], version())}/sboms/eco2.cdx.json"] = Path(settings["sbom"])
    notices = [Path(settings["notices"])] if "notices" in settings else []
    return wheel.write(Path(wheel_directory), project, version(), tag, files, _licences() + notices)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """Writes a wheel that points at the sources here, and builds what they load from the target folder."""
    if not _pure(config_settings or {}):
        _cargo()
    pointer = {"_eco2_editable.pth": f"{PYTHON / 'src'}\n".encode()}
    return wheel.write(Path(wheel_directory), _project(), version(), "py3-none-any", pointer, _licences())


def build_sdist(sdist_directory, config_settings=None):
    """Writes the source distribution and returns its file name: the checkout's files, which build without anything else but cargo.

    Raises:
        UnsupportedOperation: this is no checkout of git, which lists the files.
    """
    git = shutil.which("git")
    listed = git and subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if not listed or listed.returncode or not listed.stdout:
        raise UnsupportedOperation(f"{ROOT} is no checkout of git, from which the source distribution is made")
    names = [name for name in listed.stdout.decode().split("\0") if name and not name.startswith(LEFT_OUT)]
    files = {name: ROOT / name for name in names if (ROOT / name).is_file()}
    text = (PYTHON / "pyproject.toml").read_text(encoding="utf-8")
    # The description and the backend are found from the archive's root.
    files["pyproject.toml"] = text.replace('"build_backend"', '"python/build_backend"').replace('"README.md"', '"python/README.md"').encode()
    return wheel.write_sdist(Path(sdist_directory), _project(), version(), files, _licences())


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


def _pure(settings: dict) -> bool:
    wanted = str(settings.get("pure", "")).lower() in ("1", "true", "yes")
    return wanted or not sys.platform.startswith("linux")


def _platform() -> str:
    return re.sub(r"[-. ]", "_", sysconfig.get_platform())


def _sources() -> list[Path]:
    files = (PYTHON / "src").rglob("*")
    return sorted(path for path in files if path.is_file() and "__pycache__" not in path.parts and "_native" not in path.parts)


def _licences() -> list[Path]:
    return sorted(ROOT.glob("LICENSE-*"))


def _project() -> dict:
    """The tables of pyproject.toml; Python 3.9 has no TOML reader, and this file is of a simple shape."""
    text = (PYTHON / "pyproject.toml").read_text(encoding="utf-8")
    project = _table(text, "project")
    project["readme"] = (PYTHON / project["readme"]).read_text(encoding="utf-8")
    return {"project": project, "scripts": _table(text, "project.scripts")}


def _table(text: str, name: str) -> dict:
    body = re.findall(rf"(?ms)^\[{re.escape(name)}\]$(.*?)(?=^\[|\Z)", text)[0]
    # In JSON the keys of an inner table are quoted, and a colon follows them.
    values = re.findall(r"(?m)^([\w-]+) = (\[[^\]]*\]|.+)$", body)
    return {key: json.loads(re.sub(r'(\w+) = "', r'"\1": "', value)) for key, value in values}


def _cargo() -> Path:
    """Builds, and returns the folder that holds the library and the command.

    Raises:
        RuntimeError: cargo is missing.
    """
    cargo = shutil.which("cargo") or shutil.which("cargo", path=os.path.expanduser("~/.cargo/bin"))
    if cargo is None:
        raise RuntimeError("cargo is missing: install Rust from https://rustup.rs, then try again")
    # One after the other: built together, the crates' features would be joined, and the database of the command would be
    # part of the library.
    for crate in CRATES:
        subprocess.run([cargo, "build", "--release", "--locked", "-p", crate], cwd=ROOT, check=True)
    described = subprocess.run([cargo, "metadata", "--format-version", "1", "--no-deps", "--locked"], cwd=ROOT, check=True,
                               stdout=subprocess.PIPE).stdout
    return Path(json.loads(described)["target_directory"]) / "release"
