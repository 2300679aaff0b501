"""Measures what a large fleet costs its stores: text of a generator, as nodes with 2 processors and 8 GPUs write it, into real servers.

    scale.py PROMETHEUS VICTORIA [PROMTOOL]

Prints the table of docs/scale.md: series, bytes, memory and CPU time per node. CPU time is that of the server's process, so that other programs
on the machine matter little. What needs more memory than is free is left out, and printed as such.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import zlib
from pathlib import Path

from pages import DEVICES, WATTS, Template, numbers, served
from servers import METRIC, Repeater, Victoria, get, prometheus
from truth import Program, microjoules, until

INTERVAL_S = 15
SCRAPES = 60 // INTERVAL_S
DAY_SCRAPES = 24 * 3600 // INTERVAL_S
BATCH = 4_000_000
"""Bytes of text in one request."""
MIB = 1 << 20
LOADS = 100
LARGEST_SERIES = 2_000_000
"""Series that one question may read; VictoriaMetrics allows fewer unless it is asked to."""


class Load:
    """A node's devices: energies so far, and powers, which change with each scrape."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.mean = {name: self.random.uniform(*WATTS[name.partition("-")[0]]) for name in DEVICES}
        self.watts = dict(self.mean)
        self.energies = {name: self.random.randrange(10**15) for name in DEVICES}

    def step(self):
        """Uses the energy of an interval."""
        for name, mean in self.mean.items():
            self.watts[name] = mean * self.random.uniform(0.8, 1.2)
            self.energies[name] += int(self.watts[name] * INTERVAL_S * 1e6)


def disk_bytes(folder):
    """Returns the size of the files in a folder."""
    return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def free_mib():
    """Returns the memory that is available, MiB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) // 1024


def row(*cells):
    """Prints a row of the table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


