//! Finds the intensity of a grid zone by the text that a person types: `eco2 grid ZONE`, and the option `zone`.
//!
//! The text may be a code, name or alias of a zone, a cloud region, or a large city. A *folded* name is one in which
//! case, accents and punctuation no longer count.

use crate::{Intensity, Zone, ZoneSource, cities, clouds, places, zone};

/// Longer names are not looked up, bytes; the longest in the table has fewer than 60.
const LONGEST: usize = 200;
/// Errors show this number of characters of an unknown zone.
const SHOWN: usize = 60;

/// A zone without an intensity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// The text is empty.
    #[error("the zone is empty; leave it out to use the flagged world average")]
    Empty,
    /// No zone has that name.
    #[error("no carbon intensity for zone {zone:?}{}; `eco2 grid` lists all zones", nearest_list(suggestions))]
    Unknown {
        /// The text, shortened.
        zone: String,
        /// Zones with similar names, the most similar first, as `Germany (DE)`.
        suggestions: Vec<String>,
    },
    /// The place is known, but no value of it may be distributed. The value of its surroundings is never used instead.
    #[error("no yearly carbon intensity for {zone}{}; give --intensity, a series or a provider", around_it(around))]
    NoFigure {
        /// The place, as `Quebec (CA-QC)`.
        zone: String,
        /// The surrounding zone that has a value, as `Canada (CA)`.
        around: Option<String>,
    },
    /// The country is known, its region is not. The value of the country is never used for the region.
    #[error("no carbon intensity for region {zone:?}; {country} has one for the country{}", nearest_list(suggestions))]
    UnknownRegion {
        /// The text, shortened.
        zone: String,
        /// The country, as `Germany (DE)`.
        country: String,
        /// Regions of that country with similar names, the most similar first.
        suggestions: Vec<String>,
    },
}

/// Returns the end of a message that names the surrounding zone; empty without one.
fn around_it(around: &Option<String>) -> String {
    around.as_ref().map_or_else(String::new, |around| format!("; {around} has one"))
}

/// Returns the end of a message that lists similar names; empty without any.
fn nearest_list(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        return String::new();
    }
    format!("; nearest: {}", suggestions.join(", "))
}

/// Returns the world average, the flagged default if no zone is named ([`ZoneSource::DefaultWorld`]).
#[must_use]
pub fn world() -> Intensity {
    let mut intensity = zone::world().intensity(ZoneSource::DefaultWorld);
    intensity.note = Some("no zone was given: this is the world average, not your grid; name a zone".to_owned());
    intensity
}

/// Returns the yearly average of a zone: ISO 3166-1 alpha-2 or alpha-3, `US-` and a state, an eGRID subregion, a cloud
/// region (`aws:us-east-1`), a name or an alias; or a city of half a million inhabitants, for the zone it lies in.
///
/// Case, accents and punctuation do not count. A code of a country is never read as that of a state: "CA" is Canada,
/// and the `note` of the result names the state. Values of states are direct, those of countries life-cycle (see the
/// `kind`).
///
/// ```
/// let germany = eco2_grid::lookup("germany")?;
/// assert_eq!((germany.zone.as_str(), germany.g_per_kwh), ("DE", 342.06));
/// assert!(eco2_grid::lookup("Germny").unwrap_err().to_string().contains("nearest: Germany (DE)"));
/// # Ok::<(), eco2_grid::ZoneError>(())
/// ```
///
/// # Errors
/// [`ZoneError`] with zones of similar names. The value of another zone is never returned instead.
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

/// Does what [`lookup`] does, with a replacement if the zone has no value: the value of its country
/// ([`ZoneSource::Country`]), otherwise the world average ([`ZoneSource::Unknown`]). The `note` then names what was
/// replaced.
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
        Some(country) => (country.intensity(ZoneSource::Country), country.to_string()),
        None => (zone::world().intensity(ZoneSource::Unknown), "the world average".to_owned()),
    };
    intensity.note = Some(format!("{error}; {used} is used instead"));
    intensity
}

/// Looks up a name that is not in the yearly table: a cloud region, a place without a value, or a city.
fn elsewhere(typed: &str, folded: &str) -> Result<Intensity, ZoneError> {
    if let Some(intensity) = clouds::named(folded).and_then(clouds::CloudRegion::intensity) {
        return Ok(intensity);
    }
    if let Some(place) = places::named(folded) {
        return Err(ZoneError::NoFigure { zone: place.label(), around: place.around() });
    }
    of_city(folded).ok_or_else(|| unknown(typed))
}

