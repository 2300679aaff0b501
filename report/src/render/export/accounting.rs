//! Writes emissions by the standards of carbon accounting: the software carbon intensity (SCI) as JSON, and Scope 2
//! emissions (those of bought electricity, GHG Protocol) as a table.

use super::super::csv::table;
use super::super::{finite, presentable, word};
use super::{basis, document, grams_of};
use crate::Error;
use crate::analysis::scope_of;
use eco2_core::schema::{CarbonSegment, Embodied, Market, Report, Sci};
use eco2_core::units::{grams, kwh};
use eco2_core::{Bounded, Ranged};
use eco2_grid::carbon::{FunctionalUnit, sci};
use serde_json::json;

/// Returns the software carbon intensity, `(O + M) per R`, with its terms: O operational emissions, E energy, I carbon
/// intensity, M embodied emissions and R the functional unit. The unit is that of the run, else a step if steps were
/// counted, else the run.
///
/// `complete` is false without embodied emissions, which SCI requires.
///
/// # Errors
/// [`Error::NoGrams`], [`Error::Encode`].
pub fn sci_json(report: &Report) -> Result<String, Error> {
    let report = finite(report);
    let (carbon, _) = grams_of(&report)?;
    let supplements = carbon.beside.as_deref();
    let embodied = supplements.and_then(|supplements| supplements.embodied.as_ref());
    let given = supplements.and_then(|supplements| supplements.sci.clone());
    let found = given.or_else(|| default_unit(&report, embodied));
    let Some(figure) = found else { return Err(Error::NoGrams { run: report.run.id.clone() }) };
    let energy = &report.energy;
    let value = json!({
        "specification": "SCI 1.1 (ISO/IEC 21031:2024)",
        "run_id": report.run.id,
        "sci": {"g_co2e": figure.grams, "low": figure.low, "high": figure.high, "per": figure.per},
        "O": {"g_co2e": carbon.grams, "low": carbon.low, "high": carbon.high, "method": "location-based"},
        "E": {
            "kwh": energy.facility_uj.map(kwh), "it_kwh": energy.total_uj.map(kwh), "pue": energy.pue, "basis": basis(&report),
            "scope": scope_of(&report),
        },
        "I": carbon.segments,
        "M": embodied,
        "R": {"unit": figure.per, "count": figure.units},
        "complete": embodied.is_some(),
        "boundary": "CPU packages, memory and GPU boards that were read, times PUE; network, storage and idle spares are outside",
        "tool": format!("eco2 {}", report.run.tool.version),
    });
    document("the SCI figures", &value)
}

fn default_unit(report: &Report, embodied: Option<&Embodied>) -> Option<Sci> {
    let carbon = report.carbon.as_ref()?;
    let per = |unit| sci(carbon, embodied, unit, &report.work);
    per(FunctionalUnit::Step).or_else(|| per(FunctionalUnit::Run))
}

/// The columns of the Scope 2 table, in order.
const COLUMNS: [&str; 20] = [
    "run_id",
    "method",
    "from",
    "to",
    "zone",
    "it_kwh",
    "pue",
    "facility_kwh",
    "factor_g_per_kwh",
    "factor_kind",
    "factor_source",
    "factor_year",
    "factor_estimated",
    "instrument",
    "co2e_kg",
    "co2e_low_kg",
    "co2e_high_kg",
    "energy_basis",
    "state",
    "energy_scope",
];

