"""K18: files are written through links with their mode kept, and what is not a regular file is never replaced."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from hf_rig import HfTest, Loop

from hf_eco2ai import CarbonComparison, CarbonConfig, CarbonReport, Eco2AICallback, ReportExporter, cli

REPORT = {"summary": {"total_energy_kwh": 1.0}}


def exporters(folder: str) -> dict:
    """Each way to write a file, by name: a function that takes the path."""
    report, exporter = CarbonReport(REPORT), ReportExporter()
    source = str(Path(folder, "source.json"))
    Path(source).write_text(json.dumps(REPORT), encoding="utf-8")
    drawn = {"runs": [], "per": "run"}

    def plot(path: str) -> None:
        with mock.patch.object(CarbonComparison, "comparison", lambda comparison: drawn):
            CarbonComparison().plot_comparison(path)

    def command(*words: str) -> None:
        with contextlib.redirect_stdout(open(os.devnull, "w", encoding="utf-8")):
            code = cli.main(list(words))
        if code:
            raise OSError("the command failed")

    return {
        "to_json": report.to_json, "to_csv": report.to_csv,
        "export_json": lambda path: exporter.export_json(report, path),
        "export_csv": lambda path: exporter.export_csv(report, path),
        "export_summary": lambda path: exporter.export_summary(report, path),
        "config": CarbonConfig().to_json, "plot": plot,
        "report -o": lambda path: command("report", "-r", source, "-o", path),
        "config -o": lambda path: command("config", "-o", path),
    }


class Files(HfTest):
    """Every exporter, on every kind of file."""

    def each(self):
        """A sub-test for each exporter: its name, its function, and a path in a folder of its own."""
        for number, (name, write) in enumerate(exporters(self.folder).items()):
            folder = Path(self.folder, str(number))
            folder.mkdir()
            with self.subTest(name):
                yield write, folder / "out.svg"

    def test_k18_device_is_written_to_and_stays_a_device(self) -> None:
        for write, path in self.each():
            try:
                os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
            except PermissionError:
                path.symlink_to("/dev/null")
            write(str(path))
            self.assertTrue(stat.S_ISCHR(os.stat(path).st_mode))
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))

    def test_k18_link_stays_and_its_target_is_written(self) -> None:
        for write, path in self.each():
            target = path.with_name("target")
            target.write_text("old", encoding="utf-8")
            path.symlink_to("target")
            write(str(path))
            self.assertTrue(path.is_symlink())
            self.assertNotEqual(target.read_text(encoding="utf-8"), "old")

    def test_k18_link_to_a_missing_file_creates_that_file(self) -> None:
        for write, path in self.each():
            path.symlink_to("target")
            write(str(path))
            self.assertTrue(path.is_symlink() and path.with_name("target").is_file())

    def test_k18_mode_is_kept(self) -> None:
        for write, path in self.each():
            path.write_text("old", encoding="utf-8")
            path.chmod(0o640)
            write(str(path))
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
            self.assertEqual([left.name for left in path.parent.iterdir()], [path.name])

    def test_k18_second_name_of_a_file_sees_the_new_content(self) -> None:
        for write, path in self.each():
            path.write_text("old" * 9999, encoding="utf-8")
            os.link(path, path.with_name("other"))
            write(str(path))
            self.assertEqual(path.read_text(encoding="utf-8"), path.with_name("other").read_text(encoding="utf-8"))
            self.assertNotIn("old", path.read_text(encoding="utf-8"))

    def test_k18_pipe_gets_the_text_and_stays_a_pipe(self) -> None:
        for write, path in self.each():
            os.mkfifo(path)
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            write(str(path))
            self.assertTrue(os.read(reader, 1 << 16))
            os.close(reader)
            self.assertTrue(stat.S_ISFIFO(os.stat(path).st_mode))

    def test_k18_pipe_without_a_reader_is_an_error_and_no_wait(self) -> None:
        for write, path in self.each():
            os.mkfifo(path)
            with self.assertRaises(OSError):
                write(str(path))
            self.assertTrue(stat.S_ISFIFO(os.stat(path).st_mode))

    def test_k18_standard_output_keeps_what_was_printed_before(self) -> None:
        program = ("import sys\n"
                   "from hf_eco2ai import CarbonReport\n"
                   "print('before', flush=True)\n"
                   "CarbonReport({'summary': {}}).to_csv(sys.argv[1])\n"
                   "print('after')\n")
        out = Path(self.folder, "out.txt")
        # Like /dev/stdout, which a failure of this test would destroy.
        Path("stdout").symlink_to("/proc/self/fd/1")
        for name in ("stdout", "/dev/fd/1", "/proc/self/fd/1"):
            with self.subTest(name), open(out, "w", encoding="utf-8") as file:
                subprocess.run([sys.executable, "-c", program, name], stdout=file, check=True,
                               env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
            lines = out.read_text(encoding="utf-8").splitlines()
            self.assertEqual([lines[0], lines[1][:9]], ["before", "timestamp"], lines)

    def test_k18_callback_writes_its_files_the_same_way(self) -> None:
        for name in ("report.json", "records.csv"):
            Path(name).symlink_to(f"target-{name}")
        loop = Loop(Eco2AICallback(**self.options(save_report=True, report_path="report.json", export_csv=True,
                                                  csv_path="records.csv")))
        loop.begin()
        loop.batches(1)
        loop.end()
        self.assertTrue(Path("report.json").is_symlink() and Path("records.csv").is_symlink())
        self.assertTrue(Path("target-report.json").is_file() and Path("target-records.csv").is_file())

    def test_k18_file_that_may_not_be_written_is_left_alone(self) -> None:
        if os.geteuid() == 0:
            self.skipTest("root may write anywhere")
        path = Path("kept.json")
        path.write_text("kept", encoding="utf-8")
        path.chmod(0o444)
        with self.assertRaises(PermissionError):
            CarbonReport(REPORT).to_json(path)
        self.assertEqual(path.read_text(encoding="utf-8"), "kept")

    def test_k18_block_device_is_refused(self) -> None:
        from hf_eco2ai import files

        block = SimpleNamespace(st_mode=stat.S_IFBLK | 0o600)
        with mock.patch.object(files.os, "stat", lambda path, **options: block):
            with self.assertRaisesRegex(OSError, "block device"):
                files.write_text("disk", "text")


if __name__ == "__main__":
    unittest.main()
