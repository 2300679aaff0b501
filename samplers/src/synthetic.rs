//! Source `synthetic`: a simulated machine for demonstrations and tests, asked for by name and never otherwise.
//!
//! Its two counters follow a [`Curve`] whose energy is known exactly at every instant, so that a test knows the truth.
//! Nothing about it is random: a seed shifts the steps' power by a fixed pattern.

use eco2_core::{Component, Domain, Quality};

use crate::clock::Clock;
use crate::{Batch, Source};

/// Name of the source in options and reports.
pub(crate) const NAME: &str = "synthetic";

/// How often the counters advance, nanoseconds; like a GPU's energy counter.
pub(crate) const UPDATE_NS: u64 = 100_000_000;

/// Steps after which the pattern of shifts comes round again.
const PATTERN: u64 = 16;

/// Which counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// One CPU package.
    Cpu,
    /// One GPU board.
    Gpu,
}

/// Power over time, shaped like training: a warm-up on the CPU, then steps of computing and of waiting for data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curve {
    /// Length of the warm-up (loading data, compiling), nanoseconds.
    pub warm_up_ns: u64,
    /// Length of a step, nanoseconds; at least 1.
    pub step_ns: u64,
    /// Part of a step in which the GPU computes, nanoseconds; at most `step_ns`. The rest waits for data.
    pub compute_ns: u64,
    /// CPU power in warm-up, while the GPU computes, and while it waits, milliwatts.
    pub cpu_mw: [u64; 3],
    /// GPU power in the same three phases, milliwatts.
    pub gpu_mw: [u64; 3],
    /// Most that a step's computing power is shifted up, in thousandths (1000 at most); which step by how much, the
    /// seed decides.
    pub shift_permille: u64,
    /// Chooses the pattern of shifts.
    pub seed: u64,
}

impl Default for Curve {
    /// Ten seconds of warm-up, then steps of 800 ms of computing and 200 ms of waiting, at a workstation's power.
    fn default() -> Self {
        Self {
            warm_up_ns: 10_000_000_000,
            step_ns: 1_000_000_000,
            compute_ns: 800_000_000,
            cpu_mw: [95_000, 55_000, 80_000],
            gpu_mw: [60_000, 310_000, 110_000],
            shift_permille: 40,
            seed: 0,
        }
    }
}

impl Curve {
    /// Energy from the start until `at_ns` nanoseconds later, in microjoules, rounded down: exact integer arithmetic.
    ///
    /// ```
    /// use eco2_samplers::synthetic::{Curve, Part};
    ///
    /// let curve = Curve::default();
    /// assert_eq!(curve.energy_uj(Part::Cpu, 10_000_000_000), 950_000_000); // 95 W for 10 s of warm-up
    /// ```
    #[must_use]
    pub fn energy_uj(&self, part: Part, at_ns: u64) -> u64 {
        let [warm, compute, wait] = self.levels(part);
        let mut sum = u128::from(warm) * u128::from(at_ns.min(self.warm_up_ns));
        let training_ns = at_ns.saturating_sub(self.warm_up_ns);
        let step_ns = self.step_ns.max(1);
        let (steps, rest_ns) = (training_ns / step_ns, training_ns % step_ns);
        let step = |number: u64, ns: u64| {
            let computing = ns.min(self.compute_ns);
            let shifted = u128::from(compute) * u128::from(1_000 + self.shift(number)) / 1_000;
            shifted * u128::from(computing) + u128::from(wait) * u128::from(ns - computing)
        };
        // Whole rounds of the pattern cost the same; so a year is as quick to ask for as a second.
        let round: u128 = (0..PATTERN).map(|number| step(number, step_ns)).sum();
        sum += round * u128::from(steps / PATTERN);
        sum += (0..steps % PATTERN).map(|number| step(number, step_ns)).sum::<u128>();
        sum += step(steps, rest_ns);
        u64::try_from(sum / 1_000_000_000).unwrap_or(u64::MAX)
    }

    /// The least and the most power of a part, microwatts.
    ///
    /// ```
    /// use eco2_samplers::synthetic::{Curve, Part};
    ///
    /// assert_eq!(Curve::default().limits_uw(Part::Cpu), (55_000_000, 95_000_000));
    /// ```
    #[must_use]
    pub fn limits_uw(&self, part: Part) -> (u64, u64) {
        let [warm, compute, wait] = self.levels(part);
        let shifted = compute.saturating_mul(1_000 + self.most_permille()) / 1_000;
        (warm.min(compute).min(wait), warm.max(shifted).max(wait))
    }

