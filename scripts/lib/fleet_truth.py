"""A fleet whose energy is known: reports of 64 nodes as eco2 writes them, and the microjoules that each node and each run used.

Counters are sums of whole numbers. `eco2 replay` accounts for their raw values, so that wraps and resets go through eco2's own code; then
the report gets the identity of its record. Between them the nodes have every way in which fleets are miscounted:

- counters of the packages wrap every minute, and one board's counter starts again at 0;
- every job has four nodes with one rank each, and the ranks of one job were restarted;
- on some nodes a second run reads the same counters for the whole time, or for a part of it;
- copies of records, and a record that was exported before its end and again after it;
- two nodes have one host name. Runs go over midnight.
"""

import json
import random
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

NODES = 64
NODES_PER_JOB = 4
READING_S = 30
WHOLE_S = 7_200
START = datetime(2026, 3, 1, 22, 30, tzinfo=timezone.utc)
RANGE_UJ = 1 << 33
"""Values before a package's counter wraps: more than it can count between two readings at 250 W, less than in two minutes at 100 W."""
RESET_NODE, RESET_AT = 5, 100
RESTARTED_JOB, RESTART_S = 2, 3_600
COPIED_JOB = 3
LATE_NODE, LATE_S = 16, 3_600
AGENT_NODES = range(20, 24)
SHORT_NODE, SHORT_S, TAIL_S = 28, 5_400, 3_600
TWINS = (30, 31)


@dataclass
class Fleet:
    """The files of the fleet, and its energy in microjoules."""

    early: list = field(default_factory=list)
    """Files that were there before the others: a record before its end."""
    files: list = field(default_factory=list)
    node_uj: dict = field(default_factory=dict)
    run_uj: dict = field(default_factory=lambda: defaultdict(int))
    run_files: dict = field(default_factory=lambda: defaultdict(list))


