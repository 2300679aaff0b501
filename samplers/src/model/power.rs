//! From utilisation to energy: `idle + (busy − idle) · utilisation`, integrated in whole microwatts and nanoseconds.

/// What a part is taken to draw, in microwatts; `min ≤ idle ≤ busy ≤ max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Power {
    /// The least it plausibly draws.
    pub(crate) min_uw: u64,
    /// With nothing to do.
    pub(crate) idle_uw: u64,
    /// With all its threads busy.
    pub(crate) busy_uw: u64,
    /// The most it plausibly draws.
    pub(crate) max_uw: u64,
}

/// Utilisation in parts per million: integers, so that a result can be checked by hand.
pub(crate) const FULL: u64 = 1_000_000;

impl Power {
    /// From watts; the outer two are stretched where needed to hold the inner two.
    #[must_use]
    pub(crate) fn from_watts(min: f64, idle: f64, busy: f64, max: f64) -> Self {
        let uw = |watts: f64| (watts * 1e6).round() as u64;
        let (idle_uw, busy_uw) = (uw(idle).min(uw(busy)), uw(busy));
        Self { min_uw: uw(min).min(idle_uw), idle_uw, busy_uw, max_uw: uw(max).max(busy_uw) }
    }

    /// An equal share of it.
    #[must_use]
    pub(crate) fn divided(self, parts: usize) -> Self {
        let part = |uw: u64| uw / u64::try_from(parts.max(1)).unwrap_or(u64::MAX);
        Self {
            min_uw: part(self.min_uw),
            idle_uw: part(self.idle_uw),
            busy_uw: part(self.busy_uw),
            max_uw: part(self.max_uw),
        }
    }

    /// Microwatts at a utilisation of `ppm` parts per million (more than [`FULL`] counts as full).
    #[must_use]
    pub(crate) fn at(self, ppm: u64) -> u64 {
        let span = u128::from(self.busy_uw - self.idle_uw) * u128::from(ppm.min(FULL));
        self.idle_uw + u64::try_from(span / u128::from(FULL)).unwrap_or(u64::MAX)
    }
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

    /// Whole microjoules so far.
    #[must_use]
    pub(crate) fn microjoules(self) -> u64 {
        u64::try_from(self.uw_ns / 1_000_000_000).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn power_goes_linearly_from_idle_to_busy() {
        let power = Power::from_watts(1.0, 12.0, 100.0, 125.0);
        assert_eq!(power.at(0), 12_000_000);
        assert_eq!(power.at(FULL / 4), 34_000_000);
        assert_eq!(power.at(FULL), 100_000_000);
        assert_eq!(power.at(u64::MAX), 100_000_000);
    }

    proptest! {
        #[test]
        fn the_integral_stays_between_its_bounds(
            steps in proptest::collection::vec((0..=FULL, 0..10_000_000_000u64), 0..50)
        ) {
            let power = Power::from_watts(1.5, 12.25, 99.875, 140.125);
            let mut integral = Integral::default();
            let (mut low, mut high, mut before) = (0u128, 0u128, 0u64);
            for (ppm, ns) in steps {
                integral.add(power.at(ppm), ns);
                low += u128::from(power.min_uw) * u128::from(ns);
                high += u128::from(power.max_uw) * u128::from(ns);
                let now = integral.microjoules();
                prop_assert!(now >= before);
                before = now;
            }
            prop_assert!(u128::from(before) >= low / 1_000_000_000 && u128::from(before) <= high / 1_000_000_000);
        }
    }
}
