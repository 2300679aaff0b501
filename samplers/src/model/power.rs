//! Computes the energy of an estimated part from its utilisation: power between idle and full load, integrated in whole
//! microwatts and nanoseconds.

use eco2_core::ModelRange;

/// Utilisation in parts per million: integers, so that a result can be checked by hand.
pub(crate) const FULL: u64 = 1_000_000;
/// Utilisation from which a part counts as busy: below it the range is that of an idle part.
const BUSY_FROM: u64 = FULL / 10;

/// How power rises with utilisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// In proportion.
    Straight,
    /// Of a processor package, whose frequency and caches wake first: a third of the way at 20 %, then straight.
    /// A compromise of measured curves; see docs/estimates.md.
    Package,
    /// As measured on this machine at one load between idle and full: like [`Shape::Package`] up to there, then
    /// straight. Both in parts per million.
    Measured {
        /// The utilisation that was measured, above 0 and below [`FULL`].
        half: u64,
        /// The part of the way from idle to full power there.
        part: u64,
    },
}

impl Shape {
    /// Returns the part of the way from idle to full power at a utilisation, both in parts per million.
    fn at(self, ppm: u64) -> u64 {
        let ppm = ppm.min(FULL);
        match self {
            Self::Straight => ppm,
            Self::Package if ppm <= FULL / 5 => ppm * 5 / 3,
            Self::Package => FULL - (FULL - ppm) * 5 / 6,
            Self::Measured { half, part } if ppm <= half => {
                part * Self::Package.at(ppm) / Self::Package.at(half).max(1)
            }
            Self::Measured { half, part } => part + (FULL - part) * (ppm - half) / (FULL - half).max(1),
        }
    }
}

/// 90 % range of the true power: lower and upper factor of the estimate, of an idle and of a busy part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Factors {
    pub(crate) idle: [f64; 2],
    pub(crate) busy: [f64; 2],
}

/// What a part is taken to draw, in microwatts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Power {
    /// With nothing to do.
    pub(crate) idle_uw: u64,
    /// With everything at work.
    pub(crate) full_uw: u64,
    /// Between the two.
    pub(crate) shape: Shape,
    /// How far the truth may be from it.
    pub(crate) factors: Factors,
    /// More than this it cannot draw, whatever the factors.
    pub(crate) most_uw: u64,
}

impl Power {
    /// Returns the power of a part by its watts when idle and at full load; idle is never above full.
    #[must_use]
    pub(crate) fn from_watts([idle, full]: [f64; 2], shape: Shape, factors: Factors) -> Self {
        let uw = |watts: f64| (watts * 1e6).round() as u64;
        let (idle_uw, full_uw) = (uw(idle).min(uw(full)), uw(full));
        Self { idle_uw, full_uw, shape, factors, most_uw: u64::MAX }
    }

    /// Returns the same power, cut off at `watts`, which it cannot exceed.
    #[must_use]
    pub(crate) fn at_most(self, watts: f64) -> Self {
        Self { most_uw: ((watts * 1e6).round() as u64).max(self.full_uw), ..self }
    }

    /// Returns one of `parts` equal shares of it.
    #[must_use]
    pub(crate) fn divided(self, parts: usize) -> Self {
        let part = |uw: u64| uw / u64::try_from(parts.max(1)).unwrap_or(u64::MAX);
        Self { idle_uw: part(self.idle_uw), full_uw: part(self.full_uw), most_uw: part(self.most_uw), ..self }
    }

