//! Pushes: the bytes that were reviewed, and the same values as on the page of metrics when a second decoder reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use eco2_core::schema::{Report, SpanTimeRecord};
use eco2_report::{
    CounterStart, Family, MetricNames, MetricSet, PushOrigin, openmetrics, otlp_metrics, otlp_trace, remote_write,
    report_metrics,
};

use crate::fixture::{bare, report};

const AT_NS: u64 = 1_764_538_946_000_000_000;
const START_NS: u64 = AT_NS - 60_000_000_000;

fn origin() -> PushOrigin {
    PushOrigin {
        at_ns: AT_NS,
        start: CounterStart { kept_ns: Some(START_NS), sender_ns: Some(START_NS), ..CounterStart::default() },
        version: "0.1.0".into(),
        hostname: "node7".into(),
        instance: "part-1".into(),
        run: Some(report().run.id),
        rank: Some(3),
    }
}

/// One field of a message: its number and its value.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Number(u32, u64),
    Fixed(u32, u64),
    Bytes(u32, Vec<u8>),
}

/// Reads a number in groups of seven bits.
fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first().expect("a number goes on");
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        shift += 7;
        if first & 0x80 == 0 {
            return number;
        }
    }
}

/// Reads all fields of a message.
fn fields(mut bytes: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let number = (tag >> 3) as u32;
        fields.push(match tag & 7 {
            0 => Field::Number(number, varint(&mut bytes)),
            1 => {
                let (value, rest) = bytes.split_at(8);
                bytes = rest;
                Field::Fixed(number, u64::from_le_bytes(value.try_into().unwrap()))
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(number, value.to_vec())
            }
            wire_type => panic!("wire type {wire_type}"),
        });
    }
    fields
}

/// Returns the messages in a field.
fn messages(bytes: &[u8], wanted: u32) -> Vec<Vec<u8>> {
    let of_field = |field| match field {
        Field::Bytes(number, value) if number == wanted => Some(value),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(of_field).collect()
}

fn text(bytes: &[u8], wanted: u32) -> String {
    messages(bytes, wanted).pop().map_or_else(String::new, |text| String::from_utf8(text).unwrap())
}

fn fixed(bytes: &[u8], wanted: u32) -> Option<u64> {
    fields(bytes).into_iter().find_map(|field| match field {
        Field::Fixed(number, value) if number == wanted => Some(value),
        _ => None,
    })
}

fn number(bytes: &[u8], wanted: u32) -> u64 {
    let found = fields(bytes).into_iter().find_map(|field| match field {
        Field::Number(number, value) if number == wanted => Some(value),
        _ => None,
    });
    found.unwrap_or(0)
}

/// Reads a block of Snappy that has literals only.
fn literals(mut block: &[u8]) -> Vec<u8> {
    let length = varint(&mut block) as usize;
    let mut content = Vec::new();
    while let [tag, low, high, rest @ ..] = block {
        assert_eq!(*tag, 61 << 2);
        let (literal, after) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])) + 1);
        content.extend(literal);
        block = after;
    }
    assert_eq!(content.len(), length);
    content
}

/// The samples of a page of metrics: name with sorted labels, and value.
fn page(report: &Report) -> BTreeMap<String, f64> {
    let page = openmetrics(report, MetricNames::Eco2);
    let samples = page.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        (
            series(name, labels.trim_end_matches('}').split("\",").map(|pair| pair.trim_end_matches('"').to_owned())),
            value,
        )
    });
    samples.map(|(name, value)| (name, value.parse().unwrap())).collect()
}

/// Returns a name with its labels, sorted, without quotes and escapes. A label without a value is none.
fn series(name: &str, labels: impl Iterator<Item = String>) -> String {
    let plain = labels.map(|pair| pair.replace(['"', '\\'], ""));
    let labels: BTreeSet<String> = plain.filter(|pair| !pair.is_empty() && !pair.ends_with('=')).collect();
    format!("{name}{labels:?}")
}

