"""A tree of sysfs with one RAPL package, and its cores, whose counters grow by 20 W and 10 W, for an agent that is started by the checks of deploy/."""

import contextlib
import threading
import time
from pathlib import Path

# Folder, name and watts of each zone.
ZONES = [("intel-rapl:0", "package-0", 20), ("intel-rapl:0/intel-rapl:0:0", "core", 10)]
FIRST_UJ = 100_000_000_000
RANGE_UJ = 262_143_328_850


@contextlib.contextmanager
def fake_sysfs(folder):
    """Makes the tree in a folder, and lets its counters grow while the context is open."""
    counters = []
    for path, name, watts in ZONES:
        zone = Path(folder) / "class/powercap" / path
        zone.mkdir(parents=True)
        (zone / "name").write_text(f"{name}\n")
        (zone / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        (zone / "energy_uj").write_text(f"{FIRST_UJ}\n")
        # With a limit of its power, an energy has an upper bound.
        (zone / "constraint_0_name").write_text("long_term\n")
        for limit in ("power_limit_uw", "max_power_uw"):
            (zone / f"constraint_0_{limit}").write_text("125000000\n")
        # As the kernel has it: for its owner, user 0.
        (zone / "energy_uj").chmod(0o400)
        counters.append(((zone / "energy_uj").open("r+"), watts))
        if "/" in path:
            (Path(folder) / "class/powercap" / zone.name).symlink_to(path)
    ended, began = threading.Event(), time.monotonic()

    def grow():
        while not ended.wait(0.01):
            for out, watts in counters:
                out.seek(0)
                # The number of digits stays: one write replaces the value.
                out.write(f"{FIRST_UJ + int((time.monotonic() - began) * watts * 1e6)}\n")
                out.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        yield Path(folder)
    finally:
        ended.set()
        writer.join()
        for out, _ in counters:
            out.close()
