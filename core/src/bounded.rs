//! Defines a number that is known only within bounds ([`Bounded`]), and how such numbers are added, subtracted, scaled
//! and compared.
//!
//! Energy, grams, money and litres all follow these rules. *Not known* is a value of its own, [`Bounded::unknown`]: it
//! never becomes zero by adding, scaling or comparing.

use std::iter::Sum;

use serde::{Deserialize, Serialize};

/// What a range promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RangeKind {
    /// Contains the true value whatever the load did.
    #[default]
    Hard,
    /// Contains the true value with the probability of `range_percent` in reports. For power that is read at random
    /// instants and integrated this is measured by `core/tests/coverage.rs`: 94 % over nine kinds of load where there
    /// are 20 readings or more, at least 88 % for each kind; rather more with fewer readings, and for sums. For
    /// estimates by a model it is an assumption. Measured values and limits: docs/measured/ranges.md.
    Plausible,
}

impl RangeKind {
    /// Returns the probability that the range contains the true value, percent: 100 for a hard range, 90 for a
    /// plausible one.
    #[must_use]
    pub(crate) fn percent(self) -> f64 {
        match self {
            Self::Hard => 100.0,
            Self::Plausible => 90.0,
        }
    }

    /// Returns the kind of a sum of two parts: plausible unless both are hard.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }
}

/// A number that can be bounded: microjoules (`u64`, `u128`; saturating) or grams, money, litres (`f64`).
pub trait Quantity: Copy + PartialOrd {
    /// The amount zero.
    const ZERO: Self;
    /// Returns the sum; saturates.
    #[must_use]
    fn plus(self, other: Self) -> Self;
    /// Returns the difference; unsigned amounts stop at zero.
    #[must_use]
    fn minus(self, other: Self) -> Self;
}

impl Quantity for u64 {
    const ZERO: Self = 0;

    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }

    fn minus(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Quantity for u128 {
    const ZERO: Self = 0;

    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }

    fn minus(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Quantity for f64 {
    const ZERO: Self = 0.0;

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }
}

/// A value with bounds: `low ≤ value ≤ high` where they are known.
///
/// ```
/// use eco2_core::Bounded;
///
/// let package = Bounded::hard(100_u64, 95, Some(105));
/// let gpu = Bounded::unknown();
/// let both = package + gpu;
/// assert_eq!((both.value, both.low, both.high), (Some(100), 95, None), "at least 95");
/// assert_eq!((gpu + gpu).value, None, "nothing known stays unknown");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounded<T> {
    /// The estimate; `None`: not known.
    pub value: Option<T>,
    /// Lower bound. Where none is known it is zero, or `f64::NEG_INFINITY` for money, which may be negative.
    pub low: T,
    /// Upper bound; `None`: no upper bound is known.
    pub high: Option<T>,
    /// What the range promises.
    pub kind: RangeKind,
}

/// A record of a report that contains one amount in separate fields (the value, its bounds, and what these promise) and
/// can return them as one [`Bounded`].
///
/// ```
/// use eco2_core::Ranged;
/// use eco2_core::schema::Energy;
///
/// let energy = Energy { total_uj: Some(90), low_uj: 80, high_uj: None, ..Energy::default() };
/// assert_eq!((energy.bounded().value, energy.bounded().high), (Some(90), None)); // at least 80
/// ```
pub trait Ranged {
    /// Type of the amount: microjoules (`u64`); or grams, money, litres (`f64`).
    type Amount;

    /// Returns the amount with its bounds.
    #[must_use]
    fn bounded(&self) -> Bounded<Self::Amount>;
}

impl<T: Quantity> Bounded<T> {
    /// Returns the value of which nothing is known: it may be anything from zero upwards.
    ///
    /// ```
    /// let energy = eco2_core::Bounded::<u64>::unknown();
    /// assert_eq!((energy.value, energy.low, energy.high), (None, 0, None)); // not zero: not known
    /// ```
    #[must_use]
    pub fn unknown() -> Self {
        Self { value: None, low: T::ZERO, high: None, kind: RangeKind::Hard }
    }

    /// Returns a value without uncertainty.
    #[must_use]
    pub fn exact(value: T) -> Self {
        Self::hard(value, value, Some(value))
    }

    /// Returns a value in a hard range, which contains the truth whatever the load did.
    #[must_use]
    pub fn hard(value: T, low: T, high: Option<T>) -> Self {
        Self { value: Some(value), low, high, kind: RangeKind::Hard }
    }

    /// Returns a value in a plausible range, which contains the truth in nine of ten cases.
    ///
    /// ```
    /// use eco2_core::{Bounded, RangeKind};
    ///
    /// let estimate = Bounded::plausible(18_u64, 9, Some(41));
    /// assert_eq!(estimate.kind, RangeKind::Plausible);
    /// assert_eq!((estimate + Bounded::exact(2)).high, Some(43));
    /// ```
    #[must_use]
    pub fn plausible(value: T, low: T, high: Option<T>) -> Self {
        Self { kind: RangeKind::Plausible, ..Self::hard(value, low, high) }
    }

