"""Measures tables of a fleet: how fast `eco2 export` writes them, and how fast DuckDB answers.

scripts/lake --measure uses this. A node-day is the record of one node with 12 devices over a day. eco2 exports 100 of them, with equal energies, so
that the answers are known, and identities of their own; DuckDB joins their files and makes 10,000 of them. Energies are random every quarter of an hour.
Needs the package duckdb (PyPI).
"""

import json
import os
import random
import resource
import subprocess
import time
from pathlib import Path

import duckdb

EXPORTED, COPIES, DAY_NODES = 100, 100, 64
DAY_S, READING_S = 86_400, 900
WATTS = {"GPU": (60, 700), "package": (40, 280), "dram": (4, 25)}
DEVICES = [f"{kind}-{index}" for kind, count in (("GPU", 8), ("package", 2), ("dram", 2)) for index in range(count)]
START = "2026-03-01T00:00:00Z"
BOOT_ID = "00000000-0000-0000-0000-00000000abcd"
MINUTES = """SELECT count(*), CAST(sum(energy_uj) AS BIGINT) FROM (
    SELECT counter, from_ns // 60000000000, sum(energy_uj) AS energy_uj FROM intervals_files GROUP BY ALL)"""
DAYS = "(FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, PARTITION_BY (day))"
COPY = {
    "runs": "node || '-' || k AS node, part || '-' || k AS part, run_id || '-' || k AS run_id",
    "counters": "node || '-' || k AS node, part || '-' || k AS part, run_id || '-' || k AS run_id, CAST(hash(counter, k) >> 1 AS BIGINT) AS counter",
    "intervals": "node || '-' || k AS node, CAST(hash(counter, k) >> 1 AS BIGINT) AS counter",
    "days": "node || '-' || k AS node, CAST(hash(counter, k) >> 1 AS BIGINT) AS counter",
}
"""What differs between copies of a node-day."""


def template(eco2, folder):
    """Returns the report of a node-day as text, and its energy in microjoules."""
    random_, trace, path = random.Random(20261201), Path(folder) / "day.csv", Path(folder) / "day.json"
    lines = ["# eco2.trace/1"]
    for name in DEVICES:
        component = {"GPU": "gpu", "package": "cpu", "dram": "memory"}[name.partition("-")[0]]
        lines.append(f"# domain {name} component={component} kind=energy unit=uJ max_w=800")
    lines += [f"# run begin_ns=0 end_ns={DAY_S * 10**9}", "before_ns,after_ns,domain,value"]
    used = dict.fromkeys(DEVICES, 0)
    readings = {name: [] for name in DEVICES}
    for second in range(0, DAY_S + 1, READING_S):
        for name in DEVICES:
            lines.append(f"{second * 10**9},{second * 10**9},{name},{used[name]}")
            readings[name].append(used[name])
            used[name] += random_.randrange(*(watt * READING_S * 10**6 for watt in WATTS[name.partition("-")[0]]))
    trace.write_text("\n".join(lines) + "\n")
    subprocess.run([eco2, "replay", trace, "--json", path], check=True, stdout=subprocess.DEVNULL)
    report = json.loads(path.read_text())
    total = report["energy"]["total_uj"]
    assert total == sum(values[-1] for values in readings.values()), f"{total} uJ is not the truth"
    boot_s = 7_200
    report["run"] |= {"id": "RUN-ID", "part": "RUN-ID", "name": "train", "started_at": START, "ended_at": "2026-03-02T00:00:00Z", "state": "final",
                      "boot_ns": [boot_s * 10**9, (boot_s + DAY_S) * 10**9], "host": {"boot_id": BOOT_ID, "hostname": "HOST", "kernel": "6.1"}}
    free = dict.fromkeys(["slack_ns", "below_uj", "above_uj", "free_below_uj", "free_above_uj"], 0)
    at_ns = [(boot_s + second) * 10**9 for second in range(0, DAY_S + 1, READING_S)]
    report["counters"] = [{"boot_id": BOOT_ID, "device": name, "stretches": [{"quality": "measured", "at_ns": at_ns, "uj": readings[name], **free}]}
                          for name in DEVICES]
    return json.dumps(report), total


