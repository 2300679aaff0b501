//! From what a person types to a zone's figure.

use crate::{Intensity, Zone, ZoneError, ZoneSource, cities, clouds, places, suggest, table};

/// Names longer than this are not looked up, in bytes; the longest in the table has under 60.
const LONGEST: usize = 200;
/// Of a zone that is not known, an error shows so many characters.
const SHOWN: usize = 60;

/// The world average: used where no zone is given, and flagged [`ZoneSource::DefaultWorld`].
#[must_use]
pub fn world() -> Intensity {
    let mut intensity = table::world().intensity(ZoneSource::DefaultWorld);
    intensity.note = Some("no zone was given: this is the world average, not your grid; name a zone".to_owned());
    intensity
}

/// The yearly average of a zone: ISO 3166-1 alpha-2 or alpha-3, `US-` and a state, an eGRID subregion, a cloud region
/// (`aws:us-east-1`), a name or an alias; or a city of half a million inhabitants, for the zone it lies in.
///
/// Case, accents and punctuation do not count. A code that is a country's stays the country's ("CA" is Canada); the
/// answer's `note` then names the state. The answer states its own kind: states are direct, countries life-cycle.
///
/// # Errors
/// [`ZoneError`] with near zones; never another zone's figure in its place.
pub fn lookup(zone: &str) -> Result<Intensity, ZoneError> {
    let typed = zone.trim();
    if typed.is_empty() {
        return Err(ZoneError::Empty);
    }
    if typed.len() > LONGEST {
        return Err(ZoneError::Unknown { zone: shown(typed), suggestions: Vec::new() });
    }
    let folded = table::fold(typed);
    let mut found = table::named_folded(&folded);
    let Some(first) = found.next() else { return elsewhere(typed, &folded) };
    let mut intensity = first.intensity(ZoneSource::Given);
    let other = found.next().or_else(|| state_of_that_code(typed, first));
    intensity.note = other.map(|other| note(typed, first, other));
    Ok(intensity)
}

/// The same, with a replacement where the zone has no value: that of its country ([`ZoneSource::Country`]), else the world
/// average ([`ZoneSource::Unknown`]). The `note` then names what was replaced.
#[must_use]
pub fn lookup_or_around(zone: &str) -> Intensity {
    let error = match lookup(zone) {
        Ok(found) => return found,
        Err(error) => error,
    };
    let typed: String = zone.trim().chars().take(LONGEST).collect();
    let around =
        places::named(&table::fold(&typed)).and_then(places::UnlistedPlace::country).or_else(|| country_of(&typed));
    let (mut intensity, used) = match around {
        Some(country) => (country.intensity(ZoneSource::Country), country.label()),
        None => (table::world().intensity(ZoneSource::Unknown), "the world average".to_owned()),
    };
    intensity.note = Some(format!("{error}; {used} is used instead"));
    intensity
}

/// What is in no row of the yearly table: a cloud region, a place without a figure, or nothing that is known.
fn elsewhere(typed: &str, folded: &str) -> Result<Intensity, ZoneError> {
    if let Some(intensity) = clouds::named(folded).and_then(clouds::CloudRegion::intensity) {
        return Ok(intensity);
    }
    if let Some(place) = places::named(folded) {
        return Err(ZoneError::NoFigure { zone: place.label(), around: place.around() });
    }
    of_city(folded).ok_or_else(|| unknown(typed))
}

/// The figure of the zone that a city lies in, which the note says.
fn of_city(folded: &str) -> Option<Intensity> {
    let city = cities::named(folded)?;
    let zone = table::coded(city.zone())?;
    let mut intensity = zone.intensity(ZoneSource::Given);
    intensity.note = Some(format!("{} has no figure of its own: this is that of {}", city.name(), zone.label()));
    Some(intensity)
}

/// California, when "CA" was read as Canada.
fn state_of_that_code(typed: &str, found: &Zone) -> Option<&'static Zone> {
    if !typed.eq_ignore_ascii_case(&found.code) || found.state().is_some() {
        return None;
    }
    let code = format!("US-{}", typed.to_ascii_uppercase());
    table::coded(&code)
}

fn note(typed: &str, taken: &Zone, other: &Zone) -> String {
    format!("{typed:?} is taken as {}; for {} write {}", taken.label(), other.name, other.code)
}

fn unknown(typed: &str) -> ZoneError {
    let zone = shown(typed);
    let regions = suggest::nearest_regions(typed);
    if !regions.is_empty() {
        return ZoneError::Unknown { zone, suggestions: regions };
    }
    if let Some(country) = country_of(typed) {
        let prefix = format!("{}-", country.code);
        let suggestions = suggest::nearest(typed, |near| near.code.starts_with(&prefix));
        return ZoneError::UnknownRegion { zone, country: country.label(), suggestions };
    }
    ZoneError::Unknown { zone, suggestions: suggest::nearest(typed, |_| true) }
}

/// The country of `DE-BY`, `Germany/Bavaria` or `Bavaria, Germany`.
fn country_of(typed: &str) -> Option<&'static Zone> {
    // A hyphen may be part of a country's name: Guinea-Bissau/Cacheu.
    let parts = ['/', ',', ':', '_', '-']
        .into_iter()
        .filter_map(|separator| Some([typed.split_once(separator)?.0, typed.rsplit_once(separator)?.1]));
    parts.flatten().find_map(|part| table::named(part).find(|zone| zone.alpha3.is_some()))
}

fn shown(typed: &str) -> String {
    typed.chars().take(SHOWN).collect()
}
