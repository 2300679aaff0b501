"""Checks what the files of deploy/ state: 24 rules of security, reliability, monitoring and performance, and that the Helm chart makes the
same objects as kustomize.

  manifests.py FOLDER     FOLDER: dev.yaml, staging.yaml and production.yaml, as kustomize printed them

Each rule is also checked on a copy that breaks it, and has to fail there.
"""

import copy
import json
import re
import sys
from pathlib import Path

import yaml
from chart import CHART, chart

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
OVERLAYS = ("dev", "staging", "production")
ALERTS = {"HighCarbonEmissions", "CriticalCarbonEmissions", "CarbonTrackingFailure"}


class World:
    """Every file that the rules are about, for one overlay."""

    def __init__(self, objects):
        self.objects = objects
        self.prometheus = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
        self.rules = [yaml.safe_load(path.read_text()) for path in sorted((DEPLOY / "prometheus").glob("*.rules.yml"))]
        self.dashboards = {path.stem: json.loads(path.read_text()) for path in (DEPLOY / "grafana").glob("*.json")}
        self.compose = yaml.safe_load((DEPLOY / "compose/compose.yml").read_text())
        self.provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/eco2.yml").read_text())["providers"][0]
        self.paths = set(json.loads((ROOT / "agent/src/http/openapi.json").read_text())["paths"])

    def of(self, kind):
        """Returns the objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    @property
    def node(self):
        """Specification of the DaemonSet."""
        return self.of("DaemonSet")[0]["spec"]

    @property
    def pod(self):
        """Specification of its pods."""
        return self.node["template"]["spec"]

    @property
    def container(self):
        """The agent's container."""
        return self.pod["containers"][0]

    @property
    def context(self):
        """Its security context."""
        return self.container["securityContext"]

    @property
    def probes(self):
        """Its probes."""
        return [self.container.get(f"{kind}Probe", {}).get("httpGet", {}) for kind in ("startup", "liveness", "readiness")]

    @property
    def secured(self):
        """Whether a token and TLS are required."""
        return {"--token-file", "--tls-cert", "--tls-key"} <= {each.partition("=")[0] for each in self.container["args"]}

    @property
    def endpoint(self):
        """What the Prometheus operator reads; empty without it."""
        return next((each["spec"]["podMetricsEndpoints"][0] for each in self.of("PodMonitor")), {})

    @property
    def alerts(self):
        """Names of the alerts."""
        return {rule["alert"] for file in self.rules for group in file["groups"] for rule in group["rules"] if "alert" in rule}

    @property
    def panels(self):
        """Panels of all dashboards."""
        return [panel for each in self.dashboards.values() for panel in each["panels"]]


def limits(world):
    """Returns CPU (cores) and memory (MiB) of the limits and of the requests."""
    def amount(text):
        return float(text.removesuffix("Mi").removesuffix("m")) / (1000 if text.endswith("m") else 1)
    resources = world.container["resources"]
    return [amount(resources[kind][what]) for kind in ("limits", "requests") for what in ("cpu", "memory")]


def jobs_agree(world):
    """Whether rules, compose and the operator name the agents' job alike."""
    named = {found for file in world.rules for found in re.findall(r'job="(\w+)"', json.dumps(file).replace('\\"', '"'))}
    job = next((each["spec"]["jobLabel"] for each in world.of("PodMonitor")), "app.kubernetes.io/name")
    return named == {world.prometheus["scrape_configs"][0]["job_name"]} == {world.node["template"]["metadata"]["labels"][job]}


def policy(world):
    """Whether one namespace may ask the agent, and the agent may ask nothing."""
    [one] = world.of("NetworkPolicy") or [{"spec": {}}]
    spec = one["spec"]
    return set(spec.get("policyTypes", [])) == {"Ingress", "Egress"} and not spec["egress"] and all(
        rule.get("from") and rule.get("ports") for rule in spec["ingress"])


def scraped_safely(world):
    """Whether the operator sends the token, over TLS whose certificate it checks."""
    one = world.endpoint
    return not one or (one["scheme"] == "https" and "authorization" in one and not one["tlsConfig"].get("insecureSkipVerify")
                       and f"--host={one['tlsConfig']['serverName']}" in world.container["args"])


