//! Prices the energy of one run: emissions, cost and supplements (water, embodied emissions and the like), as the run's options
//! request them. [`RunPricing`] is resolved once, when the run opens, so that a wrong zone is an error before the training starts.
//!
//! The arithmetic is in `eco2_grid::pricing`; this module translates options into its request, adds the intensities that
//! providers deliver while the run goes on ([`IntensityFeed`]), and keeps the limits of the budget. A *curve* is energy over the
//! time of the run. PUE is the energy of the facility per energy of its computers.

use eco2_core::schema::{Carbon, Cost, Energy, EventRecord, Offset, Report, Work};
use eco2_core::units::UJ_PER_KWH;
use eco2_core::{Bounded, Budget, Limit, PerUnit, Policy, Ranged, Usage};
use eco2_grid::pricing::{EnergyCurve, PriceInput, PriceRequest, Pricing};
use eco2_grid::provider::Coverage;
use eco2_grid::{Pue, RangeError};
use jiff::Timestamp;

use crate::options::{Level, Options, OptionsError, Row, opt};
use crate::run::intensity::{IntensityFeed, online};
use crate::{Error, options};

pub(crate) use eco2_grid::pricing::{RateForecast, When};

/// The intensity, PUE, prices and limits of one run.
#[derive(Debug, Clone)]
pub(crate) struct RunPricing {
    pricing: Pricing,
    /// The intensities over time; `None` where one intensity applies to the whole run.
    feed: Option<IntensityFeed>,
    /// The limits of the run; empty where a report is priced again.
    budgets: Vec<Budget>,
}

impl RunPricing {
    /// Returns the pricing of a run that begins now, by all its options.
    pub(crate) fn resolve(options: &Options) -> Result<Self, Error> {
        let budgets = budgets(&options.budget)?;
        Ok(Self { budgets, ..Self::for_report(request(options)?, options)? })
    }

    /// Returns the pricing of a report that is priced again, by this request ([`request_of_program`]). It has no limits.
    pub(crate) fn for_report(request: PriceRequest, options: &Options) -> Result<Self, Error> {
        let pricing = resolved(request, options)?;
        let feed =
            pricing.sources.as_ref().map(|sources| IntensityFeed::new(sources.clone(), needs_forecasts(options)));
        Ok(Self { pricing, feed, budgets: Vec::new() })
    }

    /// Starts the requests to providers for a run that started at `started`. Does nothing without providers.
    pub(crate) fn start(&self, started: Timestamp) {
        if let Some(feed) = &self.feed {
            feed.start(When::new(started, 0).from_ns);
        }
    }

    /// Waits for the last answers of the providers, for two seconds at most.
    pub(crate) fn await_intensities(&self, when: &When) {
        if let Some(feed) = &self.feed {
            feed.await_last_answer(when.to_ns());
        }
    }

    /// Fills in the energy of the facility. Returns emissions, cost and supplements, and the events to report. `curve` is called
    /// only where an intensity or a price changes over time.
    pub(crate) fn price<C: EnergyCurve>(
        &self,
        energy: &mut Energy,
        work: &Work,
        when: &When,
        curve: impl FnOnce(&Energy) -> C,
    ) -> (Carbon, Vec<EventRecord>) {
        let curve = self.pricing.needs_curve(energy, when).then(|| curve(energy));
        let coverage = self.feed.as_ref().filter(|_| curve.is_some()).map(|feed| feed.cover(when));
        let curve = curve.as_ref().map(|curve| curve as &dyn EnergyCurve);
        self.pricing.price(energy, &PriceInput { when, work, curve, coverage: coverage.as_ref() })
    }

    /// Prices a run that has ended, as [`RunPricing::price`] does. Providers are asked on this thread.
    pub(crate) fn price_ended_run(
        &self,
        energy: &mut Energy,
        work: &Work,
        when: &When,
        curve: &dyn EnergyCurve,
    ) -> (Carbon, Vec<EventRecord>) {
        let coverage = self.coverage_now(energy, when);
        self.pricing.price(energy, &PriceInput { when, work, curve: Some(curve), coverage: coverage.as_ref() })
    }

    /// Returns the report with everything that the request names computed again; the rest stays. Providers are asked on
    /// this thread.
    pub(crate) fn price_report(&self, report: Report, when: &When, curve: &dyn EnergyCurve) -> Report {
        let coverage = self.coverage_now(&report.energy, when);
        self.pricing.price_again(report, when, curve, coverage.as_ref())
    }

