"""The stores of the proof: a real Prometheus and a real VictoriaMetrics, what they stored, and a connection that repeats what it passes on."""

import itertools
import json
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from truth import Program, free_port, microjoules, until

METRIC = "eco2_energy_joules_total"


def get(address, **query):
    """Returns what an address answers; decimal numbers keep their digits."""
    with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(query)}", timeout=300) as answer:
        return answer.read().decode()


def as_json(text):
    """Returns a JSON document whose numbers are decimal."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


class Store:
    """A server with the API of Prometheus. Samples are {(node, device): [(time, microjoules)]}."""

    is_exact = True

    def __init__(self, name, folder, *command):
        self.port, self.name = free_port(), name
        self.address = f"http://127.0.0.1:{self.port}"
        self.program = Program(folder / f"{name}.log", *(str(part).replace("PORT", str(self.port)) for part in command))

    def ask(self, expression):
        """Returns the values of an expression now: {(node, device): Decimal}, with None for a label that it lacks."""
        found = as_json(get(f"{self.address}/api/v1/query", query=expression, nocache=1))["data"]["result"]
        return {(one["metric"].get("node"), one["metric"].get("device")): Decimal(one["value"][1]) for one in found}

    def is_up_to(self, time_s, selector, series):
        """Whether each series has a sample of after a time."""
        return self.ask(f"count(timestamp({METRIC}{selector}) > {time_s:.3f})").get((None, None)) == series

    def samples(self, selector, metric=METRIC, label="device"):
        """Returns every stored sample."""
        found = as_json(get(f"{self.address}/api/v1/query", query=f"{metric}{selector}[30m]"))["data"]["result"]
        return {(one["metric"].get("node"), one["metric"][label]): [(float(at), microjoules(value)) for at, value in one["values"]] for one in found}


def prometheus(command, name, folder, configuration, *arguments):
    """Starts a Prometheus."""
    (folder / f"{name}.yml").write_text(json.dumps(configuration))
    return Store(name, folder, command, f"--config.file={folder}/{name}.yml", f"--storage.tsdb.path={folder}/{name}",
                 "--web.listen-address=127.0.0.1:PORT", *arguments)


class Victoria(Store):
    """A VictoriaMetrics. It keeps about 15 digits of a number, and each sample as often as it is sent, unless `once` was called."""

    is_exact = False

    def __init__(self, command, folder, *arguments):
        super().__init__("victoria", folder, command, f"-storageDataPath={folder}/victoria", "-httpListenAddr=127.0.0.1:PORT",
                         "-search.latencyOffset=0s", *arguments)

    def once(self):
        """Starts it again as one that answers with one sample of each time."""
        self.program.end()
        self.program.command.append("-dedup.minScrapeInterval=1ms")
        self.program.start()
        until("VictoriaMetrics answers again", lambda: get(self.address + "/health"), 60)

    def is_on_disk(self):
        """Whether everything that it took is on its disk; hurries it with that. What is in memory is lost with its process."""
        get(f"{self.address}/internal/force_flush")
        lines = [line for line in get(f"{self.address}/metrics").splitlines() if re.match(r'vm_pending_rows\{|vm_rows\{type="\w+/inmemory"', line)]
        assert len(lines) == 4, f"{self.name}: other metrics than expected: {lines}"
        return all(line.endswith(" 0") for line in lines)

    def samples(self, selector, metric=METRIC, label="device"):
        """Returns every stored sample; marks of an absent target are no samples."""
        get(f"{self.address}/internal/force_flush")
        found = {}
        for line in get(f"{self.address}/api/v1/export", **{"match[]": metric + selector}).splitlines():
            one = as_json(line)
            values = [(float(at) / 1000, value * 10**6) for at, value in zip(one["timestamps"], one["values"], strict=True)
                      if isinstance(value, Decimal)]
            found.setdefault((one["metric"].get("node"), one["metric"][label]), []).extend(values)
        return {key: sorted(values) for key, values in found.items()}


class MlFlow:
    """A server of MLflow on SQLite, which takes traces by OTLP."""

    def __init__(self, command, folder):
        self.address = f"http://127.0.0.1:{free_port()}"
        folder = folder / "mlflow"
        folder.mkdir()
        # Without the workers of its other tasks, and without a report of its use.
        environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self.program = Program(folder / "log", command, "server", "--backend-store-uri", f"sqlite:///{folder}/store.db", "--default-artifact-root",
                               folder / "artifacts", "--host", "127.0.0.1", "--port", self.address.rpartition(":")[2], "--workers", "1", **environment)
        until("MLflow answers", lambda: get(f"{self.address}/health"), 300)
        body = json.dumps({"name": "eco2"}).encode()
        request = urllib.request.Request(f"{self.address}/api/2.0/mlflow/experiments/create", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            self.experiment = json.load(answer)["experiment_id"]

    def trace(self, trace_id):
        """Returns a trace by its id; `None`: there is none."""
        try:
            return json.loads(get(f"{self.address}/api/3.0/mlflow/traces/get", trace_id=f"tr-{trace_id.hex()}"))["trace"]
        except urllib.error.HTTPError as error:
            assert error.code == 404, f"MLflow: {error.read()[:200]}"
            return None


class Repeater:
    """Passes batches on to a receiver. Each fifth, or as `every` has it, is sent twice, and one that was sent long before is sent again."""

    def __init__(self, receiver, every=5):
        self.batches, self.repeated, self.refused, self.count, self.every = [], 0, 0, itertools.count(1), every
        repeater, address = self, receiver

        class Handler(BaseHTTPRequestHandler):
            """Answers as the receiver does; 503 where it does not answer."""

            protocol_version = "HTTP/1.1"

            def do_POST(self):
                """Passes one batch on."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length", "connection")}
                code, answered = repeater.send(address + self.path, body, headers)
                if code // 100 == 2:
                    repeater.repeat(address + self.path, body, headers)
                self.send_response(code)
                for name, value in answered:
                    if name.lower().startswith("x-prometheus"):
                        self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Writes no log."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # A killed reader closes its connection; that is no fault here.
        self.server.handle_error = lambda *_: None
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def send(address, body, headers):
        """Returns the status and the headers with which a batch is answered."""
        try:
            with urllib.request.urlopen(urllib.request.Request(address, data=body, headers=headers), timeout=20) as answer:
                return answer.status, answer.headers.items()
        except urllib.error.HTTPError as error:
            return error.code, error.headers.items()
        except OSError:
            return 503, ()

    def repeat(self, *batch):
        """Keeps a batch, and repeats it or an earlier one."""
        self.batches = [*self.batches[-40:], batch]
        if next(self.count) % self.every == 0:
            for again in (batch, self.batches[0]):
                code, _ = self.send(*again)
                self.repeated += 1
                self.refused += code // 100 != 2


class Sender:
    """Sends a page to VictoriaMetrics once a second, with the time of a clock of its own, which a test steps."""

    def __init__(self, page, address, **labels):
        self.page, self.step_s, self.ended = page, 0, threading.Event()
        query = [("extra_label", f"{name}={value}") for name, value in labels.items()]
        self.address = f"{address}/api/v1/import/prometheus?{urllib.parse.urlencode(query)}"
        threading.Thread(target=self.send, daemon=True).start()

    def send(self):
        """Sends until the end. What cannot be sent is not sent again: the next page has the sums."""
        while not self.ended.wait(1):
            try:
                at = round((time.time() + self.step_s) * 1000)
                Repeater.send(f"{self.address}&timestamp={at}", self.page().encode(), {})
            except OSError:
                pass
