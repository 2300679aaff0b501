#!/usr/bin/env python3
"""Measures `eco2 merge` of a run with thousands of ranks, whose energy is known.

    scripts/lib/fleet/ranks.py ECO2 [RANKS [SECONDS]]

A machine has eight ranks. Each reads its own GPU and the machine's two packages, every minute (or every SECONDS) for an hour, so that the
packages of eight records count once. Prints the CPU time and the largest memory of the merge.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOUR_S, PER_MACHINE = 3_600, 8
WATTS = {"GPU": (200, 700), "package-0": (80, 240), "package-1": (80, 240)}
BOOT_S = 7_200


def readings(rng, reading_s):
    """Returns the energy of each counter at each reading, microjoules."""
    found = {}
    for name, watts in WATTS.items():
        found[name] = [0]
        for _ in range(HOUR_S // reading_s):
            found[name].append(found[name][-1] + rng.randrange(*(watt * reading_s * 10**6 for watt in watts)))
    return found


def template(eco2, folder, rng, reading_s):
    """Returns the report of a rank as text, and the energies of its counters in microjoules."""
    energies, trace, path = readings(rng, reading_s), folder / "rank.csv", folder / "rank.json"
    lines = ["# eco2.trace/1"]
    for name in WATTS:
        lines.append(f"# domain {name} component={'gpu' if name == 'GPU' else 'cpu'} kind=energy unit=uJ max_w=800")
    lines += [f"# run begin_ns=0 end_ns={HOUR_S * 10**9}", "before_ns,after_ns,domain,value"]
    for place, second in enumerate(range(0, HOUR_S + 1, reading_s)):
        lines += [f"{second * 10**9},{second * 10**9},{name},{energies[name][place]}" for name in WATTS]
    trace.write_text("\n".join(lines) + "\n")
    subprocess.run([eco2, "replay", trace, "--json", path], check=True, stdout=subprocess.DEVNULL)
    report = json.loads(path.read_text())
    assert report["energy"]["total_uj"] == sum(values[-1] for values in energies.values())
    report["run"] |= {"id": "job", "part": "RANK-ID", "name": "train", "started_at": "2026-03-01T00:00:00Z", "ended_at": "2026-03-01T01:00:00Z",
                      "state": "final", "rank": 987654321, "world_size": 987654322, "boot_ns": [BOOT_S * 10**9, (BOOT_S + HOUR_S) * 10**9],
                      "host": {"boot_id": "BOOT-ID", "hostname": "HOST", "kernel": "6.1"}}
    free = dict.fromkeys(["slack_ns", "below_uj", "above_uj", "free_below_uj", "free_above_uj"], 0)
    at_ns = [(BOOT_S + second) * 10**9 for second in range(0, HOUR_S + 1, reading_s)]
    report["counters"] = [{"boot_id": "BOOT-ID", "device": name, "stretches": [{"quality": "measured", "at_ns": at_ns, "uj": energies[name], **free}]}
                          for name in WATTS]
    # Each rank has a GPU of its own; the packages belong to the machine.
    return json.dumps(report).replace('"GPU"', '"GPU-ID"'), energies


def write_ranks(text, folder, ranks):
    """Writes the reports of all ranks, and returns their files."""
    files = []
    for rank in range(ranks):
        machine = rank // PER_MACHINE
        own = {"RANK-ID": f"rank-{rank}", "BOOT-ID": f"00000000-0000-0000-0000-{machine:012x}", "HOST": f"node-{machine}",
               "GPU-ID": f"GPU-{rank}", "987654321": str(rank), "987654322": str(ranks)}
        own_text = text
        for old, new in own.items():
            own_text = own_text.replace(old, new)
        files.append(folder / f"{rank}.json")
        files[-1].write_text(own_text)
    return files


def main(eco2, ranks=10_000, reading_s=60):
    """Measures one merge."""
    eco2 = str(Path(eco2).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text, energies = template(eco2, folder, random.Random(20261201), reading_s)
        (folder / "ranks").mkdir()
        files = write_ranks(text, folder / "ranks", ranks)
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        # The first of a process's own memory counts until it is another program: a small one starts eco2.
        done = subprocess.run(["sh", "-c", 'exec "$0" merge --json "$@"', eco2, *files], check=True, capture_output=True, text=True)
        wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads(done.stdout)
    machines = -(-ranks // PER_MACHINE)
    truth = ranks * energies["GPU"][-1] + machines * sum(energies[name][-1] for name in WATTS if name != "GPU")
    assert report["energy"]["total_uj"] == truth, f"{report['energy']['total_uj']} uJ is not the truth, {truth}"
    assert (report["merge"]["ranks"], report["merge"]["machines"], report["merge"]["missing_ranks"]) == (ranks, machines, [])
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{ranks:,} ranks on {machines:,} machines, {len(text) / 1e3:.0f} kB each, load {os.getloadavg()[0]:.0f}: {cpu_s:.1f} s of CPU time, "
          f"{wall:.1f} s, {after.ru_maxrss / 1024:.0f} MiB; the energy is that of the counters")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
