//! `eco2 grid`: what a kilowatt-hour weighs in a zone, and who says so.

use eco2_grid::{CloudRegion, Intensity, Mix, Zone};
use serde_json::{Value, json};

use crate::args::GridArgs;
use crate::out;

/// Shows one zone, or lists all.
///
/// # Errors
/// For a zone that is not known, with the nearest ones.
pub(crate) fn grid(args: &GridArgs) -> anyhow::Result<u8> {
    let text = match (&args.zone, args.json) {
        (Some(zone), true) => document(&of_intensity(&eco2_grid::lookup(zone)?, region_of(zone))),
        (Some(zone), false) => page(&eco2_grid::lookup(zone)?, region_of(zone)),
        (None, true) => document(&Value::from_iter(eco2_grid::zones().iter().map(of_zone))),
        (None, false) => list(eco2_grid::zones()),
    };
    out::data(&text)?;
    Ok(0)
}

/// What its electricity was made from; for a cloud region, of the country or state that it lies in.
fn mix_of(found: &Intensity) -> Option<&'static Mix> {
    let region = eco2_grid::cloud_region(&found.zone);
    eco2_grid::mix(region.map_or(found.zone.as_str(), |region| region.zone.as_str()))
}

fn page(found: &Intensity, region: Option<&CloudRegion>) -> String {
    let mut rows = vec![
        ("Zone", found.zone.clone()),
        ("Name", found.zone_name.clone()),
        ("Intensity", format!("{} g CO2e/kWh", found.g_per_kwh)),
        ("Kind", found.kind.map_or_else(|| "not known".to_owned(), |kind| kind.to_string())),
        ("Year", found.year.map_or_else(|| "not known".to_owned(), |year| year.to_string())),
        ("Source", format!("{} ({})", found.source, found.licence)),
    ];
    if let Some(mix) = mix_of(found) {
        let Mix { renewable_percent, nuclear_percent, fossil_percent, year, .. } = mix;
        let shares = format!("{renewable_percent} % renewable, {nuclear_percent} % nuclear, {fossil_percent} % fossil");
        rows.push(("Mix", format!("{shares} ({year}; in the intensity already)")));
    }
    if let Some(region) = region {
        rows.push(("Region", region.label()));
        if let (Some(pue), Some(year)) = (region.pue, region.pue_year) {
            rows.push(("PUE", format!("{pue} ({year}, {}); apply it with --pue {pue}", region.pue_source)));
        }
    }
    rows.extend(found.note.clone().map(|note| ("Note", note)));
    rows.iter().map(|(label, fact)| format!("{label:<10}{fact}\n")).collect()
}

/// A zone a line, columns wide enough for the longest code.
fn list(zones: &[Zone]) -> String {
    let widest = zones.iter().map(|zone| zone.code.len()).max().unwrap_or(0);
    let line = |zone: &Zone| {
        let Zone { code, g_per_kwh, year, kind, name, .. } = zone;
        format!("{code:<widest$}  {g_per_kwh:>8.2}  {year}  {kind:<28}  {name}\n", kind = kind.as_str())
    };
    let head = format!("{:<widest$}  {:>8}  {:<4}  {:<28}  name\n", "zone", "g/kWh", "year", "kind");
    head + &zones.iter().map(line).collect::<String>() + eco2_grid::ATTRIBUTION + "\n"
}

/// The cloud region that was asked for; a name that is also a zone's is the zone's.
fn region_of(zone: &str) -> Option<&'static CloudRegion> {
    let region = eco2_grid::cloud_region(zone)?;
    let found = eco2_grid::lookup(zone).ok()?;
    (found.zone == region.code() || found.zone == region.zone).then_some(region)
}

fn of_intensity(found: &Intensity, region: Option<&CloudRegion>) -> Value {
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
        "mix": of_mix(eco2_grid::mix(&zone.code)),
        "cloud": null,
    })
}

/// Indented JSON with a line end after it.
pub(crate) fn document(value: &Value) -> String {
    format!("{value:#}\n")
}