def drop(holder, key):
    """Removes a key."""
    holder.pop(key, None)


# Group, rule, whether it holds, and a change that breaks it.
RULES = [
    ("security", "not privileged, and cannot become so", lambda w: not w.context["privileged"] and not w.context["allowPrivilegeEscalation"],
     lambda w: w.context.update(allowPrivilegeEscalation=True)),
    ("security", "no capability but PERFMON", lambda w: w.context["capabilities"] == {"drop": ["ALL"], "add": ["PERFMON"]},
     lambda w: w.context["capabilities"]["add"].append("SYS_ADMIN")),
    ("security", "root file system and /sys are read-only", lambda w: w.context["readOnlyRootFilesystem"] and all(
        mount.get("readOnly") for mount in w.container["volumeMounts"] if not mount["mountPath"].startswith("/run")),
     lambda w: next(each for each in w.container["volumeMounts"] if each["name"] == "sys").pop("readOnly")),
    ("security", "a seccomp profile", lambda w: w.context.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
     lambda w: w.context["seccompProfile"].update(type="Unconfined")),
    ("security", "no token of the API server, no rights there", lambda w: w.pod["automountServiceAccountToken"] is False
     and not [each for each in w.objects if each["kind"].endswith(("Role", "RoleBinding"))],
     lambda w: w.pod.update(automountServiceAccountToken=True)),
    ("security", "only the monitoring namespace may ask, by token and TLS unless values are coarse",
     lambda w: policy(w) and (w.secured or "--insecure" in w.container["args"] and not w.of("PodMonitor")),
     lambda w: w.of("NetworkPolicy")[0]["spec"]["ingress"].append({})),
    ("reliability", "one agent on every node", lambda w: len(w.of("DaemonSet")) == 1 and {"operator": "Exists"} in w.pod["tolerations"],
     lambda w: w.pod.update(tolerations=[])),
    ("reliability", "probes ask addresses of health, not the metrics",
     lambda w: all(probe.get("path") in w.paths and probe["path"] != "/metrics" for probe in w.probes),
     lambda w: w.probes[1].update(path="/metrics")),
    ("reliability", "probes speak as the agent does", lambda w: {probe["scheme"] for probe in w.probes} == {"HTTPS" if w.secured else "HTTP"},
     lambda w: w.probes[2].update(scheme="FTP")),
    ("reliability", "an update takes one node at a time", lambda w: w.node["updateStrategy"]["rollingUpdate"]["maxUnavailable"] == 1,
     lambda w: w.node["updateStrategy"]["rollingUpdate"].update(maxUnavailable="50%")),
    ("reliability", "evicts no training", lambda w: {each["metadata"]["name"] for each in w.of("PriorityClass")
     if each["preemptionPolicy"] == "Never"} == {w.pod["priorityClassName"]}, lambda w: w.of("PriorityClass")[0].update(preemptionPolicy="PreemptLowerPriority")),
    ("reliability", "a bound on what it writes", lambda w: all(each["emptyDir"].get("sizeLimit") for each in w.pod["volumes"] if "emptyDir" in each),
     lambda w: [drop(each["emptyDir"], "sizeLimit") for each in w.pod["volumes"] if "emptyDir" in each]),
    ("monitoring", "Service and monitor use the agent's port", lambda w: {each["name"] for each in w.container["ports"]}
     == {w.of("Service")[0]["spec"]["ports"][0]["targetPort"], w.endpoint.get("port", "metrics")}, lambda w: w.container["ports"][0].update(name="http")),
    ("monitoring", "the operator sends the token over TLS, and checks the certificate", scraped_safely,
     lambda w: w.endpoint["tlsConfig"].update(insecureSkipVerify=True) if w.endpoint else w.objects.append(
         {"kind": "PodMonitor", "spec": {"podMetricsEndpoints": [{"scheme": "http"}]}})),
    ("monitoring", "the alerts of HF Eco2AI exist", lambda w: ALERTS <= w.alerts,
     lambda w: [group.update(rules=[rule for rule in group["rules"] if rule.get("alert") != "CarbonTrackingFailure"])
                for file in w.rules for group in file["groups"]]),
    ("monitoring", "every panel has a unit and a query", lambda w: set(w.dashboards) == {"fleet", "node", "job"} and all(
        panel["fieldConfig"]["defaults"]["unit"] and panel["targets"] and all(each["expr"] for each in panel["targets"]) for panel in w.panels),
     lambda w: w.panels[0]["targets"][0].update(expr="")),
    ("monitoring", "Grafana finds the dashboards", lambda w: w.provider["options"]["path"] in
     {each["target"] for each in w.compose["services"]["grafana"]["volumes"]}, lambda w: w.provider["options"].update(path="/elsewhere")),
    ("monitoring", "rules, Prometheus and the operator name the job alike", jobs_agree,
     lambda w: w.prometheus["scrape_configs"][0].update(job_name="nodes")),
    ("performance", "at most a fifth of a core", lambda w: limits(w)[2] <= limits(w)[0] <= 0.2,
     lambda w: w.container["resources"]["limits"].update(cpu="2")),
    ("performance", "at most 128 MiB of memory", lambda w: limits(w)[3] <= limits(w)[1] <= 128,
     lambda w: w.container["resources"]["limits"].update(memory="512Mi")),
    ("performance", "is not read more often than every 10 s", lambda w: all(int(text.removesuffix("s")) >= 10 for text in
     (w.prometheus["global"]["scrape_interval"], w.endpoint.get("interval", "15s"))), lambda w: w.prometheus["global"].update(scrape_interval="1s")),
    ("performance", "reads sensors on demand, not at a fixed rate", lambda w: not any("--interval" in each for each in w.container["args"])
     and "ECO2_INTERVAL" not in w.of("ConfigMap")[0]["data"], lambda w: w.container["args"].append("--interval=1ms")),
    ("performance", "a fixed version of the image, pulled once", lambda w: re.search(r":(?!latest)[\w.-]+$", w.container["image"])
     and w.container.get("imagePullPolicy") != "Always", lambda w: w.container.update(image="eco2:latest")),
    ("performance", "a pod asks the agent of its own node", lambda w: w.of("Service")[0]["spec"]["internalTrafficPolicy"] == "Local",
     lambda w: w.of("Service")[0]["spec"].update(internalTrafficPolicy="Cluster")),
]


