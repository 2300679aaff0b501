//! Flat fields of the schema as [`Bounded`] values, and back.

use super::{
    Attribution, Carbon, CarbonPrice, Consumer, Cost, Device, Embodied, Energy, Market, Sci, Span, SpellRecord, Water,
};
use crate::{Bounded, RangeKind};

/// The kind that a report states; one of an older version states none and promised no more than a plausible range.
fn kind(stated: Option<RangeKind>) -> RangeKind {
    stated.unwrap_or(RangeKind::Plausible)
}

impl Energy {
    /// The total with its bounds, microjoules.
    #[must_use]
    pub fn bounded(&self) -> Bounded<u64> {
        Bounded { value: self.total_uj, low: self.low_uj, high: self.high_uj, kind: kind(self.range_kind) }
    }

    /// The total with the bounds that rest on no assumption about power, microjoules.
    #[must_use]
    pub fn free(&self) -> Bounded<u64> {
        Bounded { value: self.total_uj, low: self.free_low_uj, high: self.free_high_uj, kind: RangeKind::Hard }
    }

    /// With another total; the facility's energy is left alone.
    #[must_use]
    pub fn with_total(self, total: Bounded<u64>) -> Self {
        let (range_kind, range_percent) = stated(&total);
        Self { total_uj: total.value, low_uj: total.low, high_uj: total.high, range_kind, range_percent, ..self }
    }
}

impl Device {
    /// Its energy with bounds, microjoules.
    #[must_use]
    pub fn bounded(&self) -> Bounded<u64> {
        let low = self.low_uj.unwrap_or(0);
        Bounded { value: self.energy_uj, low, high: self.high_uj, kind: kind(self.range_kind) }
    }

    /// Its energy with the bounds that rest on no assumption about power, microjoules.
    #[must_use]
    pub fn free(&self) -> Bounded<u64> {
        let low = self.free_low_uj.unwrap_or(0);
        Bounded { value: self.energy_uj, low, high: self.free_high_uj, kind: RangeKind::Hard }
    }
}

impl Span {
    /// The sum of energies with bounds, microjoules.
    #[must_use]
    pub fn bounded(&self) -> Bounded<u64> {
        Bounded { value: self.energy_uj, low: self.low_uj, high: self.high_uj, kind: kind(self.range_kind) }
    }
}

impl Span {
    /// The sum of energies with the bounds that rest on no assumption about power, microjoules.
    #[must_use]
    pub fn free(&self) -> Bounded<u64> {
        Bounded { value: self.energy_uj, low: self.free_low_uj, high: self.free_high_uj, kind: RangeKind::Hard }
    }
}

impl SpellRecord {
    /// The energy with bounds, microjoules.
    #[must_use]
    pub fn bounded(&self) -> Bounded<u64> {
        Bounded { value: self.energy_uj, low: self.low_uj, high: self.high_uj, kind: RangeKind::Plausible }
    }
}

impl Attribution {
    /// The command's energy with bounds, microjoules.
    #[must_use]
    pub fn bounded(&self) -> Bounded<u64> {
        Bounded::plausible(self.command_uj, self.low_uj, self.high_uj)
    }
}

impl Consumer {
    /// Its energy with bounds, microjoules.
    #[must_use]
    pub fn bounded(&self) -> Bounded<u64> {
        Bounded::plausible(self.energy_uj, self.low_uj, self.high_uj)
    }
}

impl Carbon {
    /// The grams with bounds.
    #[must_use]
    pub fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.grams, low: self.low, high: self.high, kind: kind(self.range_kind) }
    }

    /// With other grams.
    #[must_use]
    pub fn with_grams(self, grams: Bounded<f64>) -> Self {
        let (range_kind, range_percent) = stated(&grams);
        Self { grams: grams.value, low: grams.low, high: grams.high, range_kind, range_percent, ..self }
    }
}

impl Market {
    /// The grams with bounds.
    #[must_use]
    pub fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.grams, low: self.low, high: self.high, kind: RangeKind::Plausible }
    }
}

impl Embodied {
    /// The grams with bounds.
    #[must_use]
    pub fn bounded(&self) -> Bounded<f64> {
        Bounded::plausible(self.grams, self.low, self.high)
    }
}

impl Sci {
    /// The grams per unit with bounds.
    #[must_use]
    pub fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.grams, low: self.low, high: self.high, kind: RangeKind::Plausible }
    }
}

impl Water {
    /// The litres with bounds.
    #[must_use]
    pub fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.litres, low: self.low, high: self.high, kind: RangeKind::Plausible }
    }
}

impl Cost {
    /// The amount with bounds; `low` is `f64::NEG_INFINITY` where it is unbounded.
    #[must_use]
    pub fn bounded(&self) -> Bounded<f64> {
        let low = self.low.unwrap_or(f64::NEG_INFINITY);
        Bounded { value: self.amount, low, high: self.high, kind: RangeKind::Plausible }
    }
}

impl CarbonPrice {
    /// The amount with bounds.
    #[must_use]
    pub fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.amount, low: self.low, high: self.high, kind: RangeKind::Plausible }
    }
}

/// `range_kind` and `range_percent` as the schema has them: null where there is no value.
#[must_use]
pub fn stated<T>(range: &Bounded<T>) -> (Option<RangeKind>, Option<f64>) {
    let kind = range.value.is_some().then_some(range.kind);
    (kind, kind.map(RangeKind::percent))
}
