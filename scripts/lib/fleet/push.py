"""Pushes of runs and agents into real servers: every value that they stored is compared with what was measured.

    push.py [--lean] [--mlflow=MLFLOW] ECO2 PROMETHEUS VICTORIA PUSHGATEWAY NODE_EXPORTER PROMTOOL

Two agents push on their usual interval, one to VictoriaMetrics (OTLP and remote write), one to Prometheus (remote write) and to a textfile.
Runs push to all kinds of places. On the way the stores are killed by SIGKILL and stay away, the agents are killed by SIGKILL while requests
wait, and a proxy sends batches again. Requests of runs are also read by decoders of PyPI and compared field by field (wire.py), and their
traces by a real MLflow.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import wire
from proof import EARLY_S, RELATIVE, Agent
from servers import METRIC, MlFlow, Repeater, Store, Victoria, get, prometheus
from truth import LATE_S, Growth, Machine, faults, microjoules, until, workplace

PUSH_S = 10
"""The agent's interval."""
PUBLIC_UJ = 100_000
"""The steps of the energies that every user may see, and that a textfile has."""


class Proxy(Repeater):
    """Passes requests on, keeps the bodies that were taken, and sends every third twice. Without a receiver it takes all."""

    def __init__(self, receiver):
        super().__init__(receiver or "", every=3)
        self.taken, self.at = [], 0.0

    def send(self, address, body, headers):
        """Passes a request on."""
        return super().send(address, body, headers) if address.startswith("http") else (200, ())

    def repeat(self, address, body, headers):
        """Keeps a request."""
        self.taken.append(body)
        self.at = time.monotonic()
        super().repeat(address, body, headers)


def waiting(root):
    """Returns the bodies of the requests that wait in the folders below a folder."""
    return [file.read_bytes().partition(b"\n\n")[2] for file in sorted(root.rglob("*.message"))]


class Runs:
    """Runs of `eco2 run` on a machine of their own."""

    def __init__(self, eco2, root):
        self.eco2, self.root, self.machine = eco2, root, Machine(root)

    def run(self, places, code, **environment):
        """Makes a run that pushes to places, and returns its report and its page of metrics."""
        arguments = [word for kind, place in places.items() for word in ("--push", f"{kind}={place}")]
        page = self.root / "textfiles/run.prom"
        page.parent.mkdir(exist_ok=True)
        page.touch(0o644)
        done = subprocess.run([self.eco2, "run", "--sysfs", self.root / "sys", "--procfs", self.root / "proc", "--source", "rapl-sysfs", "--zone", "DE",
                               "--name", "train", "--label", "team=x", "--max-energy", "10J", "--quiet", "--json", self.root / "run.json", "--push", f"textfile={page}", *arguments,
                               "--", "sh", "-c", f"sleep 2; exit {code}"],
                              env={**os.environ, "ECO2_ESTIMATE": "false", "XDG_STATE_HOME": str(self.root / "state"), **environment}, stderr=subprocess.PIPE, text=True)
        assert done.returncode == code, f"eco2 run: {done.returncode}, {done.stderr}"
        return json.loads((self.root / "run.json").read_text()), page.read_text()

    @staticmethod
    def energies(report):
        """Returns the energies of a run by device, microjoules."""
        return {device["id"]: device["energy_uj"] for device in report["devices"] if device["energy_uj"] is not None}


