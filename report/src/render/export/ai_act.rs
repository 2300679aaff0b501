//! The energy figures that the technical documentation of a general-purpose model asks for: Regulation (EU) 2024/1689,
//! Annex XI, section 1, point 2(e), "known or estimated energy consumption of the model".
//!
//! A block of figures with method and uncertainty, of one run. What a publisher owes to whom is not said here.

use eco2_core::schema::Report;
use eco2_core::units::kwh;
use serde_json::json;

use super::super::finite;
use super::{basis, document, hardware, sensors};
use crate::Error;
use crate::analysis::is_measured;

/// Megawatt-hours with bounds, how they came about, on what hardware and in what time. Energy is `null` where nothing gave
/// any; `energy_basis` says whether it is known or estimated.
///
/// # Errors
/// [`Error::Encode`].
pub fn ai_act_json(report: &Report) -> Result<String, Error> {
    let report = finite(report);
    let energy = &report.energy;
    let known = is_measured(&report);
    let mwh = |uj: u64| known.then(|| kwh(uj) / 1e3);
    let share = |uj: u64| known.then(|| kwh(uj));
    let hours = report.run.duration_ns as f64 / 3.6e12;
    let value = json!({
        "subject": "Regulation (EU) 2024/1689, Annex XI, section 1, point 2(e): energy consumption of the model",
        "note": "figures of one run, for whoever writes the documentation; they make no statement on legal duties",
        "run_id": report.run.id,
        "period": {"from": report.run.started_at, "to": report.run.ended_at, "hours": hours},
        "energy_basis": basis(&report),
        "energy_mwh": energy.total_uj.and_then(mwh),
        "energy_low_mwh": mwh(energy.low_uj),
        "energy_high_mwh": energy.high_uj.and_then(mwh),
        "facility_energy_mwh": energy.facility_uj.and_then(mwh),
        "pue": energy.pue,
        "shares_kwh": {
            "measured": share(energy.measured_uj), "derived_from_power": share(energy.derived_uj),
            "estimated": share(energy.estimated_uj), "synthetic": share(energy.synthetic_uj),
        },
        "method": {"tool": format!("eco2 {}", report.run.tool.version), "sensors": sensors(&report)},
        "computational_resources": {"hardware": hardware(&report), "device_hours": device_hours(&report, hours)},
        "boundary": "CPU packages, memory and GPU boards of the machines that were read; facility overhead by PUE only",
    });
    document("the energy block", &value)
}

/// Hours times GPUs, where there are any.
fn device_hours(report: &Report, hours: f64) -> Option<f64> {
    let is_gpu =
        |device: &&eco2_core::schema::Device| device.is_summed() && device.component == eco2_core::Component::Gpu;
    let gpus = report.devices.iter().filter(is_gpu).count();
    (gpus > 0).then_some(gpus as f64 * hours)
}
