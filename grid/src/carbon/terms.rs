//! Holds the requested supplements of a report as one value ([`SupplementTerms`]), and computes them. *Supplements* are
//! the figures that a report holds in addition to emissions: market-based and embodied emissions, water, cost, offsets
//! and everyday equivalents.

use eco2_core::schema::{Carbon, Cost, Energy, MarketTerms, Offset, PriceTerms, Supplements, Work};

use super::{FunctionalUnit, Hardware, MarketContract, WaterFactors, carbon_price, equivalents, sci};

/// The requested supplements; a field that is `None`, empty or false is not requested.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SupplementTerms {
    /// The contract for market-based emissions.
    pub market: Option<MarketContract>,
    /// The hardware for embodied emissions.
    pub hardware: Option<Hardware>,
    /// The functional unit of the Software Carbon Intensity (SCI).
    pub functional_unit: Option<FunctionalUnit>,
    /// The factors for water.
    pub water: Option<WaterFactors>,
    /// Price of a tonne CO2e, 0 or more.
    pub carbon_price: Option<f64>,
    /// ISO 4217 code of prices.
    pub currency: Option<String>,
    /// Offsets that were bought; they are listed and never subtracted.
    pub offsets: Vec<Offset>,
    /// Whether to list everyday equivalents.
    pub equivalents: bool,
}

/// The facts about a run that supplements are computed from.
#[derive(Debug, Clone, Copy)]
pub struct RunFacts<'a> {
    /// Its energy, with facility energy and PUE filled in.
    pub energy: &'a Energy,
    /// Its steps, samples and tokens.
    pub work: &'a Work,
    /// Time for which it reserved the hardware, nanoseconds.
    pub reserved_ns: u64,
}

impl SupplementTerms {
    /// Fills in the requested supplements of `carbon`; its emissions do not change. `cost` is the cost of the energy;
    /// `None` without a price.
    pub fn apply(&self, carbon: &mut Carbon, facts: RunFacts<'_>, cost: Option<Cost>) {
        let currency = self.currency.as_deref();
        let embodied = self.hardware.as_ref().map(|hardware| hardware.embodied(facts.reserved_ns));
        let sci = self.functional_unit.and_then(|unit| sci(carbon, embodied.as_ref(), unit, facts.work));
        carbon.embodied = embodied.as_ref().map(|made| made.grams);
        carbon.sci = sci.as_ref().and_then(|sci| sci.grams);
        carbon.cost = cost.as_ref().filter(|cost| cost.unpriced_uj == 0).and_then(|cost| cost.amount);
        let supplements = Supplements {
            market: self.market.as_ref().map(|contract| contract.market(facts.energy)),
            embodied,
            sci,
            water: self.water.map(|factors| factors.water(facts.energy)),
            cost,
            carbon_price: self.carbon_price.map(|per_tonne| carbon_price(carbon, per_tonne, currency)),
            offsets: self.offsets.clone(),
            equivalents: if self.equivalents { equivalents(carbon.grams) } else { Vec::new() },
        };
        carbon.beside = (supplements != Supplements::default()).then(|| Box::new(supplements));
    }

    /// Writes the requested supplements into the terms of a report.
    pub fn put(&self, terms: &mut PriceTerms) {
        terms.market = self.market.as_ref().map(MarketContract::terms);
        terms.embodied = self.hardware.as_ref().map(Hardware::terms);
        terms.functional_unit = self.functional_unit.map(|unit| unit.as_str().to_owned());
        terms.wue = self.water.and_then(|water| water.wue);
        terms.ewif = self.water.and_then(|water| water.ewif);
        terms.carbon_price = self.carbon_price;
        terms.currency.clone_from(&self.currency);
        terms.offsets.clone_from(&self.offsets);
        terms.equivalents = self.equivalents;
    }
}

impl From<&PriceTerms> for SupplementTerms {
    /// Returns the supplements that the terms of a report request; a value out of range is ignored.
    fn from(terms: &PriceTerms) -> Self {
        let market = |market: &MarketTerms| MarketContract::new(&market.instrument, market.g_per_kwh).ok();
        Self {
            market: terms.market.as_ref().and_then(market),
            hardware: terms.embodied.as_ref().and_then(Hardware::stated),
            functional_unit: terms.functional_unit.as_deref().and_then(|unit| unit.parse().ok()),
            water: WaterFactors::new(terms.wue, terms.ewif).ok().flatten(),
            carbon_price: terms.carbon_price.filter(|price| price.is_finite() && *price >= 0.0),
            currency: terms.currency.clone(),
            offsets: terms.offsets.clone(),
            equivalents: terms.equivalents,
        }
    }
}