    /// Returns the power of both together, with the wider factors.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        let wider = |a: [f64; 2], b: [f64; 2]| [a[0].min(b[0]), a[1].max(b[1])];
        Self {
            idle_uw: self.idle_uw.saturating_add(other.idle_uw),
            full_uw: self.full_uw.saturating_add(other.full_uw),
            shape: self.shape,
            factors: Factors {
                idle: wider(self.factors.idle, other.factors.idle),
                busy: wider(self.factors.busy, other.factors.busy),
            },
            most_uw: self.most_uw.saturating_add(other.most_uw),
        }
    }

    /// Returns the microwatts at a utilisation of `ppm` parts per million (more than [`FULL`] counts as full).
    #[must_use]
    pub(crate) fn at(self, ppm: u64) -> u64 {
        let span = u128::from(self.full_uw - self.idle_uw) * u128::from(self.shape.at(ppm));
        self.idle_uw + u64::try_from(span / u128::from(FULL)).unwrap_or(u64::MAX)
    }

    /// Returns the 90 % range of the true power, as factors by power.
    #[must_use]
    pub(crate) fn range(self) -> ModelRange {
        let permille = |factors: [f64; 2]| factors.map(|factor| (factor * 1e3).round() as u32);
        // A part whose power does not depend on load is always under the load that there is.
        let busy_uw = if self.idle_uw == self.full_uw { 0 } else { self.at(BUSY_FROM) };
        ModelRange { busy_uw, idle_permille: permille(self.factors.idle), busy_permille: permille(self.factors.busy) }
    }

    /// Returns the least that it plausibly draws, microwatts.
    #[must_use]
    pub(crate) fn min_uw(self) -> u64 {
        let [low, _] = self.range().factors_permille(self.idle_uw);
        scaled(self.idle_uw, low)
    }

    /// Returns the most that it plausibly draws, microwatts.
    #[must_use]
    pub(crate) fn max_uw(self) -> u64 {
        let range = self.range();
        let (idle, busy) = (scaled(self.idle_uw, range.idle_permille[1]), scaled(self.full_uw, range.busy_permille[1]));
        busy.max(idle).min(self.most_uw)
    }
}

fn scaled(uw: u64, permille: u32) -> u64 {
    u64::try_from(u128::from(uw) * u128::from(permille) / 1_000).unwrap_or(u64::MAX)
}

/// The running integral. Keeps microwatt-nanoseconds, so that rounding to microjoules never adds up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Integral {
    uw_ns: u128,
}

impl Integral {
    /// Adds `uw` microwatts over `ns` nanoseconds.
    pub(crate) fn add(&mut self, uw: u64, ns: u64) {
        self.uw_ns = self.uw_ns.saturating_add(u128::from(uw) * u128::from(ns));
    }

    /// Returns the whole microjoules so far.
    #[must_use]
    pub(crate) fn microjoules(self) -> u64 {
        u64::try_from(self.uw_ns / 1_000_000_000).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FACTORS: Factors = Factors { idle: [0.1, 3.0], busy: [0.5, 1.5] };

    #[test]
    fn power_rises_from_idle_to_full() {
        let power = Power::from_watts([12.0, 100.0], Shape::Straight, FACTORS);
        assert_eq!(
            [0, FULL / 4, FULL, u64::MAX].map(|ppm| power.at(ppm)),
            [12_000_000, 34_000_000, 100_000_000, 100_000_000]
        );
        // A package: a third of the way at 20 %, then 5/6 of a percent per percent.
        let package = Power { shape: Shape::Package, ..power };
        assert_eq!(package.at(FULL / 5) / 1_000, 41_333, "12 W + 88 W / 3");
        assert_eq!(package.at(FULL / 2) / 1_000, 63_333, "12 W + 88 W (1/3 + 0.3 · 5/6)");
        assert_eq!((package.at(0), package.at(FULL) / 1_000), (12_000_000, 100_000));
    }

    #[test]
    fn range_is_that_of_an_idle_part_below_a_tenth_of_the_load() {
        let power = Power::from_watts([12.0, 100.0], Shape::Straight, FACTORS);
        let range = power.range();
        assert_eq!((range.busy_uw, range.idle_permille, range.busy_permille), (20_800_000, [100, 3_000], [500, 1_500]));
        assert_eq!((power.min_uw(), power.max_uw()), (1_200_000, 150_000_000));
        assert_eq!(power.at_most(110.0).max_uw(), 110_000_000);
        let constant = Power::from_watts([40.0, 40.0], Shape::Straight, FACTORS);
        assert_eq!((constant.min_uw(), constant.max_uw(), constant.range().busy_uw), (20_000_000, 120_000_000, 0));
    }

    proptest! {
        #[test]
        fn integral_stays_between_its_limits(
            steps in proptest::collection::vec((0..=FULL, 0..10_000_000_000u64), 0..50)
        ) {
            let power = Power::from_watts([12.25, 99.875], Shape::Package, FACTORS);
            let mut integral = Integral::default();
            let (mut low, mut high, mut before) = (0u128, 0u128, 0u64);
            for (ppm, ns) in steps {
                integral.add(power.at(ppm), ns);
                low += u128::from(power.min_uw()) * u128::from(ns);
                high += u128::from(power.max_uw()) * u128::from(ns);
                let now = integral.microjoules();
                prop_assert!(now >= before);
                before = now;
            }
            prop_assert!(u128::from(before) >= low / 1_000_000_000 && u128::from(before) <= high / 1_000_000_000);
        }
    }
}
