"""A log of what was done in a training or to its results, in which a later change is found (`TamperProofAuditLogger`).

Each record is a line of JSON with the SHA-256 of itself and of the record before it, so that a record that is changed, removed, moved or
inserted breaks the chain. Without a key, records at the end can be cut off unseen, and who can write the file can compute all hashes
again. With a key (`key=`, or `HF_ECO2AI_AUDIT_KEY`) a file next to the log has the number of records and the last hash, authenticated by
HMAC-SHA256: then both are found by who has the key, except one record that is added right before the next event: a crash between a record and its seal
looks the same. `eco2 verify` checks logs of runs, which have another format.
"""

from __future__ import annotations

import enum
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import time
from typing import Any, BinaryIO, Dict, List, Mapping, Optional, Tuple, Union

from .environment import AUDIT_KEY
from .errors import ConfigurationError

SCHEMA = "eco2.audit/1"
FIRST = b'{"action":"'
"""The first bytes of every record: its names are in order."""
START = "0" * 64
"""The hash before the first record."""
BLOCK = 4096
"""Bytes that are read first to find the last record."""


class AuditEventType(enum.Enum):
    """What a record is about."""

    TRAINING_STARTED = "training_started"
    TRAINING_ENDED = "training_ended"
    REPORT_CREATED = "report_created"
    REPORT_EXPORTED = "report_exported"
    CONFIGURATION_CHANGED = "configuration_changed"
    BUDGET_CHANGED = "budget_changed"
    DATA_ACCESSED = "data_accessed"
    DATA_DELETED = "data_deleted"
    OTHER = "other"


