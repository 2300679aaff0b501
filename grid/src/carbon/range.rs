//! An amount with the interval that it surely lies in.

use eco2_core::Bounded;
use eco2_core::report::Energy;
use eco2_core::units::kwh;

/// A value of 0 or more with bounds: `low ≤ value ≤ high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The estimate.
    pub value: f64,
    /// At least.
    pub low: f64,
    /// At most; `None`: unbounded.
    pub high: Option<f64>,
}

impl Range {
    /// A value that is taken for exact.
    #[must_use]
    pub fn exact(value: f64) -> Self {
        Self { value, low: value, high: Some(value) }
    }

    /// So many of it; `factor` is 0 or more.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, low: self.low * factor, high: self.high.map(|high| high * factor) }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let high = self.high.zip(other.high).map(|(one, two)| one + two);
        Self { value: self.value + other.value, low: self.low + other.low, high }
    }
}

impl From<Range> for Bounded<f64> {
    fn from(range: Range) -> Self {
        Self::plausible(range.value, range.low, range.high)
    }
}

/// Kilowatt-hours of a run's computers, before PUE.
#[must_use]
pub fn it_kwh(energy: &Energy) -> Bounded<f64> {
    energy.bounded().map(kwh)
}

/// Kilowatt-hours of the facility: PUE is applied to the bounds as it was to the total, once; where parts of the energy
/// have several, the bounds are the sums of theirs.
#[must_use]
pub fn facility_kwh(energy: &Energy) -> Bounded<f64> {
    let it = it_kwh(energy);
    let value = energy.facility_uj.map(kwh);
    match energy.facility_low_uj {
        Some(low) => Bounded { value, low: kwh(low), high: energy.facility_high_uj.map(kwh), kind: it.kind },
        None => Bounded { value, ..it.times(energy.pue) },
    }
}