def write_reports(text, folder, count):
    """Writes node-days with identities of their own, and returns their files."""
    folder.mkdir()
    files = []
    for node in range(count):
        files.append(folder / f"{node}.json")
        files[-1].write_text(text.replace(BOOT_ID, f"00000000-0000-0000-0000-{node:012x}").replace("RUN-ID", f"run-{node}").replace("HOST", f"node-{node}"))
    return files


def database(lake, queries):
    """DuckDB with the views of deploy/lake."""
    found = duckdb.connect()
    found.execute(f"SET file_search_path = '{lake}'")
    for name in ("duckdb", "views"):
        found.execute((queries / f"{name}.sql").read_text())
    return found


def measured(name, action, unit="", amount=None):
    """Prints a row with the time of an action, or `amount` per second of it; returns what it returns."""
    def cpu_s():
        return sum(resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

    before, began = cpu_s(), time.monotonic()
    result = action()
    used, wall = cpu_s() - before, time.monotonic() - began
    print(f"| {name} | {used:.2f} s | {wall:.2f} s | {f'{amount / used:,.0f} {unit}' if amount else ''} |", flush=True)
    return result


def exported(eco2, lake, files, *arguments):
    """Returns the action that exports files."""
    return lambda: subprocess.run([eco2, "export", "--parquet", lake, *arguments, *files], check=True, stdout=subprocess.DEVNULL)


def copied(found, lake):
    """Writes copies of all node-days with identities of their own."""
    lake.mkdir()
    for table, columns in COPY.items():
        found.execute(f"COPY (SELECT * EXCLUDE (k) REPLACE ({columns}) FROM {table}_files, range({COPIES}) AS copies(k)) TO '{lake}/{table}' {DAYS}")


def questions(found, queries, node_days, total):
    """Asks for the energies of a fleet, and compares the answers."""
    for name, place in (("energy-by-node", 2), ("energy-by-job", 2), ("emissions-by-day", 1)):
        rows = measured(f"`{name}.sql`, {node_days:,} node-days", lambda: found.execute((queries / f"{name}.sql").read_text()).fetchall())
        assert sum(row[place] for row in rows) == node_days * total, f"{name}: not the energy of {node_days} node-days"


def measure(eco2, scratch, queries):
    """Prints a table of times. `queries` is the folder deploy/lake."""
    text, total = template(eco2, scratch)
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.0f}\n\n| what | CPU time | wall time | per second of CPU time |\n|---|---|---|---|")
    files = write_reports(text, scratch / "reports", EXPORTED)
    rows = 4 * len(DEVICES) * DAY_S
    measured("export of 4 node-days, a row per second", exported(eco2, scratch / "seconds", files[:4], "--every", "1"), "rows", rows)
    day, lake = scratch / "day", scratch / "lake"
    measured(f"export of {DAY_NODES} node-days, a row per minute", exported(eco2, day, files[:DAY_NODES]), "rows", DAY_NODES * len(DEVICES) * DAY_S // 60)
    found = measured(f"opening the files of {DAY_NODES} node-days", lambda: database(day, queries))
    rows = measured(f"a day of {DAY_NODES} nodes by minute and device", lambda: found.execute(MINUTES).fetchall())
    assert rows == [(DAY_NODES * len(DEVICES) * DAY_S // 60, DAY_NODES * total)], rows
    exported(eco2, lake, files)()
    (lake / "compact").mkdir()
    os.chdir(lake)
    found = database(lake, queries)
    measured(f"`compact.sql`, {EXPORTED} node-days", lambda: found.execute((queries / "compact.sql").read_text()))
    copied(database(lake / "compact", queries), scratch / "fleet")
    found = measured(f"opening the joined files of {EXPORTED * COPIES:,} node-days", lambda: database(scratch / "fleet", queries))
    questions(found, queries, EXPORTED * COPIES, total)
