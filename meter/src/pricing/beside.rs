//! What stands beside the grams, as the options ask for it: resolved once, when the run opens.

use eco2_core::report::{Carbon, Cost, Energy, Offset, Report, Work};
use eco2_grid::Pue;
use eco2_grid::carbon::{Facts, Functional, Hardware, Instrument, Tariff, Terms, WaterFactors, flat_cost, series_cost};

use super::{Ahead, When};
use crate::Error;
use crate::intensity::Curve;
use crate::options::{Options, OptionsError};

/// What goes by until the next look is priced with the dearest of the time from now on, nanoseconds: an hour.
const SOON_NS: i64 = 3_600_000_000_000;

/// Prices of energy, and terms of all else.
#[derive(Debug, Clone)]
pub(crate) struct Extras {
    tariff: Option<Tariff>,
    price_per_kwh: Option<f64>,
    terms: Terms,
}

impl Extras {
    /// # Errors
    /// [`Error`] for a tariff that cannot be read, and a contract without its factor or a factor without its contract.
    pub(crate) fn resolve(options: &Options) -> Result<Self, Error> {
        let beside = &options.beside;
        let tariff = beside
            .tariff_series
            .as_deref()
            .map(|path| Tariff::read(path, beside.tariff_column.as_deref()))
            .transpose()?;
        let offset = |(name, kg): &(String, f64)| Offset { name: name.clone(), kg: *kg };
        let currency = options.budget.currency.clone();
        let terms = Terms {
            market: market(options)?,
            hardware: hardware(options)?,
            functional_unit: beside.functional_unit.as_deref().and_then(Functional::named),
            water: WaterFactors::new(beside.wue, beside.ewif)?,
            carbon_price: beside.carbon_price,
            currency: currency.or_else(|| tariff.as_ref().and_then(Tariff::currency).map(str::to_owned)),
            offsets: beside.offsets.iter().map(offset).collect(),
            equivalents: beside.equivalents,
        };
        Ok(Self { tariff, price_per_kwh: options.budget.price_per_kwh, terms })
    }

    /// Whether the energy's course over time has to be known.
    pub(crate) fn needs_curve(&self) -> bool {
        self.tariff.is_some()
    }

    /// The most that a kilowatt-hour may cost in the hour from now on: by the tariff, where it does not know that hour the
    /// dearest that it knows, else what one has cost so far.
    pub(super) fn price_next(&self, now_ns: i64, so_far: Option<f64>) -> Option<f64> {
        let Some(tariff) = &self.tariff else { return self.price_per_kwh };
        let soon_ns = now_ns.saturating_add(SOON_NS);
        let known = tariff.dearest(self.price_per_kwh, now_ns, soon_ns);
        let seen = || tariff.outlook(None, now_ns, soon_ns).map(|found| found.seen[1]);
        // A price below zero is no reason to hold less back than nothing.
        known.or_else(seen).or(so_far).map(|price| price.max(0.0))
    }

    /// What a kilowatt-hour will cost on average from now on; what one has cost so far where the tariff does not tell.
    pub(super) fn price_ahead(&self, now_ns: i64, to_ns: i64, so_far: Option<f64>) -> Option<Ahead> {
        let Some(tariff) = &self.tariff else {
            return self.price_per_kwh.map(|flat| Ahead::certain(flat, "flat".into()));
        };
        let found = tariff.outlook(self.price_per_kwh, now_ns, to_ns).map(|found| Ahead::of(&found));
        found.or_else(|| so_far.map(|price| Ahead::certain(price, "the mean price so far".into())))
    }

    /// Whether anything was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.tariff.is_some() || self.price_per_kwh.is_some() || self.terms != Terms::default()
    }

    /// What the energy costs; `None` without a price.
    pub(crate) fn cost(&self, energy: &Energy, when: &When, curve: Option<&Curve>) -> Option<Cost> {
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

    /// Fills in what was asked for; the grams stay as they are.
    pub(crate) fn apply(&self, carbon: &mut Carbon, energy: &Energy, work: &Work, reserved_ns: u64) {
        let cost = carbon.beside.take().and_then(|beside| beside.cost);
        self.terms.apply(carbon, Facts { energy, work, reserved_ns }, cost);
    }

    /// The same for a run that had such figures before: what is not asked for now stays asked for. A new cost goes before
    /// the old one, whatever it leaves out.
    pub(crate) fn apply_again(&self, carbon: &mut Carbon, old: &Before, report: &Report) {
        let old_beside = old.carbon.as_ref().and_then(|old| old.beside.as_deref());
        let old_terms = old_beside.map(Terms::of).unwrap_or_default();
        let new = carbon.beside.take().and_then(|beside| beside.cost);
        let asked = new.is_some() || self.tariff.is_some() || self.price_per_kwh.is_some();
        let kept = || old_beside.and_then(|beside| old.rescaled(beside.cost.as_ref()?, &report.energy));
        let cost = if asked { new } else { kept() };
        let facts = Facts { energy: &report.energy, work: &report.work, reserved_ns: report.run.duration_ns };
        self.terms.clone().or(old_terms).apply(carbon, facts, cost);
        // An amount that does not say how it came about holds for the energy it was of.
        let same = old.facility_uj == report.energy.facility_uj;
        if !asked && same && old_beside.is_none_or(|beside| beside.cost.is_none()) {
            carbon.cost = old.carbon.as_ref().and_then(|old| old.cost);
        }
    }
}

/// A report's grams, and the facility's energy that they were of, before they are computed anew.
pub(crate) struct Before {
    pub(crate) carbon: Option<Carbon>,
    pub(crate) facility_uj: Option<u64>,
}

impl Before {
    /// The old cost for the facility's energy of now: a flat price goes with it, one by the hour does not tell.
    fn rescaled(&self, cost: &Cost, energy: &Energy) -> Option<Cost> {
        if energy.facility_uj == self.facility_uj {
            return Some(cost.clone());
        }
        let ratio = energy.facility_uj? as f64 / self.facility_uj.filter(|uj| *uj > 0)? as f64;
        (cost.method == "flat").then(|| Cost {
            amount: cost.amount.map(|amount| amount * ratio),
            low: cost.low.map(|low| low * ratio),
            high: cost.high.map(|high| high * ratio),
            ..cost.clone()
        })
    }
}

fn market(options: &Options) -> Result<Option<Instrument>, Error> {
    let (name, factor) = ("market_instrument", "market_intensity");
    let missing = |key, needs| OptionsError::Missing { place: options.origin(key).to_string(), key, needs };
    match (&options.beside.market_instrument, options.beside.market_intensity) {
        (Some(contract), Some(g_per_kwh)) => Ok(Some(Instrument::new(contract, g_per_kwh)?)),
        (Some(_), None) => Err(missing(name, factor).into()),
        (None, Some(_)) => Err(missing(factor, name).into()),
        (None, None) => Ok(None),
    }
}

fn hardware(options: &Options) -> Result<Option<Hardware>, Error> {
    let beside = &options.beside;
    let Some(text) = &beside.embodied else { return Ok(None) };
    let mut hardware = Hardware::named(text)?;
    if let Some(years) = beside.embodied_years {
        hardware = hardware.for_years(years)?;
    }
    Ok(Some(match beside.embodied_share {
        Some(share) => hardware.shared(share)?,
        None => hardware,
    }))
}
