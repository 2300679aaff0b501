"""Programs of a user who may not read the sensors measure through a real agent (`ECO2_COMMAND`): in Python, C and C++."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

from fixture import ROOT, SOURCES, Case

import eco2

COMMAND = os.environ.get("ECO2_COMMAND", "")
USER = 65534
"""A user who is neither root nor in the group `eco2`."""
FIRST_UJ = 100_000_000_000
"""What the counter shows at first, microjoules."""
USED_UJ = 30_000_000
"""What it grows by while a program measures."""

STEP_UJ = 100_000
"""Step of the page that every user may read."""

PYTHON = """
import json
import sys
import eco2
meter = eco2.Meter(json.loads(sys.argv[1]))
print("begun", flush=True)
sys.stdin.readline()
meter.close()
print(meter.report("json"))
"""

C = r"""
#include <eco2.h>
#include <stdio.h>

int main(int argc, char **argv) {
    static char report[1 << 20];
    char line[16];
    size_t needed;
    eco2_meter *meter = NULL;
    if (argc != 2 || eco2_meter_open(argv[1], &meter) != ECO2_OK) {
        fprintf(stderr, "%s\n", eco2_last_error());
        return 1;
    }
    puts("begun");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL) {
        return 1;
    }
    eco2_meter_close(meter);
    if (eco2_report(meter, ECO2_REPORT_JSON, report, sizeof report, &needed) != ECO2_OK) {
        fprintf(stderr, "%s\n", eco2_last_error());
        return 1;
    }
    puts(report);
    eco2_meter_free(meter);
    return 0;
}
"""

CPP = r"""
#include <eco2.hpp>

#include <iostream>

int main(int, char **argv) {
    eco2::Result<eco2::Meter> opened = eco2::Meter::open(argv[1]);
    if (!opened) {
        std::cerr << opened.error().text << "\n";
        return 1;
    }
    eco2::Meter meter = *std::move(opened);
    std::cout << "begun" << std::endl;
    std::string line;
    std::getline(std::cin, line);
    if (!meter.close()) return 1;
    std::cout << *meter.report() << "\n";
    return 0;
}
"""


@unittest.skipUnless(COMMAND and os.geteuid() == 0 and shutil.which("setpriv"), "needs root, setpriv and the command (ECO2_COMMAND)")
class ThroughTheAgent(Case):
    """A machine with one package, whose counter only root may read."""

    def setUp(self) -> None:
        super().setUp()
        os.chmod(self.folder, 0o755)
        self.zone = Path(self.folder, "sys/class/powercap/intel-rapl:0")
        self.zone.mkdir(parents=True)
        Path(self.zone, "name").write_text("package-0\n")
        Path(self.zone, "max_energy_range_uj").write_text("262143328850\n")
        self.used_uj = self.turns = 0
        self.turn()
        boot = Path(self.folder, "proc/sys/kernel/random/boot_id")
        boot.parent.mkdir(parents=True)
        boot.write_text("11111111-2222-3333-4444-555555555555\n")
        Path(self.folder, "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: Test CPU\n")
        Path(self.folder, "proc/stat").write_text("cpu  100 0 100 800 0 0 0 0 0 0\n")
        over = threading.Event()
        turns = threading.Thread(target=lambda: [self.turn() for _ in iter(lambda: over.wait(0.1), True)])
        turns.start()
        self.addCleanup(turns.join)
        self.addCleanup(over.set)
        # What is measured with may lie in a folder that the other user may not enter.
        self.library = shutil.copy(eco2._load.library().path, self.folder)
        shutil.copytree(SOURCES / "eco2", Path(self.folder, "src/eco2"))
        agent = subprocess.Popen([COMMAND, "serve", "--dir", f"{self.folder}/run", "--listen", "127.0.0.1:0", "--sysfs", f"{self.folder}/sys",
                                  "--procfs", f"{self.folder}/proc", "--nvml", f"{self.folder}/none"], stderr=subprocess.PIPE, text=True)
        self.addCleanup(agent.stderr.close)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        self.assertIn("http://", agent.stderr.readline())
        until = time.monotonic() + 10
        while not Path(self.folder, "run/page").exists():
            self.assertLess(time.monotonic(), until, "the agent has no page")
            time.sleep(0.01)

    def turn(self) -> None:
        """Sets the counter, which only root may read. It always moves, by a microjoule at least: else it would be taken for a dead one.

        These microjoules are fewer than a step of the page, 0.1 J, and so are not shown.
        """
        self.turns += 1
        following = Path(self.zone, "next")
        following.write_text(f"{FIRST_UJ + self.used_uj + self.turns}\n")
        following.chmod(0o400)
        following.replace(Path(self.zone, "energy_uj"))

    def compiled(self, compiler: str, source: str, *flags: str) -> list:
        """Compiles a program that is linked with the library."""
        if shutil.which(compiler) is None:
            self.skipTest(f"{compiler} is not installed")
        program = f"{self.folder}/program"
        words = [compiler, *flags, "-Wall", "-Wextra", "-Werror", "-I", str(ROOT / "include"), "-", "-x", "none", "-o", program, self.library,
                 f"-Wl,-rpath,{self.folder}"]
        subprocess.run(words, input=source, check=True, text=True)
        return [program]

    def assert_measures(self, words: list) -> None:
        """Runs a program as the other user, from its first line on until it is to end; its report has what the counter counted."""
        options = {"sysfs": f"{self.folder}/sys", "procfs": f"{self.folder}/proc", "nvml": f"{self.folder}/none", "agent": f"{self.folder}/run",
                   "estimate": False, "log": False, "zone": "DE"}
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{self.folder}/src", "ECO2_LIBRARY": self.library, "HOME": self.folder}
        # The library has no link of the name by which the loader looks for it.
        environment["LD_PRELOAD"] = self.library
        user = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", "--"]
        program = subprocess.Popen([*user, *words, json.dumps(options)], env=environment, cwd=self.folder, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        self.assertEqual(program.stdout.readline(), "begun\n")
        # A first change within the run, as energy is spread from one change of the counter to the next.
        self.used_uj = STEP_UJ
        time.sleep(3)
        for part in range(1, 31):
            self.used_uj = USED_UJ // 30 * part
            time.sleep(0.1)
        # The page changes once a second, and the agent reads as often.
        time.sleep(4)
        report = json.loads(program.communicate("end\n")[0])
        self.assertEqual(program.returncode, 0)
        device, = report["devices"]
        self.assertEqual((device["id"], device["source"], device["quality"]), ("package-0", "agent", "measured"))
        self.assertEqual(device["energy_uj"], report["energy"]["total_uj"])
        self.assertTrue(USED_UJ - STEP_UJ <= device["energy_uj"] <= USED_UJ, device)
        self.assertLessEqual(device["low_uj"], USED_UJ)
        self.assertGreaterEqual(device["high_uj"] or USED_UJ, USED_UJ)
        direct, = (source for source in report["sources"] if source["name"] == "rapl-sysfs")
        self.assertEqual(direct["status"], "denied")

    def test_python(self) -> None:
        program = Path(self.folder, "program.py")
        program.write_text(PYTHON)
        self.assert_measures([sys.executable, str(program)])

    def test_c(self) -> None:
        self.assert_measures(self.compiled("gcc", C, "-std=c11", "-x", "c"))

    def test_cpp(self) -> None:
        self.assert_measures(self.compiled("g++", CPP, "-std=c++17", "-x", "c++"))


if __name__ == "__main__":
    unittest.main()
