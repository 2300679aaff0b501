//! What energy weighs and costs: resolved once, when the run opens, so that a wrong zone is told before any training.
//!
//! With one figure for all time the run is one segment. With a series or a provider each part of the time is weighed with
//! the energy used in it.

use eco2_core::report::{Beside, Carbon, Cost, Energy, EventRecord, Report, Work};
use eco2_core::units::UJ_PER_KWH;
use eco2_core::{Bounded, Budget, Limit, PerUnit, Policy, Usage};
use eco2_grid::pricing::{NamedZone, price_parts};
use eco2_grid::provider::{Coverage, TABLE};
use eco2_grid::{Consumption, Intensity, Pue, RangeError, ZoneSource};
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) use self::beside::{Before, Extras};
use crate::intensity::{self, Curve, Feed};
use crate::options::Options;
use crate::{Error, options};

mod beside;

/// Intensity, PUE, price and limits of a run.
#[derive(Debug, Clone)]
pub(crate) struct Pricing {
    intensity: Intensity,
    feed: Option<Feed>,
    /// The zone as it was requested.
    requested: Option<String>,
    /// Why the place that was asked for is not known.
    unlocated: Option<String>,
    pue: Pue,
    extras: Extras,
    budgets: Vec<Budget>,
}

/// When a run was: its wall clock as text and as nanoseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) from_ns: i64,
    /// By the monotonic clock.
    pub(crate) lasted_ns: u64,
}

impl When {
    /// The time of a run that began at `from` and lasted so long.
    pub(crate) fn new(from: Timestamp, lasted_ns: u64) -> Self {
        let lasted = jiff::SignedDuration::from_nanos(i64::try_from(lasted_ns).unwrap_or(i64::MAX));
        let to = from.checked_add(lasted).unwrap_or(from);
        let from_ns = i64::try_from(from.as_nanosecond()).unwrap_or(i64::MAX);
        Self { from: from.to_string(), to: to.to_string(), from_ns, lasted_ns }
    }

    pub(crate) fn to_ns(&self) -> i64 {
        self.from_ns.saturating_add(i64::try_from(self.lasted_ns).unwrap_or(i64::MAX))
    }
}

impl Pricing {
    pub(crate) fn resolve(options: &Options) -> Result<Self, Error> {
        let intensity = match (options.intensity, &options.zone) {
            (Some(g_per_kwh), _) => eco2_grid::constant(g_per_kwh)?,
            (None, Some(zone)) => of_zone(zone, options)?,
            (None, None) => match &options.locate {
                Some(place) => intensity::located(place)?,
                None => eco2_grid::world(),
            },
        };
        let pue = Pue::new(options.pue)?;
        let extras = Extras::resolve(options)?;
        let feed = Feed::open(options, &intensity)?;
        let looked_for = match intensity.zone_source {
            ZoneSource::DefaultWorld => options.locate.is_some(),
            source => matches!(source, ZoneSource::Country | ZoneSource::Unknown),
        };
        let unlocated = intensity.note.clone().filter(|_| looked_for);
        let requested = options.zone.clone();
        Ok(Self { intensity, feed, requested, unlocated, pue, extras, budgets: budgets(&options.budget)? })
    }

    /// The same with another PUE.
    pub(crate) fn at_pue(self, pue: Pue) -> Self {
        Self { pue, ..self }
    }

    /// Begins to ask providers, if any are named.
    pub(crate) fn start(&self, from: Timestamp) {
        if let Some(feed) = &self.feed {
            feed.start(When::new(from, 0).from_ns);
        }
    }

    /// Waits for the providers' last answers, for a bounded time.
    pub(crate) fn settle(&self, when: &When) {
        if let Some(feed) = &self.feed {
            feed.settle(when.to_ns());
        }
    }

    /// Fills in the facility's energy and returns the grams, and what is to be said of them. `curve` is asked for only
    /// where the intensity changes.
    pub(crate) fn price(
        &self,
        energy: &mut Energy,
        when: &When,
        curve: impl FnOnce(&Energy) -> Curve,
    ) -> (Carbon, Vec<EventRecord>) {
        energy.pue = self.pue.get();
        energy.facility_uj = energy.total_uj.map(|uj| self.pue.facility_uj(uj));
        let needed =
            when.lasted_ns > 0 && energy.total_uj.is_some() && (self.feed.is_some() || self.extras.needs_curve());
        let curve = needed.then(|| curve(energy));
        let (carbon, events) = match (&self.feed, &curve) {
            (Some(feed), Some(curve)) => {
                let coverage = feed.cover(when.from_ns, when.to_ns());
                self.by_parts(when, &coverage, curve)
            }
            _ => (self.at_once(energy, when), Vec::new()),
        };
        let cost = self.extras.cost(energy, when, curve.as_ref());
        let events = self.with_notes(events, &carbon, when);
        (with_cost(carbon, cost), events)
    }