    /// Returns an unknown value that cannot exceed `high`; `None`: it may be anything.
    #[must_use]
    pub fn at_most(high: Option<T>) -> Self {
        Self { high, ..Self::unknown() }
    }

    /// Whether a value is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.value.is_some()
    }

    /// Returns the same value with its range widened to contain it, where rounding moved a bound to its wrong side.
    #[must_use]
    pub fn around_value(self) -> Self {
        let Some(value) = self.value else { return self };
        let low = if self.low > value { value } else { self.low };
        Self { low, high: self.high.map(|high| if high < value { value } else { high }), ..self }
    }

    /// Whether `low ≤ value ≤ high`, as far as they are known.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let low = self.value.or(self.high).is_none_or(|above| self.low <= above);
        low && self.value.zip(self.high).is_none_or(|(value, high)| value <= high)
    }

    /// Returns value and bounds, each converted by `convert`, such as microjoules to kilowatt-hours. `convert` must be
    /// rising.
    #[must_use]
    pub fn map<U: Quantity>(self, convert: impl Fn(T) -> U) -> Bounded<U> {
        Bounded {
            value: self.value.map(&convert),
            low: convert(self.low),
            high: self.high.map(&convert),
            kind: self.kind,
        }
    }

    /// Whether the value has reached `limit`; `None` while it is not known and its lower bound is below.
    #[must_use]
    pub(crate) fn has_reached(&self, limit: T) -> Option<bool> {
        if self.low >= limit { Some(true) } else { self.value.map(|value| value >= limit) }
    }

    /// Whether the value may have reached `limit`: true where there is no upper bound.
    ///
    /// ```
    /// use eco2_core::Bounded;
    ///
    /// let spent = Bounded::hard(90_u64, 80, Some(110));
    /// assert!(spent.may_have_reached(100));
    /// assert!(!Bounded::exact(90_u64).may_have_reached(100));
    /// ```
    #[must_use]
    pub fn may_have_reached(&self, limit: T) -> bool {
        self.high.is_none_or(|high| high >= limit) || self.has_reached(limit) == Some(true)
    }
}

impl Bounded<f64> {
    /// Returns value and bounds multiplied by a factor of 0 or more.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        self.map(|amount| amount * factor)
    }
}

impl<T: Quantity> std::ops::Add for Bounded<T> {
    type Output = Self;

    /// Adds two amounts. The value is the sum of the known values; a part of unknown value counts with its lower bound.
    /// Each bound is the sum of the parts' bounds; without an upper bound of a part there is none.
    fn add(self, other: Self) -> Self {
        let value = match (self.value, other.value) {
            (Some(one), Some(two)) => Some(one.plus(two)),
            // The sum contains at least the lower bound of a part without a value.
            (Some(one), None) => Some(one.plus(other.low)),
            (None, Some(two)) => Some(two.plus(self.low)),
            (None, None) => None,
        };
        Self {
            value,
            low: self.low.plus(other.low),
            high: self.high.zip(other.high).map(|(one, two)| one.plus(two)),
            kind: self.kind.and(other.kind),
        }
    }
}

impl<T: Quantity> std::ops::Sub for Bounded<T> {
    type Output = Self;

    /// Returns a whole without a part of it. The lower bound is the least of the whole without the most of the part,
    /// the upper bound the most of the whole without the least of the part. Unsigned amounts stop at zero. The value is
    /// unknown unless both values are known.
    ///
    /// ```
    /// use eco2_core::Bounded;
    ///
    /// let rest = Bounded::hard(10_u64, 9, Some(12)) - Bounded::hard(4, 3, Some(5));
    /// assert_eq!((rest.low, rest.value, rest.high), (4, Some(6), Some(9)));
    /// ```
    fn sub(self, part: Self) -> Self {
        Self {
            value: self.value.zip(part.value).map(|(whole, part)| whole.minus(part)),
            low: part.high.map_or(T::ZERO, |most| self.low.minus(most)),
            high: self.high.map(|high| high.minus(part.low)),
            kind: self.kind.and(part.kind),
        }
    }
}

