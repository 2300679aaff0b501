"""A real IPython, and a real notebook run by nbclient in a kernel. The gate `notebook` of scripts/test installs them."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from fixture import SOURCES, Case, fake_gpu

REQUIRED = os.environ.get("REQUIRE_REAL") == "1"
"""Set by the gate that has installed them: then their absence is a failure."""


def installed(*names: str) -> bool:
    """Whether packages are there."""
    return REQUIRED or all(importlib.util.find_spec(name) is not None for name in names)


class Real(Case):
    """A machine with one fake GPU, found as a driver's library in the loader's path would be, and runs kept in the test's folder."""

    def setUp(self) -> None:
        super().setUp()
        self.options = fake_gpu(self.folder)
        self.state = Path(self.folder, "state")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ECO2_") or name in ("ECO2_LIBRARY", "ECO2_COMMAND")}
        self.environment = {**kept, "PYTHONPATH": str(SOURCES), "ECO2_NVML": self.options["nvml"], "ECO2_SYSFS": self.options["sysfs"],
                            "ECO2_ESTIMATE": "false", "ECO2_STATE_DIR": str(self.state), "IPYTHONDIR": self.folder, "JUPYTER_PLATFORM_DIRS": "1",
                            "HOME": self.folder}

    def runs(self) -> list:
        """The runs that are stored, as `eco2 runs` lists them."""
        import eco2

        done = eco2.run_cli(["runs", "--format", "json"], env=self.environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["runs"]


@unittest.skipUnless(installed("IPython"), "IPython is not installed")
class Terminal(Real):
    def session(self, *cells: str) -> str:
        """What IPython prints for these cells, run one after the other in one session that then ends."""
        program = ("import sys, json\nfrom IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell.instance(colors='NoColor')\n"
                   "for cell in json.loads(sys.argv[1]):\n    done = shell.run_cell(cell)\n    print('CELL', 'failed' if done.error_in_exec else 'ok')\n")
        done = subprocess.run([sys.executable, "-c", program, json.dumps(cells)], env=self.environment, cwd=self.folder, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_cells_and_session_are_measured_and_the_end_closes_the_run(self):
        busy = "import time; time.sleep(0.3)"
        shown = self.session("%load_ext eco2", f"%%eco2 train --zone DE\n{busy}", "%eco2", "x = _.kwh; assert x > 0", "%unload_ext eco2")
        self.assertNotIn("failed", shown)
        cell, session = re.findall(r"<eco2\.Report '(\w+)': [\d.]+ J \(measured[^)]*\), [\d.]+ mg CO₂e \([^)]*DE, 342 g/kWh\)", shown)
        self.assertEqual((cell, session), ("train", "notebook"))
        (run,) = self.runs()
        self.assertEqual((run["name"], run["end"]), ("notebook", "ended"))

    def test_a_session_that_just_ends_has_a_closed_run_and_a_machine_without_sensors_is_not_known(self):
        self.session("%load_ext eco2", "x = 1")
        self.assertEqual([run["end"] for run in self.runs()], ["ended"])
        self.environment["ECO2_NVML"] = f"{self.folder}/none"
        self.assertIn("<eco2.Report 'cell': energy not known, emissions not known", self.session("%load_ext eco2", "%%eco2\nx = 1"))

    def test_a_cell_that_fails_is_measured_and_fails_and_a_wrong_argument_is_one_line(self):
        shown = self.session("%load_ext eco2", "%%eco2 bad\n1 / 0", "%%eco2 --zoen DE\nx = 1", "%eco2 what", "%%eco2 don't\nx = 1")
        self.assertEqual(re.findall(r"^CELL (\w+)$", shown, re.M), ["ok", "failed", "failed", "ok", "failed"])
        self.assertEqual(shown.count("ZeroDivisionError: division by zero"), 1, shown)
        self.assertIn("<eco2.Report 'bad'", shown)
        self.assertRegex(shown, r"(?m)^UsageError: No closing quotation; usage: %eco2 ")
        self.assertRegex(shown, r"(?m)^UsageError: --zoen is not known here; usage: %eco2 ")
        self.assertIn("eco2: 'what' is not known here; usage", shown)


@unittest.skipUnless(installed("nbclient", "ipykernel", "nbformat"), "nbclient, ipykernel or nbformat is not installed")
class Notebook(Real):
    def test_a_notebook_shows_the_card_and_its_kernel_closes_the_run(self):
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError

        cells = ["%load_ext eco2", "%%eco2 train --zone DE\nimport time; time.sleep(0.3)", "import eco2; eco2.Meter(log=False).start().stop()"]
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        spec = Path(self.folder, "kernels/python3")
        spec.mkdir(parents=True)
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec.joinpath("kernel.json").write_text(json.dumps({"argv": command, "display_name": "p", "language": "python", "env": {}}))
        for name, value in {**self.environment, "JUPYTER_PATH": self.folder, "JUPYTER_RUNTIME_DIR": self.folder}.items():
            before = os.environ.get(name)
            os.environ[name] = value
            self.addCleanup(os.environ.__setitem__ if before is not None else lambda key, _: os.environ.pop(key, None), name, before)
        NotebookClient(book, timeout=120, kernel_name="python3").execute()
        self.assertEqual(book.cells[0].outputs, [])
        for cell in book.cells[1:]:
            (output,) = cell.outputs
            self.assertIn("<svg", output.data["text/html"])
            self.assertIn("CO₂e", output.data["text/plain"])
        self.assertEqual([(run["name"], run["end"]) for run in self.runs()], [("notebook", "ended")])
        book.cells[1].source = "%%eco2\n1 / 0"
        with self.assertRaises(CellExecutionError):
            NotebookClient(book, timeout=120, kernel_name="python3").execute()


if __name__ == "__main__":
    unittest.main()