/// Returns the intensity of a city's zone, with a note that names the zone.
fn of_city(folded: &str) -> Option<Intensity> {
    let city = cities::named(folded)?;
    let zone = zone::coded(city.zone())?;
    let mut intensity = zone.intensity(ZoneSource::Given);
    intensity.note = Some(format!("{} has no value of its own: this is the value of {}", city.name(), zone));
    Some(intensity)
}

/// Returns the state with the same code as a country: California if "CA" was read as Canada.
fn state_of_that_code(typed: &str, found: &Zone) -> Option<&'static Zone> {
    if !typed.eq_ignore_ascii_case(&found.code) || found.state().is_some() {
        return None;
    }
    let code = format!("US-{}", typed.to_ascii_uppercase());
    zone::coded(&code)
}

/// Returns the note that a name has another meaning, with the code to write for it.
fn note(typed: &str, taken: &Zone, other: &Zone) -> String {
    format!("{typed:?} is taken as {}; for {} write {}", taken, other.name, other.code)
}

/// Returns the error for an unknown zone, with similar names.
fn unknown(typed: &str) -> ZoneError {
    let zone = shown(typed);
    let regions = nearest_regions(typed);
    if !regions.is_empty() {
        return ZoneError::Unknown { zone, suggestions: regions };
    }
    if let Some(country) = country_of(typed) {
        let prefix = format!("{}-", country.code);
        let suggestions = nearest(typed, |near| near.code.starts_with(&prefix));
        return ZoneError::UnknownRegion { zone, country: country.to_string(), suggestions };
    }
    ZoneError::Unknown { zone, suggestions: nearest(typed, |_| true) }
}

/// Returns the country in the name of a region, such as `DE-BY`, `Germany/Bavaria` or `Bavaria, Germany`.
fn country_of(typed: &str) -> Option<&'static Zone> {
    // A hyphen may be part of a country's name: Guinea-Bissau/Cacheu.
    let parts = ['/', ',', ':', '_', '-']
        .into_iter()
        .filter_map(|separator| Some([typed.split_once(separator)?.0, typed.rsplit_once(separator)?.1]));
    parts.flatten().find_map(|part| zone::named(part).find(|zone| zone.alpha3.is_some()))
}

/// Returns the typed text, shortened for messages.
fn shown(typed: &str) -> String {
    typed.chars().take(SHOWN).collect()
}

/// Maximum number of suggestions.
const MOST: usize = 3;
/// Minimum Jaro-Winkler similarity of a suggestion. "Germny" and "germany" have 0.97, "Narnia" and "namibia" 0.83,
/// which would only confuse.
const NEAR: f64 = 0.88;

/// The minimum for cloud regions, whose names are long and similar to each other.
const NEAR_REGION: f64 = 0.93;

/// Returns the zones that `wanted` allows with similar names, the most similar first, as `Germany (DE)`.
pub(crate) fn nearest(typed: &str, wanted: impl Fn(&Zone) -> bool) -> Vec<String> {
    let typed = zone::fold(typed);
    let zones = zone::names().filter(|(_, zone)| wanted(zone));
    most_similar(NEAR, zones.map(|(name, zone)| (closeness(&typed, name, zone), zone.code.as_str(), zone.to_string())))
}

/// Returns the cloud regions with similar names, the most similar first, as `Oregon (gcp:us-west1)`.
pub(crate) fn nearest_regions(typed: &str) -> Vec<String> {
    let typed = zone::fold(typed);
    let regions = clouds::names();
    most_similar(NEAR_REGION, regions.map(|(name, label)| (strsim::jaro_winkler(&typed, name), label.clone(), label)))
}

/// Up to [`MOST`] labels whose similarity is at least `least`, the most similar first, each once. Of equally similar
/// ones the first by the second field is first.
fn most_similar<K: Ord>(least: f64, scored: impl Iterator<Item = (f64, K, String)>) -> Vec<String> {
    let mut near: Vec<(f64, K, String)> = scored.filter(|(score, ..)| *score >= least).collect();
    near.sort_by(|(a, left, _), (b, right, _)| b.total_cmp(a).then_with(|| left.cmp(right)));
    let mut labels: Vec<String> = Vec::new();
    for (.., label) in near {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels.truncate(MOST);
    labels
}

/// Returns the similarity from 0 to 1. A bare state code ("TX") names no zone, but its state is certainly meant.
fn closeness(typed: &str, name: &str, zone: &Zone) -> f64 {
    if zone.state().is_some_and(|state| state.eq_ignore_ascii_case(typed)) {
        return 1.0;
    }
    strsim::jaro_winkler(typed, name)
}
