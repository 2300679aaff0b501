//! Emissions and cost of a run's energy, as the options request them: resolved once, when the run opens. The arithmetic is in
//! `eco2_grid::pricing`.

use eco2_core::schema::{Carbon, Cost, Energy, EventRecord, Offset, Report, Work};
use eco2_core::units::UJ_PER_KWH;
use eco2_core::{Bounded, Budget, Limit, PerUnit, Policy, Ranged, Usage};
use eco2_grid::pricing::{EnergyCurve, PriceInput, PriceRequest};
use eco2_grid::{Pue, RangeError};
use jiff::Timestamp;

use crate::options::{Level, Options, OptionsError, Row, opt};
use crate::run::intensity::{IntensityFeed, online};
use crate::{Error, options};

pub(crate) use eco2_grid::pricing::{RateForecast, When};

/// Intensity, PUE, price and limits of a run.
#[derive(Debug, Clone)]
pub(crate) struct Pricing {
    terms: eco2_grid::pricing::Pricing,
    feed: Option<IntensityFeed>,
    budgets: Vec<Budget>,
}

impl Pricing {
    /// By all options, wherever they come from.
    pub(crate) fn resolve(options: &Options) -> Result<Self, Error> {
        Ok(Self { budgets: budgets(&options.budget)?, ..Self::of(request(options)?, options)? })
    }

    /// Resolves a request to price a report again ([`asked_now`]); all else in the report stays.
    pub(crate) fn again(asked: PriceRequest, options: &Options) -> Result<Self, Error> {
        Self::of(asked, options)
    }

    fn of(request: PriceRequest, options: &Options) -> Result<Self, Error> {
        let asked = request.providers.iter().filter(|_| request.g_per_kwh.is_none());
        let providers = asked.map(|name| online(name, options)).collect::<Result<Vec<_>, _>>()?;
        let terms = eco2_grid::pricing::Pricing::resolve(request, providers)?;
        let feed = terms.sources.as_ref().map(|sources| IntensityFeed::new(sources.clone(), forecasts(options)));
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

    /// Fills in the facility's energy and returns grams, money and supplements, with the events that pricing causes.
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
        self.terms.price(energy, &PriceInput { when, work, curve, coverage: coverage.as_ref() })
    }

    /// The same for a run that has ended: providers are asked now, on this thread.
    pub(crate) fn price_late(
        &self,
        energy: &mut Energy,
        work: &Work,
        when: &When,
        curve: &dyn EnergyCurve,
    ) -> (Carbon, Vec<EventRecord>) {
        let is_needed = self.terms.needs_curve(energy, when);
        let coverage = self.feed.as_ref().filter(|_| is_needed).map(|feed| feed.cover_now(when));
        self.terms.price(energy, &PriceInput { when, work, curve: Some(curve), coverage: coverage.as_ref() })
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
        self.terms.pue
    }

    /// The most that a kilowatt-hour may cost from now until the next look; `so_far`: what one has cost on average.
    pub(crate) fn price_next(&self, when: &When, so_far: Option<f64>) -> Option<f64> {
        self.terms.price_next(when, so_far)
    }

    /// Returns the price per kilowatt-hour in the `rest_ns` after `when`.
    pub(crate) fn price_ahead(&self, when: &When, rest_ns: f64, so_far: Option<f64>) -> Option<RateForecast> {
        self.terms.price_ahead(when, rest_ns, so_far)
    }