    /// The same for a run that is long over: whoever has to be asked is asked now, on this thread.
    pub(crate) fn price_late(&self, energy: &mut Energy, when: &When, curve: &Curve) -> (Carbon, Vec<EventRecord>) {
        let now_ns = When::new(crate::wall::now(), 0).from_ns;
        let is_priced_by_parts = when.lasted_ns > 0 && energy.total_uj.is_some();
        let Some(feed) = self.feed.as_ref().filter(|_| is_priced_by_parts) else {
            return self.price(energy, when, |_| curve.clone());
        };
        energy.pue = self.pue.get();
        energy.facility_uj = energy.total_uj.map(|uj| self.pue.facility_uj(uj));
        let coverage = feed.cover_now(when.from_ns, when.to_ns(), now_ns.max(when.to_ns()));
        let (carbon, events) = self.by_parts(when, &coverage, curve);
        let cost = self.extras.cost(energy, when, Some(curve));
        let events = self.with_notes(events, &carbon, when);
        (with_cost(carbon, cost), events)
    }

    /// Fills in what was asked for beside the grams of a run that did this work.
    pub(crate) fn beside(&self, carbon: &mut Carbon, energy: &Energy, work: &Work, lasted_ns: u64) {
        if self.extras.is_asked() {
            self.extras.apply(carbon, energy, work, lasted_ns);
        }
    }

    /// The same for a report that is read again, from its carbon and what it had before.
    pub(crate) fn beside_again(&self, carbon: &mut Carbon, old: &Before, report: &Report) {
        self.extras.apply_again(carbon, old, report);
    }

    /// The zone that was given; without one, that of a series which covers the run, else the flagged world. A zone that only
    /// a provider knows is the requested one as far as the provider covers the run.
    fn zone_of(&self, coverage: &Coverage) -> NamedZone {
        let stands_in = coverage.parts.iter().any(|part| part.provider == TABLE);
        let is_replaced = matches!(self.intensity.zone_source, ZoneSource::Country | ZoneSource::Unknown);
        if let Some(requested) = self.requested.as_ref().filter(|_| is_replaced && !stands_in) {
            return NamedZone { name: requested.clone(), source: ZoneSource::Given };
        }
        match coverage.parts.first() {
            Some(part) if self.intensity.zone_source == ZoneSource::DefaultWorld && !stands_in => {
                let stated = &part.about.zone;
                let name = if stated.is_empty() { part.provider.clone() } else { stated.clone() };
                NamedZone { name, source: ZoneSource::Given }
            }
            _ => NamedZone { name: self.intensity.zone.clone(), source: self.intensity.zone_source },
        }
    }

    /// Adds what is to be known of the zone: that it was not found, and that its value is old.
    fn with_notes(&self, mut events: Vec<EventRecord>, carbon: &Carbon, when: &When) -> Vec<EventRecord> {
        let mut add = |kind: &str, text: String| {
            let (at, kind, device) = (when.lasted_ns, kind.to_owned(), String::new());
            events.push(EventRecord { at, kind, device, text });
        };
        if let Some(text) = self.unlocated.clone().filter(|_| carbon.zone_source != ZoneSource::Given.as_str()) {
            add("zone-not-found", text);
        }
        let used_in = Timestamp::from_nanosecond(i128::from(when.from_ns)).map(|at| at.to_zoned(TimeZone::UTC).year());
        let oldest = carbon.segments.iter().filter_map(|segment| segment.year).min();
        if let (Ok(used_in), Some(year)) = (used_in, oldest)
            && let Some(text) = eco2_grid::age_notice(&carbon.zone, year, used_in.into())
        {
            add("intensity-old", text);
        }
        events
    }

    fn at_once(&self, energy: &Energy, when: &When) -> Carbon {
        let consumption = Consumption { energy: energy.bounded(), from: &when.from, to: &when.to };
        eco2_grid::price(&consumption, self.pue, &self.intensity)
    }

    fn by_parts(&self, when: &When, coverage: &Coverage, curve: &Curve) -> (Carbon, Vec<EventRecord>) {
        let zone = self.zone_of(coverage);
        let carbon = price_parts(&coverage.parts, curve, when.from_ns, self.pue, &zone);
        let energies: Vec<u64> = carbon.segments.iter().map(|segment| segment.energy_uj).collect();
        (carbon, intensity::events(coverage, &energies, when.lasted_ns))
    }

    /// What was used, in all units.
    pub(crate) fn usage(&self, energy: &Energy, carbon: &Carbon) -> Usage {
        let facility = energy.bounded().map(|uj| self.pue.facility_uj(uj) as f64);
        let unknown = Usage::default();
        // A cost without a price for some of the energy bounds only the rest.
        let cost = carbon.beside.as_ref().and_then(|beside| beside.cost.as_ref()).filter(|_| carbon.cost.is_some());
        let amounts = PerUnit {
            energy_uj: facility,
            grams: carbon.bounded(),
            money: Bounded { value: carbon.cost, ..cost.map_or(unknown.amounts.money, Cost::bounded) },
        };
        Usage { amounts, quality: eco2_core::worst_quality(energy) }
    }