class TamperProofAuditLogger:
    """Appends events to an audit log, and finds changes in it.

    Args:
        path: the log; a new one gets mode 0600. Several processes may append to it.
        key: secret of the seal, 16 bytes or more; by default `HF_ECO2AI_AUDIT_KEY`. Without one the log is not sealed.
    """

    def __init__(self, path: Union[str, os.PathLike] = "audit.jsonl", key: Union[str, bytes, None] = None) -> None:
        self.path = os.fspath(path)
        key = os.environ.get(AUDIT_KEY) or None if key is None else key
        self._key = key.encode() if isinstance(key, str) else key
        if self._key is not None and len(self._key) < 16:
            raise ConfigurationError("the key of the audit log has fewer than 16 bytes: give a longer one, such as secrets.token_hex(32)")

    @property
    def seal_path(self) -> str:
        """The file of the seal."""
        return self.path + ".seal"

    def log_event(self, event_type: Union[AuditEventType, str], user_id: str = "", action: str = "", resource: str = "",
                  details: Optional[Mapping[str, Any]] = None, outcome: str = "success") -> str:
        """Appends an event, which is on disk afterwards, and returns its hash.

        Raises:
            ConfigurationError: the type is unknown, or the details are not plain data.
            OSError: the log cannot be written. Nothing is swallowed: an event that is not logged is an error.
        """
        try:
            kind = AuditEventType(event_type)
        except ValueError:
            raise ConfigurationError(f"event type {event_type!r} is unknown: use AuditEventType.OTHER") from None
        event = {"event_type": kind.value, "user_id": user_id, "action": action, "resource": resource, "details": dict(details or {}),
                 "outcome": outcome, "time_ns": time.time_ns()}
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            records, previous, cut = self._end(file)
            self._refuse_changed_end(records, previous)
            file.truncate()
            if records == 0:
                event["log_id"] = secrets.token_hex(16)
            if cut:
                # A crash left a part of a line.
                event["removed_bytes"] = cut
            # As it is read back: keys of details are texts there.
            record = json.loads(_text({"schema": SCHEMA, "number": records + 1, "previous": previous, **event}))
            record["hash"] = _hash(record)
            line = _text(record) + b"\n"
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            self._seal(records + 1, record["hash"])
        return record["hash"]

    def verify_integrity(self) -> Dict[str, Any]:
        """Checks the whole log. Returns `intact`, `events` (their number), `sealed` (whether a seal was checked) and `findings`: texts
        with the number of the line. A log without events is not intact, because nothing shows that none were removed."""
        findings: List[str] = []
        records, last = 0, START
        try:
            with open(self.path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                for number, line in enumerate(file, 1):
                    last, found = _check(line, number, last)
                    findings.extend(f"line {number}: {text}" for text in found)
                    records = number
                sealed = self._check_seal(records, last, findings)
        except FileNotFoundError:
            findings.append(f"{self.path} is not there")
            sealed = False
        if records == 0 and not findings:
            findings.append("the log has no events")
        return {"intact": not findings, "events": records, "sealed": sealed, "findings": findings}

    def _end(self, file: BinaryIO) -> Tuple[int, str, int]:
        """Moves to the end of the last whole line. Returns the number of records, the last hash, and the number of bytes after it: the start
        of a record that a crash cut off.

        Raises:
            ConfigurationError: the file is no audit log; it stays as it is.
        """
        # Only the last line: an event takes as long in a long log as in a short one. verify_integrity() reads all.
        line, end = _last_line(file)
        records, last = 0, START
        if line:
            try:
                record = json.loads(line)
                records, last = record["number"], record["hash"]
                is_record = record["schema"] == SCHEMA and isinstance(last, str) and type(records) is int
            except (ValueError, KeyError, TypeError, RecursionError):
                is_record = False
            if not is_record:
                raise ConfigurationError(f"{self.path} ends with a line that is no record of an audit log: check verify_integrity(), and "
                                         "start another log")
        cut = file.seek(0, os.SEEK_END) - end
        file.seek(end)
        rest = file.read(len(FIRST))
        file.seek(end)
        if not FIRST.startswith(rest):
            raise ConfigurationError(f"{self.path} ends with bytes that are no record of an audit log: start another log")
        return records, last, cut

    def _refuse_changed_end(self, records: int, last: str) -> None:
        """Refuses to append to a sealed log whose end is not the sealed one: a new seal would hide the change. A crash after a record and
        before its seal leaves one record more, which continues the sealed one.

        Raises:
            ConfigurationError: the log and its seal differ, or it has no seal.
        """
        if self._key is None or (records == 0 and not os.path.exists(self.seal_path)):
            return
        findings: List[str] = []
        statement = self._statement(findings)
        if not findings and statement.get("records") == records - 1:
            with open(self.path, "rb") as file:
                whole = [line for line in file if line.endswith(b"\n")]
            is_next = json.loads(whole[-1]).get("previous") == statement.get("hash")
            if is_next and self._checked(last):
                return
        elif not findings and (statement.get("records"), statement.get("hash")) == (records, last):
            return
        raise ConfigurationError(f"{self.path} is not the log that was sealed: check verify_integrity(), keep both, and start another log"
                                 + "".join(f" ({text})" for text in findings))

    def _checked(self, last: str) -> bool:
        """Whether the whole log is a chain that ends with this hash."""
        previous = START
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                previous, found = _check(line, number, previous)
                if found and line.endswith(b"\n"):
                    return False
        return previous == last

    def _seal(self, records: int, last: str) -> None:
        if self._key is None:
            return
        statement = {"schema": SCHEMA, "records": records, "hash": last}
        statement["hmac"] = self._hmac(statement)
        neighbour = f"{self.seal_path}.tmp"
        descriptor = os.open(neighbour, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(_text(statement) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(neighbour, self.seal_path)

    def _statement(self, findings: List[str]) -> Dict[str, Any]:
        """What the seal states; empty with a finding if it cannot be read or is not of this key."""
        try:
            with open(self.seal_path, "rb") as file:
                statement = json.loads(file.read())
            given = str(statement.pop("hmac", ""))
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            findings.append(f"the seal {self.seal_path} cannot be read: {error}")
            return {}
        if not hmac.compare_digest(given.encode(), self._hmac(statement).encode()):
            findings.append(f"the seal {self.seal_path} is not of this key, or was changed")
            return {}
        return statement

    def _check_seal(self, records: int, last: str, findings: List[str]) -> bool:
        if self._key is None:
            return False
        statement = self._statement(findings)
        if not statement:
            return False
        if statement.get("records") != records:
            findings.append(f"the log has {records} records, and {statement.get('records')} were sealed: the end was cut off, or added to")
        elif statement.get("hash") != last:
            findings.append(f"line {records}: the last hash is not the sealed one: the log was replaced")
        return True

    def _hmac(self, statement: Mapping[str, Any]) -> str:
        return hmac.new(self._key or b"", _text(statement), hashlib.sha256).hexdigest()


def _last_line(file: BinaryIO) -> Tuple[bytes, int]:
    """The last line that has an end, and the position after it; empty and 0 without one."""
    start = file.seek(0, os.SEEK_END)
    tail = b""
    while True:
        end = tail.rfind(b"\n") + 1
        begin = tail.rfind(b"\n", 0, max(end - 1, 0)) + 1
        if start == 0 or begin > 0:
            return tail[begin:end], start + end
        step = min(max(BLOCK, len(tail)), start)
        start = file.seek(start - step)
        tail = file.read(step) + tail


def _text(record: Mapping[str, Any]) -> bytes:
    """The bytes that are hashed and stored: names in order, no spaces, ASCII only."""
    try:
        return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the details of an event are not plain data: {error}") from None


def _hash(record: Mapping[str, Any]) -> str:
    """SHA-256 of a record without its own hash; the hash of the record before it is in `previous`."""
    return hashlib.sha256(_text({name: value for name, value in record.items() if name != "hash"})).hexdigest()


def _check(line: bytes, number: int, last: str) -> Tuple[str, List[str]]:
    """The hash of a line, and what is wrong with it."""
    try:
        record = json.loads(line)
        stored = str(record["hash"])
        is_canonical = line == _text(record) + b"\n"
    except (ValueError, KeyError, TypeError, RecursionError, ConfigurationError):
        return last, ["is no record, or is cut off"]
    found = []
    if not is_canonical or stored != _hash(record):
        found.append("was changed")
    if record.get("previous") != last or record.get("number") != number:
        found.append("does not continue the line before it: records were removed, moved or inserted")
    return stored, found
