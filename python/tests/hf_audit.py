"""The audit log: every event is written, and every change is found."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
import tempfile
import unittest
from typing import Callable, List
from unittest import mock

from hf_eco2ai import AuditEventType, ConfigurationError, TamperProofAuditLogger

KEY = "a key of more than sixteen bytes"


class AuditLog(unittest.TestCase):
    """`TamperProofAuditLogger`."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "audit.jsonl")

    def written(self, count: int = 5, key: object = KEY) -> TamperProofAuditLogger:
        """A log of some events."""
        log = TamperProofAuditLogger(self.path, key)
        for number in range(count):
            log.log_event(AuditEventType.REPORT_EXPORTED, "ada", "export", f"report-{number}.json", {"grams": 1.5 * number, "ids": {10: 1, 2: 2}}, "success")
        return log

    def lines(self) -> List[bytes]:
        """The lines of the log."""
        with open(self.path, "rb") as file:
            return file.readlines()

    def changed(self, log: TamperProofAuditLogger, change: Callable[[List[bytes]], None]) -> List[str]:
        """What is found after a change; the log is restored."""
        clean = self.lines()
        lines = list(clean)
        change(lines)
        self.put(b"".join(lines))
        found = log.verify_integrity()
        self.put(b"".join(clean))
        self.assertEqual(found["intact"], not found["findings"])
        return found["findings"]

    def put(self, content: bytes) -> None:
        """Writes the log."""
        with open(self.path, "wb") as file:
            file.write(content)

    def test_d34_events_are_written_and_the_log_is_intact(self) -> None:
        log = self.written()
        self.assertEqual(log.verify_integrity(), {"intact": True, "events": 5, "sealed": True, "findings": []})
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        record = json.loads(self.lines()[2])
        self.assertEqual((record["event_type"], record["details"], record["outcome"]), ("report_exported", {"grams": 3.0, "ids": {"10": 1, "2": 2}}, "success"))
        # Another logger goes on with the chain.
        TamperProofAuditLogger(self.path, KEY).log_event("other", "bob")
        self.assertEqual(log.verify_integrity()["events"], 6)

    def test_d34_a_change_of_any_field_is_found_with_its_line(self) -> None:
        log = self.written(key=None)
        for name in json.loads(self.lines()[1]):
            def change(lines: List[bytes]) -> None:
                record = json.loads(lines[1])
                record[name] = "another"
                lines[1] = json.dumps(record, sort_keys=True, separators=(",", ":")).encode() + b"\n"
            with self.subTest(name):
                self.assertTrue(self.changed(log, change)[0].startswith("line 2:"))

    def test_d34_removed_moved_and_doubled_records_are_found(self) -> None:
        log = self.written(key=None)
        self.assertTrue(self.changed(log, lambda lines: lines.pop(2)))
        self.assertTrue(self.changed(log, lambda lines: lines.reverse()))
        self.assertTrue(self.changed(log, lambda lines: lines.insert(2, lines[1])))
        self.assertTrue(self.changed(log, lambda lines: lines.clear()))

    def test_d34_cut_and_replaced_logs_are_found_by_the_seal(self) -> None:
        log = self.written()
        for kept in range(5):
            self.assertIn("5 were sealed", self.changed(log, lambda lines: lines.__delitem__(slice(kept, None)))[-1])
        seal = log.seal_path
        os.rename(seal, seal + ".kept")
        self.assertIn("cannot be read", log.verify_integrity()["findings"][0])
        os.rename(seal + ".kept", seal)
        with_other_key = TamperProofAuditLogger(self.path, KEY + "!")
        self.assertIn("not of this key", with_other_key.verify_integrity()["findings"][0])
        os.unlink(self.path)
        TamperProofAuditLogger(self.path + "2", KEY)
        unsealed = TamperProofAuditLogger(self.path)
        for _ in range(5):
            unsealed.log_event(AuditEventType.OTHER)
        self.assertIn("the log was replaced", log.verify_integrity()["findings"][0])

    def test_d34_random_changes_of_a_sealed_log_are_found(self) -> None:
        log = self.written()
        clean, source = b"".join(self.lines()), random.Random(34)
        for number in range(500):
            content = bytearray(clean)
            at = source.randrange(len(content))
            if source.random() < 0.3:
                del content[at:at + source.randrange(1, 400)]
            else:
                content[at] ^= 1 << source.randrange(8)
            self.put(bytes(content))
            self.assertFalse(log.verify_integrity()["intact"], number)

    def test_a_line_that_a_crash_cut_off_is_removed_and_the_chain_goes_on(self) -> None:
        log = self.written()
        self.put(b"".join(self.lines()) + b'{"action":"ex')
        self.assertFalse(log.verify_integrity()["intact"])
        log.log_event(AuditEventType.OTHER)
        self.assertEqual(json.loads(self.lines()[5])["removed_bytes"], 13)
        self.assertTrue(log.verify_integrity()["intact"])

    def test_d34_a_changed_end_is_not_sealed_again(self) -> None:
        log = self.written()
        clean = self.lines()
        for kept in (clean[:3], [], clean + [clean[1]]):
            self.put(b"".join(kept))
            with self.assertRaises(ConfigurationError):
                log.log_event(AuditEventType.OTHER)
            self.assertEqual(self.lines(), kept)
        # A crash before the seal was written: the record is there, and continues the sealed one.
        self.put(b"".join(clean))
        with mock.patch.object(TamperProofAuditLogger, "_seal"):
            log.log_event(AuditEventType.OTHER)
        self.assertFalse(log.verify_integrity()["intact"])
        log.log_event(AuditEventType.OTHER)
        self.assertTrue(log.verify_integrity()["intact"])
        os.unlink(log.seal_path)
        with self.assertRaises(ConfigurationError):
            log.log_event(AuditEventType.OTHER)

    def test_an_event_reads_the_end_of_a_long_log_only(self) -> None:
        log = self.written(300)
        log.log_event(AuditEventType.OTHER, details={"text": "x" * 20_000})
        with mock.patch("hf_eco2ai.audit.json.loads", side_effect=json.loads) as loads:
            log.log_event(AuditEventType.OTHER)
        # The last record, the seal, and the new record as it is read back.
        self.assertLessEqual(loads.call_count, 3)
        self.assertEqual(log.verify_integrity(), {"intact": True, "events": 302, "sealed": True, "findings": []})

    def test_other_files_are_left_as_they_are(self) -> None:
        for content in (b"precious, no line end", b"{\"a\": 1}\n", b"[" * 100_000 + b"\n", b"{\"hash\": {}}\n"):
            self.put(content)
            with self.assertRaises(ConfigurationError):
                TamperProofAuditLogger(self.path).log_event(AuditEventType.OTHER)
            with open(self.path, "rb") as file:
                self.assertEqual(file.read(), content)
            self.assertFalse(TamperProofAuditLogger(self.path).verify_integrity()["intact"])

    def test_an_empty_log_is_not_intact(self) -> None:
        self.assertEqual(TamperProofAuditLogger(self.path).verify_integrity()["intact"], False)
        self.put(b"")
        self.assertEqual(TamperProofAuditLogger(self.path).verify_integrity()["findings"], ["the log has no events"])

    def test_what_cannot_be_logged_is_an_error(self) -> None:
        with self.assertRaises(ConfigurationError):
            TamperProofAuditLogger(self.path, "short")
        log = TamperProofAuditLogger(self.path)
        for wrong in ({"x": object()}, {"x": float("nan")}):
            with self.assertRaises(ConfigurationError):
                log.log_event(AuditEventType.OTHER, details=wrong)
        with self.assertRaises(ConfigurationError):
            log.log_event("no such type")
        with self.assertRaises(OSError):
            TamperProofAuditLogger(os.path.join(self.path, "in a file")).log_event(AuditEventType.OTHER)

    def test_processes_append_to_one_chain(self) -> None:
        program = f"from hf_eco2ai import *; log = TamperProofAuditLogger({self.path!r}, {KEY!r}); [log.log_event('other') for _ in range(20)]"
        running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
        self.assertEqual([one.wait(60) for one in running], [0, 0, 0])
        found = TamperProofAuditLogger(self.path, KEY).verify_integrity()
        self.assertEqual((found["intact"], found["events"]), (True, 60), found)


if __name__ == "__main__":
    unittest.main()
