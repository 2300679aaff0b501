"""Generated nodes: pages of /metrics as `eco2 serve` has them on a node with 2 processors and 8 GPUs, with values of known energy.

The text is agent/src/metrics.txt, which the agent's tests compare with what the agent writes; its devices are repeated, and its values are
replaced. One process serves the pages of all nodes, each at a port.
"""

import random
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from truth import Counter

SOURCE = Path(__file__).resolve().parents[3] / "agent/src/metrics.txt"
COPIES = {"GPU-0": 8, "package-0": 2, "dram-0": 2, "core-0": 2}
DEVICES = [f"{name[:-1]}{index}" for name in ("GPU-0", "package-0", "dram-0") for index in range(COPIES[name])]
WATTS = {"GPU": (60, 700), "package": (40, 280), "dram": (4, 25)}
FIRST_J = {"GPU-0": (1_000_000_000, 2_000_000_000)}
OTHER_FIRST_J = (0, 190_000_000)
"""What a device has used before, as after years. GPU-0 has more digits than VictoriaMetrics keeps. The node's sum is below 2**32 J, up to which
a binary number has every microjoule."""
LEAN = ("eco2_energy_joules_total", "eco2_power_watts", "eco2_consumer_energy_joules_total", "eco2_co2e_grams_total",
        "eco2_last_reading_age_seconds", "eco2_agent_uptime_seconds")
"""The metrics of the lean profile."""

# What replaces a value: the key of its number in `numbers`; {} is the device.
SLOTS = {
    "eco2_energy_joules_total": "energy {}", "eco2_energy_low_joules_total": "low {}", "eco2_energy_high_joules_total": "high {}",
    "eco2_domain_energy_joules_total": "domain {}", "eco2_power_watts": "power {}",
    "eco2_source_last_success_timestamp_seconds": "now", "eco2_agent_uptime_seconds": "uptime", "eco2_readings_total": "readings",
}


def lines():
    """Yields the lines of a page as (text, key of the value or None)."""
    for line in SOURCE.read_text().splitlines():
        device = re.search(r'device="([^"]+)"', line)
        copies = COPIES[device[1]] if device and not line.startswith("#") else 1
        for index in range(copies):
            name = device and f"{device[1][:-1]}{index}"
            text = line.replace(device[0], f'device="{name}"') if device else line
            text = re.sub(r"secret-(\d+) <[^\"]*", r"train-\1", text)
            metric = re.match(r"\w*", text)[0]
            key = SLOTS.get(metric)
            if metric == "eco2_consumer_energy_joules_total":
                key = "idle" if 'kind="idle"' in text else "none"
            yield text, key and key.format(name)


class Template:
    """The text of a page with places for its numbers: of every series, or of the lean profile."""

    def __init__(self, is_lean=False, node=None):
        """`node`: has a place for the node's name in each series, as an importer needs it."""
        kept = [(text, key) for text, key in lines() if not is_lean or re.match(r"\w*", text)[0] in LEAN]
        text = ""
        for line, key in kept:
            line = line.replace("%", "%%")
            if node and not line.startswith("#"):
                head, brace, tail = line.partition("{")
                head, _, value = line.partition(" ") if not brace else (head, "", "")
                line = f"{head}{{node=\"NODE\"" + (f",{tail}" if brace else f"}} {value}")
            text += (line.rpartition(" ")[0] + " %s" if key else line) + "\n"
        self.text, self.keys = text, [key for _, key in kept if key]
        self.series = sum(not line.startswith("#") for line, _ in kept)

    def page(self, numbers):
        """Returns the page with these numbers."""
        return self.text % tuple(map(numbers.__getitem__, self.keys))


def joules(uj):
    """Returns microjoules as a decimal number of joules, with every digit."""
    return f"{uj // 10**6}.{uj % 10**6:06d}"


def numbers(energies, watts, seconds, now):
    """Returns the numbers of a page: energies of the devices by name, microjoules, powers, the agent's uptime and the time."""
    found = {"idle": joules(sum(energies.values())), "none": "0", "now": f"{now:.3f}", "uptime": f"{seconds:.3f}", "readings": int(seconds * 20)}
    for name, uj in energies.items():
        found |= {f"energy {name}": joules(uj), f"low {name}": joules(uj - uj // 100), f"high {name}": joules(uj + uj // 100)}
        found[f"power {name}"] = f"{watts[name]:.6f}"
    for index in range(COPIES["core-0"]):
        found[f"domain core-{index}"] = joules(energies[f"package-{index}"] * 2 // 3)
    return found


def served(page):
    """Starts a server of this machine that answers each request with the bytes that `page` has for the path, and returns it."""

    class Handler(BaseHTTPRequestHandler):
        """Answers every request with its page."""

        protocol_version = "HTTP/1.1"

        def do_GET(self):
            """Sends the page."""
            body = page(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Writes no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Node:
    """A generated node: its counters, and the server of its page."""

    template = Template()

    def __init__(self, seed):
        random_ = random.Random(seed)
        self.watts = {name: random_.uniform(*WATTS[name.partition("-")[0]]) for name in DEVICES}
        self.counters = [Counter(name, watts,
                                 random_.randrange(*(joule * 10**6 for joule in FIRST_J.get(name, OTHER_FIRST_J)))) for name, watts in self.watts.items()]
        self.began = time.monotonic()

        self.server = served(lambda _: self.page().encode())
        # A killed reader closes its connection; that is no fault here.
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]

    def page(self):
        """Returns the page of this instant."""
        energies = {counter.name: counter.used_uj for counter in self.counters}
        return self.template.page(numbers(energies, self.watts, time.monotonic() - self.began, time.time()))
