//! Resolves a [`PriceRequest`] (options as typed) into intensity, PUE and prices, and computes emissions and cost of a
//! run with them.
//!
//! *PUE* (power usage effectiveness) is the energy of the data centre, the *facility*, divided by that of its
//! computers. *Supplements* are the figures that a report holds in addition to emissions and cost, such as water. A
//! *coverage* is the intensities of providers over the time of a run; the *table* is the list of yearly averages that
//! is part of this crate.

use eco2_core::Ranged;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use eco2_core::schema::{Carbon, Energy, EventKind, EventRecord, PriceTerms, ProviderCache, Work};

use super::segments::{coverage_events, zone_events};
use super::supplements::Supplementary;
use super::{EnergyCurve, IntensitySources, NamedZone, PriceError, PriceRequest, RateForecast, When, price_parts};
use crate::carbon::RunFacts;
use crate::provider::{CacheCounts, Coverage, Provider, TABLE};
use crate::{Consumption, Intensity, Pue, ZoneSource};

/// Intensity, PUE, price and supplements of a run, resolved once before anything is measured.
#[derive(Debug, Clone)]
pub struct Pricing {
    pub(super) request: PriceRequest,
    intensity: Intensity,
    /// The sources of intensities over time; `None`: one intensity applies to the whole run.
    pub sources: Option<IntensitySources>,
    /// Power usage effectiveness.
    pub pue: Pue,
    pub(super) supplementary: Supplementary,
    /// Why the requested place is unknown.
    unlocated: Option<String>,
}

/// A run to be priced.
#[derive(Clone, Copy)]
pub struct PriceInput<'a> {
    /// Its time.
    pub when: &'a When,
    /// Its steps, samples and tokens.
    pub work: &'a Work,
    /// Its energy over time; required if [`Pricing::needs_curve`] returns true.
    pub curve: Option<&'a dyn EnergyCurve>,
    /// The intensities over its time: [`IntensitySources::cover`] or [`IntensitySources::completed`].
    pub coverage: Option<&'a Coverage>,
}

impl Pricing {
    /// Resolves a request; `online` are the providers that it names, opened.
    ///
    /// # Errors
    /// [`PriceError`] for an unknown zone, a file that cannot be read, or a value out of range.
    pub fn resolve(request: PriceRequest, online: Vec<Arc<dyn Provider>>) -> Result<Self, PriceError> {
        let intensity = intensity(&request)?;
        let pue = request.pue.map_or(Ok(Pue::ONE), Pue::new)?;
        let supplementary = Supplementary::resolve(&request)?;
        let sources = IntensitySources::open(&request, online, &intensity)?;
        let unlocated = unlocated(&request, &intensity);
        Ok(Self { request, intensity, sources, pue, supplementary, unlocated })
    }

    /// Returns the intensity of the request: that of its zone, or the one that it states.
    #[must_use]
    pub fn intensity(&self) -> &Intensity {
        &self.intensity
    }

    /// Returns the times at which the price changes during a run, nanoseconds since its start.
    #[must_use]
    pub fn price_borders(&self, when: &When) -> Vec<u64> {
        self.supplementary.price_borders(when)
    }

    /// Whether pricing requires the energy over time, because an intensity or a price changes with time.
    #[must_use]
    pub fn needs_curve(&self, energy: &Energy, when: &When) -> bool {
        let by_time = self.sources.is_some() || self.supplementary.needs_curve();
        by_time && when.lasted_ns > 0 && energy.total_uj.is_some()
    }

    /// Fills in the facility energy, and returns emissions, cost and supplements with the events to report.
    pub fn price(&self, energy: &mut Energy, run: &PriceInput<'_>) -> (Carbon, Vec<EventRecord>) {
        let (mut carbon, events) = self.grams(energy, self.pue, run);
        let cost = self.supplementary.cost(energy, run.when, run.curve);
        let facts = RunFacts { energy, work: run.work, reserved_ns: run.when.lasted_ns };
        self.supplementary.terms.apply(&mut carbon, facts, cost);
        carbon.terms = Some(Box::new(PriceTerms { kind: kind_of(&carbon), ..self.stated() }));
        (carbon, events)
    }