/// Returns a table with the rows `location-based` (one per interval of one intensity), `location-based total` with the
/// bounds, and `market-based` if there is a contract. Offsets are rows `offset (not subtracted)`. An empty cell means
/// "not known".
///
/// Location-based and market-based emissions are listed separately and never netted (GHG Protocol, *Scope 2 Guidance*,
/// 2015). For a tenant of the machines, their electricity is Scope 3.
///
/// # Errors
/// [`Error::NoGrams`], [`Error::Table`].
pub fn scope2_csv(report: &Report) -> Result<String, Error> {
    let report = presentable(report);
    let (carbon, _) = grams_of(&report)?;
    let mut rows: Vec<Vec<String>> = carbon.segments.iter().map(|segment| part(&report, segment)).collect();
    rows.push(total(&report)?);
    if let Some(supplements) = carbon.beside.as_deref() {
        rows.extend(supplements.market.iter().map(|market| market_row(&report, market)));
        rows.extend(supplements.offsets.iter().map(|offset| {
            let figures = [("instrument", offset.name.clone()), ("co2e_kg", offset.kg.to_string())];
            row(&report, "offset (not subtracted)", &figures)
        }));
    }
    table("the Scope 2 table", COLUMNS.map(str::to_owned).to_vec(), rows.into_iter())
}

/// Returns a row of the table; `figures` are pairs of a column and its text.
fn row(report: &Report, method: &str, figures: &[(&str, String)]) -> Vec<String> {
    let cell = |column: &str| match column {
        "run_id" => report.run.id.clone(),
        "method" => method.to_owned(),
        "state" => word(&report.run.state),
        "energy_scope" => scope_of(report).name().to_owned(),
        column => figures.iter().find(|(name, _)| *name == column).map(|(_, text)| text.clone()).unwrap_or_default(),
    };
    COLUMNS.iter().map(|column| cell(column)).collect()
}

/// Returns the row of one interval of one intensity.
fn part(report: &Report, segment: &CarbonSegment) -> Vec<String> {
    let zone = report.carbon.as_ref().map(|carbon| carbon.zone.clone()).unwrap_or_default();
    let figures = [
        ("from", segment.from.clone()),
        ("to", segment.to.clone()),
        ("zone", zone),
        ("facility_kwh", kwh(segment.energy_uj).to_string()),
        ("factor_g_per_kwh", segment.g_per_kwh.to_string()),
        ("factor_kind", segment.kind.clone().unwrap_or_default()),
        ("factor_source", segment.source.clone()),
        ("factor_year", segment.year.map_or_else(String::new, |year| year.to_string())),
        ("factor_estimated", segment.estimated.to_string()),
        ("co2e_kg", (grams(segment.energy_uj, segment.g_per_kwh) / 1e3).to_string()),
    ];
    row(report, "location-based", &figures)
}

/// Returns the cells about time and energy that the rows of the whole run have in common: pairs of column and text.
fn energies(report: &Report) -> [(&'static str, String); 6] {
    let energy = &report.energy;
    [
        ("from", report.run.started_at.clone()),
        ("to", report.run.ended_at.clone()),
        ("it_kwh", number(energy.total_uj.map(kwh))),
        ("pue", energy.pue.to_string()),
        ("facility_kwh", number(energy.facility_uj.map(kwh))),
        ("energy_basis", basis(report).to_owned()),
    ]
}

/// Returns a number as text; empty if it is not known.
fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Returns the cells of emissions with their bounds, in kilograms.
fn bounded(grams: Bounded<f64>) -> [(&'static str, String); 3] {
    let kg = grams.times(1e-3);
    [("co2e_kg", number(kg.value)), ("co2e_low_kg", kg.low.to_string()), ("co2e_high_kg", number(kg.high))]
}

/// Returns the row of the total location-based emissions.
fn total(report: &Report) -> Result<Vec<String>, Error> {
    let (carbon, _) = grams_of(report)?;
    let zone = [("zone", carbon.zone.clone())];
    let figures = [&energies(report)[..], &bounded(carbon.bounded()), &zone].concat();
    Ok(row(report, "location-based total", &figures))
}

/// Returns the row of the market-based emissions.
fn market_row(report: &Report, market: &Market) -> Vec<String> {
    let contract = [("instrument", market.instrument.clone()), ("factor_g_per_kwh", market.g_per_kwh.to_string())];
    let figures = [&energies(report)[..], &bounded(market.bounded()), &contract].concat();
    row(report, "market-based", &figures)
}
