//! Resolves a [`PriceRequest`] into intensity, PUE and prices, and prices the energy of a run with them.

use eco2_core::Ranged;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use eco2_core::schema::{Carbon, Energy, EventRecord, PriceTerms, Work};

use super::segments::{coverage_events, event, zone_events};
use super::supplements::Supplementary;
use super::{EnergyCurve, IntensitySources, NamedZone, PriceError, PriceRequest, RateForecast, When, price_parts};
use crate::carbon::RunFacts;
use crate::provider::{Coverage, Provider, TABLE};
use crate::{Consumption, Intensity, Pue, ZoneSource};

/// Intensity, PUE, price and what stands beside the grams: resolved once, before anything is measured.
#[derive(Debug, Clone)]
pub struct Pricing {
    pub(super) request: PriceRequest,
    intensity: Intensity,
    /// The sources of intensities over time; `None`: one intensity applies to the whole run.
    pub sources: Option<IntensitySources>,
    /// Power usage effectiveness.
    pub pue: Pue,
    pub(super) extras: Supplementary,
    /// Why the place that was asked for is not known.
    unlocated: Option<String>,
}

/// What is to be priced.
#[derive(Clone, Copy)]
pub struct PriceInput<'a> {
    /// When the run was.
    pub when: &'a When,
    /// Its work.
    pub work: &'a Work,
    /// How its energy was spread over its time; needed where [`Pricing::needs_curve`] says so.
    pub curve: Option<&'a dyn EnergyCurve>,
    /// How its time is covered with intensities: [`IntensitySources::cover`] or [`IntensitySources::completed`].
    pub coverage: Option<&'a Coverage>,
}

impl Pricing {
    /// Resolves a request; `online`: its providers, opened.
    ///
    /// # Errors
    /// [`PriceError`] for what cannot be met: an unknown zone, a file that cannot be read, a figure out of its range.
    pub fn resolve(request: PriceRequest, online: Vec<Arc<dyn Provider>>) -> Result<Self, PriceError> {
        let intensity = intensity(&request)?;
        let pue = request.pue.map_or(Ok(Pue::ONE), Pue::new)?;
        let extras = Supplementary::resolve(&request)?;
        let sources = IntensitySources::open(&request, online, &intensity)?;
        let unlocated = unlocated(&request, &intensity);
        Ok(Self { request, intensity, sources, pue, extras, unlocated })
    }

    /// When a price over time changes during a run, nanoseconds since it began.
    #[must_use]
    pub fn price_borders(&self, when: &When) -> Vec<u64> {
        self.extras.price_borders(when)
    }

    /// Whether it has to be known how an energy was spread over the time of a run.
    #[must_use]
    pub fn needs_curve(&self, energy: &Energy, when: &When) -> bool {
        let by_time = self.sources.is_some() || self.extras.needs_curve();
        by_time && when.lasted_ns > 0 && energy.total_uj.is_some()
    }

    /// Fills in the facility's energy and returns grams, money and what else is asked for, and what is to be said of them.
    pub fn price(&self, energy: &mut Energy, run: &PriceInput<'_>) -> (Carbon, Vec<EventRecord>) {
        let (mut carbon, events) = self.grams(energy, self.pue, run);
        let cost = self.extras.cost(energy, run.when, run.curve);
        let facts = RunFacts { energy, work: run.work, reserved_ns: run.when.lasted_ns };
        self.extras.terms.apply(&mut carbon, facts, cost);
        carbon.terms = Some(Box::new(PriceTerms { kind: kind_of(&carbon), ..self.stated() }));
        (carbon, events)
    }

    /// The grams alone.
    pub(super) fn grams(&self, energy: &mut Energy, pue: Pue, run: &PriceInput<'_>) -> (Carbon, Vec<EventRecord>) {
        set_pue(energy, pue);
        let when = run.when;
        let is_known = when.lasted_ns > 0 && energy.total_uj.is_some();
        let (carbon, mut events) = match (run.coverage, run.curve) {
            (Some(coverage), Some(curve)) if is_known => {
                let carbon = price_parts(&coverage.parts, curve, when.from_ns, pue, &self.zone_of(coverage));
                let energies: Vec<u64> = carbon.segments.iter().map(|segment| segment.energy_uj).collect();
                let events = coverage_events(coverage, &energies, when.lasted_ns);
                (carbon, events)
            }
            _ => {
                let consumption = Consumption { energy: energy.bounded(), from: &when.from, to: &when.to };
                (crate::price(&consumption, pue, &self.intensity), Vec::new())
            }
        };
        events.extend(zone_events(self.unlocated.as_ref(), &carbon, when));
        let ambiguous = ambiguity(&self.request, &self.intensity).filter(|_| carbon.zone == self.intensity.zone);
        events.extend(ambiguous.map(|text| event(when.lasted_ns, "zone-note", "", text)));
        (carbon, events)
    }

    /// The request as a report states it.
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
            tariff_sha256: self.extras.tariff_hash(),
            ..PriceTerms::default()
        };
        self.extras.terms.put(&mut terms);
        terms
    }

    /// The zone that was given; without one, that of a series which covers the run, else the flagged world. A zone that only
    /// a provider knows is the requested one as far as the provider covers the run.
    fn zone_of(&self, coverage: &Coverage) -> NamedZone {
        let stands_in = coverage.parts.iter().any(|part| part.provider == TABLE);
        let source = self.intensity.zone_source;
        if let Some(requested) = self.request.zone.as_ref().filter(|_| is_replaced(source) && !stands_in) {
            return NamedZone { name: requested.clone(), source: ZoneSource::Given };
        }
        match coverage.parts.first() {
            Some(part) if source == ZoneSource::DefaultWorld && !stands_in => {
                let stated = &part.about.zone;
                let name = if stated.is_empty() { part.provider.clone() } else { stated.clone() };
                NamedZone { name, source: ZoneSource::Given }
            }
            _ => NamedZone { name: self.intensity.zone.clone(), source },
        }
    }

    /// The most that a kilowatt-hour may cost from now until the next look; `so_far`: what one has cost on average.
    #[must_use]
    pub fn price_next(&self, when: &When, so_far: Option<f64>) -> Option<f64> {
        self.extras.price_next(when.to_ns(), so_far)
    }

    /// What a kilowatt-hour costs in the time after `when`, for so long.
    #[must_use]
    pub fn price_ahead(&self, when: &When, rest_ns: f64, so_far: Option<f64>) -> Option<RateForecast> {
        self.extras.price_ahead(when.to_ns(), when.to_ns().saturating_add(rest_ns as i64), so_far)
    }

    /// One figure for all time, for what nobody forecasts.
    #[must_use]
    pub fn intensity_ahead(&self) -> RateForecast {
        RateForecast::certain(self.intensity.g_per_kwh, format!("one figure for all time: {}", self.intensity.source))
    }
}

/// States a PUE and the facility's energy with it; bounds of that at another PUE go.
pub(super) fn set_pue(energy: &mut Energy, pue: Pue) {
    if energy.pue != pue.get() {
        (energy.facility_low_uj, energy.facility_high_uj) = (None, None);
    }
    energy.pue = pue.get();
    energy.facility_uj = energy.total_uj.map(|uj| pue.facility_uj(uj));
}

/// What the intensities count: segments of one report are of one kind, or do not say.
pub(super) fn kind_of(carbon: &Carbon) -> Option<String> {
    carbon.segments.iter().find_map(|segment| segment.kind.clone())
}

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
}
