//! Returns a grid zone as JSON, as `eco2 grid --json` prints it and `eco2_zone()` returns it, with its electricity mix.
//!
//! The *mix* is the shares of renewable, nuclear and fossil sources in a year. It is context only: an intensity already
//! includes it, and no emissions are computed from it.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::{CloudRegion, Intensity, Zone, ZoneError, cloud_region, lookup, time_zone, zones};

const CSV: &str = include_str!("../data/mix.csv");

static MIXES: LazyLock<HashMap<String, Mix>> = LazyLock::new(|| parse(CSV));

/// Shares of sources in a zone's production over a year, percent; they add up to 100.
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
    /// Publisher.
    pub source: String,
    /// Licence.
    pub licence: String,
}

/// Returns the mix of a zone by its code; `None` if unknown. The mix of a surrounding zone is never used instead.
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

/// Parses the embedded file. A row that does not parse is skipped here and fails a test.
fn parse(text: &str) -> HashMap<String, Mix> {
    let rows = csv::Reader::from_reader(text.as_bytes()).into_deserialize::<Mix>();
    rows.filter_map(Result::ok).map(|mix| (mix.zone.clone(), mix)).collect()
}

/// Returns a zone by code, name or alias, with the keys `zone`, `name`, `g_per_kwh`, `kind`, `year`, `source`,
/// `licence`, `note`, `mix` (percent, with year and source), `cloud` (the region, with its PUE) and `time_zone`.
/// Unknown values are null.
///
/// ```
/// let france = eco2_grid::zone_document("France")?;
/// assert_eq!((france["zone"].as_str(), france["mix"]["year"].as_i64()), (Some("FR"), Some(2023)));
/// # Ok::<(), eco2_grid::ZoneError>(())
/// ```
///
/// # Errors
/// As [`lookup`].
pub fn zone_document(zone: &str) -> Result<Value, ZoneError> {
    Ok(intensity_document(&lookup(zone)?, named_region(zone)))
}

/// Returns every zone in the table as JSON, with the keys of [`zone_document`].
#[must_use]
pub fn zones_document() -> Value {
    Value::from_iter(zones().iter().map(of_zone))
}

/// Returns the mix of a zone; for a cloud region that of its country or state.
#[must_use]
pub fn mix_of(found: &Intensity) -> Option<&'static Mix> {
    mix(cloud_region(&found.zone).map_or(found.zone.as_str(), |region| region.zone.as_str()))
}

/// Returns the cloud region of a name; `None` for other names, and for a name that is also a zone's.
#[must_use]
pub fn named_region(zone: &str) -> Option<&'static CloudRegion> {
    let region = cloud_region(zone)?;
    let found = lookup(zone).ok()?;
    (found.zone == region.code() || found.zone == region.zone).then_some(region)
}

/// Returns the keys of an intensity, its mix and its cloud region.
fn intensity_document(found: &Intensity, region: Option<&CloudRegion>) -> Value {
    json!({
        "zone": found.zone,
        "name": found.zone_name,
        "g_per_kwh": found.g_per_kwh,
        "kind": found.kind.map(|kind| kind.as_str()),
        "year": found.year,
        "source": found.source,
        "licence": found.licence,
        "note": found.note,
        "mix": of_mix(mix_of(found)),
        "cloud": region.map(of_region),
        "time_zone": time_zone(region.map_or(found.zone.as_str(), |region| region.zone.as_str())),
    })
}

/// Returns the keys of a mix; `null` without one.
fn of_mix(mix: Option<&Mix>) -> Value {
    mix.map_or(Value::Null, |mix| {
        json!({
            "year": mix.year,
            "renewable_percent": mix.renewable_percent,
            "nuclear_percent": mix.nuclear_percent,
            "fossil_percent": mix.fossil_percent,
            "source": mix.source,
            "licence": mix.licence,
        })
    })
}

/// Returns the keys of a cloud region.
fn of_region(region: &CloudRegion) -> Value {
    json!({
        "region": region.code(),
        "location": region.location,
        "zone": region.zone,
        "pue": region.pue,
        "pue_year": region.pue_year,
        "pue_source": region.pue.map(|_| region.pue_source.as_str()),
    })
}

/// Returns the keys of a zone.
fn of_zone(zone: &Zone) -> Value {
    json!({
        "zone": zone.code,
        "name": zone.name,
        "g_per_kwh": zone.g_per_kwh,
        "kind": zone.kind.as_str(),
        "year": zone.year,
        "source": zone.source,
        "licence": zone.licence,
        "note": null,
        "mix": of_mix(mix(&zone.code)),
        "cloud": null,
        "time_zone": time_zone(&zone.code),
    })
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
            assert!(crate::zone::coded(zone).is_some(), "{zone}");
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
