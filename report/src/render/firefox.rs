//! Writes a report as a profile for the Firefox Profiler (<https://profiler.firefox.com>): one power track per device, and events,
//! times without readings and spans as markers.
//!
//! The form is the profiler's "processed profile", version 48, which later versions of the profiler upgrade when they load it. A
//! power counter has the energy since the sample before, in picowatt-hours. A profile needs a thread: it has one, without stacks of
//! its own.

use eco2_core::schema::{Device, Report};
use eco2_core::{CurveRecord, Quality, Ranged};
use serde_json::{Value, json};

use super::numbers::{Amount, as_f64};
use super::{finite, presentable};
use crate::Error;

/// Version of the profile's form.
const VERSION: u32 = 48;
/// Picowatt-hours per microjoule.
const PWH_PER_UJ: f64 = 1e6 / 3.6e3;

/// Returns the report as a profile of power over time.
///
/// # Errors
/// [`Error::NoHistory`] if the report has no power over time.
pub fn firefox_profile(report: &Report) -> Result<String, Error> {
    let report = presentable(&finite(report)).into_owned();
    let counters: Vec<Value> = report.curves.iter().filter_map(|curve| counter(&report, curve)).collect();
    if counters.is_empty() {
        return Err(Error::NoHistory { run: report.run.id.clone() });
    }
    let end_ms = report.run.duration_ns as f64 / 1e6;
    let started = report.run.started_at.parse::<jiff::Timestamp>().map_or(0, |at| at.as_millisecond());
    let mut profile = json!({
        "meta": {
            "interval": end_ms / 512.0, "startTime": started, "processType": 0, "product": title(&report), "stackwalk": 0, "version": 27,
            "preprocessedProfileVersion": VERSION, "symbolicationNotSupported": true,
            "profilingStartTime": 0, "profilingEndTime": end_ms,
            "extensions": {"id": [], "name": [], "baseURL": [], "length": 0},
            "categories": [{"name": "Other", "color": "grey", "subcategories": ["Other"]}],
            "markerSchema": [{
                "name": "eco2", "display": ["marker-chart", "marker-table", "timeline-overview"],
                "chartLabel": "{marker.data.text}", "tooltipLabel": "{marker.data.text}",
                "data": [{"key": "text", "label": "Text", "format": "string"}],
            }],
        },
        "libs": [], "pages": [],
    });
    profile["threads"] = json!([thread(&report, end_ms)]);
    profile["counters"] = Value::Array(counters);
    let text = serde_json::to_string(&profile).map_err(|cause| Error::Encode { what: "the profile", cause })?;
    Ok(text + "\n")
}

fn title(report: &Report) -> &str {
    if report.run.name.is_empty() { &report.run.id } else { &report.run.name }
}

/// Returns the track of a curve; `None` for a curve without a length, and for a device that another one contains.
fn counter(report: &Report, curve: &CurveRecord) -> Option<Value> {
    let device = report.devices.iter().find(|device| curve.devices.is_none() && device.id == curve.device);
    if !curve.is_sound() || curve.t_ns.is_empty() || device.is_some_and(|device| !device.is_summed()) {
        return None;
    }
    let before = std::iter::once(0).chain(curve.energy_uj.iter().copied());
    let used: Vec<u64> =
        curve.energy_uj.iter().zip(before).map(|(uj, before_uj)| uj.saturating_sub(before_uj)).collect();
    // A counter starts with a sample, from which the first energy is counted.
    let time: Vec<f64> = std::iter::once(0.0).chain(curve.t_ns.iter().map(|ns| *ns as f64 / 1e6)).collect();
    let count: Vec<f64> = std::iter::once(0.0).chain(used.iter().map(|uj| (*uj as f64 * PWH_PER_UJ).round())).collect();
    Some(json!({
        "name": device.map_or(curve.device.as_str(), |device| device.name.as_str()), "category": "power",
        "description": device.map_or_else(|| format!("sum of {} devices", curve.devices.unwrap_or(1)), description),
        "pid": "0", "mainThreadIndex": 0, "samples": {"time": time, "count": count, "length": time.len()},
    }))
}