    /// Sets PUE and facility energy, and returns emissions without cost and supplements, with the events to report.
    pub(super) fn grams(&self, energy: &mut Energy, pue: Pue, run: &PriceInput<'_>) -> (Carbon, Vec<EventRecord>) {
        set_pue(energy, pue);
        let when = run.when;
        let is_known = when.lasted_ns > 0 && energy.total_uj.is_some();
        let (carbon, mut events) = match (run.coverage, run.curve) {
            (Some(coverage), Some(curve)) if is_known => {
                let carbon = price_parts(&coverage.parts, curve, when.from_ns, pue, &self.zone_of(coverage));
                let energies: Vec<u64> = carbon.segments.iter().map(|segment| segment.energy_uj).collect();
                let events = coverage_events(coverage, &energies, when.lasted_ns);
                (Carbon { caches: caches(coverage), ..carbon }, events)
            }
            _ => {
                let consumption = Consumption { energy: energy.bounded(), from: &when.from, to: &when.to };
                (crate::price(&consumption, pue, &self.intensity), Vec::new())
            }
        };
        events.extend(zone_events(self.unlocated.as_ref(), &carbon, when));
        let ambiguous = ambiguity(&self.request, &self.intensity).filter(|_| carbon.zone == self.intensity.zone);
        events.extend(ambiguous.map(|text| EventRecord::new(when.lasted_ns, EventKind::GridZoneNote, "", text)));
        (carbon, events)
    }

    /// Returns the request as a report states it (its terms): files by their names without folders.
    pub(super) fn stated(&self) -> PriceTerms {
        let request = &self.request;
        let file = |path: Option<&Path>| path.and_then(Path::file_name).map(OsStr::to_string_lossy).map(String::from);
        let mut terms = PriceTerms {
            zone: request.zone.clone(),
            locate: request.locate.clone(),
            g_per_kwh: request.g_per_kwh,
            series: file(request.series.as_deref()),
            series_column: request.series_column.clone(),
            providers: request.providers.clone(),
            pue: request.pue,
            price_per_kwh: request.price_per_kwh,
            tariff: file(request.tariff.as_deref()),
            tariff_column: request.tariff_column.clone(),
            tariff_sha256: self.supplementary.tariff_hash(),
            ..PriceTerms::default()
        };
        self.supplementary.terms.put(&mut terms);
        terms
    }

    /// Returns the zone of a run whose intensities came over time: the requested one, otherwise the zone of a series
    /// that covers the whole run, otherwise the world average, marked as a default. A zone that only a provider knows
    /// counts as requested if the provider covers the whole run.
    fn zone_of(&self, coverage: &Coverage) -> NamedZone {
        let uses_table = coverage.parts.iter().any(|part| part.provider == TABLE);
        let source = self.intensity.zone_source;
        if let Some(requested) = self.request.zone.as_ref().filter(|_| is_replaced(source) && !uses_table) {
            return NamedZone { name: requested.clone(), source: ZoneSource::Given };
        }
        match coverage.parts.first() {
            Some(part) if source == ZoneSource::DefaultWorld && !uses_table => {
                let stated = &part.about.zone;
                let name = if stated.is_empty() { part.provider.clone() } else { stated.clone() };
                NamedZone { name, source: ZoneSource::Given }
            }
            _ => NamedZone { name: self.intensity.zone.clone(), source },
        }
    }

    /// Returns the highest price per kilowatt-hour to expect until the next check of a budget. `so_far` is the mean
    /// price until now, `None` if unknown.
    #[must_use]
    pub fn price_next(&self, when: &When, so_far: Option<f64>) -> Option<f64> {
        self.supplementary.price_next(when.to_ns(), so_far)
    }

    /// Returns the expected price per kilowatt-hour for `rest_ns` nanoseconds after the end of `when`. `so_far` is the
    /// mean price until now, which is used if the prices do not reach that far.
    #[must_use]
    pub fn price_ahead(&self, when: &When, rest_ns: f64, so_far: Option<f64>) -> Option<RateForecast> {
        self.supplementary.price_ahead(when.to_ns(), when.to_ns().saturating_add(rest_ns as i64), so_far)
    }

    /// Returns the intensity of the request as a constant forecast, which is used if no forecast is published.
    #[must_use]
    pub fn intensity_ahead(&self) -> RateForecast {
        RateForecast::certain(self.intensity.g_per_kwh, format!("one value for all time: {}", self.intensity.source))
    }
}

/// Sets the PUE and the facility energy. If the PUE changes, explicit bounds of the facility energy are removed,
/// because they belong to the old one.
pub(super) fn set_pue(energy: &mut Energy, pue: Pue) {
    if energy.pue != pue.get() {
        (energy.facility_low_uj, energy.facility_high_uj) = (None, None);
    }
    energy.pue = pue.get();
    energy.facility_uj = energy.total_uj.map(|uj| pue.facility_uj(uj));
}

/// Returns the kind of the intensities. All segments of a report have the same kind, or none.
pub(super) fn kind_of(carbon: &Carbon) -> Option<String> {
    carbon.segments.iter().find_map(|segment| segment.kind.clone())
}

