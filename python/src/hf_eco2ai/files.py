"""Writes files: replaced as a whole, through links, with their mode kept. Only regular files are replaced."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import stat
import time
from typing import Any, Optional, Union

PIPE_S = 5.0
"""How long a pipe or a terminal may take to accept the text, seconds."""

_DESCRIPTORS = re.compile(r"/proc/\d+/(task/\d+/)?fd")
_PARTS = ".part"


def write_text(path: Union[str, os.PathLike], text: str) -> str:
    """Writes a whole file and returns its path. Missing folders are created.

    A regular file is replaced as a whole, so that a reader never sees a part of it. A symbolic link stays and its target is
    written; mode and owner are kept. A device, a pipe or an open descriptor (`/dev/stdout`) is written to.

    Raises:
        OSError: the file cannot be written; a block device; a pipe without a reader, or one that takes nothing for
            `PIPE_S` seconds.
    """
    place, data = os.fspath(path), text.encode("utf-8", "backslashreplace")
    if os.path.dirname(place):
        os.makedirs(os.path.dirname(place), exist_ok=True)
    found = _stat(place)
    descriptor = _descriptor(place)
    if descriptor or (found is not None and not stat.S_ISREG(found.st_mode)):
        _append(descriptor or place, found, data)
    else:
        _replace(os.path.realpath(place), found, data)
    return place


def set_aside(path: Union[str, os.PathLike]) -> Optional[str]:
    """Renames a regular file to the first free name of `name-1.json`, `name-2.json`, …; returns that name.

    None where there is no file, or one that is not regular.

    Raises:
        OSError: it cannot be renamed.
    """
    place = os.fspath(path)
    found = _stat(place)
    if found is None or not stat.S_ISREG(found.st_mode) or _descriptor(place):
        return None
    target = os.path.realpath(place)
    stem, ending = os.path.splitext(target)
    number = 1
    while True:
        name = f"{stem}-{number}{ending}"
        try:
            os.link(target, name)  # unlike a rename it fails where the name is taken
            os.unlink(target)
            return name
        except FileExistsError:
            number += 1
        except OSError:  # a file system without hard links
            if not os.path.lexists(name):
                os.rename(target, name)
                return name
            number += 1


def _stat(place: str) -> Optional[os.stat_result]:
    try:
        return os.stat(place)
    except FileNotFoundError:
        return None


def _descriptor(place: str) -> Optional[str]:
    """`/proc/PID/fd/N` where the path is that of an open descriptor: `/dev/stdout`, `/dev/fd/3`, `/proc/self/fd/1`."""
    for _ in range(40):  # as many links as the kernel follows
        folder = os.path.realpath(os.path.dirname(place) or ".")
        if _DESCRIPTORS.fullmatch(folder):
            return os.path.join(folder, os.path.basename(place))
        if not os.path.islink(place):
            return None
        place = os.path.join(folder, os.readlink(place))
    return None


def _append(place: str, found: Optional[os.stat_result], data: bytes) -> None:
    if found is not None and stat.S_ISBLK(found.st_mode):
        raise OSError(errno.EINVAL, "a block device; give a file", place)
    folder, _, number = place.rpartition("/")
    if folder == f"/proc/{os.getpid()}/fd":
        out = os.dup(int(number))  # unlike a second opening it shares the position with what is printed
    else:
        # Without O_NONBLOCK the opening of a pipe waits for a reader.
        out = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _write_all(out, data, place)
    finally:
        os.close(out)


def _write_all(out: int, data: bytes, place: str) -> None:
    until, ready = time.monotonic() + PIPE_S, select.poll()
    ready.register(out, select.POLLOUT)
    for start in range(0, len(data), select.PIPE_BUF):
        # A pipe that is ready takes that much without waiting.
        rest = data[start:start + select.PIPE_BUF]
        while rest:
            if not ready.poll(max(until - time.monotonic(), 0) * 1000):
                raise TimeoutError(errno.ETIMEDOUT, f"takes nothing for {PIPE_S:g} s", place)
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(out, rest):]


def _replace(target: str, found: Optional[os.stat_result], data: bytes) -> None:
    if found is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), target)
    # A name of its own: ranks may write at once, on machines that share the folder.
    beside = f"{target}.{os.urandom(8).hex()}{_PARTS}"
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if found is None else 0o600)
    except PermissionError:
        if found is None:
            raise
        return _overwrite(target, data)  # the file may be written, but its folder may not
    try:
        with open(descriptor, "wb") as file:
            if found is not None and not _keeps(file.fileno(), found):
                return _overwrite(target, data)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


def _keeps(descriptor: int, found: os.stat_result) -> bool:
    """Gives the new file the old one's owner and mode. False where a replacement would differ from it."""
    if found.st_nlink > 1:  # its other names would keep the old content
        return False
    now = os.fstat(descriptor)
    try:
        if (now.st_uid, now.st_gid) != (found.st_uid, found.st_gid):
            os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
    except PermissionError:
        return False
    return True


def _overwrite(target: str, data: bytes) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CLOEXEC)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.ftruncate(file.fileno(), len(data))


class Written:
    """Which run of this process wrote which file last, so that a later run does not overwrite an earlier one's."""

    def __init__(self) -> None:
        self._runs: dict = {}

    def claim(self, path: str, run: Any) -> Optional[str]:
        """Makes the path the run's; a file there that an earlier run of this process wrote is set aside.

        Returns:
            The file's new name, if one was set aside.

        Raises:
            OSError: it cannot be renamed.
        """
        place = os.path.realpath(path)
        before = self._runs.get(place)
        moved = set_aside(path) if before is not None and before != run else None
        self._runs[place] = run
        return moved


WRITTEN = Written()
"""The files of this process."""
