//! Writes a run as a CycloneDX 1.7 bill of materials of one machine-learning model, whose model card has the energy of the run
//! (`considerations.environmentalConsiderations.energyConsumptions`).
//!
//! Energy is that of the facility (PUE included), kilowatt-hours; emissions are location-based, tonnes CO2e. The format has no
//! place for ranges, quality and scope, so they are properties named `eco2:…`. The source of the electricity is not known to eco2.
//! Labels of the run: `model` names the model, `activity` is one of the format's words, and `training_type` may be `fine-tuning`.

use eco2_core::schema::{Carbon, Report};
use eco2_core::units::kwh;
use serde_json::{Value, json};

use super::super::{finite, word};
use super::{basis, document, factor_sources, mean_intensity, sensors};
use crate::Error;
use crate::analysis::scope_of;

/// The words that the format allows for an activity.
const ACTIVITIES: [&str; 9] = [
    "design",
    "data-collection",
    "data-preparation",
    "training",
    "fine-tuning",
    "validation",
    "deployment",
    "inference",
    "other",
];
const GRAMS_PER_TONNE: f64 = 1e6;

/// Returns the bill of materials.
///
/// # Errors
/// [`Error::NoEnergy`], as the format requires the value; [`Error::Encode`].
pub fn cyclonedx_json(report: &Report) -> Result<String, Error> {
    let report = finite(report);
    let run = &report.run;
    let Some(energy_kwh) = report.energy.facility_uj.map(kwh) else {
        return Err(Error::NoEnergy { run: run.id.clone(), format: "CycloneDX", field: "activityEnergyCost" });
    };
    let measure = json!({"value": energy_kwh, "unit": "kWh"});
    let provider = json!({
        "organization": {"name": "not stated"},
        "description": report.carbon.as_ref().map_or_else(|| "grid zone not known".to_owned(), electricity),
        "energySource": "unknown",
        "energyProvided": measure,
    });
    let mut consumption = json!({
        "activity": activity(&report),
        "energyProviders": [provider],
        "activityEnergyCost": measure,
        "properties": properties(&report),
    });
    if let Some(grams) = report.carbon.as_ref().and_then(|carbon| carbon.grams) {
        consumption["co2CostEquivalent"] = json!({"value": grams / GRAMS_PER_TONNE, "unit": "tCO2eq"});
    }
    let name = run.labels.get("model").filter(|name| !name.is_empty()).unwrap_or(&run.name);
    let value = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "version": 1,
        "metadata": {
            "timestamp": run.ended_at,
            "tools": {"components": [{"type": "application", "name": "eco2", "version": run.tool.version}]},
        },
        "components": [{
            "type": "machine-learning-model",
            "bom-ref": "model",
            "name": if name.is_empty() { &run.id } else { name },
            "modelCard": {"considerations": {"environmentalConsiderations": {"energyConsumptions": [consumption]}}},
        }],
    });
    document("the bill of materials", &value)
}

/// Returns the activity: the label of that name, `fine-tuning` by the label `training_type`, else `training`.
fn activity(report: &Report) -> &str {
    let label = |name: &str| report.run.labels.get(name).map(String::as_str);
    let stated = label("activity").filter(|word| ACTIVITIES.contains(word));
    stated.or_else(|| label("training_type").filter(|kind| *kind == "fine-tuning")).unwrap_or("training")
}

/// Returns the grid zone and its intensity in words.
fn electricity(carbon: &Carbon) -> String {
    let mean = mean_intensity(carbon).map_or_else(String::new, |mean| format!(", {mean:.1} g CO2e/kWh"));
    format!("electricity of grid zone {}{mean} ({})", carbon.zone, factor_sources(carbon).join("; "))
}

/// Returns what the format has no field for.
fn properties(report: &Report) -> Vec<Value> {
    let energy = &report.energy;
    let scaled = |uj: u64| (kwh(uj) * energy.pue).to_string();
    let (low, high) = (energy.facility_low_uj.map(kwh), energy.facility_high_uj.map(kwh));
    let low = low.map_or_else(|| scaled(energy.low_uj), |kwh| kwh.to_string());
    let high = high.map(|kwh| kwh.to_string()).or_else(|| energy.high_uj.map(scaled));
    let carbon = report.carbon.as_ref();
    let all = [
        ("run_id", Some(report.run.id.clone())),
        ("scope", Some(scope_of(report).name().to_owned())),
        ("energy_basis", Some(basis(report).to_owned())),
        ("energy_low_kwh", Some(low)),
        ("energy_high_kwh", Some(high.unwrap_or_else(|| "unbounded".to_owned()))),
        ("range_kind", energy.range_kind.as_ref().map(word)),
        ("pue", Some(energy.pue.to_string())),
        ("duration_s", Some((report.run.duration_ns as f64 / 1e9).to_string())),
        ("sensors", Some(sensors(report).join(", "))),
        ("co2e_low_g", carbon.filter(|carbon| carbon.grams.is_some()).map(|carbon| carbon.low.to_string())),
        ("co2e_high_g", carbon.and_then(|carbon| carbon.high).map(|grams| grams.to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some(json!({"name": format!("eco2:{name}"), "value": value?}))).collect()
}
