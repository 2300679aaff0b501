"""A fleet of known energy through real servers: every value that they stored is compared with the energy that was used.

    proof.py [--lean] ECO2 PROMETHEUS VICTORIA

Real agents on trees of files and generated nodes (pages.py) are read by a real Prometheus and a real VictoriaMetrics. That Prometheus also
sends what it reads: by remote write 1 to the same VictoriaMetrics, by remote write 2 to a second Prometheus. On the way agents and receivers
are killed by SIGKILL, the clock of a sender steps, counters wrap and are reset, and batches are repeated. Energies are compared as values at
two instants at which the counters were still, and sample by sample between them.
"""

import json
import signal
import sys
import time
import urllib.request

from pages import DEVICES, Node
from servers import METRIC, Repeater, Sender, Victoria, prometheus
from truth import LATE_S, Growth, Machine, Program, faults, free_port, microjoules, until, workplace

TOKEN = "not-a-secret-0123456789abcdef"
RELATIVE = 1e-14
"""The largest error of a value in VictoriaMetrics, which keeps a decimal number of some 15 digits."""
EARLY_S = 1.0
"""A sample has the time at which its scrape began; the scrape may take this long."""
PAGE_LATE_S = 1.0
"""A generated page has the value of the instant at which it is asked for."""
INTERVAL_S = 1
STEP_S = 5
"""By how much the clock of a sender is wrong."""