/// Returns the single intensity of a request. If the request names sources over time, this intensity is used for times
/// that they do not know.
pub(super) fn intensity(request: &PriceRequest) -> Result<Intensity, PriceError> {
    match (request.g_per_kwh, &request.zone, &request.locate) {
        (Some(g_per_kwh), _, _) => Ok(crate::constant(g_per_kwh)?),
        (None, Some(zone), _) => zone_intensity(zone, request),
        (None, None, Some(place)) => located(place, request.metadata_url.as_deref()),
        (None, None, None) => Ok(crate::world()),
    }
}

/// Returns why the requested place is unknown; `None` if it is known.
pub(super) fn unlocated(request: &PriceRequest, found: &Intensity) -> Option<String> {
    let looked_for = match found.zone_source {
        ZoneSource::DefaultWorld => request.zone.is_none() && request.locate.is_some(),
        source => is_replaced(source),
    };
    found.note.clone().filter(|_| looked_for)
}

/// Returns a note about another meaning of the requested name: `Georgia` is a country and a state. `None` for a code
/// and for a unique name.
pub(super) fn ambiguity(request: &PriceRequest, found: &Intensity) -> Option<String> {
    let named = request.zone.as_ref().is_some_and(|typed| !typed.trim().eq_ignore_ascii_case(&found.zone));
    let chosen = matches!(found.zone_source, ZoneSource::Given | ZoneSource::Config);
    found.note.clone().filter(|_| named && chosen)
}

/// Whether another zone (its country, or the world) replaces the requested one.
pub(super) fn is_replaced(source: ZoneSource) -> bool {
    matches!(source, ZoneSource::Country | ZoneSource::Unknown)
}

/// Returns the yearly average of a zone, or of one that replaces it if the request allows that.
fn zone_intensity(zone: &str, request: &PriceRequest) -> Result<Intensity, PriceError> {
    let found = match crate::lookup(zone) {
        // A provider may know a zone that the yearly table does not. The replacement is used for times that it does not
        // know.
        Err(_) if request.zone_fallback || request.asks_over_time() => crate::lookup_or_around(zone),
        found => found?,
    };
    let from_file = request.zone_from_file && !is_replaced(found.zone_source);
    Ok(if from_file { Intensity { zone_source: ZoneSource::Config, ..found } } else { found })
}

/// Returns the intensity at `LATITUDE,LONGITUDE`, or for `cloud` that of the cloud region of this machine. A place is
/// never guessed.
fn located(place: &str, metadata_url: Option<&str>) -> Result<Intensity, PriceError> {
    if place == "cloud" {
        return cloud(metadata_url);
    }
    let numbers = place.split_once(',').map(|(latitude, longitude)| (number(latitude), number(longitude)));
    match numbers {
        Some((Some(latitude), Some(longitude))) => Ok(crate::locate(latitude, longitude)?),
        // 60 characters are enough to recognise the text, and keep the message on a line.
        _ => Err(PriceError::Place(place.chars().take(60).collect())),
    }
}

/// Parses a number; `None` for other text.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

/// Returns the intensity of the cloud region of this machine; the world average with a note if the cloud does not
/// answer.
#[cfg(feature = "providers")]
fn cloud(metadata_url: Option<&str>) -> Result<Intensity, PriceError> {
    let region = match crate::provider::cloud_of_this_machine(metadata_url) {
        Ok(region) => region,
        // A service that is down must not end the run.
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

/// Returns how often each provider's answer came from its cache (hit) or not (miss).
fn caches(coverage: &Coverage) -> Vec<ProviderCache> {
    let cache = |(provider, counts): &(String, CacheCounts)| ProviderCache {
        provider: provider.clone(),
        hits: counts.hits,
        misses: counts.misses,
    };
    coverage.caches.iter().map(cache).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k09_bounds_of_the_facility_at_an_old_pue_do_not_outlive_it() {
        let bounds = (Some(90), Some(260));
        let energy = Energy { total_uj: Some(100), pue: 1.5, facility_low_uj: bounds.0, ..Energy::default() };
        let mut energy = Energy { facility_high_uj: bounds.1, ..energy };
        set_pue(&mut energy, Pue::new(1.5).unwrap());
        assert_eq!((energy.facility_low_uj, energy.facility_high_uj), bounds, "of the PUE that it has");
        set_pue(&mut energy, Pue::new(3.0).unwrap());
        assert_eq!((energy.facility_uj, energy.facility_low_uj, energy.facility_high_uj), (Some(300), None, None));
    }

    #[test]
    fn zone_of_a_configuration_file_is_marked() {
        let request = PriceRequest { zone_from_file: true, ..PriceRequest::default() };
        assert_eq!(zone_intensity("world", &request).unwrap().zone_source, ZoneSource::Config);
        assert_eq!(zone_intensity("world", &PriceRequest::default()).unwrap().zone_source, ZoneSource::Given);
    }
}
