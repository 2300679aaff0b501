"""What is on the wire of a push: OTLP and remote write, read by decoders that are not eco2's, and the content that they must have.

Needs the packages opentelemetry-proto, protobuf and cramjam (PyPI).
"""

import base64
import re
from collections import Counter
from datetime import datetime

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
HARDWARE = {"eco2_energy_joules_total": "hw.energy", "eco2_power_watts": "hw.power", "eco2_host_energy_joules_total": "hw.host.energy"}
HARDWARE_LABELS = {"device": "hw.id", "component": "hw.type"}
UNITS = {"joules": "J", "watts": "W", "grams": "g", "seconds": "s"}


def remote_write_request():
    """Returns the message of the remote-write 1.0 specification."""
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="prometheus", syntax="proto3")
    messages = {"WriteRequest": [("timeseries", 1, "TimeSeries")], "TimeSeries": [("labels", 1, "Label"), ("samples", 2, "Sample")],
                "Label": [("name", 1, "string"), ("value", 2, "string")], "Sample": [("value", 1, "double"), ("timestamp", 2, "int64")]}
    kinds = {"string": 9, "double": 1, "int64": 3}
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            of = {"type": kinds[kind], "label": 1} if kind in kinds else {"type": 11, "label": 3, "type_name": f".prometheus.{kind}"}
            message.field.add(name=field, number=number, **of)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


WriteRequest = remote_write_request()


def parsed(kind, body):
    """Returns a message whose every field the description of the protocol knows."""
    message = kind.FromString(body)

    def check(one):
        """Looks for unknown fields in a message and those below it."""
        assert not len(UnknownFieldSet(one)), f"unknown fields in {type(one).__name__}"
        for field, value in one.ListFields():
            if field.type == field.TYPE_MESSAGE:
                for below in value if field.is_repeated else [value]:
                    check(below)

    check(message)
    return message


def written(body):
    """Returns the series of a remote-write request: [(labels, value, time in ms)]."""
    request = parsed(WriteRequest, bytes(cramjam.snappy.decompress_raw(body)))
    found = []
    for series in request.timeseries:
        names = [label.name for label in series.labels]
        assert names == sorted(set(names)) and all(label.value for label in series.labels), f"labels in order, once, not empty: {names}"
        (sample,) = series.samples
        found.append((frozenset((label.name, label.value) for label in series.labels), sample.value, sample.timestamp))
    return found