#[test]
fn remote_write_has_the_samples_of_the_page_with_the_labels_of_the_sender() {
    let body = literals(&remote_write(&report_metrics(&report(), MetricNames::Eco2), &origin()));
    let mut found = BTreeMap::new();
    for timeseries in messages(&body, 1) {
        let labels: Vec<(String, String)> =
            messages(&timeseries, 1).iter().map(|label| (text(label, 1), text(label, 2))).collect();
        assert!(labels.is_sorted(), "{labels:?}");
        let value = |name: &str| labels.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let sent = [value("job"), value("instance"), value("run"), value("rank")];
        assert_eq!(sent, [Some("eco2"), Some("node7"), Some(report().run.id.as_str()), Some("3")]);
        let sample = messages(&timeseries, 2).pop().unwrap();
        assert_eq!(number(&sample, 2), AT_NS / 1_000_000);
        let name = value("__name__").unwrap();
        let is_of_origin = |name: &str| matches!(name, "job" | "instance" | "rank" | "__name__");
        let own = labels.iter().filter(|(name, _)| !is_of_origin(name));
        // The page has the label of the run at some families only.
        let own = own.filter(|(label, _)| label != "run").map(|(name, value)| format!("{name}={value}"));
        found.insert(series(name, own), f64::from_bits(fixed(&sample, 1).unwrap()));
    }
    let run = format!("run={}", report().run.id);
    let expected: BTreeMap<String, f64> = page(&report())
        .into_iter()
        .map(|(name, value)| (name.replace(&format!("\"{run}\", "), "").replace(&format!("\"{run}\""), ""), value))
        .collect();
    let clean = |name: &String| name.replace(", }", "}");
    let clean_all = |all: &BTreeMap<String, f64>| all.iter().map(|(name, value)| (clean(name), *value)).collect();
    let (found, expected): (BTreeMap<String, f64>, BTreeMap<String, f64>) = (clean_all(&found), clean_all(&expected));
    assert_eq!(found, expected);
}

#[test]
fn otlp_has_the_samples_of_the_page_as_cumulative_sums_and_gauges() {
    let body = otlp_metrics(&report_metrics(&report(), MetricNames::Eco2), &origin());
    let of_resource = messages(&body, 1).pop().unwrap();
    assert_eq!(text(&of_resource, 3), "https://opentelemetry.io/schemas/1.44.0");
    let resource = messages(&of_resource, 1).pop().unwrap();
    let attribute = |pair: &Vec<u8>| (text(pair, 1), text(&messages(pair, 2)[0], 1));
    let attributes: BTreeMap<String, String> = messages(&resource, 1).iter().map(attribute).collect();
    assert_eq!((&attributes["service.name"][..], &attributes["service.instance.id"][..]), ("eco2", "part-1"));
    assert_eq!((&attributes["host.name"][..], &attributes["eco2.run.rank"][..]), ("node7", "3"));
    let of_scope = messages(&of_resource, 2).pop().unwrap();
    let mut values = Vec::new();
    let mut hardware = BTreeSet::new();
    for metric in messages(&of_scope, 2) {
        let (name, unit) = (text(&metric, 1), text(&metric, 3));
        let (sums, gauges) = (messages(&metric, 7), messages(&metric, 5));
        assert_eq!(sums.len() + gauges.len(), 1, "{name}");
        if let Some(sum) = sums.first() {
            assert_eq!((number(sum, 2), number(sum, 3)), (2, 1), "{name}: cumulative and monotonic");
        }
        for point in messages(&[sums.clone(), gauges].concat()[0], 1) {
            assert_eq!(fixed(&point, 3), Some(AT_NS), "{name}");
            assert_eq!(fixed(&point, 2), (!sums.is_empty()).then_some(START_NS), "{name}");
            if name.starts_with("hw.") {
                let names: Vec<String> = messages(&point, 7).iter().map(|pair| text(pair, 1)).collect();
                hardware.insert((name.clone(), unit.clone()));
                assert!(names.iter().any(|name| name == "hw.id"), "{name}: {names:?}");
            }
            values.push(f64::from_bits(fixed(&point, 4).unwrap()));
        }
    }
    let of_energy = [("hw.energy", "J"), ("hw.power", "W")].map(|(name, unit)| (name.to_owned(), unit.to_owned()));
    assert!(of_energy.iter().all(|metric| hardware.contains(metric)), "{hardware:?}");
    let mut expected: Vec<f64> = page(&report()).into_values().collect();
    values.sort_by(f64::total_cmp);
    expected.sort_by(f64::total_cmp);
    assert_eq!(values, expected);
}

