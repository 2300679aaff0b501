//! What energy weighs and costs, as the options ask for it: resolved once, when the run opens. The arithmetic is in
//! `eco2_grid::pricing`.

use eco2_core::schema::{Carbon, Cost, Energy, EventRecord, Report, Work};
use eco2_core::units::UJ_PER_KWH;
use eco2_core::{Bounded, Budget, Limit, PerUnit, Policy, Usage};
use eco2_grid::pricing::{EnergyCurve, PriceRequest, Priced};
use eco2_grid::{Pue, RangeError};
use jiff::Timestamp;

pub(crate) use eco2_grid::pricing::{Ahead, When};
pub(crate) use request::{asked_now, request};

use crate::options::{Options, opt};
use crate::run::intensity::{Feed, online};
use crate::{Error, options};

mod request;

/// Intensity, PUE, price and limits of a run.
#[derive(Debug, Clone)]
pub(crate) struct Pricing {
    terms: eco2_grid::pricing::Pricing,
    feed: Option<Feed>,
    budgets: Vec<Budget>,
}

impl Pricing {
    /// By all options, wherever they come from.
    pub(crate) fn resolve(options: &Options) -> Result<Self, Error> {
        Ok(Self { budgets: budgets(&options.budget)?, ..Self::of(request(options)?, options)? })
    }

    /// By what is asked for anew ([`asked_now`]): a report that is priced again keeps all else.
    pub(crate) fn again(asked: PriceRequest, options: &Options) -> Result<Self, Error> {
        Self::of(asked, options)
    }

    fn of(request: PriceRequest, options: &Options) -> Result<Self, Error> {
        let asked = request.providers.iter().filter(|_| request.g_per_kwh.is_none());
        let providers = asked.map(|name| online(name, options)).collect::<Result<Vec<_>, _>>()?;
        let terms = eco2_grid::pricing::Pricing::resolve(request, providers)?;
        let feed = terms.sources().map(|sources| Feed::new(sources.clone(), forecasts(options)));
        Ok(Self { terms, feed, budgets: Vec::new() })
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

    /// Fills in the facility's energy and returns grams, money and what stands beside them, with what is to be said of them.
    /// `curve` is asked for only where something changes over time.
    pub(crate) fn price<C: EnergyCurve>(
        &self,
        energy: &mut Energy,
        work: &Work,
        when: &When,
        curve: impl FnOnce(&Energy) -> C,
    ) -> (Carbon, Vec<EventRecord>) {
        let curve = self.terms.needs_curve(energy, when).then(|| curve(energy));
        let coverage = self.feed.as_ref().filter(|_| curve.is_some()).map(|feed| feed.cover(when));
        let curve = curve.as_ref().map(|curve| curve as &dyn EnergyCurve);
        self.terms.price(energy, &Priced { when, work, curve, coverage: coverage.as_ref() })
    }

    /// The same for a run that is long over: whoever has to be asked is asked now, on this thread.
    pub(crate) fn price_late(
        &self,
        energy: &mut Energy,
        work: &Work,
        when: &When,
        curve: &dyn EnergyCurve,
    ) -> (Carbon, Vec<EventRecord>) {
        let is_needed = self.terms.needs_curve(energy, when);
        let coverage = self.feed.as_ref().filter(|_| is_needed).map(|feed| feed.cover_now(when));
        self.terms.price(energy, &Priced { when, work, curve: Some(curve), coverage: coverage.as_ref() })
    }

    /// A report priced again: what is not asked for stays.
    pub(crate) fn price_again(&self, report: Report, when: &When, curve: &dyn EnergyCurve) -> Report {
        let is_needed = self.terms.needs_curve(&report.energy, when);
        let coverage = self.feed.as_ref().filter(|_| is_needed).map(|feed| feed.cover_now(when));
        self.terms.price_again(report, when, curve, coverage.as_ref())
    }

    /// When a price over time changes during a run, nanoseconds since it began.
    pub(crate) fn price_borders(&self, when: &When) -> Vec<u64> {
        self.terms.price_borders(when)
    }

    /// What was used, in all units.
    pub(crate) fn usage(&self, energy: &Energy, carbon: &Carbon) -> Usage {
        let facility = energy.bounded().map(|uj| self.pue().facility_uj(uj) as f64);
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
        self.terms.pue()
    }

    /// The most that a kilowatt-hour may cost from now until the next look; `so_far`: what one has cost on average.
    pub(crate) fn price_next(&self, when: &When, so_far: Option<f64>) -> Option<f64> {
        self.terms.price_next(when, so_far)
    }

    /// What a kilowatt-hour costs in the time after `when`, for so long.
    pub(crate) fn price_ahead(&self, when: &When, rest_ns: f64, so_far: Option<f64>) -> Option<Ahead> {
        self.terms.price_ahead(when, rest_ns, so_far)
    }

    /// The intensity of the time after `when`, for so long: forecast where a series or a provider allows it.
    pub(crate) fn intensity_ahead(&self, when: &When, rest_ns: f64) -> Ahead {
        let to_ns = when.to_ns().saturating_add(rest_ns as i64);
        let found = self.feed.as_ref().and_then(|feed| feed.outlook(when.to_ns(), to_ns));
        found.map_or_else(|| self.terms.intensity_ahead(), |found| Ahead::of(&found))
    }
}

/// Whether what is to come is asked about, too: only where a limit on carbon or cost of a known length needs it.
fn forecasts(options: &Options) -> bool {
    let budget = &options.budget;
    budget.max_co2_kg.is_some() && (budget.total_steps.is_some() || budget.total_hours.is_some())
}

/// Every limit that was given. One that is none is refused: a run would otherwise go on without it.
fn budgets(limits: &options::Budget) -> Result<Vec<Budget>, RangeError> {
    // A microjoule is a limit, whatever a fraction of a kilowatt-hour rounds to.
    let energy = |kwh: f64| match (kwh * UJ_PER_KWH) as u64 {
        0 if kwh >= options::LEAST_KWH => Limit::EnergyUj(1),
        uj => Limit::EnergyUj(uj),
    };
    let limits_given = [
        (&opt::MAX_ENERGY_KWH, limits.max_energy_kwh, energy as fn(f64) -> Limit),
        (&opt::MAX_CO2_KG, limits.max_co2_kg, |kg| Limit::Grams(kg * 1_000.0)),
        (&opt::MAX_COST, limits.max_cost, Limit::Money),
    ];
    let policy = Policy {
        reserve: limits.reserve_percent / 100.0,
        soft: limits.soft,
        hard: limits.hard,
        strict: limits.strict,
        ..Policy::default()
    };
    let given = limits_given.into_iter().filter_map(|(row, value, limit)| Some((row, value?, limit)));
    given
        .map(|(row, value, limit)| match Budget::new(limit(value)) {
            Some(budget) if value.is_finite() => Ok(Budget { policy, ..budget }),
            _ => Err(RangeError { what: row.name, value, allowed: row.allowed }),
        })
        .collect()
}
