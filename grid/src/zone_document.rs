//! What is known of a zone as JSON: what `eco2 grid --json` prints and `eco2_zone()` gives.

use serde_json::{Value, json};

use crate::{CloudRegion, Intensity, Mix, Zone, ZoneError, cloud_region, lookup, mix, time_zone, zones};

/// A zone by code, name or alias: `zone`, `name`, `g_per_kwh`, `kind`, `year`, `source`, and beside these `licence`, `note`,
/// `mix` (percent, with year and source), `cloud` (the region, with its PUE) and `time_zone`. What is not known is null.
///
/// ```
/// let france = eco2_grid::zone_document("France")?;
/// assert_eq!((france["zone"].as_str(), france["mix"]["year"].as_i64()), (Some("FR"), Some(2023)));
/// # Ok::<(), eco2_grid::ZoneError>(())
/// ```
///
/// # Errors
/// As [`lookup`], with the nearest zones.
pub fn zone_document(zone: &str) -> Result<Value, ZoneError> {
    Ok(intensity_document(&lookup(zone)?, region_asked_for(zone)))
}

/// The same of every zone in the table.
#[must_use]
pub fn zones_document() -> Value {
    Value::from_iter(zones().iter().map(of_zone))
}

/// What a zone's electricity was made from; for a cloud region, of the country or state that it lies in.
#[must_use]
pub fn mix_of(found: &Intensity) -> Option<&'static Mix> {
    mix(cloud_region(&found.zone).map_or(found.zone.as_str(), |region| region.zone.as_str()))
}

/// The cloud region that was asked for; a name that is also a zone's is the zone's.
#[must_use]
pub fn region_asked_for(zone: &str) -> Option<&'static CloudRegion> {
    let region = cloud_region(zone)?;
    let found = lookup(zone).ok()?;
    (found.zone == region.code() || found.zone == region.zone).then_some(region)
}

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
