//! Formats the calibration of `eco2 doctor`: measured power of the CPUs and of memory at three loads against the estimate
//! (source `model`), as a table and as JSON.

use eco2::StoredCalibration;
use eco2_report::{CalibratedLoad, CalibratedPart, Calibration};
use serde_json::{Value, json};

/// Width of the name of a part and a load.
const PART: usize = 24;
/// Width of a number and its unit.
const NUMBER: usize = 11;

/// The stored calibration of this machine, and why none was made now.
#[derive(Default)]
pub(super) struct CalibrationCheck {
    /// `None` where the machine was never calibrated.
    pub(super) stored: Option<StoredCalibration>,
    /// Why `--calibrate` failed; `None` if it did not, or was not asked for.
    pub(super) failure: Option<String>,
}

impl CalibrationCheck {
    /// Returns what the stored calibration is used for, and the failure.
    pub(super) fn sentences(&self) -> Vec<String> {
        let used = self.stored.as_ref().map(|stored| match &stored.unused {
            None => "Estimates on this machine use the measured powers where its counters cannot be read.".to_owned(),
            Some(why) => format!(
                "Estimates do not use this calibration, because the machine has changed: {why}. Repeat it with \
                 eco2 doctor --calibrate."
            ),
        });
        let failure = self.failure.as_ref().map(|why| format!("Not calibrated: {why}."));
        used.into_iter().chain(failure).collect()
    }

    /// Returns the object `calibration` of the JSON.
    pub(super) fn as_json(&self) -> anyhow::Result<Value> {
        let stored = self.stored.as_ref();
        Ok(json!({
            "stored": stored.map(|stored| calibration_json(&stored.calibration)).transpose()?,
            "unused": stored.and_then(|stored| stored.unused.as_deref()),
            "failure": self.failure,
        }))
    }
}

/// Returns the rows of all parts and loads.
pub(super) fn table(calibration: &Calibration) -> String {
    let head = ["load", "measured", "estimate"].map(|name| format!("{name:>NUMBER$}")).concat();
    let title = format!("calibration {}", calibration.measured_at.get(..10).unwrap_or_default());
    let mut out = format!("{title:PART$}{head}  {:19}measured/estimate\n", "range of estimate");
    let memory = calibration.memory.as_ref().map(|part| ("memory", part));
    for (name, part) in [("CPUs", &calibration.cpu)].into_iter().chain(memory) {
        let names = ["idle", "half load", "full load"];
        for (load, at) in part.loads().into_iter().zip(names) {
            out.push_str(&row(&format!("{name}, {at}"), load));
        }
    }
    out
}

fn row(name: &str, load: CalibratedLoad) -> String {
    let percent = format!("{:.0} %", load.utilization * 100.0);
    let watts = |watts: f64| format!("{watts:.1} W");
    let numbers = [percent, watts(load.watts), watts(load.estimate_w)].map(|text| format!("{text:>NUMBER$}")).concat();
    let range = format!("{:.1} – {:.1} W", load.estimate_low_w, load.estimate_high_w);
    let factor = load.factor().map_or("not known".to_owned(), |factor| format!("{factor:.2}"));
    let outside = if load.is_in_range() { "" } else { ", outside the range" };
    format!("{name:PART$}{numbers}  {range:19}{factor}{outside}\n")
}

/// Returns a calibration with the estimate's error at each load.
fn calibration_json(calibration: &Calibration) -> anyhow::Result<Value> {
    let mut out = serde_json::to_value(calibration)?;
    let parts = [("cpu", Some(&calibration.cpu)), ("memory", calibration.memory.as_ref())];
    for (name, part) in parts.into_iter().filter_map(|(name, part)| Some((name, part?))) {
        add_errors(&mut out[name], part);
    }
    Ok(out)
}

fn add_errors(out: &mut Value, part: &CalibratedPart) {
    for (name, load) in ["idle", "half", "full"].into_iter().zip(part.loads()) {
        out[name]["factor"] = json!(load.factor());
        out[name]["in_range"] = json!(load.is_in_range());
    }
}
