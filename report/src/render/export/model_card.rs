//! The block `co2_eq_emissions` of a model card on the Hugging Face Hub. Its unit is grams.

use eco2_core::schema::{Carbon, Report};

use super::super::presentable;
use super::{basis, grams_of, hardware_words};
use crate::Error;

/// YAML for the head of a model card. `training_type` is the run's label of that name, `pre-training` or `fine-tuning`;
/// `geographical_location` is the grid zone. A field without a value is left out.
///
/// # Errors
/// [`Error::NoGrams`].
pub fn model_card(report: &Report) -> Result<String, Error> {
    let report = presentable(report);
    let (carbon, grams) = grams_of(&report)?;
    let kinds = super::kinds(carbon).join(", ");
    let source = format!(
        "eco2 {}, energy {}, location-based{}{kinds}, PUE {}",
        report.run.tool.version,
        basis(&report),
        if kinds.is_empty() { "" } else { ", " },
        report.energy.pue,
    );
    let mut lines = vec!["co2_eq_emissions:".to_owned(), format!("  emissions: {}", plain(grams))];
    lines.push(format!("  source: {}", quoted(&source)));
    let stage = report.run.labels.get("training_type").filter(|stage| is_stage(stage));
    lines.extend(stage.map(|stage| format!("  training_type: {}", quoted(stage))));
    lines.extend(location(carbon).map(|zone| format!("  geographical_location: {}", quoted(zone))));
    lines.push(format!("  hardware_used: {}", quoted(&hardware_words(&report))));
    Ok(lines.join("\n") + "\n")
}

/// The zone, where the user or the machine named one: the world's average is no location, nor is a given intensity.
fn location(carbon: &Carbon) -> Option<&str> {
    let replaced = ["default-world", "constant", "unknown"].contains(&carbon.zone_source.as_str());
    Some(carbon.zone.as_str()).filter(|zone| !replaced && !zone.is_empty() && *zone != "WORLD" && *zone != "constant")
}

fn is_stage(text: &str) -> bool {
    matches!(text, "pre-training" | "fine-tuning")
}

/// A number that every YAML reader takes for one: with all digits and without an exponent.
fn plain(grams: f64) -> String {
    format!("{grams}")
}

/// A JSON string is a double-quoted YAML scalar.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