class Counter:
    """Energy until each reading, and whether the energy between a reading and the one before is known."""

    def __init__(self, rng, watts):
        steps = [rng.randrange(*watts) * READING_S * 1_000_000 + rng.randrange(1_000_000) * 1_000 for _ in range(WHOLE_S // READING_S)]
        self.uj = [0]
        for step in steps:
            self.uj.append(self.uj[-1] + step)
        self.reset_at = None

    def used(self, from_s, to_s):
        """Microjoules that readings show between two instants, seconds of the run."""
        first, last = from_s // READING_S, to_s // READING_S
        lost = self.uj[self.reset_at] - self.uj[self.reset_at - 1] if self.reset_at and first < self.reset_at <= last else 0
        return self.uj[last] - self.uj[first] - lost

    def raw(self, place, range_uj, unit_uj):
        value = (self.uj[place] if self.reset_at is None or place < self.reset_at else self.uj[place] - self.uj[self.reset_at]) // unit_uj
        return value % range_uj if range_uj else value

    def stretches(self, from_s, to_s, boot_s):
        """The energy curve as a report has it, one stretch on either side of a reset."""
        first, last = from_s // READING_S, to_s // READING_S
        cuts = [first, last + 1] if self.reset_at is None else [first, self.reset_at, last + 1]
        pieces = [range(*pair) for pair in zip(cuts, cuts[1:])]
        free = {"slack_ns": 0, "below_uj": 0, "above_uj": 0, "free_below_uj": 0, "free_above_uj": 0}
        return [
            {
                "quality": "measured",
                "at_ns": [(boot_s + at * READING_S) * 10**9 for at in piece],
                "uj": [self.uj[at] - self.uj[piece[0]] for at in piece],
                **free,
            }
            for piece in pieces
        ]


class Node:
    def __init__(self, number, rng):
        self.number = number
        self.boot_id = str(rng.randbytes(16).hex())
        self.boot_id = "-".join([self.boot_id[:8], self.boot_id[8:12], self.boot_id[12:16], self.boot_id[16:20], self.boot_id[20:]])
        self.boot_s = 60 * rng.randrange(10, 100_000)
        self.hostname = f"node-{TWINS[0] if number in TWINS else number:03}"
        self.counters = {"package-0": Counter(rng, (60, 200)), "GPU-1": Counter(rng, (100, 700))}
        if number == RESET_NODE:
            self.counters["GPU-1"].reset_at = RESET_AT

    def trace(self, from_s, to_s):
        """A trace of both counters, on a clock that starts with the record."""
        lines = [
            "# eco2.trace/1",
            f"# domain package-0 component=cpu kind=energy unit=uJ range={RANGE_UJ} max_w=250",
            "# domain GPU-1 component=gpu kind=energy unit=mJ max_w=800",
            f"# run begin_ns=0 end_ns={(to_s - from_s) * 10**9}",
            "before_ns,after_ns,domain,value",
        ]
        for place in range(from_s // READING_S, to_s // READING_S + 1):
            at_ns = (place * READING_S - from_s) * 10**9
            lines.append(f"{at_ns},{at_ns},package-0,{self.counters['package-0'].raw(place, RANGE_UJ, 1)}")
            lines.append(f"{at_ns},{at_ns},GPU-1,{self.counters['GPU-1'].raw(place, None, 1_000)}")
        return "\n".join(lines) + "\n"

    def used(self, from_s, to_s):
        return sum(counter.used(from_s, to_s) for counter in self.counters.values())


def rfc3339(second):
    return (START + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_record(eco2, folder, node, run_id, window_s, rank=None, attempt=0, is_final=True):
    """Writes the report of one record, and returns its file."""
    from_s, to_s = window_s
    name = f"{run_id}-{node.number:02}-{attempt}" + ("" if is_final else "-early")
    trace, path = folder / f"{name}.csv", folder / f"{name}.json"
    trace.write_text(node.trace(from_s, to_s))
    subprocess.run([eco2, "replay", trace, "--json", path], check=True, stdout=subprocess.DEVNULL)
    trace.unlink()
    report = json.loads(path.read_text())
    assert report["energy"]["total_uj"] == node.used(from_s, to_s), f"{name}: {report['energy']['total_uj']} is not the truth"
    boot_ns = [(node.boot_s + second) * 10**9 for second in window_s]
    report["run"] |= {
        "id": run_id,
        "part": f"{run_id}-{node.number:02}-{attempt}",
        "name": "train",
        "labels": {"node": f"{node.number:02}"},
        "started_at": rfc3339(from_s),
        "ended_at": rfc3339(to_s),
        "boot_ns": boot_ns,
        "host": {"boot_id": node.boot_id, "hostname": node.hostname, "kernel": "6.1"},
        "state": "final" if is_final else "provisional",
        "end": "recorded" if is_final else "open",
        "attempt": attempt,
    }
    report["run"] |= {} if rank is None else {"rank": rank, "world_size": NODES_PER_JOB}
    report["counters"] = [
        {"boot_id": node.boot_id, "device": device, "stretches": counter.stretches(from_s, to_s, node.boot_s)}
        for device, counter in node.counters.items()
    ]
    for segment in (report["carbon"] or {}).get("segments", []):
        segment |= {"from": rfc3339(from_s), "to": rfc3339(to_s)}
    path.write_text(json.dumps(report))
    return path


def write_fleet(eco2, folder, seed=20261130, nodes=NODES):
    """Writes the reports of a fleet into a folder with the command `eco2`, and returns their files with the true energies."""
    folder = Path(folder)
    rng = random.Random(seed)
    fleet, records = Fleet(), []
    for node in [Node(number, rng) for number in range(nodes)]:
        job, rank = divmod(node.number, NODES_PER_JOB)
        run_id = f"slurm-{4_000 + job}"
        whole_s = SHORT_S if node.number == SHORT_NODE else WHOLE_S
        windows = [(0, RESTART_S), (RESTART_S, WHOLE_S)] if job == RESTARTED_JOB else [(0, whole_s)]
        for attempt, window_s in enumerate(windows):
            records.append((node, run_id, window_s, {"rank": rank, "attempt": attempt}))
        if node.number in AGENT_NODES:
            records.append((node, f"agent-{node.number}", (0, WHOLE_S), {}))
        if node.number == SHORT_NODE:
            records.append((node, f"tail-{node.number}", (TAIL_S, WHOLE_S), {}))
        fleet.node_uj[node.boot_id] = node.used(0, WHOLE_S)
        if node.number == LATE_NODE:
            fleet.early.append(write_record(eco2, folder, node, run_id, (0, LATE_S), rank=rank, is_final=False))
    with ThreadPoolExecutor(2) as pool:
        files = list(pool.map(lambda record: write_record(eco2, folder, *record[:3], **record[3]), records))
    for (node, run_id, window_s, _), path in zip(records, files):
        fleet.run_uj[run_id] += node.used(*window_s)
        fleet.run_files[run_id].append(path)
        fleet.files.append(path)
        if node.number // NODES_PER_JOB == COPIED_JOB:
            copy = path.with_name(f"copy-of-{path.name}")
            copy.write_bytes(path.read_bytes())
            fleet.files.append(copy)
    return fleet