    /// Power of the three phases, microwatts.
    fn levels(&self, part: Part) -> [u64; 3] {
        let milli = if part == Part::Cpu { self.cpu_mw } else { self.gpu_mw };
        milli.map(|mw| mw.saturating_mul(1_000))
    }

    fn most_permille(&self) -> u64 {
        self.shift_permille.min(1_000)
    }

    /// Thousandths by which step `number` computes harder.
    fn shift(&self, number: u64) -> u64 {
        // SplitMix64's finaliser (Steele, Lea, Flood 2014): a fixed scramble, the same everywhere.
        let mut z = (self.seed ^ (number % PATTERN)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % (self.most_permille() + 1)
    }
}

/// The source.
///
/// ```
/// use eco2_samplers::synthetic::{Curve, Synthetic};
/// use eco2_samplers::{Source, clock::Clock};
///
/// let source = Synthetic::new(Curve { seed: 7, ..Curve::default() }, Clock::Monotonic);
/// assert_eq!(source.domains().len(), 2); // a CPU package and a GPU board
/// ```
#[derive(Debug)]
pub struct Synthetic {
    curve: Curve,
    clock: Clock,
    start_ns: u64,
    domains: Vec<Domain>,
}

impl Synthetic {
    /// Follows `curve` from now on; with a scripted clock a minute takes as long as moving the clock does.
    #[must_use]
    pub fn new(curve: Curve, clock: Clock) -> Self {
        let domain = |part, id, component, domain, name: &str| {
            let (min_uw, max_uw) = curve.limits_uw(part);
            Domain {
                name: name.to_owned(),
                quality: Quality::Synthetic,
                min_uw: Some(min_uw),
                max_uw: Some(max_uw),
                ..Domain::counter(id, component, domain, NAME)
            }
        };
        let domains = vec![
            domain(Part::Cpu, "synthetic-cpu", Component::Cpu, "package", "synthetic CPU package"),
            domain(Part::Gpu, "synthetic-gpu", Component::Gpu, "board", "synthetic GPU"),
        ];
        Self { start_ns: clock.now_ns(), curve, clock, domains }
    }
}

impl Source for Synthetic {
    fn name(&self) -> &str {
        NAME
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        for (index, part) in [Part::Cpu, Part::Gpu].into_iter().enumerate() {
            batch.one(index, || {
                let passed_ns = self.clock.now_ns().saturating_sub(self.start_ns);
                Ok(self.curve.energy_uj(part, passed_ns - passed_ns % UPDATE_NS))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flat() -> Curve {
        Curve { shift_permille: 0, ..Curve::default() }
    }

    #[test]
    fn energy_is_what_the_phases_make() {
        // GPU: 10 s at 60 W, then per step 0.8 s at 310 W and 0.2 s at 110 W = 270 J.
        for (seconds, joules) in [(0, 0), (10, 600), (11, 870), (110, 27_600), (1_010, 270_600)] {
            assert_eq!(flat().energy_uj(Part::Gpu, seconds * 1_000_000_000), joules * 1_000_000);
        }
        // CPU half a step in: 10 s at 95 W, 0.5 s at 55 W.
        assert_eq!(flat().energy_uj(Part::Cpu, 10_500_000_000), 977_500_000);
    }

    #[test]
    fn seeds_differ_and_repeat() {
        let of = |seed| Curve { seed, ..Curve::default() }.energy_uj(Part::Gpu, 60_000_000_000);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(of(1) > flat().energy_uj(Part::Gpu, 60_000_000_000));
    }

    proptest! {
        #[test]
        fn energy_never_falls_and_keeps_to_the_limits(seed in any::<u64>(), from in 0..200_000_000_000u64, ns in 0..50_000_000_000u64) {
            let curve = Curve { seed, ..Curve::default() };
            for part in [Part::Cpu, Part::Gpu] {
                let energy = curve.energy_uj(part, from + ns) - curve.energy_uj(part, from);
                let (min_uw, max_uw) = curve.limits_uw(part);
                let at = |uw: u64| u128::from(uw) * u128::from(ns) / 1_000_000_000;
                prop_assert!(u128::from(energy) + 1 >= at(min_uw) && u128::from(energy) <= at(max_uw) + 1);
            }
        }
    }
}