/// Returns the device's id, quality and energy with its range.
fn description(device: &Device) -> String {
    let energy = as_f64(device.bounded());
    let quality = device.quality.name();
    let value = energy.value.map_or_else(|| "energy not known".to_owned(), |uj| Amount::Energy.text(uj));
    let range = Amount::Energy.range(&energy, device.quality == Quality::Estimated);
    format!("{}, {quality}, {value} {range}", device.id).trim_end().to_owned()
}

/// An instant or a stretch of time with a text.
struct Marker {
    /// Place of its name in the thread's strings.
    name: u32,
    start_ms: f64,
    /// `None`: an instant.
    end_ms: Option<f64>,
    text: String,
}

/// Place of the name of spans in the thread's strings.
const SPAN: u32 = 4;

/// Returns the thread with the markers.
fn thread(report: &Report, end_ms: f64) -> Value {
    let mut strings = vec!["(root)".to_owned(), "event".to_owned(), "not measured".to_owned()];
    strings.push(title(report).to_owned());
    strings.push("span".to_owned());
    let ms = |ns: u64| ns as f64 / 1e6;
    let events = report.events.iter().map(|event| {
        let device = if event.device.is_empty() { String::new() } else { format!("{}: ", event.device) };
        Marker { name: 1, start_ms: ms(event.at), end_ms: None, text: format!("{device}{}", event.text) }
    });
    let lost = report.devices.iter().filter(|device| device.is_summed()).flat_map(|device| {
        let gaps = device.gaps.iter().filter(|gap| !gap.is_counted());
        gaps.map(|gap| Marker {
            name: 2,
            start_ms: ms(gap.from_ns),
            end_ms: Some(ms(gap.to_ns)),
            text: format!("{}: not measured ({})", device.name, gap.reason),
        })
    });
    let spans = report.span_times.iter().flat_map(|times| {
        let parts = times.from_ns.iter().zip(&times.to_ns).filter(|(from_ns, to_ns)| from_ns <= to_ns);
        parts.map(|(from_ns, to_ns)| Marker {
            name: SPAN,
            start_ms: ms(*from_ns),
            end_ms: Some(ms(*to_ns)),
            text: times.name.clone(),
        })
    });
    let all: Vec<Marker> = events.chain(lost).chain(spans).collect();
    let column = |value: &dyn Fn(&Marker) -> Value| Value::Array(all.iter().map(value).collect());
    json!({
        "processType": "default", "processStartupTime": 0, "processShutdownTime": null, "registerTime": 0, "unregisterTime": null,
        "pausedRanges": [], "name": "GeckoMain", "processName": title(report), "isMainThread": true, "pid": "0", "tid": 0,
        "samples": {"weightType": "samples", "weight": null, "stack": [0, 0], "time": [0.0, end_ms], "length": 2},
        "markers": {
            "data": column(&|marker| json!({"type": "eco2", "text": marker.text})), "name": column(&|marker| json!(marker.name)),
            "startTime": column(&|marker| json!(marker.start_ms)), "endTime": column(&|marker| json!(marker.end_ms)),
            // 0: an instant, 1: an interval.
            "phase": column(&|marker| json!(i32::from(marker.end_ms.is_some()))), "category": column(&|_| json!(0)), "length": all.len(),
        },
        "stackTable": {"frame": [0], "prefix": [null], "category": [0], "subcategory": [0], "length": 1},
        "frameTable": {
            "address": [-1], "inlineDepth": [0], "category": [null], "subcategory": [0], "func": [0], "nativeSymbol": [null],
            "innerWindowID": [0], "implementation": [null], "line": [null], "column": [null], "length": 1,
        },
        "stringArray": strings,
        "funcTable": {
            "isJS": [false], "relevantForJS": [false], "name": [0], "resource": [-1], "fileName": [null], "lineNumber": [null],
            "columnNumber": [null], "length": 1,
        },
        "resourceTable": {"lib": [], "name": [], "host": [], "type": [], "length": 0},
        "nativeSymbols": {"libIndex": [], "address": [], "name": [], "functionSize": [], "length": 0},
    })
}
