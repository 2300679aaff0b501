"""Machines whose energy is known to the microjoule, and programs that are killed and started again.

scripts/prometheus and scripts/fleet share this file. A machine is a tree of files as `eco2 serve` reads it (class Machine), or a page of
/metrics that this program serves (class Page). Both have counters (class Counter), which hold the truth: the energy that was used, and since when.
"""

import bisect
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path

PERIOD_S = 0.05
"""Between two steps of the counters."""
WRAP_UJ = 1_000_000_000
LARGE_UJ = 262_143_328_850
LATE_S = 6.0
"""Time after which a value of the machine is in a scrape at the latest: a reading, the account of the second, a scrape; and a restart,
after which the value before it is shown until the first reading."""


PORTS = random.sample(range(10_000, 32_768), 2000)
"""Ports to try: below those that Linux gives to connections, so that none is taken between the choice and the start of a server."""


def free_port():
    """Returns a TCP port that no program uses, and that this script was not given before."""
    while True:
        port = PORTS.pop()
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def until(what, found, seconds=15):
    """Waits until a call returns something that is true, and returns it; an address that does not answer counts as false."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            value = found()
        except OSError:
            value = None
        if value:
            return value
        time.sleep(0.05)
    sys.exit(f"{what}: not within {seconds} s")


class Counter:
    """Energy that grows by fixed steps, and the truth of it: when it had used how much, microjoules."""

    def __init__(self, name, watts, used_uj=0):
        self.name, self.step_uj, self.is_still = name, int(watts * PERIOD_S * 1e6) + 7, True
        self.used_uj, self.truth = used_uj, [(0.0, used_uj)]

    def step(self):
        """Uses energy, unless the counter is still."""
        if not self.is_still:
            self.used_uj += self.step_uj
            self.truth.append((time.time(), self.used_uj))
            self.show()

    def show(self):
        """Shows the energy where a program reads it; a generated page reads it here."""


class FileCounter(Counter):
    """A counter in a file of powercap, which wraps."""

    def __init__(self, folder, name, range_uj, watts):
        super().__init__(name, watts)
        self.range_uj = range_uj
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
        self.file = open(folder / "energy_uj", "w+")
        self.put(1_234_567)

    def put(self, raw_uj):
        """Sets what the file shows. One write of fixed length: a reader never sees half a number."""
        self.raw_uj = raw_uj
        os.pwrite(self.file.fileno(), f"{raw_uj:<15}\n".encode(), 0)

    def show(self):
        self.put((self.raw_uj + self.step_uj) % (self.range_uj + 1))


class Machine:
    """A tree of files with two packages: one that wraps, and one that a test resets."""

    def __init__(self, root, watts=(150, 90)):
        self.root = root
        (root / "proc/sys/kernel/random").mkdir(parents=True)
        (root / "proc/sys/kernel/random/boot_id").write_text("11111111-2222-3333-4444-555555555555\n")
        (root / "proc/sys/kernel/hostname").write_text("node-7\n")
        (root / "proc/stat").write_text("cpu  1000 0 0 1000 0 0 0 0 0 0\nprocesses 5\n")
        (root / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: Test CPU\n")
        zone = root / "sys/class/powercap"
        self.wraps = FileCounter(zone / "intel-rapl:0", "package-0", WRAP_UJ, watts[0])
        self.reset = FileCounter(zone / "intel-rapl:1", "package-1", LARGE_UJ, watts[1])
        self.counters = [self.wraps, self.reset]


class Growth:
    """The thread on which the counters of machines grow."""

    def __init__(self, machines, period_s=PERIOD_S):
        self.machines, self.period_s, self.ended = machines, period_s, threading.Event()
        threading.Thread(target=self.grow, daemon=True).start()

    def grow(self):
        """Steps every counter until the end."""
        while not self.ended.wait(self.period_s):
            for machine in self.machines:
                for counter in machine.counters:
                    counter.step()

    def is_still(self, still):
        """Stops the counters, or lets them grow."""
        for machine in self.machines:
            for counter in machine.counters:
                counter.is_still = still


class Program:
    """A process that is started again, and ended with the script."""

    known = []

    def __init__(self, log, *command, **environment):
        self.log, self.command, self.environment = log, [str(part) for part in command], {**os.environ, **environment}
        self.ended_cpu_s = 0.0
        self.start()
        self.known.append(self)

    def start(self):
        """Starts it, also again."""
        with open(self.log, "ab") as out:
            # In a session of its own, so that its processes end with it.
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=self.environment,
                                            start_new_session=True)

    def end(self, how=signal.SIGTERM):
        """Ends it by a signal, if it runs."""
        if self.process.poll() is None:
            self.ended_cpu_s = self.cpu_s()
            self.process.send_signal(how)
            self.process.wait(30)

    @staticmethod
    def end_on_signal():
        """Lets SIGTERM end the script as an error does, so that its programs are ended."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))

    @classmethod
    def end_all(cls):
        """Ends every program."""
        for program in cls.known:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.process.pid, signal.SIGKILL)
        for program in cls.known:
            program.process.wait(30)

    def status_kib(self, field):
        """Returns a size of its memory, such as `VmHWM`, KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field + ":"))

    def cpu_s(self):
        """Returns the CPU time of the process and of those before it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return self.ended_cpu_s + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def workplace():
    """Gives a folder for programs, and ends them with it; where a check fails, the ends of their logs are printed first."""
    Program.end_on_signal()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        try:
            yield root
        except (AssertionError, SystemExit):
            for log in sorted(root.glob("**/*.log")):
                print(f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}", file=sys.stderr)
            raise
        finally:
            Program.end_all()


def microjoules(text):
    """Returns a number of joules as microjoules. Decimal: a binary number times a million would be rounded a second time."""
    return Decimal(text).scaleb(6)


def faults(samples, truth, relative=0.0, early_s=0.0, late_s=LATE_S):
    """Returns what is wrong with the samples of a counter: a value that it never had, had too early or too late, or that fell.

    `relative` is the error that the store of the samples makes, as part of the value; by it, equal values may seem to fall. `early_s`: a scrape has the time at which it began, and
    the value may be as much newer. `late_s`: the counter may have left the value as long before the sample.
    """
    energies = [used_uj for _, used_uj in truth]
    found, before_uj = [], 0
    for at, uj in samples:
        right = min(bisect.bisect_left(energies, uj), len(energies) - 1)
        nearest = min(max(right - 1, 0), right, key=lambda index: abs(energies[index] - uj))
        used_uj, since = energies[nearest], truth[nearest][0]
        ended = truth[nearest + 1][0] if nearest + 1 < len(truth) else float("inf")
        if abs(used_uj - uj) > relative * used_uj:
            found.append(f"{uj} uJ was never the energy; {used_uj} uJ was")
        elif not since - early_s <= at <= ended + late_s:
            found.append(f"{uj} uJ at {at:.3f} was the energy from {since:.3f} to {ended:.3f}")
        if uj < before_uj and before_uj - uj > relative * used_uj:
            found.append(f"{uj} uJ after {before_uj}")
        before_uj = uj
    return found
