//! What a zone's electricity was made from. It is context: an intensity has it already, and grams never take it again.

use std::collections::HashMap;
use std::sync::LazyLock;

const CSV: &str = include_str!("../data/mix.csv");

static MIXES: LazyLock<HashMap<String, Mix>> = LazyLock::new(|| parse(CSV));

/// Shares of a zone's production over a year, percent; they add up to 100.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[non_exhaustive]
pub struct Mix {
    zone: String,
    /// The year.
    pub year: i32,
    /// Wind, sun, water, biomass, geothermal and other renewables.
    pub renewable_percent: f64,
    /// Nuclear power: neither renewable nor fossil.
    pub nuclear_percent: f64,
    /// Coal, gas and oil.
    pub fossil_percent: f64,
    /// Who publishes it.
    pub source: String,
    /// Under which licence.
    pub licence: String,
}

/// The mix of a zone by its code; `None`: not known, which is neither 0 nor that of a zone around it.
///
/// ```
/// let france = eco2_grid::mix("FR").expect("a mix of France");
/// assert!(france.nuclear_percent > 50.0 && france.fossil_percent < 20.0);
/// assert!(eco2_grid::mix("US-CA").is_none());
/// ```
#[must_use]
pub fn mix(code: &str) -> Option<&'static Mix> {
    MIXES.get(code)
}

/// The file is part of the crate: a test, not the user, learns of a row that does not parse.
fn parse(text: &str) -> HashMap<String, Mix> {
    let rows = csv::Reader::from_reader(text.as_bytes()).into_deserialize::<Mix>();
    rows.filter_map(Result::ok).map(|mix| (mix.zone.clone(), mix)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_dated_cited_and_adds_up() {
        assert_eq!(MIXES.len(), CSV.lines().count() - 1);
        for (zone, mix) in MIXES.iter() {
            let parts = [mix.renewable_percent, mix.nuclear_percent, mix.fossil_percent];
            assert!(parts.iter().all(|part| (0.0..=100.0).contains(part)), "{zone}");
            assert!((parts.iter().sum::<f64>() - 100.0).abs() < 0.02, "{zone}");
            assert!((2020..=2026).contains(&mix.year) && !mix.source.is_empty() && !mix.licence.is_empty(), "{zone}");
            assert!(crate::table::coded(zone).is_some(), "{zone}");
        }
    }

    #[test]
    fn nuclear_power_is_not_fossil() {
        // Germany 2023: 264.56 of 504.79 TWh renewable, 8.75 nuclear, 231.48 fossil.
        let germany = mix("DE").unwrap();
        assert_eq!((germany.year, germany.renewable_percent, germany.nuclear_percent), (2023, 52.41, 1.73));
        assert_eq!(germany.fossil_percent, 45.86);
    }
}