    /// Every limit.
    pub(crate) fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    pub(crate) fn pue(&self) -> Pue {
        self.pue
    }

    /// The most that a kilowatt-hour may cost from now until the next look; `so_far`: what one has cost on average.
    pub(crate) fn price_next(&self, when: &When, so_far: Option<f64>) -> Option<f64> {
        self.extras.price_next(when.to_ns(), so_far)
    }

    /// What a kilowatt-hour costs in the time after `when`, for so long.
    pub(crate) fn price_ahead(&self, when: &When, rest_ns: f64, so_far: Option<f64>) -> Option<Ahead> {
        self.extras.price_ahead(when.to_ns(), when.to_ns().saturating_add(rest_ns as i64), so_far)
    }

    /// The intensity of the time after `when`, for so long: forecast where a series or a provider allows it.
    pub(crate) fn intensity_ahead(&self, when: &When, rest_ns: f64) -> Ahead {
        let to_ns = when.to_ns().saturating_add(rest_ns as i64);
        let found = self.feed.as_ref().and_then(|feed| feed.outlook(when.to_ns(), to_ns));
        found.map_or_else(
            || Ahead::certain(self.intensity.g_per_kwh, format!("one figure for all time: {}", self.intensity.source)),
            |found| Ahead::of(&found),
        )
    }
}

/// The intensity, or the price, of what is to come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ahead {
    /// Grams CO2e, or money, for a kilowatt-hour.
    pub(crate) each: f64,
    /// Back-test error; `None` where it is not known.
    pub(crate) error_percent: Option<f64>,
    /// The lowest and the highest that was seen, where the past was repeated and nothing tells how well that holds.
    pub(crate) span: Option<[f64; 2]>,
    /// Where it comes from.
    pub(crate) method: String,
}

impl Ahead {
    fn of(found: &eco2_grid::Outlook) -> Self {
        let untested = found.season_h.is_some() && found.error_percent.is_none();
        Self {
            each: found.g_per_kwh,
            error_percent: found.error_percent,
            span: untested.then_some(found.seen),
            method: found.method(),
        }
    }

    fn certain(each: f64, method: String) -> Self {
        Self { each, error_percent: None, span: None, method }
    }
}

/// A sum that leaves energy out is no cost of the run.
pub(crate) fn with_cost(carbon: Carbon, cost: Option<Cost>) -> Carbon {
    let whole = cost.as_ref().filter(|cost| cost.unpriced_uj == 0).and_then(|cost| cost.amount);
    let beside = cost.map(|cost| Box::new(Beside { cost: Some(cost), ..Beside::default() }));
    Carbon { cost: whole, beside, ..carbon }
}

fn of_zone(zone: &str, options: &Options) -> Result<Intensity, Error> {
    let found = match eco2_grid::lookup(zone) {
        // A provider may know a zone that the yearly table does not: the table's replacement is used where it does not.
        Err(_)
            if options.zone_fallback
                || !options.intensity_provider.is_empty()
                || options.intensity_series.is_some() =>
        {
            eco2_grid::lookup_or_around(zone)
        }
        found => found?,
    };
    if matches!(found.zone_source, ZoneSource::Country | ZoneSource::Unknown) {
        return Ok(found);
    }
    Ok(if options.origin("zone").is_file() { found.from_config() } else { found })
}

/// Every limit that was given. One that is none is refused: a run would otherwise go on without it.
fn budgets(limits: &options::Budget) -> Result<Vec<Budget>, RangeError> {
    // A microjoule is a limit, whatever a fraction of a kilowatt-hour rounds to.
    let energy = |kwh: f64| match (kwh * UJ_PER_KWH) as u64 {
        0 if kwh >= options::LEAST_KWH => Limit::EnergyUj(1),
        uj => Limit::EnergyUj(uj),
    };
    let limits_given = [
        ("max_energy_kwh", limits.max_energy_kwh, energy as fn(f64) -> Limit, "a microjoule (2.8e-13) or more"),
        ("max_co2_kg", limits.max_co2_kg, |kg| Limit::Grams(kg * 1_000.0), "a finite number of kilograms above 0"),
        ("max_cost", limits.max_cost, Limit::Money, "a finite amount of money above 0"),
    ];
    let policy = Policy {
        reserve: limits.reserve_percent / 100.0,
        soft: limits.soft,
        hard: limits.hard,
        strict: limits.strict,
        ..Policy::default()
    };
    let given =
        limits_given.into_iter().filter_map(|(what, value, limit, allowed)| Some((what, value?, limit, allowed)));
    given
        .map(|(what, value, limit, allowed)| match Budget::new(limit(value)) {
            Some(budget) if value.is_finite() => Ok(Budget { policy, ..budget }),
            _ => Err(RangeError { what, value, allowed }),
        })
        .collect()
}
