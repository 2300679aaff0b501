//! Writes a run as a trace of OTLP: the message `ExportTraceServiceRequest` as protobuf. The run is one span with its energy and
//! emissions as attributes and its events. Below it are the starts of the run (attempts), and the spans that the training names, as
//! the report has them: spans that follow each other closely are one, and their energies are sums by name, which
//! are attributes of the run.

use std::fmt::Write as _;

use eco2_core::schema::{Report, SpanRecord};

use super::PushOrigin;
use super::otlp::{SCHEMA_URL, attribute, resource_attributes, scope};
use crate::render::presentable;
use crate::render::protobuf::ProtoMessage;

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u64 = 1;
/// `STATUS_CODE_OK` and `STATUS_CODE_ERROR`.
const OK: u64 = 1;
const FAILED: u64 = 2;
/// Largest numbers of events and of named spans that a trace has.
const MOST: usize = 64;

/// Returns a run as the body of a POST to `/v1/traces`. Its times end at [`PushOrigin::at_ns`]. The ids are made from those of the
/// run and its record, so that a trace that is sent twice is one.
#[must_use]
pub fn otlp_trace(report: &Report, origin: &PushOrigin) -> Vec<u8> {
    let report = &*presentable(report);
    let run = &report.run;
    let trace_id = fnv(&run.id).to_be_bytes();
    let own = span_id(&format!("{}/{}", run.id, run.part));
    let start_ns = origin.at_ns.saturating_sub(run.duration_ns);
    let request = ProtoMessage::new(|request| {
        request.message(1, |of_resource| {
            of_resource.message(1, |resource| resource_attributes(resource, origin));
            of_resource.message(2, |of_scope| {
                scope(of_scope, 1, origin);
                of_scope.message(2, |span| {
                    head(span, &trace_id, &own, &run.name);
                    times(span, start_ns, run.duration_ns);
                    attributes(span, report);
                    events(span, report, start_ns);
                    let code = run.exit_code.map_or(0, |code| if code == 0 { OK } else { FAILED });
                    span.message(15, |status| status.number(3, code));
                });
                for attempt in run.attempts.iter().filter(|_| run.attempts.len() > 1).take(MOST) {
                    let Ok(began) = attempt.started_at.parse::<jiff::Timestamp>() else { continue };
                    of_scope.message(2, |span| {
                        let id = span_id(&format!("{}/attempt/{}", run.id, attempt.number));
                        head(span, &trace_id, &id, &format!("attempt {}", attempt.number));
                        span.bytes(4, &own);
                        times(span, u64::try_from(began.as_nanosecond()).unwrap_or(0), attempt.duration_ns);
                        joules(span, "eco2.energy", attempt.energy_uj);
                    });
                }
                for times_of_name in &report.span_times {
                    for (at, (from_ns, to_ns)) in times_of_name.from_ns.iter().zip(&times_of_name.to_ns).enumerate() {
                        of_scope.message(2, |span| {
                            let id = span_id(&format!("{}/{}/{}/{at}", run.id, run.part, times_of_name.name));
                            head(span, &trace_id, &id, &times_of_name.name);
                            span.bytes(4, &own);
                            times(span, start_ns.saturating_add(*from_ns), to_ns.saturating_sub(*from_ns));
                            let joined = (times_of_name.joined_ns > 0).then_some(times_of_name.joined_ns as f64 / 1e9);
                            number(span, "eco2.joined.seconds", joined);
                        });
                    }
                }
                of_scope.text(3, SCHEMA_URL);
            });
            of_resource.text(3, SCHEMA_URL);
        });
    });
    request.into_bytes()
}

/// Adds the ids and the name of a span.
fn head(span: &mut ProtoMessage, trace_id: &[u8], id: &[u8], name: &str) {
    span.bytes(1, trace_id);
    span.bytes(2, id);
    span.text(5, name);
    span.number(6, INTERNAL);
}

fn times(span: &mut ProtoMessage, start_ns: u64, duration_ns: u64) {
    span.fixed64(7, start_ns);
    span.fixed64(8, start_ns.saturating_add(duration_ns));
}

/// Adds the values of the run.
fn attributes(span: &mut ProtoMessage, report: &Report) {
    let is_known = report.energy.total_uj.is_some();
    joules(span, "eco2.energy", report.energy.total_uj);
    joules(span, "eco2.energy.low", is_known.then_some(report.energy.low_uj));
    joules(span, "eco2.energy.high", report.energy.high_uj.filter(|_| is_known));
    number(span, "eco2.co2e", report.carbon.as_ref().and_then(|carbon| carbon.grams));
    number(span, "eco2.steps", report.work.steps.map(|steps| steps as f64));
    for (name, value) in &report.run.labels {
        attribute(span, 9, &format!("eco2.label.{name}"), value);
    }
    let mut spans: Vec<&SpanRecord> = report.spans.iter().collect();
    spans.sort_by(|a, b| b.energy_uj.cmp(&a.energy_uj).then_with(|| a.name.cmp(&b.name)));
    for total in spans.into_iter().take(MOST) {
        let mut name = format!("eco2.span.{}", total.name);
        let stem = name.len();
        for (suffix, value) in [
            (".energy", total.energy_uj.map(eco2_core::units::joules)),
            (".duration", Some(total.duration_ns as f64 / 1e9)),
            (".count", Some(total.count as f64)),
        ] {
            name.truncate(stem);
            // Writing to a string cannot fail.
            let _ = write!(name, "{suffix}");
            number(span, &name, value);
        }
    }
}

/// Adds the events of the run, which are those of its report.
fn events(span: &mut ProtoMessage, report: &Report, start_ns: u64) {
    for event in report.events.iter().take(MOST) {
        span.message(11, |own| {
            own.fixed64(1, start_ns.saturating_add(event.at));
            own.text(2, &event.kind);
            attribute(own, 3, "eco2.text", &event.text);
            if !event.device.is_empty() {
                attribute(own, 3, "hw.id", &event.device);
            }
        });
    }
}

/// Adds an energy as an attribute, joules; none if it is not known.
fn joules(span: &mut ProtoMessage, name: &str, uj: Option<u64>) {
    number(span, name, uj.map(eco2_core::units::joules));
}

/// Adds a number as an attribute (`KeyValue` with a double); none if it is not known.
fn number(span: &mut ProtoMessage, name: &str, value: Option<f64>) {
    let Some(value) = value.filter(|value| value.is_finite()) else { return };
    span.message(9, |pair| {
        pair.text(1, name);
        pair.message(2, |any| any.double(4, value));
    });
}

/// Returns the id of a span: the last eight bytes of the hash, which are not all 0.
fn span_id(text: &str) -> [u8; 8] {
    (fnv(text) as u64).max(1).to_be_bytes()
}

/// Returns the hash FNV-1a of 128 bits, which is not 0.
fn fnv(text: &str) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    text.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME)).max(1)
}