#[test]
fn counter_has_the_start_of_what_it_counts_and_none_that_is_later_than_its_time() {
    let mut set = MetricSet::default();
    let of_job = |run: &str| (vec![("run", run.to_owned())], 1.0);
    set.family(Family::counter("kept", ""), [(vec![], 1.0)].into_iter());
    set.family(Family::counter("readings", "").of_sender(), [(vec![], 1.0)].into_iter());
    set.family(Family::counter("steps", ""), [of_job("a"), of_job("other")].into_iter());
    let starts = |start: CounterStart| {
        let body = otlp_metrics(&set, &PushOrigin { start, ..origin() });
        let of_scope = messages(&messages(&body, 1)[0], 2).pop().unwrap();
        let points = messages(&of_scope, 2).into_iter().flat_map(|metric| messages(&messages(&metric, 7)[0], 1));
        points.map(|point| fixed(&point, 2).unwrap_or(0)).collect::<Vec<_>>()
    };
    let jobs_ns = [("a".to_owned(), 30)].into();
    assert_eq!(starts(CounterStart { kept_ns: Some(10), sender_ns: Some(20), jobs_ns }), [10, 20, 30, 10]);
    assert_eq!(starts(CounterStart { kept_ns: Some(AT_NS + 1), ..CounterStart::default() }), [AT_NS, 0, AT_NS, AT_NS]);
}

#[test]
fn value_that_is_not_known_is_not_pushed() {
    let set = report_metrics(&bare(), MetricNames::Eco2);
    let body = String::from_utf8_lossy(&literals(&remote_write(&set, &origin()))).into_owned();
    assert!(!body.contains("eco2_run_energy") && body.contains("eco2_run_duration_seconds_total"));
}

#[test]
fn trace_has_the_run_and_its_named_spans_below_it() {
    let body = otlp_trace(&Report { span_times: vec![named_times()], ..report() }, &origin());
    let of_scope = messages(&messages(&body, 1)[0], 2).pop().unwrap();
    let spans = messages(&of_scope, 2);
    let root = &spans[0];
    let (trace_id, id) = (messages(root, 1), messages(root, 2));
    assert_eq!((trace_id[0].len(), id[0].len(), messages(root, 4).len()), (16, 8, 0));
    assert_eq!(fixed(root, 8), Some(AT_NS));
    assert_eq!(fixed(root, 7), Some(AT_NS - report().run.duration_ns));
    let named: Vec<&Vec<u8>> = spans.iter().filter(|span| text(span, 5) == "epoch").collect();
    assert_eq!(named.len(), 2);
    for (span, end_ns) in named.iter().zip([10, 30]) {
        assert_eq!((messages(span, 1), messages(span, 4)), (trace_id.clone(), id.clone()), "below the run");
        assert_eq!(fixed(span, 8), Some(AT_NS - report().run.duration_ns + end_ns));
    }
    let ids: BTreeSet<Vec<Vec<u8>>> = spans.iter().map(|span| messages(span, 2)).collect();
    assert_eq!(ids.len(), spans.len(), "each span has an id of its own");
    assert_eq!(body, otlp_trace(&Report { span_times: vec![named_times()], ..report() }, &origin()), "always the same");
}

fn named_times() -> SpanTimeRecord {
    SpanTimeRecord { name: "epoch".into(), joined_ns: 0, from_ns: vec![0, 20], to_ns: vec![10, 30] }
}

// The files are also read by scripts/push with the classes of opentelemetry-proto.
#[test]
fn bytes_are_those_that_were_reviewed() {
    let set = report_metrics(&report(), MetricNames::Eco2);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    for (name, bytes) in [
        ("otlp_metrics.pb", otlp_metrics(&set, &origin())),
        ("otlp_trace.pb", otlp_trace(&Report { span_times: vec![named_times()], ..report() }, &origin())),
        ("remote_write.snappy", remote_write(&set, &origin())),
    ] {
        let path = folder.join(name);
        if std::env::var_os("ECO2_GOLDEN").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        assert!(std::fs::read(&path).unwrap_or_default() == bytes, "{name}: ECO2_GOLDEN=write writes it");
    }
}
