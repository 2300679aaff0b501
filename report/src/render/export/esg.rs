//! Writes electricity and Scope 2 emissions by month and site as a table for environmental reports.
//!
//! The columns name the disclosures that they were written for: ESRS E1-5 and E1-6, GRI 302-1 and 305-2, CDP. They were not
//! compared with the texts of these standards, and each row states that.

use super::super::csv::table;
use super::super::presentable;
use crate::Error;
use crate::analysis::{SiteKey, SiteMonth, by_site};
use eco2_core::Bounded;
use eco2_core::schema::Report;
use jiff::Timestamp;

/// The columns, in order.
const COLUMNS: [&str; 19] = [
    "month",
    "site",
    "runs",
    "electricity_kwh (ESRS E1-5, GRI 302-1, CDP)",
    "electricity_low_kwh",
    "electricity_high_kwh",
    "measured_percent",
    "scope2_location_t (ESRS E1-6, GRI 305-2, CDP)",
    "scope2_location_low_t",
    "scope2_location_high_t",
    "location_factor_g_per_kwh",
    "location_factor_source",
    "location_factor_year",
    "scope2_market_t (ESRS E1-6, GRI 305-2, CDP)",
    "market_instrument",
    "market_factor_g_per_kwh",
    "runs_without_emissions",
    "runs_without_contract",
    "mapping",
];

/// Returns one row per month (UTC) and site. An empty cell is not known: location-based emissions whose factors are of
/// different kinds, market-based ones unless every run has a contract. The two are never netted.
///
/// `label` names the site; a run without it has its grid zone as site.
///
/// # Errors
/// [`Error::Table`].
pub fn esg_csv(reports: &[Report], label: Option<&str>) -> Result<String, Error> {
    let reports: Vec<Report> = reports.iter().map(|report| presentable(report).into_owned()).collect();
    let months = by_site(&reports, label);
    table("the table by site", COLUMNS.map(str::to_owned).to_vec(), months.iter().map(|(key, month)| row(key, month)))
}

fn row((from_s, site): &SiteKey, sum: &SiteMonth) -> Vec<String> {
    let month = from_s.and_then(|from_s| Timestamp::from_second(from_s).ok()).map(|at| at.to_string());
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let joined = |texts: Vec<String>| texts.join("; ");
    let bounds = |range: Option<Bounded<f64>>| {
        [range.and_then(|range| range.value), range.map(|range| range.low), range.and_then(|range| range.high)]
    };
    let [kwh, kwh_low, kwh_high] = bounds(sum.kwh);
    let tonnes = |grams: Option<Bounded<f64>>| bounds(grams.map(|grams| grams.times(1e-6)));
    let [location, location_low, location_high] = tonnes(sum.location());
    let [market, ..] = tonnes(sum.market());
    let factor = |tonnes: Option<f64>, kwh: f64| tonnes.filter(|_| kwh > 0.0).map(|tonnes| tonnes * 1e6 / kwh);
    let measured = (sum.total_uj > 0.0).then(|| sum.measured_uj / sum.total_uj * 100.0);
    vec![
        month.and_then(|at| Some(at.get(..7)?.to_owned())).unwrap_or_default(),
        site.clone(),
        sum.runs.to_string(),
        number(kwh),
        number(kwh_low),
        number(kwh_high),
        number(measured),
        number(location),
        number(location_low),
        number(location_high),
        number(factor(location, sum.priced_kwh)),
        joined(sum.sources.iter().cloned().collect()),
        joined(sum.years.iter().map(i32::to_string).collect()),
        number(market),
        joined(sum.instruments.iter().cloned().collect()),
        number(factor(market, sum.contract_kwh)),
        sum.unpriced.to_string(),
        sum.without_contract.to_string(),
        "not checked".to_owned(),
    ]
}
