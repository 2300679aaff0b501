//! Writes a run as a BoAmps report (Boavizta, `model/report_schema.json`), a format to publish the energy of a
//! machine-learning task. PUE is the factor of the facility's overhead.
//!
//! The task, its data and the algorithm come from the run's labels `task_stage`, `task_family`, `algorithm`,
//! `data_type`, `infra_type`, `cloud_provider`, `cloud_instance`. Fields that the format requires are always present:
//! without a label they are `not stated`, or `other` in a list of words. The status is `draft`.

use eco2_core::Component;
use eco2_core::schema::{Device, Report};
use eco2_core::units::kwh;
use serde_json::{Map, Value, json};

use super::super::{finite, word};
use super::{document, mean_intensity, sensors};
use crate::Error;
use crate::analysis::scope_of;
use crate::wall::wall_clock;

/// The value of a required text for which there is no label.
const NOT_STATED: &str = "not stated";
/// The words that the format allows for the type of data.
const DATA_TYPES: [&str; 10] =
    ["tabular", "audio", "boolean", "image", "video", "object", "text", "token", "word", "other"];
/// The words that the format allows for the type of infrastructure.
const INFRASTRUCTURES: [&str; 4] = ["publicCloud", "privateCloud", "onPremise", "other"];

/// Returns the report with the names and units of BoAmps (kilowatt-hours, seconds). `powerConsumption` is energy before
/// PUE.
///
/// # Errors
/// [`Error::NoEnergy`] and [`Error::NoDevices`], as the format requires both numbers; [`Error::Encode`].
pub fn boamps_json(report: &Report) -> Result<String, Error> {
    let report = finite(report);
    if report.energy.total_uj.is_none() {
        return Err(Error::NoEnergy { run: report.run.id.clone(), format: "BoAmps", field: "powerConsumption" });
    }
    if super::hardware_by_type(&report).is_empty() {
        return Err(Error::NoDevices { run: report.run.id.clone(), format: "BoAmps", field: "nbComponent" });
    }
    let mut value = json!({
        "header": header(&report),
        "task": task(&report),
        "measures": [measure(&report)],
        "system": {"os": "linux"},
        "infrastructure": infrastructure(&report),
        "environment": environment(&report),
        "quality": quality(&report),
    });
    strip(&mut value);
    document("the BoAmps report", &value)
}

/// Returns the header; `None` without a date, which the format requires.
fn header(report: &Report) -> Option<Value> {
    let at = written(&report.run.ended_at)?;
    Some(json!({"reportId": report.run.id, "reportDatetime": at, "reportStatus": "draft"}))
}

/// Returns a time as the format requires it: `2026-01-02 03:04:05`; `None` if it is not known.
fn written(at: &str) -> Option<String> {
    Some(wall_clock(at)?.get(..19)?.replace('T', " "))
}

/// Returns the value of the run's label of this name; `None` if it is not set.
fn label<'a>(report: &'a Report, name: &str) -> Option<&'a String> {
    report.run.labels.get(name)
}

/// Returns the value of a label, if it is one of the format's words.
fn listed<'a>(report: &'a Report, name: &str, words: &[&str]) -> Option<&'a str> {
    label(report, name).map(String::as_str).filter(|value| words.contains(value))
}

/// Returns the section about the task, from labels.
fn task(report: &Report) -> Value {
    let work = &report.work;
    let given = listed(report, "data_type", &DATA_TYPES);
    let (kind, quantity) = match (work.tokens, work.samples) {
        (Some(tokens), _) => ("token", Some(tokens)),
        (None, samples) => (given.unwrap_or("other"), samples),
    };
    let stated = |name| label(report, name).map_or(NOT_STATED, String::as_str);
    json!({
        "taskStage": stated("task_stage"),
        "taskFamily": stated("task_family"),
        "algorithms": [{"algorithmName": stated("algorithm")}],
        "dataset": [{"dataUsage": "input", "dataType": kind, "dataQuantity": quantity}],
    })
}

/// Returns the section about the measured energy.
fn measure(report: &Report) -> Value {
    let mode = |component| {
        let of = |device: &&Device| device.is_summed() && device.component == component;
        report.devices.iter().find(of).map(|device| format!("{} ({})", device.source, word(&device.quality)))
    };
    json!({
        "measurementMethod": format!("eco2 ({}), energy {}", sensors(report).join(", "), scope_of(report).words()),
        "version": report.run.tool.version,
        "cpuTrackingMode": mode(Component::Cpu),
        "gpuTrackingMode": mode(Component::Gpu),
        "powerConsumption": report.energy.total_uj.map(kwh),
        "measurementDuration": report.run.duration_ns as f64 / 1e9,
        "measurementDateTime": written(&report.run.started_at),
    })
}

/// Returns the section about the infrastructure: its type, the cloud and the hardware.
fn infrastructure(report: &Report) -> Value {
    let components: Vec<Value> = super::hardware_by_type(report)
        .into_iter()
        .map(|((kind, name), count)| json!({"componentName": name, "componentType": kind, "nbComponent": count}))
        .collect();
    let in_cloud = label(report, "cloud_provider").map(|_| "publicCloud");
    json!({
        "infraType": listed(report, "infra_type", &INFRASTRUCTURES).or(in_cloud).unwrap_or("other"),
        "cloudProvider": label(report, "cloud_provider"),
        "cloudInstance": label(report, "cloud_instance"),
        "components": components,
    })
}

/// Returns the environment; `None` without a country, which the format requires.
fn environment(report: &Report) -> Option<Value> {
    let carbon = report.carbon.as_ref()?;
    let country = super::country(carbon)?;
    Some(json!({"country": country, "powerSourceCarbonIntensity": mean_intensity(carbon)}))
}

/// Returns the format's word for the width of the bounds: `high` within 10 %, `medium` within 25 %, else `low`.
/// Unbounded, estimated and generated values are `low` too.
fn quality(report: &Report) -> Option<&'static str> {
    let energy = &report.energy;
    let total_uj = energy.total_uj?;
    let high_uj = energy.high_uj.filter(|_| energy.estimated_uj == 0 && energy.synthetic_uj == 0);
    let off = high_uj.map(|high| high.saturating_sub(total_uj).max(total_uj.saturating_sub(energy.low_uj)));
    Some(match off.map(|uj| uj as f64 / total_uj.max(1) as f64) {
        Some(share) if share <= 0.10 => "high",
        Some(share) if share <= 0.25 => "medium",
        _ => "low",
    })
}

/// Removes null fields, because the format does not permit null.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(strip);
            *fields = std::mem::replace(fields, Map::new()).into_iter().filter(|(_, value)| !value.is_null()).collect();
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
