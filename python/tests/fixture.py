"""What the tests share: options that read nothing of this machine, a fake GPU, programs in fresh interpreters."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ROOT / "python/src"
sys.path.insert(0, str(SOURCES))

import eco2  # noqa: E402

# Started by nohup, or in the background of a script, a process ignores these; tests count on the defaults.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

PEAK_W = 250
"""The fake GPU's power, watts: constant."""


def nothing(folder: str) -> dict:
    """Options under which no hardware of this machine is read and nothing is written outside the folder."""
    return {"sysfs": f"{folder}/none", "procfs": "/proc", "nvml": f"{folder}/none", "zone": "DE", "log": False}


def fake_driver() -> Path:
    """The fake driver in the folder of the library. Without it a test is skipped; it fails where the library was built for tests, or in CI."""
    library = Path(eco2._load.library().path).parent / "libnvidia_ml_fake.so"
    if library.is_file():
        return library
    why = f"{library} is missing: cargo build -p fake-nvml"
    raise RuntimeError(why) if os.environ.get("CI") or os.environ.get("ECO2_LIBRARY") else unittest.SkipTest(why)


def fake_gpu(folder: str, script: str = "") -> dict:
    """Options that read one fake GPU of `PEAK_W` watts, whose counter changes every 20 ms."""
    library = fake_driver()
    place = Path(folder) / "libnvidia-ml.so.1"
    shutil.copy2(library, place)
    script = f"[gpu 0]\nuuid=GPU-fake\npower={PEAK_W}\nenergy_period_ms=20\n{script}"
    (Path(folder) / "fake-nvml.conf").write_text(script)
    return {**nothing(folder), "nvml": str(place), "sources": ["nvml"], "estimate": False}


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self) -> None:
        self.folder = self.enterContext_(tempfile.TemporaryDirectory())
        self.said: list = []
        eco2.set_log(lambda level, text: self.said.append((level, text)))
        self.addCleanup(eco2.set_log, None)

    def enterContext_(self, context):  # type: ignore[no-untyped-def]
        """`enterContext` of Python 3.11, for older ones."""
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def meter(self, **more: object) -> eco2.Meter:
        """A meter on the synthetic source."""
        meter = eco2.Meter({**nothing(self.folder), "sources": ["synthetic"], **more})
        self.addCleanup(meter.close)
        return meter

    def gpu_meter(self, **more: object) -> eco2.Meter:
        """A meter on the fake GPU."""
        meter = eco2.Meter({**fake_gpu(self.folder), **more})
        self.addCleanup(meter.close)
        return meter

    @contextlib.contextmanager
    def refused(self, name: str, *words: str):  # type: ignore[no-untyped-def]
        """Expects an `eco2.Error` of that status whose message has these words."""
        with self.assertRaises(eco2.Error) as caught:
            yield
        self.assertEqual(caught.exception.name, name, caught.exception)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def python(self, program: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess:
        """Runs a program in a fresh interpreter, in the test's folder."""
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        variables = {**kept, "PYTHONPATH": str(SOURCES), "FOLDER": self.folder, **environment}
        done = subprocess.run([sys.executable, "-c", program], cwd=self.folder, env=variables, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done


def spin(seconds: float) -> None:
    """Works for that long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