class Route:
    """A way of an agent's pushes into a store."""

    def __init__(self, name, agent, store, proxy, names):
        self.name, self.agent, self.store, self.proxy, self.names = name, agent, store, proxy, names

    def compare(self):
        """Compares each stored sample with the truth and with what was sent: none lost, none doubled."""
        relative = 0.0 if self.store.is_exact else RELATIVE
        stored = self.store.samples('{run="",eco2_run_id=""}', *self.names)
        counters = {(None, counter.name): counter for counter in self.agent.counters}
        assert stored.keys() == counters.keys(), f"{self.name}: {stored.keys()}"
        gaps = []
        for key, series in stored.items():
            found = faults(series, counters[key].truth, relative, EARLY_S, LATE_S)
            assert not found, f"{self.name} {key}: {found[:3]} of {len(series)} samples"
            assert abs(series[-1][1] - counters[key].used_uj) <= relative * counters[key].used_uj, f"{self.name} {key}: not up to the end"
            times = [at for at, _ in series]
            assert len(set(times)) == len(times), f"{self.name} {key}: a sample is answered with twice"
            gaps += [later - at for at, later in zip(times, times[1:])]
            # Seen red: a truth that is off by a microjoule, or in VictoriaMetrics by 1e-13, is noticed.
            wrong = [(at, uj + (1 if self.store.is_exact else max(1, uj // 10**13))) for at, uj in counters[key].truth]
            assert faults(series, wrong, relative, EARLY_S, LATE_S), f"{self.name}: the comparison compares nothing"
        sent = Counter(self.proxy.taken)
        assert max(sent.values()) == 1, f"{self.name}: eco2 sent a request twice"
        count = {len(series) for series in stored.values()}
        assert count == {len(sent)}, f"{self.name}: {count} samples of {len(sent)} requests"
        # The agent was killed once: up to an interval before, as much after its start, and the start.
        long = [gap for gap in gaps if gap > PUSH_S + 1.5]
        assert len(long) <= len(stored) and all(gap <= 2 * PUSH_S + LATE_S for gap in long), f"{self.name}: intervals of {long} s"
        print(f"{self.name}: {len(sent)} requests, 0 lost, 0 doubled by eco2, {self.proxy.repeated} sent again by the proxy "
              f"({self.proxy.refused} refused); each sample {'equal to' if self.store.is_exact else 'within 1e-14 of'} the truth")


def compare_run(what, store, selector, names, report):
    """Compares the energies of a run in a store with those of its report."""
    relative = 0.0 if store.is_exact else RELATIVE
    found = {device: [uj for _, uj in series] for (_, device), series in store.samples(selector, *names).items()}
    expected = Runs.energies(report)
    assert found.keys() == expected.keys() and expected, f"{what}: {found} instead of {expected}"
    for device, values in found.items():
        (uj,) = values
        assert abs(uj - expected[device]) <= relative * expected[device], f"{what}: {uj} uJ instead of {expected[device]} uJ of {device}"
    print(f"{what}: {sum(expected.values())} uJ as in the report")


def page_energies(page):
    """Returns the energies of a page of metrics by device, microjoules."""
    return {labels["device"]: int(round(value * 1e6)) for name, _, labels, value in wire.samples(page) if name == METRIC}


class Scene:
    """The servers, the agents that push to them, and the runs."""

    def __init__(self, eco2, prometheus_file, victoria_file, gateway_file, exporter_file, root):
        self.folders = [root / name for name in ("agent0", "agent1", "runs", "textfiles")]
        for folder in self.folders:
            folder.mkdir()
        self.runs, textfiles = Runs(eco2, self.folders[2]), self.folders[3]
        self.victoria = Victoria(victoria_file, root, "-retentionPeriod=1d", "-opentelemetry.usePrometheusNaming", "-inmemoryDataFlushInterval=1s",
                                 "-dedup.minScrapeInterval=1ms")
        self.prometheus = prometheus(prometheus_file, "prometheus", root, {"global": {}}, "--web.enable-remote-write-receiver")
        self.gateway = Store("pushgateway", root, gateway_file, "--web.listen-address=127.0.0.1:PORT")
        self.exporter = Store("exporter", root, exporter_file, "--collector.disable-defaults", "--collector.textfile",
                              f"--collector.textfile.directory={textfiles}", "--web.listen-address=127.0.0.1:PORT")
        self.proxies = {"otlp": Proxy(f"{self.victoria.address}/opentelemetry"), "remote-write": Proxy(self.prometheus.address),
                        "otlp-traces": Proxy(None)}
        pushes = [Proxy(f"{self.victoria.address}/opentelemetry"), Proxy(self.victoria.address), Proxy(self.prometheus.address)]
        otlp, first, second = f"otlp={pushes[0].address}", *(f"remote-write={proxy.address}/api/v1/write" for proxy in pushes[1:])
        self.agents = [Agent(eco2, self.folders[0], 0, "--push", otlp, "--push", first),
                       Agent(eco2, self.folders[1], 1, "--push", second, "--push", f"textfile={textfiles}/agent.prom")]
        self.routes = [Route("agent, OTLP, VictoriaMetrics", self.agents[0], self.victoria, pushes[0], ("hw_energy_joules_total", "hw_id")),
                       Route("agent, remote write, VictoriaMetrics", self.agents[0], self.victoria, pushes[1], (METRIC, "device")),
                       Route("agent, remote write, Prometheus", self.agents[1], self.prometheus, pushes[2], (METRIC, "device"))]
        self.growth = Growth([agent.machine for agent in self.agents] + [self.runs.machine])
        for store in (self.victoria, self.prometheus, self.gateway, self.exporter):
            until(f"{store.name} answers", lambda: get(f"{store.address}/-/ready" if store is self.prometheus else f"{store.address}/metrics"), 60)

    def run(self, code):
        """Makes a run that pushes to every kind of place, and returns its report and its page."""
        places = {kind: proxy.address for kind, proxy in self.proxies.items()} | {"pushgateway": self.gateway.address}
        places["remote-write"] += "/api/v1/write"
        return self.runs.run(places, code)

    def waited(self, count):
        """Waits until `count` more requests for each place of an agent wait in its folder, and returns all that wait."""
        wanted = [len(waiting(folder)) + places * count for folder, places in zip(self.folders, (2, 1))]
        until("requests wait", lambda: all(len(waiting(folder)) >= least for folder, least in zip(self.folders, wanted)), (count + 2) * PUSH_S)
        return [body for folder in self.folders[:2] for body in waiting(folder)]

    def pushed(self, count):
        """Waits until nothing waits and each agent has then sent this many requests more.

        One request may have been made before the call and arrive after it, so `count` 2 means one of now."""
        def all_sent():
            return not any(map(waiting, self.folders))
        until("nothing waits", all_sent, 9 * PUSH_S)
        wanted = [len(route.proxy.taken) + count for route in self.routes]
        until("pushes arrive", lambda: all(len(route.proxy.taken) >= least for route, least in zip(self.routes, wanted)), (count + 9) * PUSH_S)
        until("nothing waits", all_sent, 9 * PUSH_S)

    def trouble(self, requests):
        """Kills the stores and, while requests wait, the agents. The stores are away until `requests` more wait for each place.

        Returns the run that ended meanwhile, and the requests of the killed agents."""
        def is_stored():
            # Not right after a request, and not shortly before the next.
            return 1 < time.monotonic() - max(route.proxy.at for route in self.routes) < PUSH_S - 2 and self.victoria.is_on_disk()
        until("VictoriaMetrics has what it took on its disk", is_stored, 9 * PUSH_S)
        for store in (self.victoria, self.prometheus):
            store.program.end(signal.SIGKILL)
        began = time.monotonic()
        run = self.run(3)
        assert any(event["kind"] == "push-failed" for event in run[0]["events"]), "a run reports what it could not push"
        stored = self.waited(1)
        for agent in self.agents:
            agent.program.end(signal.SIGKILL)
            agent.program.start()
        self.waited(requests)
        for store in (self.victoria, self.prometheus):
            store.program.start()
        print(f"killed by SIGKILL: two stores, away for {time.monotonic() - began:.0f} s, and two agents of which {len(stored)} requests waited")
        return run, stored


def main(is_lean, mlflow, eco2, prometheus_file, victoria_file, gateway_file, exporter_file, promtool):
    """Runs the proof."""
    with workplace() as root:
        scene = Scene(eco2, prometheus_file, victoria_file, gateway_file, exporter_file, root)
        proof(scene, promtool, 1 if is_lean else 12)
        if mlflow:
            scene.growth.is_still(False)
            compare_mlflow(scene.runs, MlFlow(mlflow, root))


def proof(scene, promtool, requests):
    """Pushes, makes trouble, and compares. `requests`: how many more wait after the agents were killed."""
    until("the agents have read their counters", lambda: all(len(agent.shown()) == 2 for agent in scene.agents), 60)
    scene.growth.is_still(False)
    first = scene.run(0)
    scene.pushed(1)
    away, stored = scene.trouble(requests)
    scene.growth.is_still(True)
    until("the last energy is shown", lambda: all(agent.shows_all() for agent in scene.agents), 30)
    scene.growth.is_still(False)
    last = scene.run(5)
    scene.growth.is_still(True)
    until("the last energy is shown", lambda: all(agent.shows_all() for agent in scene.agents), 30)
    scene.pushed(2)
    for route in scene.routes:
        route.compare()
    for body in stored:
        assert any(body in route.proxy.taken for route in scene.routes), "a request of a killed agent has not arrived"
    compare_runs(scene, [first, away, last], promtool)


def compare_mlflow(runs, server):
    """Makes runs that push their traces to MLflow, until one has sent all that waits, and compares each trace with its report."""
    header, reports = {"OTEL_EXPORTER_OTLP_TRACES_HEADERS": f"x-mlflow-experiment-id={server.experiment}"}, []
    while not reports or any(event["kind"] == "push-failed" for event in reports[-1]["events"]):
        # A server that answers later than after 3 s gets the trace again from the next run.
        assert len(reports) < 5, f"MLflow does not take traces: {reports[-1]['events']}"
        reports.append(runs.run({"otlp-traces": server.address}, len(reports), **header)[0])
    fields = sum(wire.check_mlflow(report, server.trace(wire.span_of(report)["trace_id"])) for report in reports)
    refused, _ = runs.run({"otlp-traces": server.address}, 0)
    texts = [event["text"] for event in refused["events"] if event["kind"] == "push-failed"]
    assert any("refused" in text and "HTTP 422" in text for text in texts), f"without the header MLflow refuses: {texts}"
    assert server.trace(wire.span_of(refused)["trace_id"]) is None, "a refused trace is not stored"
    print(f"MLflow: {len(reports)} traces, {fields} attributes and events, ids and times as in the reports; without the header it refuses")


def compare_runs(scene, runs, promtool):
    """Compares what servers have of the runs with their reports, and the requests with what they must contain."""
    fields = 0
    for index, (report, page) in enumerate(runs):
        run = report["run"]["id"]
        compare_run("run, OTLP, VictoriaMetrics", scene.victoria, f'{{eco2_run_id="{run}"}}', ("hw_energy_joules_total", "hw_id"), report)
        compare_run("run, remote write, Prometheus", scene.prometheus, f'{{run="{run}"}}', (METRIC, "device"), report)
        metrics, write, trace = (scene.proxies[kind].taken[index] for kind in ("otlp", "remote-write", "otlp-traces"))
        fields += wire.check_run(report, page, metrics, write, trace)
    assert all(len(proxy.taken) == len(runs) for proxy in scene.proxies.values()), "each run is sent once"
    print(f"{3 * len(runs)} requests of runs: {fields} samples, attributes and events as in the reports, by decoders of PyPI")
    report, page = runs[-1]
    assert page_energies(get(scene.gateway.address + "/metrics")) == Runs.energies(report), "Pushgateway"
    print("Pushgateway: the energies of the last run as in its report")
    text = (scene.folders[3] / "agent.prom").read_text()
    checked = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    energies = {counter.name: counter.used_uj // PUBLIC_UJ * PUBLIC_UJ for counter in scene.agents[1].counters}
    shown = page_energies(get(scene.exporter.address + "/metrics"))
    assert shown == page_energies(text) == energies, f"textfile: {shown} instead of {energies}"
    print("textfile: node_exporter shows the energies that were used, in steps of 0.1 J, and promtool finds no fault")


if __name__ == "__main__":
    words = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    mlflow = [argument.partition("=")[2] for argument in sys.argv if argument.startswith("--mlflow=")]
    main("--lean" in sys.argv, mlflow[-1] if mlflow else None, *words)
