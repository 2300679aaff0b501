"""Lets a real Prometheus read a real agent on a fake sysfs, and asks it every expression of the dashboards and rules.

  scraped.py PROMETHEUS ECO2     files of the two programs

Each expression has to give values, none of them NaN. Those of alerts may give none: `promtool test rules` makes them fire.
"""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import yaml
from fake_node import fake_sysfs

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "not-a-secret-0123456789"
VARIABLES = {"$__rate_interval": "10s", "$__range": "5s", '"$instance"': '".*"', '"$run"': '".*"'}
SECONDS = 20


def free_port():
    """Returns a TCP port that no program uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(address, body=None, token=None):
    """Returns the JSON document at an address, or None where nothing answers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(address, data=body and json.dumps(body).encode(), headers=headers | {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
    except OSError as error:
        if body is not None:
            raise AssertionError(getattr(error, "read", lambda: str(error))()) from error
        return None
    try:
        return json.loads(text)
    except ValueError:
        return {}


def until(what, condition):
    """Waits until a condition holds, at most 30 s, and returns its value."""
    for _ in range(300):
        if value := condition():
            return value
        time.sleep(0.1)
    sys.exit(f"{what}: not within 30 s")


def configured(folder, port):
    """Writes the configuration of deploy/prometheus for this agent, read once a second."""
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = []
    for name in ("recording", "alerting"):
        rules = yaml.safe_load((ROOT / f"deploy/prometheus/{name}.rules.yml").read_text())
        for group in rules["groups"]:
            group["interval"] = "1s"
        (folder / f"{name}.yml").write_text(yaml.safe_dump(rules))
        config["rule_files"].append(f"{name}.yml")
    [job] = config["scrape_configs"]
    job["authorization"] = {"credentials_file": str(folder / "token")}
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))


def answer(server, expression, began):
    """Returns the values that an expression had since a time, and what is wrong with it."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    query = urllib.parse.urlencode({"query": expression, "start": began, "end": time.time(), "step": "1"})
    try:
        with urllib.request.urlopen(f"{server}/api/v1/query_range?{query}", timeout=10) as found:
            result = json.load(found)["data"]["result"]
    except urllib.error.HTTPError as error:
        return [], json.load(error)["error"]
    values = [float(value) for series in result for _, value in series["values"]]
    return values, "NaN" if any(math.isnan(value) for value in values) else None


def faults(server, began):
    """Yields what is wrong with each expression."""
    listed = subprocess.run([ROOT / "scripts/dashboards", "--list"], check=True, capture_output=True, text=True).stdout
    expressions = json.loads(listed)
    for name, expression in expressions:
        values, fault = answer(server, expression, began)
        if fault or not values and not name.startswith("alert "):
            yield f"{name}: {fault or 'no value'}: {expression}"
    for red in ("eco2_power_watt", "0 * eco2_power_watts / 0", "sum("):
        values, fault = answer(server, red, began)
        if values and not fault:
            yield f"{red} has values: the check finds nothing"
    print(f"{len(expressions)} expressions asked of Prometheus")


def main(prometheus, eco2):
    """Starts both, waits, asks, ends both."""
    started = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "token").write_text(TOKEN)
        (folder / "token").chmod(0o600)
        agent_port, port = free_port(), free_port()
        configured(folder, agent_port)
        agent, server = f"http://127.0.0.1:{agent_port}", f"http://127.0.0.1:{port}"
        log = (folder / "log").open("w")
        def start(*command):
            started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env={"PATH": os.environ["PATH"], "XDG_STATE_HOME": scratch}))
            return started[-1]
        try:
            with fake_sysfs(folder / "sys") as sysfs:
                start(eco2, "serve", "--sysfs", sysfs, "--source", "rapl-sysfs,model", "--dir", folder / "run", "--listen",
                      f"127.0.0.1:{agent_port}", "--token-file", folder / "token")
                until("the agent is ready", lambda: ask(f"{agent}/ready"))
                start(prometheus, "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}")
                until("Prometheus is ready", lambda: ask(f"{server}/-/ready") is not None)
                began = time.time()
                busy = start(sys.executable, "-c", "while True: pass")
                ask(f"{agent}/api/v1/jobs", {"id": "train-1", "name": "train", "pid": busy.pid}, TOKEN)
                time.sleep(SECONDS / 2)
                ask(f"{agent}/api/v1/jobs/train-1/end", {"steps": 100}, TOKEN)
                time.sleep(SECONDS / 2)
                found = list(faults(server, began))
            for program in started:
                program.send_signal(signal.SIGTERM)
            print("\n".join(found) or "each has values, and no NaN")
            if found:
                print((folder / "log").read_text(), file=sys.stderr)
            return 1 if found else 0
        finally:
            for program in started:
                program.kill()
                program.wait()
            log.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
