//! Finds the intensity of a zone by what a person types: `eco2 grid ZONE`, and the option `zone`.
//!
//! The text may be a code, name or alias of a zone, a cloud region, or a large city. A *folded* name is one in which case,
//! accents and punctuation no longer count.

use crate::{Intensity, Zone, ZoneSource, cities, clouds, places, zone};

/// Names longer than this are not looked up, in bytes; the longest in the table has under 60.
const LONGEST: usize = 200;
/// Of a zone that is not known, an error shows so many characters.
const SHOWN: usize = 60;

/// A zone without a figure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// No text was given.
    #[error("the zone is empty; leave it out to use the flagged world average")]
    Empty,
    /// Nothing in the table has that name.
    #[error("no grid figure for zone {zone:?}{}; `eco2 grid` lists all zones", nearest_list(suggestions))]
    Unknown {
        /// As given, shortened.
        zone: String,
        /// Nearest zones, best first, as `Germany (DE)`.
        suggestions: Vec<String>,
    },
    /// The place is known, but no figure of it may be shipped; the figure around it is never taken for it.
    #[error("no yearly grid figure for {zone}{}; give --intensity, a series or a provider", around_it(around))]
    NoFigure {
        /// The place, as `Quebec (CA-QC)`.
        zone: String,
        /// What lies around it and has a figure, as `Canada (CA)`.
        around: Option<String>,
    },
    /// The country is there, its region is not; the country's figure is never taken for the region's.
    #[error("no grid figure for region {zone:?}; {country} has one for the country{}", nearest_list(suggestions))]
    UnknownRegion {
        /// As given, shortened.
        zone: String,
        /// The country, as `Germany (DE)`.
        country: String,
        /// Nearest regions of that country, best first.
        suggestions: Vec<String>,
    },
}

fn around_it(around: &Option<String>) -> String {
    around.as_ref().map_or_else(String::new, |around| format!("; {around} has one"))
}

fn nearest_list(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        return String::new();
    }
    format!("; nearest: {}", suggestions.join(", "))
}

/// The world average: used where no zone is given, and flagged [`ZoneSource::DefaultWorld`].
#[must_use]
pub fn world() -> Intensity {
    let mut intensity = zone::world().intensity(ZoneSource::DefaultWorld);
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
    let folded = zone::fold(typed);
    let mut found = zone::named_folded(&folded);
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
        places::named(&zone::fold(&typed)).and_then(places::UnlistedPlace::country).or_else(|| country_of(&typed));
    let (mut intensity, used) = match around {
        Some(country) => (country.intensity(ZoneSource::Country), country.label()),
        None => (zone::world().intensity(ZoneSource::Unknown), "the world average".to_owned()),
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
    let zone = zone::coded(city.zone())?;
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
    zone::coded(&code)
}

fn note(typed: &str, taken: &Zone, other: &Zone) -> String {
    format!("{typed:?} is taken as {}; for {} write {}", taken.label(), other.name, other.code)
}

fn unknown(typed: &str) -> ZoneError {
    let zone = shown(typed);
    let regions = nearest_regions(typed);
    if !regions.is_empty() {
        return ZoneError::Unknown { zone, suggestions: regions };
    }
    if let Some(country) = country_of(typed) {
        let prefix = format!("{}-", country.code);
        let suggestions = nearest(typed, |near| near.code.starts_with(&prefix));
        return ZoneError::UnknownRegion { zone, country: country.label(), suggestions };
    }
    ZoneError::Unknown { zone, suggestions: nearest(typed, |_| true) }
}

/// The country of `DE-BY`, `Germany/Bavaria` or `Bavaria, Germany`.
fn country_of(typed: &str) -> Option<&'static Zone> {
    // A hyphen may be part of a country's name: Guinea-Bissau/Cacheu.
    let parts = ['/', ',', ':', '_', '-']
        .into_iter()
        .filter_map(|separator| Some([typed.split_once(separator)?.0, typed.rsplit_once(separator)?.1]));
    parts.flatten().find_map(|part| zone::named(part).find(|zone| zone.alpha3.is_some()))
}

fn shown(typed: &str) -> String {
    typed.chars().take(SHOWN).collect()
}

/// Suggestions given at most.
const MOST: usize = 3;
/// Least Jaro-Winkler similarity that helps rather than confuses; "Germny" to "germany" has 0.97, "Narnia" to
/// "namibia" 0.83.
const NEAR: f64 = 0.88;

/// The same for cloud regions, whose names are long and much alike.
const NEAR_REGION: f64 = 0.93;

/// The nearest zones that `wanted` allows, best first, as `Germany (DE)`.
pub(crate) fn nearest(typed: &str, wanted: impl Fn(&Zone) -> bool) -> Vec<String> {
    let typed = zone::fold(typed);
    let mut near: Vec<(f64, &Zone)> = zone::names()
        .filter(|(_, zone)| wanted(zone))
        .map(|(name, zone)| (closeness(&typed, name, zone), zone))
        .filter(|(score, _)| *score >= NEAR)
        .collect();
    near.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.code.cmp(&right.code)));
    let mut labels: Vec<String> = Vec::new();
    for label in near.into_iter().map(|(_, zone)| zone.label()) {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels.truncate(MOST);
    labels
}

/// The nearest cloud regions, best first, as `Oregon (gcp:us-west1)`.
pub(crate) fn nearest_regions(typed: &str) -> Vec<String> {
    let typed = zone::fold(typed);
    let mut near: Vec<(f64, String)> = clouds::names()
        .map(|(name, label)| (strsim::jaro_winkler(&typed, name), label))
        .filter(|(score, _)| *score >= NEAR_REGION)
        .collect();
    near.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    let mut labels: Vec<String> = Vec::new();
    for (_, label) in near {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels.truncate(MOST);
    labels
}

/// A bare state code ("TX") names no zone, but is as near as can be.
fn closeness(typed: &str, name: &str, zone: &Zone) -> f64 {
    if zone.state().is_some_and(|state| state.eq_ignore_ascii_case(typed)) {
        return 1.0;
    }
    strsim::jaro_winkler(typed, name)
}