    /// Returns the intensities over the time of a run, which providers are asked for now; `None` where none are needed.
    fn coverage_now(&self, energy: &Energy, when: &When) -> Option<Coverage> {
        let is_needed = self.pricing.needs_curve(energy, when);
        self.feed.as_ref().filter(|_| is_needed).map(|feed| feed.cover_now(when))
    }

    /// Returns the times at which the price changes during a run, nanoseconds since it began.
    pub(crate) fn price_borders(&self, when: &When) -> Vec<u64> {
        self.pricing.price_borders(when)
    }

    /// Returns what was used of each amount that a limit can be set for: energy of the facility, emissions and cost.
    pub(crate) fn usage(&self, energy: &Energy, carbon: &Carbon) -> Usage {
        let facility = energy.bounded().map(|uj| self.pue().facility_uj(uj) as f64);
        let unknown = Usage::default();
        // Where part of the energy has no price, `carbon.cost` is `None`. The bounds of the recorded cost then leave that part out, so
        // that they are not bounds of the whole cost.
        let whole_cost =
            carbon.beside.as_ref().and_then(|record| record.cost.as_ref()).filter(|_| carbon.cost.is_some());
        let amounts = PerUnit {
            energy_uj: facility,
            grams: carbon.bounded(),
            money: Bounded { value: carbon.cost, ..whole_cost.map_or(unknown.amounts.money, Cost::bounded) },
        };
        Usage { amounts, quality: eco2_core::worst_quality(energy) }
    }

    /// Returns the limits of the run.
    pub(crate) fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    /// Returns the power usage effectiveness of the facility.
    pub(crate) fn pue(&self) -> Pue {
        self.pricing.pue
    }

    /// Returns the highest price per kilowatt-hour until the next check of the budget. `mean_so_far` is the mean price of the run
    /// until now; it is used where the tariff is not known.
    pub(crate) fn price_next(&self, when: &When, mean_so_far: Option<f64>) -> Option<f64> {
        self.pricing.price_next(when, mean_so_far)
    }

    /// Returns the price per kilowatt-hour in the `ahead_ns` nanoseconds after `when`, with `mean_so_far` as for
    /// [`RunPricing::price_next`]. The time is a forecast itself, so that it is not a whole number.
    pub(crate) fn price_ahead(&self, when: &When, ahead_ns: f64, mean_so_far: Option<f64>) -> Option<RateForecast> {
        self.pricing.price_ahead(when, ahead_ns, mean_so_far)
    }

    /// Returns the intensity in the `ahead_ns` nanoseconds after `when`: the forecast of a series or a provider, else the
    /// constant intensity of the request.
    pub(crate) fn intensity_ahead(&self, when: &When, ahead_ns: f64) -> RateForecast {
        let to_ns = when.to_ns().saturating_add(ahead_ns as i64);
        let forecast = self.feed.as_ref().and_then(|feed| feed.outlook(when.to_ns(), to_ns));
        forecast.map_or_else(|| self.pricing.intensity_ahead(), |forecast| RateForecast::from(&forecast))
    }
}

/// Resolves a request with the providers that it names.
pub(crate) fn resolved(request: PriceRequest, options: &Options) -> Result<Pricing, Error> {
    // An intensity that the options state takes precedence over providers, which then need no token.
    let names = request.providers.iter().filter(|_| request.g_per_kwh.is_none());
    let providers = names.map(|name| online(name, options)).collect::<Result<Vec<_>, _>>()?;
    Ok(Pricing::resolve(request, providers)?)
}

/// Whether providers are asked about the time to come: only a limit on emissions of a run whose length is planned needs that. A
/// limit on cost uses the prices of the tariff, which are read from a file.
fn needs_forecasts(options: &Options) -> bool {
    let budget = &options.budget;
    budget.max_co2_kg.is_some() && (budget.total_steps.is_some() || budget.total_hours.is_some())
}

