//! Emissions from bought electricity as a table: a row a method and a stretch of time, each with its factor and source.
//!
//! GHG Protocol, *Scope 2 Guidance* (2015): location-based and market-based stand beside each other, never netted. For
//! whoever rents the machines, their electricity is Scope 3; which scope it is, the reader knows.

use eco2_core::schema::{CarbonSegment, Market, Report};
use eco2_core::units::{grams, kwh};
use eco2_core::{Bounded, Ranged};

use super::super::csv::table;
use super::super::{presentable, word};
use super::{basis, grams_of};
use crate::Error;

const COLUMNS: [&str; 19] = [
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
];

/// Rows `location-based` (a stretch of one intensity each), `location-based total` with the bounds, and `market-based`
/// where a contract was given. Offsets are rows of their own, `offset (not subtracted)`. An empty cell is not known.
///
/// # Errors
/// [`Error::NoGrams`], [`Error::Table`].
pub fn scope2_csv(report: &Report) -> Result<String, Error> {
    let report = presentable(report);
    let (carbon, _) = grams_of(&report)?;
    let mut rows: Vec<Vec<String>> = carbon.segments.iter().map(|segment| part(&report, segment)).collect();
    rows.push(total(&report)?);
    if let Some(beside) = carbon.beside.as_deref() {
        rows.extend(beside.market.iter().map(|market| market_row(&report, market)));
        rows.extend(beside.offsets.iter().map(|offset| {
            let figures = [("instrument", offset.name.clone()), ("co2e_kg", offset.kg.to_string())];
            row(&report, "offset (not subtracted)", &figures)
        }));
    }
    table("the Scope 2 table", COLUMNS.map(str::to_owned).to_vec(), rows.into_iter())
}

fn row(report: &Report, method: &str, figures: &[(&str, String)]) -> Vec<String> {
    let cell = |column: &str| match column {
        "run_id" => report.run.id.clone(),
        "method" => method.to_owned(),
        "state" => word(&report.run.state),
        column => figures.iter().find(|(name, _)| *name == column).map(|(_, text)| text.clone()).unwrap_or_default(),
    };
    COLUMNS.iter().map(|column| cell(column)).collect()
}

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

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn bounded(grams: Bounded<f64>) -> [(&'static str, String); 3] {
    let kg = grams.times(1e-3);
    [("co2e_kg", number(kg.value)), ("co2e_low_kg", kg.low.to_string()), ("co2e_high_kg", number(kg.high))]
}

fn total(report: &Report) -> Result<Vec<String>, Error> {
    let (carbon, _) = grams_of(report)?;
    let zone = [("zone", carbon.zone.clone())];
    let figures = [&energies(report)[..], &bounded(carbon.bounded()), &zone].concat();
    Ok(row(report, "location-based total", &figures))
}

fn market_row(report: &Report, market: &Market) -> Vec<String> {
    let contract = [("instrument", market.instrument.clone()), ("factor_g_per_kwh", market.g_per_kwh.to_string())];
    let figures = [&energies(report)[..], &bounded(market.bounded()), &contract].concat();
    row(report, "market-based", &figures)
}
