"""Writes a wheel: a ZIP file with metadata and a list of hashes, the same bytes for the same content."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)


def write(folder: Path, described: dict, version: str, tag: str, files: dict, licences: list[Path]) -> str:
    """Writes the wheel and returns its file name.

    Args:
        folder: where it goes.
        described: `project` and `scripts`, tables of pyproject.toml.
        version: the package's version.
        tag: Python, interface and platform, such as `py3-none-any`.
        files: a path or the bytes of every file, by name in the wheel.
        licences: files with licence texts.
    """
    project = described["project"]
    info = folder_name(project, version)
    name = f"{project['name']}-{version}-{tag}.whl"
    entries = {
        **files,
        **{f"{info}/licenses/{path.name}": path for path in licences},
        **{f"{info}/{file}": text.encode() for file, text in texts(described, version, licences).items()},
        f"{info}/WHEEL": described_wheel(tag).encode(),
    }
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        rows = [_add(archive, entry, content) for entry, content in entries.items()]
        _add(archive, f"{info}/RECORD", "".join([*rows, f"{info}/RECORD,,\n"]).encode())
    return name


def write_metadata(folder: Path, described: dict, version: str, licences: list[Path]) -> str:
    """Writes the metadata alone and returns their folder's name."""
    info = folder_name(described["project"], version)
    (folder / info).mkdir()
    for file, text in texts(described, version, licences).items():
        (folder / info / file).write_text(text, encoding="utf-8")
    return info


def folder_name(project: dict, version: str) -> str:
    """The metadata's folder in the wheel."""
    return f"{project['name']}-{version}.dist-info"


def texts(described: dict, version: str, licences: list[Path]) -> dict:
    """The metadata that do not depend on the platform: text by file name."""
    return {"METADATA": metadata(described["project"], version, licences),
            "entry_points.txt": scripts(described["scripts"])}


def metadata(project: dict, version: str, licences: list[Path]) -> str:
    """The file METADATA."""
    rows = [("Metadata-Version", "2.1"), ("Name", project["name"]), ("Version", version),
            ("Summary", project["description"]), ("License", project["license"]),
            ("Keywords", ",".join(project["keywords"])), ("Requires-Python", project["requires-python"])]
    rows += [("License-File", path.name) for path in licences]
    rows += [("Requires-Dist", wanted) for wanted in project["dependencies"]]
    return "".join(f"{key}: {value}\n" for key, value in rows)


def described_wheel(tag: str) -> str:
    """The file WHEEL."""
    pure = str(tag.endswith("any")).lower()
    return f"Wheel-Version: 1.0\nGenerator: eco2_build\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"


def scripts(wanted: dict) -> str:
    """The file entry_points.txt."""
    return "[console_scripts]\n" + "".join(f"{name} = {place}\n" for name, place in wanted.items())


def _add(archive: zipfile.ZipFile, name: str, content: Path | bytes) -> str:
    """Adds a file and returns its line of RECORD."""
    data = content if isinstance(content, bytes) else content.read_bytes()
    entry = zipfile.ZipInfo(name, EPOCH)
    # Sources are not programs, whatever modes the checkout's file system gives them.
    executable = isinstance(content, Path) and content.suffix != ".py" and os.access(content, os.X_OK)
    entry.external_attr = (0o100755 if executable else 0o100644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data, compresslevel=9)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"