def attributes(pairs):
    """Returns attributes as a dictionary; a name is there once."""
    found = {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
    assert len(found) == len(pairs), "an attribute twice"
    return found


def only(values):
    """Returns the one value of a list."""
    (value,) = values
    return value


def of_resource(request, field, origin):
    """Returns the metrics or spans of a request after checking its resource and scope."""
    resource = only(getattr(request, f"resource_{field}"))
    scope = only(getattr(resource, f"scope_{field}"))
    assert attributes(resource.resource.attributes) == origin, f"{attributes(resource.resource.attributes)} instead of {origin}"
    assert (scope.scope.name, scope.scope.version) == ("eco2", origin["service.version"])
    assert resource.schema_url == scope.schema_url == SCHEMA_URL
    return getattr(scope, field)


def exported(body, origin):
    """Returns the points of an OTLP request: [(name, unit, kind, attributes, value, start, time)], kind `sum` or `gauge`."""
    found = []
    for metric in of_resource(parsed(ExportMetricsServiceRequest, body), "metrics", origin):
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        assert metric.description and kind in ("sum", "gauge"), metric.name
        assert kind == "gauge" or (data.is_monotonic and data.aggregation_temporality == 2), f"{metric.name}: cumulative and monotonic"
        found += [(metric.name, metric.unit, kind, frozenset(attributes(point.attributes).items()), point.as_double, point.start_time_unix_nano,
                   point.time_unix_nano) for point in data.data_points]
    return found


def samples(page):
    """Returns the samples of a page of metrics: [(name, kind, labels, value)]."""
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", page, re.M))
    found = []
    for line in page.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
        pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
        plain = {key: re.sub(r"\\(.)", lambda escaped: {"n": "\n"}.get(escaped[1], escaped[1]), text) for key, text in pairs}
        found.append((name, kinds.get(name), plain, float(value)))
    return found


def as_written(page, origin, at_ms):
    """Returns what remote write must have for a page: the series of `written`."""
    own = {"job": "eco2", "instance": origin["host.name"]} | ({"run": origin["eco2.run.id"]} if "eco2.run.id" in origin else {})
    return [(frozenset((key, text) for key, text in {**own, **labels, "__name__": name}.items() if text), value, at_ms)
            for name, _, labels, value in samples(page)]


def as_exported(page, start_ns, at_ns):
    """Returns what OTLP must have for a page: the points of `exported`."""
    found = []
    for name, kind, labels, value in samples(page):
        stem = name.removesuffix("_total") if kind == "counter" else name
        word = stem.rpartition("_")[2]
        unit = UNITS.get(word, "")
        own = (stem.removesuffix(f"_{word}") if unit else stem).replace("_", ".")
        translated = {HARDWARE_LABELS.get(key, key): text for key, text in labels.items()} if name in HARDWARE else labels
        found.append((HARDWARE.get(name, own), unit, "sum" if kind == "counter" else "gauge", frozenset(translated.items()), value,
                      start_ns if kind == "counter" else 0, at_ns))
    return found


def same(what, found, expected):
    """Compares two lists without order."""
    found, expected = Counter(found), Counter(expected)
    assert found == expected, f"{what}: {list((found - expected).items())[:3]} instead of {list((expected - found).items())[:3]}"


def fnv(text):
    """Returns the hash FNV-1a of 128 bits."""
    found = 0x6C62272E07BB014262B821756295C58D
    for byte in text.encode():
        found = (found ^ byte) * 0x0000000001000000000000000000013B % 2**128
    return found


def nanoseconds(text):
    """Returns an instant of a report, nanoseconds since 1970."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(rest.ljust(9, "0") if rest else 0)


def origin_of(report):
    """Returns the attributes of the resource of a run."""
    run = report["run"]
    return {"service.name": "eco2", "service.version": run["tool"]["version"], "service.instance.id": run.get("part") or run["id"],
            "host.name": run["host"]["hostname"], "eco2.run.id": run["id"]}


def times_of(report):
    """Returns start and end of a run, nanoseconds since 1970."""
    ended = nanoseconds(report["run"]["ended_at"])
    return ended - report["run"]["duration_ns"], ended


def span_of(report):
    """Returns what the span of a run must have."""
    run, energy, start = report["run"], report["energy"], times_of(report)[0]
    joules = {"eco2.energy": energy["total_uj"], "eco2.energy.low": energy["low_uj"], "eco2.energy.high": energy["high_uj"]}
    expected = {name: uj / 1e6 for name, uj in joules.items() if uj is not None}
    expected |= {"eco2.co2e": report["carbon"]["grams"]} | {f"eco2.label.{key}": text for key, text in run["labels"].items()}
    events = [(start + event["at"], event["kind"], {"eco2.text": event["text"]} | ({"hw.id": event["device"]} if event["device"] else {}))
              for event in report["events"] if event["kind"] != "push-failed"]
    return {"trace_id": fnv(run["id"]).to_bytes(16, "big"), "span_id": (fnv(f"{run['id']}/{run['part']}") % 2**64).to_bytes(8, "big"),
            "parent": b"", "name": run["name"], "kind": 1, "status": 1 if run["exit_code"] == 0 else 2, "times": times_of(report),
            "attributes": expected, "events": events[:64]}


def differences(found, expected):
    """Returns the fields that differ."""
    return {key: (value, expected[key]) for key, value in found.items() if value != expected[key]}


def check_mlflow(report, stored):
    """Compares a trace as MLflow returns it with the report of the run; returns how many fields it compared."""
    def values(pairs):
        return {pair["key"]: only(pair["value"].values()) for pair in pairs if not pair["key"].startswith("mlflow.")}

    span, expected = only(stored["spans"]), span_of(report)
    events = [(int(event["time_unix_nano"]), event["name"], values(event["attributes"])) for event in span["events"]]
    found = {"trace_id": base64.b64decode(span["trace_id"]), "span_id": base64.b64decode(span["span_id"]),
             "parent": base64.b64decode(span.get("parent_span_id", "")), "name": span["name"],
             "status": {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}[span["status"]["code"]],
             "times": (int(span["start_time_unix_nano"]), int(span["end_time_unix_nano"])), "attributes": values(span["attributes"]), "events": events}
    wanted = {key: expected[key] for key in found}
    assert found == wanted, f"MLflow: {differences(found, wanted)}"
    origin = {key: text for key, text in stored["trace_info"]["tags"].items() if not key.startswith("mlflow.")}
    assert origin == origin_of(report), f"MLflow: {origin} instead of {origin_of(report)}"
    # Seen red: another value is noticed.
    assert found != wanted | {"attributes": wanted["attributes"] | {"eco2.energy": 0.0}}, "the comparison compares nothing"
    return len(found["attributes"]) + len(events)


def check_run(report, page, metrics, write, trace):
    """Compares the three requests of a run with its report and its page of metrics, field by field; returns how many fields it compared."""
    origin, (start, ended) = origin_of(report), times_of(report)
    points = as_exported(page, start, ended)
    same("OTLP", exported(metrics, origin), points)
    same("remote write", written(write), as_written(page, origin, ended // 10**6))
    span, expected = only(of_resource(parsed(ExportTraceServiceRequest, trace), "spans", origin)), span_of(report)
    events = [(event.time_unix_nano, event.name, attributes(event.attributes)) for event in span.events]
    found = {"trace_id": span.trace_id, "span_id": span.span_id, "parent": span.parent_span_id, "name": span.name, "kind": span.kind,
             "status": span.status.code, "times": (span.start_time_unix_nano, span.end_time_unix_nano),
             "attributes": attributes(span.attributes), "events": events}
    assert found == expected, f"trace: {differences(found, expected)}"
    assert events, "a trace has events"
    # Seen red: a value that is off by its last digit is noticed.
    for index, found in ((4, exported(metrics, origin)), (1, written(write))):
        wrong = [(*found[0][:index], found[0][index] * (1 + 2**-52), *found[0][index + 1:]), *found[1:]]
        assert Counter(wrong) != Counter(found), "the comparison compares nothing"
    return len(points) * 2 + len(expected["attributes"]) + len(events)
