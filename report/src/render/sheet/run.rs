//! One run as tables: the values of the whole run, its devices and its spans.

use eco2_core::schema::Report;
use eco2_core::{Bounded, Quality, Ranged};

use super::super::export::mean_intensity;
use super::super::numbers::{Amount, Column, as_f64, count, digits, duration, share, widest_percent};
use super::super::presentable;
use super::{Sheet, Table};
use crate::analysis::pue_words;

/// Returns the report as tables in Markdown, for a README, a pull request or a wiki.
#[must_use]
pub fn markdown(report: &Report) -> String {
    sheet(&presentable(report)).markdown()
}

/// Returns the report as LaTeX tables. They need no package.
#[must_use]
pub fn latex(report: &Report) -> String {
    sheet(&presentable(report)).latex()
}

fn sheet(report: &Report) -> Sheet {
    let run = &report.run;
    let title = if run.name.is_empty() { run.id.clone() } else { format!("{} ({})", run.name, run.id) };
    let mut tables = vec![whole(report)];
    tables.extend((!report.devices.is_empty()).then(|| devices(report)));
    tables.extend((!report.spans.is_empty()).then(|| spans(report)));
    let mut notes = Vec::new();
    if report.energy.synthetic_uj > 0 {
        notes.push("SYNTHETIC: this energy was generated, not measured.".to_owned());
    }
    if report.energy.missing_ns > 0 {
        let time = duration(report.energy.missing_ns);
        notes.push(format!("{time} of device time without readings: the ranges include it, the values do not."));
    }
    notes.push(format!("Measured with eco2 {}.", run.tool.version));
    Sheet { title, tables, notes }
}

/// Returns the values of the whole run, each with its range.
fn whole(report: &Report) -> Table {
    let mut table = Table::new("Energy and emissions of the run", &["", "Value", "Range"]);
    let energy = as_f64(report.energy.bounded());
    let mut row = |name: &str, amount: Amount, range: &Bounded<f64>, unknown: &str| {
        let is_open = range.value.is_none() && range.low > 0.0;
        let value = range.value.map_or_else(|| unknown.to_owned(), |value| amount.text(value));
        let words = if range.value.is_some() || is_open { amount.range(range, false) } else { String::new() };
        table.rows.push(vec![name.to_owned(), value, words]);
    };
    row("Energy", Amount::Energy, &energy, "not measured");
    if let Some(steps) = report.work.steps.filter(|steps| *steps > 0) {
        row("Energy per step", Amount::StepEnergy, &energy.times(1.0 / steps as f64), "not measured");
    }
    match &report.carbon {
        Some(carbon) => row("Emissions (location-based)", Amount::Mass, &carbon.bounded(), "not known"),
        None => row("Emissions", Amount::Mass, &Bounded::unknown(), "not known"),
    }
    let mut fact = |name: &str, value: String| table.rows.push(vec![name.to_owned(), value, String::new()]);
    fact("Duration", duration(report.run.duration_ns));
    if let Some(steps) = report.work.steps {
        fact("Steps", count(steps));
    }
    if let Some(carbon) = &report.carbon {
        let intensity = mean_intensity(carbon)
            .map_or_else(|| "not known".to_owned(), |mean| format!("{}\u{a0}g/kWh", digits(mean, 3)));
        fact("Carbon intensity", format!("{intensity}, zone {}", carbon.zone));
        fact("PUE", pue_words(report));
    }
    table
}

fn devices(report: &Report) -> Table {
    let energy =
        Column::new(Amount::Energy, report.devices.iter().filter_map(|device| device.energy_uj).map(|uj| uj as f64));
    let watts = Column::new(Amount::Power, report.devices.iter().filter_map(|device| device.mean_w));
    let total = report.energy.total_uj.unwrap_or(0) as f64;
    let [joules, power] = [energy.unit.name, watts.unit.name].map(|unit| format!(", {unit}"));
    let head = [
        "Device",
        &format!("Energy{joules}"),
        &format!("Range{joules}"),
        &format!("Mean power{power}"),
        "Share, %",
        "Quality",
    ];
    let mut table = Table::new("Energy by device", &head);
    for device in &report.devices {
        let range = as_f64(device.bounded());
        let word = if device.quality == Quality::Missing { "not measured" } else { device.quality.name() };
        let is_known = range.value.is_some();
        table.rows.push(vec![
            if device.is_summed() { device.name.clone() } else { format!("{} (in another device)", device.name) },
            range.value.map_or_else(|| "not measured".to_owned(), |uj| energy.cell(uj)),
            if is_known { energy.range(&range) } else { String::new() },
            device.mean_w.map_or_else(String::new, |mean| watts.cell(mean)),
            if is_known && device.is_summed() { share(range.value.unwrap_or(0.0), total) } else { String::new() },
            word.to_owned(),
        ]);
    }
    table
}

fn spans(report: &Report) -> Table {
    let energy = Column::new(Amount::Energy, report.spans.iter().filter_map(|span| span.energy_uj).map(|uj| uj as f64));
    let time = Column::new(Amount::Time, report.spans.iter().map(|span| span.duration_ns as f64 / 1e9));
    let head =
        ["Span", "Count", &format!("Time, {}", time.unit.name), &format!("Energy, {}", energy.unit.name), "Range, ± %"];
    let mut table = Table::new("Energy by span", &head);
    for span in &report.spans {
        let range = as_f64(span.bounded());
        table.rows.push(vec![
            span.name.clone(),
            count(span.count),
            time.cell(span.duration_ns as f64 / 1e9),
            range.value.map_or_else(|| "not measured".to_owned(), |uj| energy.cell(uj)),
            if range.value.is_some() && range.high.is_none() { "open".to_owned() } else { widest_percent(&range) },
        ]);
    }
    table
}