def broken_rules(world):
    """Returns the texts of the rules that do not hold."""
    return [f"{group}: {text}" for group, text, holds, _ in RULES if not holds(world)]


def by_name(objects):
    """Returns objects by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def chart_differs(folder):
    """Yields where the chart with the values of an overlay makes other objects than kustomize; the namespace is Helm's own."""
    for name in OVERLAYS:
        made = by_name(chart([CHART / f"values-{name}.yaml"])[0])
        wanted = by_name(each for each in yaml.safe_load_all((folder / f"{name}.yaml").read_text()) if each["kind"] != "Namespace")
        for key in sorted(set(made) | set(wanted)):
            if made.get(key) != wanted.get(key):
                yield f"deploy/helm with values-{name}.yaml: {' '.join(key)} differs from deploy/kubernetes/overlays/{name}"


def main(folder):
    """Checks every overlay, then that each rule can fail."""
    folder = Path(folder)
    assert len(RULES) == 24, len(RULES)
    faults = list(chart_differs(folder))
    for name in OVERLAYS:
        world = World(list(yaml.safe_load_all((folder / f"{name}.yaml").read_text())))
        faults += [f"{name}: {rule}" for rule in broken_rules(world)]
        for group, text, holds, change in RULES:
            other = copy.deepcopy(world)
            change(other)
            if holds(other):
                faults.append(f"{name}: {group}: {text}: holds also where it is broken: the rule checks nothing")
    print("\n".join(faults) or f"{len(RULES)} rules hold in {', '.join(OVERLAYS)}, and fail where they are broken; the chart makes the same objects")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
