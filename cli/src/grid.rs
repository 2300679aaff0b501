//! `eco2 grid`: what a kilowatt-hour weighs in a zone, and who says so.

use eco2_grid::{Intensity, Zone};
use serde_json::{Value, json};

use crate::args::GridArgs;
use crate::out;

/// Shows one zone, or lists all.
///
/// # Errors
/// For a zone that is not known, with the nearest ones.
pub(crate) fn grid(args: &GridArgs) -> anyhow::Result<u8> {
    let text = match (&args.zone, args.json) {
        (Some(zone), true) => document(&of_intensity(&eco2_grid::lookup(zone)?)),
        (Some(zone), false) => page(&eco2_grid::lookup(zone)?),
        (None, true) => document(&Value::from_iter(eco2_grid::zones().iter().map(of_zone))),
        (None, false) => list(eco2_grid::zones()),
    };
    out::data(&text)?;
    Ok(0)
}

fn page(found: &Intensity) -> String {
    let mut rows = vec![
        ("Zone", found.zone.clone()),
        ("Name", found.zone_name.clone()),
        ("Intensity", format!("{} g CO2e/kWh", found.g_per_kwh)),
        ("Kind", found.kind.map_or_else(|| "not known".to_owned(), |kind| kind.to_string())),
        ("Year", found.year.map_or_else(|| "not known".to_owned(), |year| year.to_string())),
        ("Source", format!("{} ({})", found.source, found.licence)),
    ];
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

fn of_intensity(found: &Intensity) -> Value {
    json!({
        "zone": found.zone,
        "name": found.zone_name,
        "g_per_kwh": found.g_per_kwh,
        "kind": found.kind.map(|kind| kind.as_str()),
        "year": found.year,
        "source": found.source,
        "licence": found.licence,
        "note": found.note,
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
    })
}

/// Indented JSON with a line end after it.
pub(crate) fn document(value: &Value) -> String {
    format!("{value:#}\n")
}
