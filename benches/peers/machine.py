"""The machine that all tools measure: a powercap tree that a writer updates, and scripted GPUs on the same clock.

The tree is at the kernel's path (`/sys/class/powercap`, in a mount namespace that `scripts/arena` creates), so that
tools with fixed paths read it too. Its counter holds the exact integral of a known curve and changes every
millisecond, as RAPL's does. The GPUs are those of `samplers/fake-nvml`; their counters change every 100 ms.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Optional, Sequence

import curve
from curve import MS, Curve

POWERCAP = Path("/sys/class/powercap")
RANGE_UJ = 262_143_328_850
"""Usual range of a package's counter: 2^32 units of 61 µJ."""
CPU = Curve(((0, 60), (130, 160)), 310)
GPU = Curve(((0, 600), (450, 150)), 700)


class Machine:
    """A package and GPUs of known power, from entering to leaving the context.

    Args:
        folder: for the driver's library and the tools' files.
        driver: the built fake driver library.
        cpu: the package's power.
        gpus: the GPUs' power.
        range_uj: the largest value of the package's counter, microjoules.
    """

    def __init__(self, folder: Path, driver: Path, cpu: Curve = CPU, gpus: Sequence[Curve] = (GPU,), range_uj: int = RANGE_UJ):
        self.folder, self.cpu, self.gpus, self.range_uj = folder, cpu, list(gpus), range_uj
        self.origin_ns = time.monotonic_ns()
        self.lag_ms: Optional[float] = None
        self._driver, self._writer = driver, None

    def __enter__(self) -> Machine:
        self._make_gpus()
        counter = make_package(POWERCAP, self.range_uj)
        arguments = [str(counter), str(self.origin_ns), str(self.range_uj), self.cpu.script()]
        command = [sys.executable, __file__, *arguments]
        self._writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._writer.stdout.readline()
        return self

    def __exit__(self, *raised: object) -> None:
        said, _ = self._writer.communicate("")
        self.lag_ms = json.loads(said)["lag_ms"]

    def _make_gpus(self) -> None:
        nvml, bin_ = self.folder / "nvml", self.folder / "bin"
        for place in (nvml, bin_):
            place.mkdir(parents=True, exist_ok=True)
        shutil.copy2(self._driver, nvml / "libnvidia-ml.so.1")
        sections = [f"[gpu {at}]\npower={power.script()}\naverage_ms=100\n" for at, power in enumerate(self.gpus)]
        (nvml / "fake-nvml.conf").write_text(f"origin_ns={self.origin_ns}\n" + "".join(sections))
        # CodeCarbon looks for a GPU by running this, whatever it prints.
        (bin_ / "nvidia-smi").write_text("#!/bin/sh\n")
        (bin_ / "nvidia-smi").chmod(0o755)

    def environment(self) -> dict:
        """The variables of a program on this machine."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECO2_", "PYTHON"))}
        state = {name: str(self.folder / name.lower()) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "HOME")}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return {**kept, **state, "PATH": path, "LD_LIBRARY_PATH": str(self.folder / "nvml")}

    def truth(self, from_ns: int, to_ns: int) -> dict:
        """Joules by component between two readings of the monotonic clock."""
        window = (from_ns - self.origin_ns, to_ns - self.origin_ns)
        return {"cpu": self.cpu.joules(*window), "gpu": curve.joules(self.gpus, *window)}


def make_package(powercap: Path, range_uj: int) -> Path:
    """Makes a tree of one package as the kernel lays it out; returns the counter's file."""
    zone = powercap / "intel-rapl/intel-rapl:0"
    zone.mkdir(parents=True, exist_ok=True)
    for name, text in {"name": "package-0", "max_energy_range_uj": str(range_uj), "energy_uj": "0"}.items():
        (zone / name).write_text(text + "\n")
    links = {powercap / "intel-rapl:0": "intel-rapl/intel-rapl:0", powercap / "intel-rapl/subsystem": ".."}
    for link, target in links.items():
        if not link.is_symlink():
            link.symlink_to(target)
    return zone / "energy_uj"


def write(counter: str, origin_ns: int, range_uj: int, power: Curve) -> float:
    """Keeps the counter true every millisecond until standard input ends; returns its largest delay in milliseconds."""
    file, late_ns, due_ns = os.open(counter, os.O_WRONLY), 0, time.monotonic_ns()
    os.set_blocking(0, False)
    print("ready", flush=True)
    while _goes_on():
        due_ns += MS
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        now_ns = time.monotonic_ns()
        late_ns = max(late_ns, now_ns - due_ns)
        due_ns = max(due_ns, now_ns - MS)
        # Always of one length: a reader never sees the rest of a longer value.
        os.pwrite(file, b"%015d\n" % (power.nanojoules(now_ns - origin_ns) // 1000 % (range_uj + 1)), 0)
    return late_ns / MS


def _goes_on() -> bool:
    try:
        return os.read(0, 1) != b""
    except BlockingIOError:
        return True


def _raise_priority() -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except OSError:
        pass  # Without this permission the counter is late at times; the page shows the largest delay.


if __name__ == "__main__":
    _raise_priority()
    late = write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), curve.parse(sys.argv[4]))
    print(json.dumps({"lag_ms": round(late, 3)}))