class Import:
    """A VictoriaMetrics that takes text, and how many samples it was sent."""

    def __init__(self, victoria, folder, memory_mib=4096):
        folder.mkdir()
        self.folder, self.samples = folder, 0
        self.store = Victoria(victoria, folder, "-retentionPeriod=1w", f"-memory.allowedBytes={memory_mib * MIB}",
                              f"-search.maxUniqueTimeseries={LARGEST_SERIES}", "-search.maxQueryDuration=5m")
        until("VictoriaMetrics answers", lambda: get(self.store.address + "/health"), 30)

    def send(self, template, loads, nodes, times):
        """Sends the pages of nodes at some times, and returns the CPU time of the server, seconds. Nodes share the loads in turn: making
        text takes longer than storing it."""
        before, batch, size = self.store.program.cpu_s(), [], 0
        for at in times:
            pages = []
            for load in loads:
                load.step()
                pages.append(template.page(numbers(load.energies, load.watts, at % 10**6, at)))
            for node in range(nodes):
                text = pages[node % len(pages)].replace("NODE", f"n{node:06}")
                batch.append(text)
                size += len(text)
                if size > BATCH:
                    batch, size = self.flush(batch, at)
            batch, size = self.flush(batch, at)
        get(self.store.address + "/internal/force_flush")
        self.samples += template.series * nodes * len(times)
        return self.store.program.cpu_s() - before

    def flush(self, batch, at):
        """Sends what was collected."""
        if batch:
            code, _ = Repeater.send(f"{self.store.address}/api/v1/import/prometheus?timestamp={round(at * 1000)}", "".join(batch).encode(), {})
            assert code == 204, f"VictoriaMetrics answered {code}"
        return [], 0

    def check(self, loads, nodes, at):
        """Compares what is stored of some nodes with what was sent last, and counts the samples."""
        for node in (0, nodes // 2, nodes - 1):
            found = self.store.ask(f'{METRIC}{{node="n{node:06}"}} @ {at:.3f}')
            for (_, device), value in found.items():
                uj = loads[node % len(loads)].energies[device]
                assert abs(microjoules(value) - uj) <= uj * 1e-14, f"node {node} {device}: {value} J, sent were {uj} uJ"
            assert len(found) == len(DEVICES), f"node {node} has {len(found)} devices"
        text = get(self.store.address + "/metrics")
        rows = sum(int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines() if line.startswith('vm_rows_inserted_total{'))
        assert rows == self.samples, f"{rows} samples of {self.samples}"

    def end(self):
        """Ends the server as its service does, so that all is on the disk; returns bytes per sample."""
        self.store.program.end()
        return disk_bytes(self.folder / "victoria/data") / self.samples, disk_bytes(self.folder / "victoria/indexdb")


def no_comments(template):
    """Leaves out comments, which an import does not read."""
    template.text = "".join(line for line in template.text.splitlines(keepends=True) if not line.startswith("#"))
    return template


def minutes(victoria, root, nodes, is_lean, needed_mib):
    """A minute in which the series are new, and one in which they are known."""
    name = f"{nodes:,} nodes, {'lean' if is_lean else 'every series'}"
    if free_mib() < needed_mib:
        row(name, f"left out: {free_mib()} MiB of memory are free, {needed_mib} MiB needed", *[""] * 8)
        return
    template = no_comments(Template(is_lean, node=True))
    loads = [Load(f"scale {node}") for node in range(min(nodes, LOADS))]
    server = Import(victoria, root / f"minutes{nodes}{is_lean}")
    first = time.time() // 60 * 60 - 300
    times = [[first + minute * 60 + scrape * INTERVAL_S for scrape in range(SCRAPES)] for minute in range(2)]
    new_s = server.send(template, loads, nodes, times[0])
    known_s = server.send(template, loads, nodes, times[1])
    server.check(loads, nodes, times[1][-1])
    began = time.monotonic()
    try:
        get(f"{server.store.address}/api/v1/query", nocache=1, query=f"sum({METRIC} @ {times[1][-1]} - {METRIC} @ {times[0][0]})")
        asked = f"{time.monotonic() - began:.1f}"
    except urllib.error.HTTPError as error:
        # Its limits of memory per question; the reason is in the answer.
        asked = "refused"
        print(f"{name}: {error.read().decode(errors='replace')[:400]}", file=sys.stderr)
    memory = server.store.program.status_kib("RssAnon") / 1024
    _, index = server.end()
    series = nodes * template.series
    row(name, f"{series:,}", f"{nodes * template.series * SCRAPES / 60:,.0f}", f"{new_s:.1f}", f"{known_s:.1f}",
        f"{known_s / 60 / nodes * 100:.5f}", f"{memory:,.0f}", f"{memory * 1024 / series:.2f}", f"{index / series:.0f}", asked)


def kept(keys):
    """Returns the template of the values whose key begins with one of these words."""
    template = Template(node=True)
    lines = [line for line in template.text.splitlines(keepends=True) if not line.startswith("#")]
    with_key = [line for line in lines if line.endswith(" %s\n")]
    chosen = [(line, key) for line, key in zip(with_key, template.keys, strict=True) if key.split()[0] in keys]
    template.text, template.keys = "".join(line for line, _ in chosen), [key for _, key in chosen]
    template.series = len(chosen)
    return template


def day(victoria, promtool, root, nodes):
    """A day, for the size on a disk."""
    templates = {"every series": no_comments(Template(node=True)), "lean": no_comments(Template(True, node=True)),
                 "energies with their bounds": kept({"energy", "low", "high", "domain", "idle"})}
    first = time.time() // 86400 * 86400 - 86400
    times = [first + scrape * INTERVAL_S for scrape in range(DAY_SCRAPES)]
    for name, template in templates.items():
        server = Import(victoria, root / f"day-{name.split()[0]}")
        server.send(template, [Load(f"day {node}") for node in range(nodes)], nodes, times)
        get(server.store.address + "/internal/force_merge")
        until("parts are merged", lambda: "vm_active_force_merges 0" in get(server.store.address + "/metrics"), 120)
        bytes_, _ = server.end()
        of_prometheus = prometheus_bytes(promtool, root, template, times) if promtool else None
        per_node = bytes_ * template.series * DAY_SCRAPES
        cell = "not measured" if of_prometheus is None else f"{of_prometheus:.2f} | {of_prometheus * template.series * DAY_SCRAPES / 1e6:.2f}"
        row(name, template.series, f"{template.series * DAY_SCRAPES:,}", f"{bytes_:.2f}", f"{per_node / 1e6:.2f}", cell)


def prometheus_bytes(promtool, root, template, times):
    """Returns the bytes per sample of a node's day in blocks of Prometheus, with their index."""
    folder, load = root / "blocks", Load("day 0")
    text = root / "day.txt"
    with open(text, "w") as out:
        for at in times:
            load.step()
            page = template.page(numbers(load.energies, load.watts, at % 10**6, at)).replace("NODE", "n000000")
            out.write("".join(f"{line} {at:.0f}\n" for line in page.splitlines()))
        out.write("# EOF\n")
    subprocess.run([promtool, "tsdb", "create-blocks-from", "openmetrics", text, folder], check=True, capture_output=True)
    size = disk_bytes(folder)
    shutil.rmtree(folder)
    return size / template.series / len(times)


def scraped(prometheus_file, victoria_file, root, nodes):
    """A minute of real scrapes: the page of each target is that of many nodes, so that both stores have many series."""
    groups, template = 10, Template(node=True)
    loads = [Load(f"scraped {node}") for node in range(nodes)]
    bodies = []

    def renew():
        """Uses the energy of an interval, and makes the pages of it."""
        made = []
        for group in range(groups):
            texts = []
            for node in range(group, nodes, groups):
                loads[node].step()
                page = template.page(numbers(loads[node].energies, loads[node].watts, 1000, time.time()))
                texts.append("".join(line + "\n" for line in page.splitlines() if line[0] != "#").replace("NODE", f"n{node:06}"))
            made.append(("".join(texts) + "# EOF\n").encode())
        bodies[:] = made

    renew()
    server = served(lambda path: bodies[int(path.rsplit("/", 1)[1])])
    jobs = [{"job_name": f"g{group}", "metrics_path": f"/{group}", "static_configs": [{"targets": [f"127.0.0.1:{server.server_address[1]}"]}]}
            for group in range(groups)]
    settings = {"global": {"scrape_interval": f"{INTERVAL_S}s", "scrape_timeout": f"{INTERVAL_S}s"}, "scrape_configs": jobs}
    (root / "scrape.yml").write_text(json.dumps(settings))
    series = nodes * template.series
    for name in ("Prometheus", "VictoriaMetrics"):
        if name == "Prometheus":
            store = prometheus(prometheus_file, "large", root, settings)
        else:
            (root / "large").mkdir(exist_ok=True)
            store = Victoria(victoria_file, root, f"-promscrape.config={root}/scrape.yml", "-promscrape.maxScrapeSize=64MB", "-retentionPeriod=1d")
        until(f"{name} has every series", lambda: store.ask(f"count({METRIC})").get((None, None)) == nodes * len(DEVICES), 90)
        time.sleep(INTERVAL_S)
        began, before = time.monotonic(), store.program.cpu_s()
        for _ in range(SCRAPES):
            time.sleep(INTERVAL_S)
            renew()
        used = (store.program.cpu_s() - before) / (time.monotonic() - began)
        memory = store.program.status_kib("RssAnon") / 1024
        row(f"{name}, {nodes:,} nodes scraped", f"{series:,}", f"{used * 100:.1f}", f"{used / nodes * 100:.5f}", f"{memory:,.0f}", f"{memory * 1024 / series:.2f}")
        store.program.end()
    server.shutdown()


def page_sizes():
    """The size of a page."""
    load = Load("page")
    text = Template().page(numbers(load.energies, load.watts, 1000, time.time())).encode()
    row(Template().series, Template(True).series, f"{len(text):,}", f"{len(text) / INTERVAL_S:,.0f}", f"{len(zlib.compress(text, 6)):,}")


def main(prometheus_file, victoria_file, promtool=None):
    """Prints the tables."""
    Program.end_on_signal()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        try:
            print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d %H:%M')} UTC", flush=True)
            print("\n| series of a node's page | of the lean profile | bytes | bytes per second at 15 s | bytes, if it were compressed |\n|---|---|---|---|---|")
            page_sizes()
            print("\n| one node's day | series | samples | VictoriaMetrics, bytes per sample | MB per node and day | Prometheus, bytes per sample | MB per node "
                  "and day |\n|---|---|---|---|---|---|---|")
            day(victoria_file, promtool, root, 1)
            print("\n| scraped | series | CPU, % of a core | per node | memory, MiB | KiB per series |\n|---|---|---|---|---|---|")
            scraped(prometheus_file, victoria_file, root, 1000)
            print("\n| text into VictoriaMetrics | series | samples per second | CPU s, minute of new series | CPU s, later minute | CPU per node, % of a core | "
                  "memory, MiB | KiB per series | index, bytes per series | sum over the fleet, s |\n|---|---|---|---|---|---|---|---|---|---|")
            minutes(victoria_file, root, 10_000, False, 4000)
            minutes(victoria_file, root, 20_000, True, 4000)
            minutes(victoria_file, root, 100_000, True, 8000)
        finally:
            Program.end_all()


if __name__ == "__main__":
    main(*sys.argv[1:])
