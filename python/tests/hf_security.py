"""What goes out of a training: paths of files, values, and the command that serves them."""

from __future__ import annotations

import os
import tempfile
import unittest
from unittest import mock

from hf_rig import HfTest

from hf_eco2ai import ConfigurationError, cli, sanitize_metrics, validate_export_path


class ExportPaths(HfTest):
    """`validate_export_path`."""

    def test_d37_paths_in_the_folder_are_allowed_also_absolute_ones(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            real = os.path.realpath(folder)
            for path in ("report.json", "./a/../report.json", os.path.join(folder, "report.json")):
                self.assertEqual(validate_export_path(path, folder), os.path.join(real, "report.json"))
            self.assertEqual(validate_export_path("new/report.json", folder), os.path.join(real, "new/report.json"))
        self.assertEqual(validate_export_path("x.json"), os.path.join(os.path.realpath(os.getcwd()), "x.json"))

    def test_paths_that_lead_elsewhere_are_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            os.symlink("/etc", os.path.join(folder, "link"))
            os.symlink("/etc/passwd", os.path.join(folder, "file"))
            os.mkdir(os.path.join(folder, "dir"))
            os.mkfifo(os.path.join(folder, "pipe"))
            for path in ("", "..", ".", "../x", "/etc/passwd", "link/passwd", "file", "dir", "pipe", "a\0b", "a\nb", "a/../../x", folder + "x/y"):
                with self.subTest(path), self.assertRaises(ConfigurationError):
                    validate_export_path(path, folder)


class Metrics(HfTest):
    """`sanitize_metrics`."""

    def test_secrets_go_and_values_stay(self) -> None:
        given = {"energy_kwh": 1.5, "tokens_processed": 7, "description": "a zip file", "monkey": 1, "user": "anna", "api_token": "x",
                 "DB-PASSWORD": "x", "Access Key": "x", "nested": {"secret": "x", "loss": [1, float("nan"), float("inf")]},
                 "text": "a\x1b[2Jb\n", "object": object(), "long": "y" * 5000, "none": None, "flag": True}
        found = sanitize_metrics(given)
        self.assertEqual(found, {"energy_kwh": 1.5, "tokens_processed": 7, "description": "a zip file", "monkey": 1, "user": "anna",
                                 "nested": {"loss": [1, None, None]}, "text": "a[2Jb", "long": "y" * 1024, "none": None, "flag": True})
        self.assertIn("api_token", given)

    def test_values_without_end_are_refused(self) -> None:
        endless: dict = {}
        endless["again"] = endless
        with self.assertRaises(ConfigurationError):
            sanitize_metrics(endless)


class Serve(HfTest):
    """`hf-eco2ai serve`: the command, and no server in Python."""

    def served(self, *arguments: str) -> list:
        with mock.patch("eco2.run_cli", return_value=mock.Mock(returncode=0)) as ran:
            self.assertEqual(cli.main(["serve", *arguments]), 0)
        return ran.call_args.args[0]

    def test_seeds_options_become_those_of_the_command(self) -> None:
        self.assertEqual(self.served(), ["serve"])
        self.assertEqual(self.served("--host", "127.0.0.2", "--port", "8000"), ["serve", "--listen", "127.0.0.2:8000"])
        self.assertEqual(self.served("--port", "8000", "--dir", "/x"), ["serve", "--listen", "127.0.0.1:8000", "--dir", "/x"])
        self.assertEqual(self.served("--host", "::1"), ["serve", "--listen", "[::1]:9862"])
        self.assertEqual(self.served("--host=localhost"), ["serve", "--listen", "127.0.0.1:9862"])
        self.assertEqual(self.served("--listen", "127.0.0.1:1"), ["serve", "--listen", "127.0.0.1:1"])


if __name__ == "__main__":
    unittest.main()