/// Returns the limits of the options. A limit that cannot be used is an error, because the run would otherwise go on without it.
fn budgets(limits: &options::Budget) -> Result<Vec<Budget>, RangeError> {
    let policy = Policy {
        reserve: limits.reserve_percent / 100.0,
        soft: limits.soft,
        hard: limits.hard,
        strict: limits.strict,
        ..Policy::default()
    };
    let budget = |row: &'static Row, value: Option<f64>, limit: fn(f64) -> Limit| {
        let value = value?;
        Some(match Budget::new(limit(value)) {
            Some(budget) if value.is_finite() => Ok(Budget { policy, ..budget }),
            _ => Err(RangeError { what: row.name, value, allowed: row.allowed }),
        })
    };
    [
        budget(&opt::MAX_ENERGY_KWH, limits.max_energy_kwh, energy_limit),
        budget(&opt::MAX_CO2_KG, limits.max_co2_kg, |kg| Limit::Grams(kg * 1_000.0)),
        budget(&opt::MAX_COST, limits.max_cost, Limit::Money),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the limit in microjoules. The least allowed limit is one microjoule, also where its kilowatt-hours round to less.
fn energy_limit(kwh: f64) -> Limit {
    match (kwh * UJ_PER_KWH) as u64 {
        0 if kwh >= options::LEAST_KWH => Limit::EnergyUj(1),
        uj => Limit::EnergyUj(uj),
    }
}

/// Address that replaces that of the cloud's metadata service: for tests, and behind a proxy. It is no option, so that no
/// configuration file can direct the request to another host.
const METADATA_URL: &str = "ECO2_METADATA_URL";

/// Options that choose the source of intensities.
static INTENSITY_ROWS: [&Row; 5] =
    [&opt::ZONE, &opt::INTENSITY, &opt::INTENSITY_SERIES, &opt::INTENSITY_PROVIDER, &opt::LOCATE];
/// Options of the price of energy.
static PRICE_ROWS: [&Row; 2] = [&opt::PRICE_PER_KWH, &opt::TARIFF_SERIES];
/// Options of embodied emissions, those of making the hardware.
static HARDWARE_ROWS: [&Row; 3] = [&opt::EMBODIED, &opt::EMBODIED_YEARS, &opt::EMBODIED_SHARE];
/// Options of the electricity contract, for market-based emissions.
static MARKET_ROWS: [&Row; 2] = [&opt::MARKET_INSTRUMENT, &opt::MARKET_INTENSITY];

/// Returns the request for a run that begins now: all options, whatever their origin.
///
/// # Errors
/// [`OptionsError::Missing`] for a contract without its emission factor, or a factor without its contract.
pub(crate) fn request(options: &Options) -> Result<PriceRequest, Error> {
    let supplements = &options.supplements;
    let is_pue_set = options.origin(&opt::PUE).level() != Level::Default || options.pue != 1.0;
    let offset = |(name, kg): &(String, f64)| Offset { name: name.clone(), kg: *kg };
    Ok(PriceRequest {
        zone: options.zone.clone(),
        zone_from_file: options.origin(&opt::ZONE).is_file(),
        zone_fallback: options.zone_fallback,
        locate: options.locate.clone(),
        metadata_url: std::env::var(METADATA_URL).ok(),
        g_per_kwh: options.intensity,
        series: options.intensity_series.clone(),
        series_column: options.intensity_column.clone(),
        providers: options.intensity_provider.clone(),
        pue: is_pue_set.then_some(options.pue),
        price_per_kwh: options.budget.price_per_kwh,
        tariff: supplements.tariff_series.clone(),
        tariff_column: supplements.tariff_column.clone(),
        currency: options.budget.currency.clone(),
        market: market(options)?,
        embodied: supplements.embodied.clone(),
        embodied_years: supplements.embodied_years,
        embodied_share: supplements.embodied_share,
        functional_unit: supplements.functional_unit.clone(),
        wue: supplements.wue,
        ewif: supplements.ewif,
        carbon_price: supplements.carbon_price,
        offsets: supplements.offsets.iter().map(offset).collect(),
        equivalents: supplements.equivalents,
    })
}

/// Returns the request for a report that exists: what flags or the program itself set. Files and variables describe runs that
/// begin now, so that they do not change a report.
///
/// Options of one group ([`INTENSITY_ROWS`] and the others) belong together: if the program sets one of them, the others of the
/// group apply from every origin. A zone as a flag, for example, uses the provider that a file names.
///
/// # Errors
/// As [`request`].
pub(crate) fn request_of_program(options: &Options) -> Result<PriceRequest, Error> {
    let all = request(options)?;
    // A field that a program sets in [`Options`] directly has no recorded origin: its level is that of the defaults.
    let is_by_program = |row: &Row| matches!(options.origin(row).level(), Level::Default | Level::Code);
    // A default without a value, such as that of the years of the hardware, requests nothing.
    let is_set = |row: &Row| is_by_program(row) && options.show(row).is_some();
    let is_any_set = |rows: &[&Row]| rows.iter().any(|row| is_set(row));
    let mut requested = PriceRequest { metadata_url: all.metadata_url, ..PriceRequest::default() };
    if is_any_set(&INTENSITY_ROWS) {
        requested.zone = all.zone;
        requested.zone_from_file = all.zone_from_file;
        requested.zone_fallback = all.zone_fallback;
        requested.locate = all.locate;
        requested.g_per_kwh = all.g_per_kwh;
        requested.providers = all.providers;
        requested.series = all.series;
        requested.series_column = all.series_column;
    }
    if is_any_set(&PRICE_ROWS) {
        requested.price_per_kwh = all.price_per_kwh;
        requested.tariff = all.tariff;
        requested.tariff_column = all.tariff_column;
    }
    if is_any_set(&HARDWARE_ROWS) {
        requested.embodied = all.embodied;
        requested.embodied_years = all.embodied_years;
        requested.embodied_share = all.embodied_share;
    }
    let has_amount_of_money = is_any_set(&PRICE_ROWS) || is_set(&opt::CARBON_PRICE);
    Ok(PriceRequest {
        pue: all.pue.filter(|_| is_by_program(&opt::PUE)),
        currency: all.currency.filter(|_| has_amount_of_money || is_set(&opt::CURRENCY)),
        market: all.market.filter(|_| is_any_set(&MARKET_ROWS)),
        functional_unit: all.functional_unit.filter(|_| is_set(&opt::FUNCTIONAL_UNIT)),
        wue: all.wue.filter(|_| is_set(&opt::WUE)),
        ewif: all.ewif.filter(|_| is_set(&opt::EWIF)),
        carbon_price: all.carbon_price.filter(|_| is_set(&opt::CARBON_PRICE)),
        offsets: if is_set(&opt::OFFSETS) { all.offsets } else { Vec::new() },
        equivalents: all.equivalents && is_set(&opt::EQUIVALENTS),
        ..requested
    })
}

/// Returns the contract of the options and its emission factor, grams CO2e per kilowatt-hour; `None` without either.
fn market(options: &Options) -> Result<Option<(String, f64)>, Error> {
    let (instrument, intensity) = (&opt::MARKET_INSTRUMENT, &opt::MARKET_INTENSITY);
    let missing = |row: &'static Row, needs: &'static Row| OptionsError::Missing {
        place: options.origin(row).to_string(),
        key: row.name,
        needs: needs.name,
    };
    match (&options.supplements.market_instrument, options.supplements.market_intensity) {
        (Some(contract), Some(g_per_kwh)) => Ok(Some((contract.clone(), g_per_kwh))),
        (Some(_), None) => Err(missing(instrument, intensity).into()),
        (None, Some(_)) => Err(missing(intensity, instrument).into()),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Layer, Origin};

    #[test]
    fn forecasts_are_requested_for_a_limit_on_emissions_of_a_run_of_planned_length() {
        let mut options = Options::default();
        options.budget.total_hours = Some(1.0);
        options.budget.max_cost = Some(1.0);
        assert!(!needs_forecasts(&options), "prices come from the tariff");
        options.budget.max_co2_kg = Some(1.0);
        assert!(needs_forecasts(&options));
        options.budget.total_hours = None;
        assert!(!needs_forecasts(&options));
    }

    /// The values of a file for every option of a price request.
    const FILE: &str = "intensity = 100\nlocate = \"cloud\"\npue = 1.5\nembodied = \"1000\"\nembodied_years = 5\n\
        embodied_share = 0.5\nmarket_instrument = \"PPA\"\nmarket_intensity = 12\nwue = 1\newif = 1\ncarbon_price = 80\n\
        functional_unit = \"step\"\nequivalents = true\noffsets = { forest = 1 }\ntariff_column = \"p\"\n\
        [budget]\nprice_per_kwh = 0.3\ncurrency = \"EUR\"\n";

    fn with_file(program: Layer) -> PriceRequest {
        let file = Options::from_toml(FILE, Origin::user("config.toml")).unwrap();
        let options = Options::resolve([file, program]).unwrap();
        PriceRequest { metadata_url: None, ..request_of_program(&options).unwrap() }
    }

    #[test]
    fn defaults_bring_no_value_of_a_file_into_a_report() {
        assert_eq!(with_file(Layer::default()), PriceRequest::default());
    }

    #[test]
    fn flag_brings_the_values_of_its_group_and_no_others() {
        let mut flags = Layer::default();
        flags.set(&opt::EMBODIED_SHARE, 0.25, Origin::code("--embodied-share")).unwrap();
        let expected = PriceRequest {
            embodied: Some("1000".to_owned()),
            embodied_years: Some(5.0),
            embodied_share: Some(0.25),
            ..PriceRequest::default()
        };
        assert_eq!(with_file(flags), expected);
    }
}
