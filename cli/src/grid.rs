//! Runs `eco2 grid`, which prints the carbon intensity of electricity in a grid zone, with its source.

use eco2::options::opt;
use eco2_grid::{CloudRegion, Intensity, Mix, Zone, mix_of, named_region};

use crate::args::GridArgs;
use crate::out::document;
use crate::{live, out};

/// Runs the command: prints one zone, from the yearly table or from a provider, or lists all.
///
/// # Errors
/// For an unknown zone (the error suggests similar names), and a provider that cannot be queried.
pub(crate) fn grid(args: &GridArgs) -> anyhow::Result<u8> {
    let text = match (&args.zone, args.json) {
        (Some(zone), _) if args.provider.is_given() => live::now(zone, &args.provider, args)?,
        (Some(zone), true) => document(&eco2_grid::zone_document(zone)?),
        (Some(zone), false) => page(&eco2_grid::lookup(zone)?, named_region(zone)),
        (None, true) => document(&eco2_grid::zones_document()),
        (None, false) => list(eco2_grid::zones()),
    };
    if args.json {
        out::data(&text)?
    } else {
        out::page(&text)?
    };
    Ok(0)
}

/// Returns one zone as text, with its source; `region` is the cloud region that was asked for, if there is one.
fn page(found: &Intensity, region: Option<&CloudRegion>) -> String {
    let mut rows = vec![
        ("Zone", found.zone.clone()),
        ("Name", found.zone_name.clone()),
        ("Intensity", format!("{} g CO2e/kWh", found.g_per_kwh)),
        ("Kind", found.kind.map_or_else(|| "not known".to_owned(), |kind| kind.to_string())),
        ("Year", found.year.map_or_else(|| "not known".to_owned(), |year| year.to_string())),
        ("Source", format!("{} ({})", found.source, found.licence)),
    ];
    // Below the name: if several zones have this name, the note explains which one this is.
    let note = found.note.clone().map(|note| ("Note", note));
    rows.splice(2..2, note);
    if let Some(mix) = mix_of(found) {
        let Mix { renewable_percent, nuclear_percent, fossil_percent, year, .. } = mix;
        let shares = format!("{renewable_percent} % renewable, {nuclear_percent} % nuclear, {fossil_percent} % fossil");
        rows.push(("Mix", format!("{shares} ({year}; in the intensity already)")));
    }
    if let Some(region) = region {
        rows.push(("Region", region.to_string()));
        if let (Some(pue), Some(year)) = (region.pue, region.pue_year) {
            let flag = opt::PUE.flag_name();
            rows.push(("PUE", format!("{pue} ({year}, {}); apply it with {flag} {pue}", region.pue_source)));
        }
    }
    let this_year = eco2_grid::utc(live::now_ns()).get(..4).and_then(|year| year.parse().ok());
    rows.extend(this_year.and_then(|year| found.age_notice(year)).map(|notice| ("Note", notice)));
    rows.iter().map(|(label, fact)| format!("{label:<10}{fact}\n")).collect()
}

/// Returns all zones, one per line.
fn list(zones: &[Zone]) -> String {
    let widest = zones.iter().map(|zone| zone.code.len()).max().unwrap_or(0);
    let line = |zone: &Zone| {
        let Zone { code, g_per_kwh, year, kind, name, .. } = zone;
        format!("{code:<widest$}  {g_per_kwh:>8.2}  {year}  {kind:<28}  {name}\n", kind = kind.as_str())
    };
    let head = format!("{:<widest$}  {:>8}  {:<4}  {:<28}  name\n", "zone", "g/kWh", "year", "kind");
    head + &zones.iter().map(line).collect::<String>() + eco2_grid::ATTRIBUTION + "\n"
}
