"""Writes a wheel, a ZIP file with metadata and a list of hashes, and a source distribution: the same bytes for the same content."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import tarfile
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


def write_sdist(folder: Path, described: dict, version: str, files: dict, licences: list[Path]) -> str:
    """Writes the source distribution and returns its file name.

    Args:
        folder: where it goes.
        described, version, licences: as in `write`.
        files: a path or the bytes of every file, by name in the archive's folder.
    """
    project = described["project"]
    top = f"{project['name']}-{version}"
    entries = {**files, "PKG-INFO": metadata(project, version, licences).encode()}
    with (folder / f"{top}.tar.gz").open("wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted(entries):
                data = _bytes(entries[name])
                entry = tarfile.TarInfo(f"{top}/{name}")
                entry.size, entry.mtime = len(data), int(os.environ.get("SOURCE_DATE_EPOCH", "315532800"))
                entry.mode = 0o755 if _is_program(entries[name]) else 0o644
                archive.addfile(entry, io.BytesIO(data))
    return f"{top}.tar.gz"


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


def data_folder(project: dict, version: str) -> str:
    """The folder in the wheel whose parts the installer puts elsewhere: `scripts` on the PATH."""
    return f"{project['name']}-{version}.data"


def texts(described: dict, version: str, licences: list[Path]) -> dict:
    """The metadata that do not depend on the platform: text by file name."""
    return {"METADATA": metadata(described["project"], version, licences),
            "entry_points.txt": scripts(described["scripts"])}


def metadata(project: dict, version: str, licences: list[Path]) -> str:
    """The file METADATA, or PKG-INFO of a source distribution."""
    rows = [("Metadata-Version", "2.4"), ("Name", project["name"]), ("Version", version),
            ("Summary", project["description"]), ("Author", project["authors"][0]["name"]),
            ("License-Expression", project["license"]), ("Keywords", ",".join(project["keywords"])),
            ("Requires-Python", project["requires-python"])]
    rows += [("Classifier", name) for name in project["classifiers"]]
    rows += [("License-File", path.name) for path in licences]
    rows += [("Requires-Dist", wanted) for wanted in project["dependencies"]]
    rows += [("Description-Content-Type", "text/markdown; charset=UTF-8")]
    return "".join(f"{key}: {value}\n" for key, value in rows) + f"\n{project['readme']}"


def described_wheel(tag: str) -> str:
    """The file WHEEL."""
    pure = str(tag.endswith("any")).lower()
    return f"Wheel-Version: 1.0\nGenerator: eco2_build\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"


def scripts(wanted: dict) -> str:
    """The file entry_points.txt."""
    return "[console_scripts]\n" + "".join(f"{name} = {place}\n" for name, place in wanted.items())


def _add(archive: zipfile.ZipFile, name: str, content: Path | bytes) -> str:
    """Adds a file and returns its line of RECORD."""
    data = _bytes(content)
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.external_attr = (0o100755 if _is_program(content) else 0o100644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data, compresslevel=9)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def _bytes(content: Path | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def _is_program(content: Path | bytes) -> bool:
    """Python sources and libraries are not programs, whatever modes the file system gives them."""
    return isinstance(content, Path) and content.suffix not in (".py", ".so") and os.access(content, os.X_OK)