impl<T: Quantity> Sum for Bounded<T> {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.reduce(|sum, part| sum + part).unwrap_or_else(Self::unknown)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn k01_unknown_stays_unknown_in_every_operation() {
        let unknown = Bounded::<u64>::unknown();
        assert_eq!((unknown.value, unknown.low, unknown.high), (None, 0, None));
        assert_eq!(unknown + unknown, unknown);
        assert_eq!([unknown, unknown].into_iter().sum::<Bounded<u64>>(), unknown);
        assert_eq!([].into_iter().sum::<Bounded<u64>>(), unknown, "a sum of nothing is not zero");
        assert_eq!(unknown.map(|uj| uj as f64).times(3.0), Bounded::unknown());
        assert_eq!(unknown.has_reached(5), None);
        assert!(unknown.may_have_reached(u64::MAX));
        assert_eq!((unknown - Bounded::exact(1)).value, None);
        assert_eq!(
            Bounded::exact(7_u64) - unknown,
            Bounded { value: None, low: 0, high: Some(7), kind: RangeKind::Hard }
        );
    }

    #[test]
    fn k01_sum_of_known_and_unknown_is_at_least_the_known() {
        let parts = [Bounded::hard(10_u64, 8, Some(12)), Bounded::unknown(), Bounded::hard(5, 5, Some(6))];
        let sum: Bounded<u64> = parts.into_iter().sum();
        assert_eq!(sum, Bounded { value: Some(15), low: 13, high: None, kind: RangeKind::Hard });
    }

    #[test]
    fn a_ceiling_bounds_an_unknown_part() {
        let sum: Bounded<u64> = [Bounded::exact(10), Bounded::at_most(Some(30))].into_iter().sum();
        assert_eq!(sum, Bounded { value: Some(10), low: 10, high: Some(40), kind: RangeKind::Hard });
        let none: Bounded<u64> = [Bounded::at_most(Some(30))].into_iter().sum();
        assert_eq!(none, Bounded { value: None, low: 0, high: Some(30), kind: RangeKind::Hard });
    }

    #[test]
    fn one_plausible_part_makes_the_sum_plausible() {
        let sum = Bounded::exact(1_u64) + Bounded::plausible(2, 1, Some(4));
        assert_eq!((sum.value, sum.low, sum.high, sum.kind), (Some(3), 2, Some(5), RangeKind::Plausible));
        assert_eq!((RangeKind::Hard.percent(), RangeKind::Plausible.percent()), (100.0, 90.0));
    }

    #[test]
    fn limits_compare_with_value_and_bounds() {
        let energy = Bounded::hard(90_u64, 80, Some(110));
        assert_eq!([80, 90, 91].map(|limit| energy.has_reached(limit)), [Some(true), Some(true), Some(false)]);
        assert_eq!([110, 111].map(|limit| energy.may_have_reached(limit)), [true, false]);
        assert_eq!(Bounded { value: None, ..energy }.has_reached(80), Some(true), "the lower bound is enough");
    }

    #[test]
    fn a_range_is_widened_to_its_value_and_checked() {
        let off = Bounded::hard(5_u64, 7, Some(9));
        assert!(!off.is_consistent() && !Bounded::hard(5_u64, 1, Some(4)).is_consistent());
        assert_eq!(off.around_value(), Bounded::hard(5, 5, Some(9)));
        assert_eq!(Bounded::hard(5_u64, 1, Some(4)).around_value(), Bounded::hard(5, 1, Some(5)));
        assert!(off.around_value().is_consistent() && Bounded::<u64>::unknown().is_consistent());
        assert!(!Bounded { low: 5, ..Bounded::at_most(Some(4_u64)) }.is_consistent());
    }

    #[test]
    fn amounts_saturate() {
        let most = Bounded::exact(u64::MAX) + Bounded::exact(1);
        assert_eq!((most.value, most.high), (Some(u64::MAX), Some(u64::MAX)));
        assert_eq!((Bounded::exact(1_u64) - Bounded::exact(2)).value, Some(0));
        assert_eq!((Bounded::exact(1.0) - Bounded::exact(2.0)).low, -1.0);
    }

    fn any_bounded() -> impl Strategy<Value = Bounded<u64>> {
        let number = 0..1_u64 << 40;
        (number.clone(), number.clone(), number, 0..4_u8, any::<bool>()).prop_map(
            |(low, more, above, known, plausible)| Bounded {
                value: (known & 1 == 0).then_some(low + more),
                low,
                high: (known & 2 == 0).then_some(low + more + above),
                kind: if plausible { RangeKind::Plausible } else { RangeKind::Hard },
            },
        )
    }

    proptest! {
        #[test]
        fn sums_do_not_depend_on_order_and_stay_consistent(parts in prop::collection::vec(any_bounded(), 1..8)) {
            let forward: Bounded<u64> = parts.iter().copied().sum();
            let backward: Bounded<u64> = parts.iter().rev().copied().sum();
            prop_assert_eq!(forward, backward);
            prop_assert!(forward.is_consistent());
            prop_assert_eq!(forward.is_known(), parts.iter().any(Bounded::is_known));
            prop_assert_eq!(forward.high.is_some(), parts.iter().all(|part| part.high.is_some()));
        }
    }
}
