//! From what is asked for to one intensity: a given figure, a zone, a place, or the flagged world.

use super::{PriceError, PriceRequest};
use crate::{Intensity, ZoneSource};

/// The one intensity of a request; where it asks over time, what stands in for an answer that does not come.
pub(super) fn intensity(request: &PriceRequest) -> Result<Intensity, PriceError> {
    match (request.g_per_kwh, &request.zone, &request.locate) {
        (Some(g_per_kwh), _, _) => Ok(crate::constant(g_per_kwh)?),
        (None, Some(zone), _) => of_zone(zone, request),
        (None, None, Some(place)) => located(place, request.metadata_url.as_deref()),
        (None, None, None) => Ok(crate::world()),
    }
}

/// Why the place that was asked for is not known; `None` where it is.
pub(super) fn unlocated(request: &PriceRequest, found: &Intensity) -> Option<String> {
    let looked_for = match found.zone_source {
        ZoneSource::DefaultWorld => request.zone.is_none() && request.locate.is_some(),
        source => is_replaced(source),
    };
    found.note.clone().filter(|_| looked_for)
}

/// What else the requested name may mean: `Georgia` is a country and a state. `None` for a code, and where it is clear.
pub(super) fn ambiguity(request: &PriceRequest, found: &Intensity) -> Option<String> {
    let named = request.zone.as_ref().is_some_and(|typed| !typed.trim().eq_ignore_ascii_case(&found.zone));
    let chosen = matches!(found.zone_source, ZoneSource::Given | ZoneSource::Config);
    found.note.clone().filter(|_| named && chosen)
}

/// Whether another zone stands in for the one that was asked for.
pub(super) fn is_replaced(source: ZoneSource) -> bool {
    matches!(source, ZoneSource::Country | ZoneSource::Unknown)
}

fn of_zone(zone: &str, request: &PriceRequest) -> Result<Intensity, PriceError> {
    let found = match crate::lookup(zone) {
        // A provider may know a zone that the yearly table does not: the table's replacement is used where it does not.
        Err(_) if request.zone_fallback || request.asks_over_time() => crate::lookup_or_around(zone),
        found => found?,
    };
    let from_file = request.zone_from_file && !is_replaced(found.zone_source);
    Ok(if from_file { found.from_config() } else { found })
}

/// The zone of `LATITUDE,LONGITUDE`, or of the region this machine is in for `cloud`; a place is never guessed.
fn located(place: &str, metadata_url: Option<&str>) -> Result<Intensity, PriceError> {
    if place == "cloud" {
        return cloud(metadata_url);
    }
    let numbers = place.split_once(',').map(|(latitude, longitude)| (number(latitude), number(longitude)));
    match numbers {
        Some((Some(latitude), Some(longitude))) => Ok(crate::locate(latitude, longitude)?),
        _ => Err(PriceError::Place(place.chars().take(60).collect())),
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(feature = "providers")]
fn cloud(metadata_url: Option<&str>) -> Result<Intensity, PriceError> {
    let region = match crate::provider::cloud_of_this_machine(metadata_url) {
        Ok(region) => region,
        // A service that is down must not cost the run its measurement.
        Err(fault) => {
            let note = format!("--locate cloud: {fault}; this is the world average, not your grid; name a zone");
            return Ok(Intensity { note: Some(note), ..crate::world() });
        }
    };
    let mut intensity = crate::lookup(&region.code())?;
    intensity.zone_source = ZoneSource::Cloud;
    Ok(intensity)
}

#[cfg(not(feature = "providers"))]
fn cloud(_: Option<&str>) -> Result<Intensity, PriceError> {
    let note = format!(
        "--locate cloud: {}; this is the world average, not your grid",
        crate::provider::ProviderFault::NotBuilt
    );
    Ok(Intensity { note: Some(note), ..crate::world() })
}