    /// Returns the intensity in the `rest_ns` after `when`: forecast where a series or a provider allows it.
    pub(crate) fn intensity_ahead(&self, when: &When, rest_ns: f64) -> RateForecast {
        let to_ns = when.to_ns().saturating_add(rest_ns as i64);
        let found = self.feed.as_ref().and_then(|feed| feed.outlook(when.to_ns(), to_ns));
        found.map_or_else(|| self.terms.intensity_ahead(), |found| RateForecast::from(&found))
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

/// Options that choose the source of intensities.
static PLACE: [&Row; 5] = [&opt::ZONE, &opt::INTENSITY, &opt::INTENSITY_SERIES, &opt::INTENSITY_PROVIDER, &opt::LOCATE];
/// Options of the price of energy.
static PRICE: [&Row; 2] = [&opt::PRICE_PER_KWH, &opt::TARIFF_SERIES];
/// Options of the hardware.
static HARDWARE: [&Row; 3] = [&opt::EMBODIED, &opt::EMBODIED_YEARS, &opt::EMBODIED_SHARE];
/// Options of the contract.
static MARKET: [&Row; 2] = [&opt::MARKET_INSTRUMENT, &opt::MARKET_INTENSITY];

/// All that the options ask for.
///
/// # Errors
/// [`OptionsError::Missing`] for a contract without its factor, or a factor without its contract.
pub(crate) fn request(options: &Options) -> Result<PriceRequest, Error> {
    let more = &options.supplements;
    let pue_is_given = options.origin(&opt::PUE).level() != Level::Default || options.pue != 1.0;
    let offset = |(name, kg): &(String, f64)| Offset { name: name.clone(), kg: *kg };
    Ok(PriceRequest {
        zone: options.zone.clone(),
        zone_from_file: options.origin(&opt::ZONE).is_file(),
        zone_fallback: options.zone_fallback,
        locate: options.locate.clone(),
        metadata_url: std::env::var("ECO2_METADATA_URL").ok(),
        g_per_kwh: options.intensity,
        series: options.intensity_series.clone(),
        series_column: options.intensity_column.clone(),
        providers: options.intensity_provider.clone(),
        pue: pue_is_given.then_some(options.pue),
        price_per_kwh: options.budget.price_per_kwh,
        tariff: more.tariff_series.clone(),
        tariff_column: more.tariff_column.clone(),
        currency: options.budget.currency.clone(),
        market: market(options)?,
        embodied: more.embodied.clone(),
        embodied_years: more.embodied_years,
        embodied_share: more.embodied_share,
        functional_unit: more.functional_unit.clone(),
        wue: more.wue,
        ewif: more.ewif,
        carbon_price: more.carbon_price,
        offsets: more.offsets.iter().map(offset).collect(),
        equivalents: more.equivalents,
    })
}

/// Returns what flags or the program itself request: files and variables apply to runs that begin now, not to those that are
/// over. A question that is asked at all is answered by all options that belong to it.
///
/// # Errors
/// As [`request`].
pub(crate) fn asked_now(options: &Options) -> Result<PriceRequest, Error> {
    let is_asked = |row: &Row| matches!(options.origin(row).level(), Level::Default | Level::Code);
    let any = |rows: &[&Row]| rows.iter().any(|row| is_asked(row) && options.show(row).is_some());
    let all = request(options)?;
    let mut asked = PriceRequest { metadata_url: all.metadata_url.clone(), ..PriceRequest::default() };
    if any(&PLACE) {
        (asked.zone, asked.zone_from_file, asked.zone_fallback) = (all.zone, all.zone_from_file, all.zone_fallback);
        (asked.locate, asked.g_per_kwh, asked.providers) = (all.locate, all.g_per_kwh, all.providers);
        (asked.series, asked.series_column) = (all.series, all.series_column);
    }
    let carbon_price = all.carbon_price.filter(|_| is_asked(&opt::CARBON_PRICE));
    if any(&PRICE) {
        (asked.price_per_kwh, asked.tariff, asked.tariff_column) = (all.price_per_kwh, all.tariff, all.tariff_column);
    }
    if any(&PRICE) || carbon_price.is_some() || is_asked(&opt::CURRENCY) {
        asked.currency = all.currency;
    }
    if any(&HARDWARE) {
        (asked.embodied, asked.embodied_years, asked.embodied_share) =
            (all.embodied, all.embodied_years, all.embodied_share);
    }
    Ok(PriceRequest {
        pue: all.pue.filter(|_| is_asked(&opt::PUE)),
        market: all.market.filter(|_| any(&MARKET)),
        functional_unit: all.functional_unit.filter(|_| is_asked(&opt::FUNCTIONAL_UNIT)),
        wue: all.wue.filter(|_| is_asked(&opt::WUE)),
        ewif: all.ewif.filter(|_| is_asked(&opt::EWIF)),
        carbon_price,
        offsets: if is_asked(&opt::OFFSETS) { all.offsets } else { Vec::new() },
        equivalents: all.equivalents && is_asked(&opt::EQUIVALENTS),
        ..asked
    })
}

fn market(options: &Options) -> Result<Option<(String, f64)>, Error> {
    let (name, factor) = (&opt::MARKET_INSTRUMENT, &opt::MARKET_INTENSITY);
    let missing = |row: &'static Row, needs: &'static Row| OptionsError::Missing {
        place: options.origin(row).to_string(),
        key: row.name,
        needs: needs.name,
    };
    match (&options.supplements.market_instrument, options.supplements.market_intensity) {
        (Some(contract), Some(g_per_kwh)) => Ok(Some((contract.clone(), g_per_kwh))),
        (Some(_), None) => Err(missing(name, factor).into()),
        (None, Some(_)) => Err(missing(factor, name).into()),
        (None, None) => Ok(None),
    }
}