class Agent:
    """A node that a real `eco2 serve` measures, with further arguments."""

    def __init__(self, eco2, root, index, *arguments):
        self.machine, self.port = Machine(root, (90 + 11 * index, 40 + 13 * index)), free_port()
        self.counters = self.machine.counters
        token = root / "token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        self.program = Program(root / "agent.log", eco2, "serve", "--sysfs", root / "sys", "--procfs", root / "proc", "--source", "rapl-sysfs",
                               "--dir", root / "run", "--listen", f"127.0.0.1:{self.port}", "--token-file", token, *arguments,
                               ECO2_ESTIMATE="false", XDG_STATE_HOME=str(root / "state"))

    def page(self):
        """Returns its page of metrics."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        return urllib.request.urlopen(request, timeout=5).read().decode()

    def shown(self):
        """Returns the energies that it shows by device, microjoules."""
        lines = [line for line in self.page().splitlines() if line.startswith(METRIC + "{")]
        return {line.split('device="')[1].split('"')[0]: microjoules(line.rsplit(" ", 1)[1]) for line in lines}

    def shows_all(self):
        """Whether it shows the energy that was used."""
        return self.shown() == {counter.name: counter.used_uj for counter in self.counters}


class Route:
    """A way from the pages into a store, and the series of that way."""

    def __init__(self, name, store, selector):
        self.name, self.store, self.selector = name, store, selector

    def between(self, began, ended):
        """Returns the stored samples between two instants."""
        return {key: [one for one in series if began - 0.5 <= one[0] <= ended] for key, series in self.store.samples(self.selector).items()}

    def compare(self, truth, began, ended, late_s):
        """Compares what was stored with the truth; returns the samples between two instants. `late_s`: how old values of a series may be."""
        relative = 0.0 if self.store.is_exact else RELATIVE
        samples = self.between(began, ended)
        assert samples.keys() == truth.keys(), f"{self.name}: {len(samples)} series of {len(truth)}"
        for key, series in samples.items():
            found = faults(series, truth[key].truth, relative, EARLY_S, late_s(key))
            assert not found, f"{self.name} {key}: {found[:3]} of {len(series)} samples"
        # Seen red: a truth that is off by a microjoule, and by 1e-13 in VictoriaMetrics, is noticed.
        key = max(truth, key=lambda one: truth[one].used_uj)
        wrong = [(at, uj + (1 if self.store.is_exact else uj // 10**13)) for at, uj in truth[key].truth]
        assert faults(samples[key], wrong, relative, EARLY_S), f"{self.name}: the comparison compares nothing"
        wrong = [(at - late_s(key) - EARLY_S, uj) for at, uj in truth[key].truth]
        assert faults(samples[key], wrong, relative, EARLY_S, late_s(key)), f"{self.name}: old values are not noticed"
        total, off = self.totals(truth, began, ended)
        count = sum(map(len, samples.values()))
        falls = sum(later < uj for series in samples.values() for (_, uj), (_, later) in zip(series, series[1:]))
        print(f"{self.name}: {count} samples of {len(truth)} series {'equal' if self.store.is_exact else 'are within 1e-14 of'} the truth; "
              f"between two instants {total / 1e6:.6f} J, off by {off} uJ"
              + (f"; {falls} values fell by a last digit" if falls else ""))
        return samples

    def totals(self, truth, began, ended):
        """Compares the difference of each series between two instants; returns the sum, and by how much it is off, microjoules."""
        used = self.store.ask(f"{METRIC}{self.selector} @ {ended:.3f} - {METRIC}{self.selector} @ {began:.3f}")
        total = off = 0
        for key, counter in truth.items():
            uj, right = round(microjoules(used[key])), counter.used_uj - counter.truth[0][1]
            # Each of the two values may be off by the store's error.
            assert abs(uj - right) <= 2 * (0.0 if self.store.is_exact else RELATIVE) * counter.used_uj, f"{self.name} {key}: {uj} uJ, not {right}"
            total, off = total + uj, off + uj - right
        return total, abs(off)


class Fleet:
    """The nodes, the stores and the routes between them."""

    def __init__(self, eco2, prometheus_file, victoria_file, root, agents, generated):
        self.agents = []
        for index in range(agents):
            folder = root / f"agent{index}"
            folder.mkdir()
            self.agents.append(Agent(eco2, folder, index))
        self.pages = [Node(f"fleet {index}") for index in range(generated)]
        self.growth = [Growth([agent.machine for agent in self.agents]), Growth(self.pages, 0.25)]
        self.nodes = {f"n{index:02}": node for index, node in enumerate(self.agents + self.pages)}
        self.truth = {(name, counter.name): counter for name, node in self.nodes.items() for counter in node.counters}
        until("the agents have read their counters", lambda: all(len(agent.shown()) == 2 for agent in self.agents), 60)
        self.victoria = Victoria(victoria_file, root, f"-promscrape.config={root}/victoria.yml", "-retentionPeriod=1d")
        (root / "victoria.yml").write_text(self.configuration(root, route="scrape"))
        self.sender = Sender(self.agents[-1].page, self.victoria.address, node=f"n{agents - 1:02}", route="stepped")
        self.to_victoria = Repeater(self.victoria.address)
        writes = [self.write(f"{self.to_victoria.address}/api/v1/write")]
        self.routes = [Route("scrape, VictoriaMetrics", self.victoria, '{route="scrape"}')]
        self.written = [Route("remote write 1, VictoriaMetrics", self.victoria, '{route="write"}')]
        self.receiver = prometheus(prometheus_file, "receiver", root, {}, "--web.enable-remote-write-receiver",
                                   "--web.remote-write-receiver.accepted-protobuf-messages=io.prometheus.write.v2.Request")
        self.to_receiver = Repeater(self.receiver.address)
        writes.append(self.write(f"{self.to_receiver.address}/api/v1/write") | {"protobuf_message": "io.prometheus.write.v2.Request"})
        self.written.append(Route("remote write 2, Prometheus", self.receiver, '{route="write"}'))
        self.prometheus = prometheus(prometheus_file, "prometheus", root, self.settings(root) | {"remote_write": writes})
        self.routes = [Route("scrape, Prometheus", self.prometheus, ""), *self.routes]

    def settings(self, root, **labels):
        """Returns the configuration of a store that scrapes."""
        # Two nodes have the same host name: they differ by their target.
        targets = [{"targets": [f"127.0.0.1:{node.port}"], "labels": {"node": name, "hostname": "gpu-0" if name < "n02" else name, **labels}}
                   for name, node in self.nodes.items()]
        job = {"job_name": "eco2", "authorization": {"credentials_file": str(root / "agent0/token")}, "static_configs": targets}
        times = {"scrape_interval": f"{INTERVAL_S}s", "scrape_timeout": f"{INTERVAL_S}s"}
        return {"global": times | ({} if labels else {"external_labels": {"route": "write"}}), "scrape_configs": [job]}

    def configuration(self, root, **labels):
        """Returns the configuration as text."""
        return json.dumps(self.settings(root, **labels))

    @staticmethod
    def write(address):
        """Returns a receiver of remote write."""
        return {"url": address, "queue_config": {"batch_send_deadline": "1s"}, "metadata_config": {"send": False}}

    def is_still(self, still):
        """Stops all counters, or lets them grow."""
        for growth in self.growth:
            growth.is_still(still)

    def arrived(self, time_s):
        """Waits until each series of each route has a sample of after a time."""
        for route in [*self.routes, *self.written]:
            until(f"{route.name}: samples have arrived", lambda: route.store.is_up_to(time_s, route.selector, len(self.truth)), 90)

    def quiet(self, seconds):
        """Measures the CPU time of the stores while nothing is killed."""
        stores = {"VictoriaMetrics": self.victoria.program, "Prometheus": self.prometheus.program}
        before = {name: program.cpu_s() for name, program in stores.items()} | {"agents": sum(agent.program.cpu_s() for agent in self.agents)}
        began = time.monotonic()
        time.sleep(seconds)
        scrapes = (time.monotonic() - began) / INTERVAL_S * len(self.nodes)
        for name, program in stores.items():
            cost = (program.cpu_s() - before[name]) / scrapes
            print(f"{name}: {cost * 1e3:.2f} ms of CPU time per scrape of a node, that is {cost / 15 * 100:.4f} % of a core at one in 15 s; "
                  f"{program.status_kib('RssAnon') / 1024:.0f} MiB")
        cost = (sum(agent.program.cpu_s() for agent in self.agents) - before["agents"]) / len(self.agents) / (time.monotonic() - began)
        print(f"agents: {cost * 100:.2f} % of a core each, read twice a second")

    def trouble(self, down_s):
        """Kills agents and receivers, steps a clock, resets counters."""
        for agent in self.agents[:2]:
            agent.program.end(signal.SIGKILL)
        self.sender.step_s = STEP_S
        time.sleep(1.5)
        for agent in self.agents[:2]:
            agent.program.start()
        time.sleep(2)
        receivers = [self.victoria.program, self.receiver.program]
        for program in receivers:
            program.end(signal.SIGKILL)
        time.sleep(down_s)
        for program in receivers:
            program.start()
        self.sender.step_s = -STEP_S
        # A counter is reset after everything before it was read; the others go on.
        for agent in self.agents:
            agent.machine.reset.is_still = True
        time.sleep(3)
        for agent in self.agents:
            agent.machine.reset.put(0)
        time.sleep(3)
        for agent in self.agents:
            agent.machine.reset.is_still = False
        self.sender.step_s = 0
        print(f"killed: 2 agents, {len(receivers)} receivers for {down_s} s; {len(self.agents)} counters reset; a sender's clock stepped by "
              f"{STEP_S} s, {-2 * STEP_S} s and {STEP_S} s")

    def late_s(self, key):
        """Returns how old the values of a series may be, seconds."""
        return PAGE_LATE_S if key[0] >= f"n{len(self.agents):02}" else LATE_S

    def doubled(self, began, ended):
        """Counts the samples that VictoriaMetrics stores more than once, and those that it answers with more than once after `once`."""
        def count():
            return sum(len(series) - len(set(at for at, _ in series)) for series in self.written[0].between(began, ended).values())
        stored = count()
        assert stored, "the count of doubled samples counts nothing: batches were sent twice"
        self.victoria.once()
        answered = count()
        assert not answered, f"{answered} samples are answered with twice"
        print(f"{self.written[0].name}: {stored} samples are stored more than once, and none is answered with more than once with "
              "-dedup.minScrapeInterval=1ms")

    def stepped(self, name, began, ended):
        """Compares what the sender whose clock steps has stored: each value by the true time or a time that is wrong by the step."""
        route, truth = Route("stepped clock", self.victoria, '{route="stepped"}'), {key: one for key, one in self.truth.items() if key[0] == name}
        samples, count = route.between(began, ended), 0
        assert samples.keys() == truth.keys(), f"{route.name}: {len(samples)} series of {len(truth)}"
        for key, series in samples.items():
            for one in series:
                found = faults([one], truth[key].truth, RELATIVE, EARLY_S + STEP_S, LATE_S + STEP_S)
                assert not found, f"{route.name} {key}: {found}"
            count += sum(bool(faults([one], truth[key].truth, RELATIVE, EARLY_S, LATE_S)) for one in series)
            count += sum(later < uj for (_, uj), (_, later) in zip(series, series[1:]))
        assert count, f"{route.name}: no sample has a wrong time"
        total, off = route.totals(truth, began, ended)
        print(f"{route.name}: {sum(map(len, samples.values()))} samples, {count} of them at a wrong time, all with values of the node within "
              f"{STEP_S} s more than otherwise; between two instants at which the clock was right {total / 1e6:.6f} J, off by {off} uJ")

    def lost(self, sent, route, received):
        """Compares what a receiver of remote write has with what was sent."""
        def times(samples):
            return {(key, round(at * 1000)): uj for key, series in samples.items() for at, uj in series}
        sent, found = times(sent), times(received)
        assert not found.keys() - sent.keys(), f"{route.name}: samples that were not sent"
        lost = len(sent.keys() - found.keys())
        worst = max(abs(uj - sent[key]) / max(sent[key], 1) for key, uj in found.items())
        repeater = self.to_victoria if route.store is self.victoria else self.to_receiver
        assert repeater.repeated >= 4, "batches were repeated"
        print(f"{route.name}: of {len(sent)} samples {lost} lost, none of another time; largest error {float(worst):.1e}; "
              f"{repeater.repeated} batches sent again, {repeater.refused} of them refused")
        # VictoriaMetrics writes what it has answered for to its disk seconds later; Prometheus before it answers.
        assert route.store is self.victoria or not lost, f"{route.name}: {lost} samples lost"

    def uses(self, began, ended):
        """Checks that the energies by use add up to those of the devices in every scrape."""
        sums = []
        for metric, label in ((METRIC, "device"), ("eco2_consumer_energy_joules_total", "kind")):
            sums.append({})
            for (node, _), series in self.prometheus.samples("", metric, label).items():
                for at, uj in series:
                    if began <= at <= ended:
                        sums[-1][node, at] = sums[-1].get((node, at), 0) + uj
        both = sums[0].keys() & sums[1].keys()
        assert len(both) > 10 * len(self.nodes) and all(sums[0][key] == sums[1][key] for key in both), "uses add up to the devices"
        print(f"uses add up to the devices to the microjoule in {len(both)} scrapes of {len(self.nodes)} nodes")


def main(eco2, prometheus_file, victoria_file, is_lean):
    """Runs the proof."""
    agents, generated, quiet_s, down_s = (4, 12, 5, 4) if is_lean else (8, 56, 30, 30)
    with workplace() as root:
        fleet = Fleet(eco2, prometheus_file, victoria_file, root, agents, generated)
        fleet.arrived(0)
        began = time.time()
        fleet.arrived(began)
        fleet.is_still(False)
        fleet.quiet(quiet_s)
        fleet.trouble(down_s)
        time.sleep(quiet_s / 2)
        fleet.is_still(True)
        until("the last energy is shown", lambda: all(agent.shows_all() for agent in fleet.agents), 30)
        shown = time.time()
        fleet.arrived(shown)
        ended = time.time()
        fleet.arrived(ended)
        fleet.doubled(began, ended)
        stored = {route: route.compare(fleet.truth, began, ended, fleet.late_s) for route in fleet.routes + fleet.written}
        for route in fleet.written:
            fleet.lost(stored[fleet.routes[0]], route, stored[route])
        fleet.uses(began, ended)
        fleet.stepped(f"n{agents - 1:02}", began, ended)
        wraps = sum(agent.machine.wraps.used_uj // agent.machine.wraps.range_uj for agent in fleet.agents)
        assert wraps >= agents, "counters have wrapped"
        print(f"{agents} real agents on {2 * agents} counters with {wraps} wraps and {agents} resets, and {generated} generated nodes with "
              f"{len(DEVICES)} devices: totals unchanged")


if __name__ == "__main__":
    main(*[argument for argument in sys.argv[1:] if argument != "--lean"], "--lean" in sys.argv)
