//! Computes the cost of a run, resolves the options of its supplements, and forecasts the price for the rest of the
//! run.
//!
//! *Supplements* are the figures that a report holds in addition to emissions and cost: market-based and embodied
//! emissions, water, offsets. A *tariff* is a file of prices over time; a *flat* price is one for all time.

use eco2_core::schema::{Cost, Energy, PriceTerms};

use super::{EnergyCurve, PriceError, PriceRequest, When};
use crate::carbon::{Hardware, MarketContract, SupplementTerms, Tariff, WaterFactors, flat_cost, series_cost};
use crate::{IntensityForecast, Pue};

/// An intensity or a price that is expected for the rest of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RateForecast {
    /// Grams CO2e, or money, per kilowatt-hour.
    pub each: f64,
    /// Back-test error; `None` if unknown.
    pub error_percent: Option<f64>,
    /// The lowest and the highest known value, in this order, if the past was repeated without a back-test (the same
    /// forecast made for times already known).
    pub span: Option<[f64; 2]>,
    /// The method in words.
    pub method: String,
}

impl From<&IntensityForecast> for RateForecast {
    /// Returns the expected intensity as a rate, whether it was published or the past was repeated.
    fn from(found: &IntensityForecast) -> Self {
        let untested = found.season_h.is_some() && found.error_percent.is_none();
        Self {
            each: found.g_per_kwh,
            error_percent: found.error_percent,
            span: untested.then_some(found.seen),
            method: found.method(),
        }
    }
}

impl RateForecast {
    /// Returns one rate for all time, without an error.
    pub(super) fn certain(each: f64, method: String) -> Self {
        Self { each, error_percent: None, span: None, method }
    }
}

/// Until the next check of a budget, energy is priced with the highest price of the next hour (in nanoseconds here):
/// most tariffs change by the hour.
const SOON_NS: i64 = 3_600_000_000_000;

/// The prices of energy and the requested supplements.
#[derive(Debug, Clone)]
pub(super) struct Supplementary {
    tariff: Option<Tariff>,
    price_per_kwh: Option<f64>,
    pub(super) terms: SupplementTerms,
}

impl Supplementary {
    /// Reads the tariff of a request and checks the options of its supplements.
    pub(super) fn resolve(request: &PriceRequest) -> Result<Self, PriceError> {
        let column = request.tariff_column.as_deref();
        let tariff = request.tariff.as_deref().map(|path| Tariff::read(path, column)).transpose()?;
        let market = request.market.as_ref();
        let currency = request.currency.clone();
        let terms = SupplementTerms {
            market: market.map(|(contract, g_per_kwh)| MarketContract::new(contract, *g_per_kwh)).transpose()?,
            hardware: hardware(request)?,
            functional_unit: request.functional_unit.as_deref().and_then(|unit| unit.parse().ok()),
            water: WaterFactors::new(request.wue, request.ewif)?,
            carbon_price: request.carbon_price,
            currency: currency.or_else(|| tariff.as_ref()?.currency.clone()),
            offsets: request.offsets.clone(),
            equivalents: request.equivalents,
        };
        Ok(Self { tariff, price_per_kwh: request.price_per_kwh, terms })
    }

    /// Whether the energy over time is required.
    pub(super) fn needs_curve(&self) -> bool {
        self.tariff.is_some()
    }

    /// Returns the times at which the price changes during a run, nanoseconds since its start.
    pub(super) fn price_borders(&self, when: &When) -> Vec<u64> {
        self.tariff.as_ref().map_or_else(Vec::new, |tariff| tariff.borders(when.from_ns, when.to_ns()))
    }

    /// Returns the SHA-256 of the file of prices; `None` without one.
    pub(super) fn tariff_hash(&self) -> Option<String> {
        Some(self.tariff.as_ref()?.file()?.to_string())
    }

    /// Returns the cost of the energy; `None` without a price, or if a tariff has no known energy over time.
    pub(super) fn cost(&self, energy: &Energy, when: &When, curve: Option<&dyn EnergyCurve>) -> Option<Cost> {
        let pue = Pue::new(energy.pue).unwrap_or(Pue::ONE);
        let currency = self.terms.currency.as_deref();
        match (&self.tariff, curve, self.price_per_kwh) {
            (Some(tariff), Some(curve), flat) if when.lasted_ns > 0 && energy.total_uj.is_some() => {
                let cost = series_cost(tariff, flat, (when.from_ns, when.to_ns()), pue, curve);
                Some(Cost { currency: currency.map(str::to_owned), ..cost })
            }
            (None, _, Some(flat)) => Some(flat_cost(energy, flat, currency)),
            _ => None,
        }
    }

    /// Returns the highest price per kilowatt-hour to expect within the next hour: by the tariff; if it does not know
    /// that hour, the highest price that it knows; otherwise `so_far`, the mean price until now.
    pub(super) fn price_next(&self, now_ns: i64, so_far: Option<f64>) -> Option<f64> {
        let Some(tariff) = &self.tariff else { return self.price_per_kwh };
        let soon_ns = now_ns.saturating_add(SOON_NS);
        let known = tariff.dearest(self.price_per_kwh, now_ns, soon_ns);
        let seen = || tariff.outlook(None, now_ns, soon_ns).map(|found| found.seen[1]);
        // A negative price must not make the amount that is held back negative.
        known.or_else(seen).or(so_far).map(|price| price.max(0.0))
    }

    /// Returns the expected mean price per kilowatt-hour from `now_ns` to `to_ns`; `so_far`, the mean price until now,
    /// if the tariff does not suffice.
    pub(super) fn price_ahead(&self, now_ns: i64, to_ns: i64, so_far: Option<f64>) -> Option<RateForecast> {
        let Some(tariff) = &self.tariff else {
            return self.price_per_kwh.map(|flat| RateForecast::certain(flat, "flat".into()));
        };
        let found = tariff.outlook(self.price_per_kwh, now_ns, to_ns).map(|found| RateForecast::from(&found));
        found.or_else(|| so_far.map(|price| RateForecast::certain(price, "the mean price so far".into())))
    }
}

/// Returns the hardware of a request. If the request names none, its years and share apply to the hardware that an
/// existing report states ([`with_reservation`]).
fn hardware(request: &PriceRequest) -> Result<Option<Hardware>, PriceError> {
    let Some(text) = &request.embodied else { return Ok(None) };
    Ok(Some(reserved(text.parse::<Hardware>()?, request)?))
}

/// Returns the hardware with the lifespan and the reserved share of the request, where it names them.
fn reserved(hardware: Hardware, request: &PriceRequest) -> Result<Hardware, PriceError> {
    let hardware = match request.embodied_years {
        Some(years) => hardware.for_years(years)?,
        None => hardware,
    };
    Ok(match request.embodied_share {
        Some(share) => hardware.shared(share)?,
        None => hardware,
    })
}

/// Returns the terms of a report with the lifespan and the reserved share of its hardware replaced by those of a new
/// request.
pub(super) fn with_reservation(old: PriceTerms, request: &PriceRequest) -> PriceTerms {
    let stated = old.embodied.as_ref().and_then(Hardware::stated);
    let hardware = stated.and_then(|hardware| reserved(hardware, request).ok());
    PriceTerms { embodied: hardware.map(|hardware| hardware.terms()), ..old }
}
