//! What was asked for beside the grams, and all of it at once.

use eco2_core::report::{Beside, Carbon, Cost, Energy, Offset, Work};

use super::{Functional, Hardware, Instrument, WaterFactors, carbon_price, equivalents, sci};

/// What was asked for; empty: nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Terms {
    /// The contract for market-based grams.
    pub market: Option<Instrument>,
    /// The hardware for embodied grams.
    pub hardware: Option<Hardware>,
    /// What SCI is divided by.
    pub functional_unit: Option<Functional>,
    /// Litres per kilowatt-hour.
    pub water: Option<WaterFactors>,
    /// Price of a tonne CO2e, 0 or more.
    pub carbon_price: Option<f64>,
    /// ISO 4217 code of prices.
    pub currency: Option<String>,
    /// What was bought elsewhere.
    pub offsets: Vec<Offset>,
    /// Whether to say what weighs as much.
    pub equivalents: bool,
}

/// What a run used, did and took.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its energy, facility and PUE filled in.
    pub energy: &'a Energy,
    /// Its work.
    pub work: &'a Work,
    /// How long it had the hardware, nanoseconds.
    pub reserved_ns: u64,
}

impl Terms {
    /// Fills in what was asked for, beside the grams, which stay as they are. `cost` is the energy's, if there is a price.
    pub fn apply(&self, carbon: &mut Carbon, facts: Facts<'_>, cost: Option<Cost>) {
        let currency = self.currency.as_deref();
        let embodied = self.hardware.as_ref().map(|hardware| hardware.embodied(facts.reserved_ns));
        let sci = self.functional_unit.and_then(|unit| sci(carbon, embodied.as_ref(), unit, facts.work));
        carbon.embodied = embodied.as_ref().map(|made| made.grams);
        carbon.sci = sci.as_ref().and_then(|sci| sci.grams);
        carbon.cost = cost.as_ref().filter(|cost| cost.unpriced_uj == 0).and_then(|cost| cost.amount);
        let beside = Beside {
            market: self.market.as_ref().map(|contract| contract.market(facts.energy)),
            embodied,
            sci,
            water: self.water.map(|factors| factors.water(facts.energy)),
            cost,
            carbon_price: self.carbon_price.map(|per_tonne| carbon_price(carbon, per_tonne, currency)),
            offsets: self.offsets.clone(),
            equivalents: if self.equivalents { equivalents(carbon.grams) } else { Vec::new() },
        };
        carbon.beside = (beside != Beside::default()).then(|| Box::new(beside));
    }
}

impl Terms {
    /// The terms that figures were computed with, so that they can be computed again for another energy.
    #[must_use]
    pub fn of(beside: &Beside) -> Self {
        let unit = beside.sci.as_ref().and_then(|sci| Functional::named(&sci.per));
        let price = beside.carbon_price.as_ref();
        let water = beside.water.as_ref().and_then(|water| WaterFactors::new(water.wue, water.ewif).ok().flatten());
        let currency = price.and_then(|price| price.currency.clone());
        Self {
            market: beside.market.as_ref().and_then(|one| Instrument::new(&one.instrument, one.g_per_kwh).ok()),
            hardware: beside.embodied.as_ref().map(Hardware::of),
            functional_unit: unit,
            water,
            carbon_price: price.map(|price| price.per_tonne),
            currency: currency.or_else(|| beside.cost.as_ref().and_then(|cost| cost.currency.clone())),
            offsets: beside.offsets.clone(),
            equivalents: !beside.equivalents.is_empty(),
        }
    }

    /// These terms, and those of another where nothing was asked for here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            market: self.market.or(other.market),
            hardware: self.hardware.or(other.hardware),
            functional_unit: self.functional_unit.or(other.functional_unit),
            water: self.water.or(other.water),
            carbon_price: self.carbon_price.or(other.carbon_price),
            currency: self.currency.or(other.currency),
            offsets: if self.offsets.is_empty() { other.offsets } else { self.offsets },
            equivalents: self.equivalents || other.equivalents,
        }
    }
}
