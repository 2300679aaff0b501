//! Attributes the energy of the node to jobs, interval by interval ([`Shares`]).
//!
//! In each interval a device's energy is divided in proportion to the time that each job used it ([`split`]), and the parts are
//! added to sums. The parts of an interval are its energy exactly, so the sums are too. Idle energy has no user; what others
//! used, or an unknown user, is *not attributed*.

use std::collections::BTreeMap;

use eco2_core::Bounded;
use eco2_core::attribution::{ConsumerSpec, DeviceEnergy, Use, split};
use serde::{Deserialize, Serialize};

use crate::emissions::Grams;

/// Number by which the node knows a job. It is never used again, unlike the job's id.
pub(crate) type JobKey = u64;

/// Energy of one job with its range, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShareSum {
    pub(crate) energy_uj: u64,
    pub(crate) low_uj: u64,
    pub(crate) high_uj: Option<u64>,
    /// What its energy emitted.
    pub(crate) grams: Grams,
    /// How far the devices were off when the job ended; `None`: it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frozen: Option<Width>,
}

/// How far the energy of the devices may be off from its value, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Width {
    below_uj: u64,
    /// `None`: unbounded.
    above_uj: Option<u64>,
}

impl Width {
    fn of(whole: &Bounded<u64>) -> Self {
        let value = whole.value.unwrap_or(0);
        Self { below_uj: value.saturating_sub(whole.low), above_uj: whole.high.map(|high| high.saturating_sub(value)) }
    }
}

impl ShareSum {
    /// Returns the sum of the energies of both, with its own emissions.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            energy_uj: self.energy_uj.saturating_add(other.energy_uj),
            low_uj: self.low_uj.saturating_add(other.low_uj),
            high_uj: self.high_uj.zip(other.high_uj).map(|(own, other)| own.saturating_add(other)),
            ..self
        }
    }

    /// Returns the sum with the width that the devices' bounds have now, unless it has that of its end. `whole`: their total.
    pub(crate) fn frozen(self, whole: &Bounded<u64>) -> Self {
        Self { frozen: self.frozen.or_else(|| Some(Width::of(whole))), ..self }
    }

    /// Returns the sum of a job that goes on: the width of the devices' bounds is that of now.
    pub(crate) fn thawed(self) -> Self {
        Self { frozen: None, ..self }
    }

    /// Returns the energy in a range that also has the width of the devices' own bounds. `whole`: the total of the devices now; of a job
    /// that has ended, their width at its end holds.
    pub(crate) fn within(&self, whole: &Bounded<u64>) -> Bounded<u64> {
        let Width { below_uj, above_uj } = self.frozen.unwrap_or_else(|| Width::of(whole));
        let low = self.low_uj.min(self.energy_uj).saturating_sub(below_uj);
        let high = self.high_uj.zip(above_uj).map(|(high, above)| high.max(self.energy_uj).saturating_add(above));
        Bounded::plausible(self.energy_uj, low, high)
    }
}

impl Default for ShareSum {
    fn default() -> Self {
        Self { energy_uj: 0, low_uj: 0, high_uj: Some(0), grams: Grams::default(), frozen: None }
    }
}

/// A [`ShareSum`] in short; without grams where the intensity has not changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct PackedSum(u64, u64, Option<u64>, Option<Grams>, Option<Width>);

impl From<ShareSum> for PackedSum {
    fn from(sum: ShareSum) -> Self {
        let ShareSum { energy_uj, low_uj, high_uj, grams, frozen } = sum;
        Self(energy_uj, low_uj, high_uj, (grams != Grams::default()).then_some(grams), frozen)
    }
}

impl From<PackedSum> for ShareSum {
    fn from(PackedSum(energy_uj, low_uj, high_uj, grams, frozen): PackedSum) -> Self {
        Self { energy_uj, low_uj, high_uj, grams: grams.unwrap_or_default(), frozen }
    }
}

/// A job that goes on in an interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Present {
    pub(crate) key: JobKey,
    /// Whether the job also lasted for the whole interval. If not, how its part of the interval's energy compares with the rest
    /// is not known, so that the range of its share is the whole interval's energy.
    pub(crate) throughout: bool,
    /// The innermost job that contains it.
    pub(crate) parent: Option<JobKey>,
}

/// Energy of one summed device in an interval, microjoules, and the use of its time, whose consumers are in the order of the
/// present jobs; `None`: not known.
pub(crate) type Interval = (u64, Option<Use>);

/// The sums so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shares {
    pub(crate) jobs: BTreeMap<JobKey, ShareSum>,
    /// Energy of each job with that of the jobs that were within it at the time.
    #[serde(default)]
    pub(crate) totals: BTreeMap<JobKey, ShareSum>,
    /// Energy of jobs that are not in `jobs` any more.
    pub(crate) forgotten_uj: u64,
    pub(crate) idle_uj: u64,
    pub(crate) not_attributed_uj: u64,
}

impl Shares {
    /// Adds one interval.
    pub(crate) fn add(&mut self, present: &[Present], devices: &[Interval]) {
        let specs: Vec<ConsumerSpec> = present.iter().map(|job| spec(job.key)).collect();
        let exact = |uj: u64| DeviceEnergy { energy_uj: uj, low_uj: uj, high_uj: Some(uj) };
        let host: Vec<_> = devices.iter().map(|(uj, of)| (Some(exact(*uj)), of.clone())).collect();
        let parts = split(&specs, &host);
        let whole_uj = devices.iter().fold(0, |sum: u64, (uj, _)| sum.saturating_add(*uj));
        let parents: BTreeMap<JobKey, Option<JobKey>> = present.iter().map(|job| (job.key, job.parent)).collect();
        let mut given_uj: u64 = 0;
        for (job, part) in present.iter().zip(&parts.consumers) {
            let sum = self.jobs.entry(job.key).or_default();
            given_uj = given_uj.saturating_add(part.energy_uj);
            let (low_uj, high_uj) = if job.throughout { (part.low_uj, part.high_uj) } else { (0, Some(whole_uj)) };
            let part = ShareSum { energy_uj: part.energy_uj, low_uj, high_uj, ..ShareSum::default() };
            *sum = sum.plus(part);
            let mut within = Some(job.key);
            // A chain is no longer than the list.
            for _ in 0..present.len() {
                let Some(key) = within.filter(|key| parents.contains_key(key)) else { break };
                let total = self.totals.entry(key).or_default();
                *total = total.plus(part);
                within = parents.get(&key).copied().flatten();
            }
        }
        self.idle_uj = self.idle_uj.saturating_add(parts.idle_uj);
        let rest_uj = whole_uj.saturating_sub(given_uj).saturating_sub(parts.idle_uj);
        self.not_attributed_uj = self.not_attributed_uj.saturating_add(rest_uj);
    }

    /// Keeps the width of the devices' bounds for a job that has ended: what they are off by later is not its energy.
    pub(crate) fn freeze(&mut self, key: JobKey, whole: &Bounded<u64>) {
        for sums in [&mut self.jobs, &mut self.totals] {
            let sum = sums.entry(key).or_default();
            *sum = sum.frozen(whole);
        }
    }

    /// Lists a job no longer. Its energy stays in the sum, and in that of the jobs that it was within.
    pub(crate) fn forget(&mut self, key: JobKey) {
        let energy_uj = self.jobs.remove(&key).unwrap_or_default().energy_uj;
        self.forgotten_uj = self.forgotten_uj.saturating_add(energy_uj);
        self.totals.remove(&key);
    }

    /// Returns the sum of all parts, microjoules.
    #[cfg(test)]
    pub(crate) fn sum_uj(&self) -> u64 {
        let jobs = self.jobs.values().map(|sum| sum.energy_uj);
        jobs.chain([self.forgotten_uj, self.idle_uj, self.not_attributed_uj]).sum()
    }
}

fn spec(key: JobKey) -> ConsumerSpec {
    let (id, name) = (key.to_string(), String::new());
    ConsumerSpec { id, kind: "job", name, parent: None, is_command: false }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn present(key: JobKey) -> Present {
        Present { key, throughout: true, parent: None }
    }

    #[test]
    fn one_job_alone_gets_its_share_of_time_and_the_rest_is_idle() {
        let mut shares = Shares::default();
        let of = Use { consumers: vec![25], others: 60, idle: 15, ..Use::default() };
        shares.add(&[present(7)], &[(1_000, Some(of))]);
        assert_eq!(
            shares.jobs[&7],
            ShareSum { energy_uj: 250, low_uj: 250, high_uj: Some(295), ..ShareSum::default() }
        );
        assert_eq!((shares.idle_uj, shares.not_attributed_uj), (150, 600));
    }

    #[test]
    fn two_equal_loads_get_the_same() {
        let mut shares = Shares::default();
        let of = Use { consumers: vec![50, 50], ..Use::default() };
        shares.add(&[present(1), present(2)], &[(1_000, Some(of))]);
        assert_eq!([1, 2].map(|key| shares.jobs[&key].energy_uj), [500, 500]);
    }

    #[test]
    fn a_device_whose_users_are_not_known_is_not_attributed() {
        let mut shares = Shares::default();
        shares.add(&[present(1)], &[(1_000, None)]);
        assert_eq!((shares.not_attributed_uj, shares.jobs[&1].high_uj), (1_000, Some(1_000)));
    }

    #[test]
    fn m26_of_a_gpu_that_is_divided_by_assumption_a_job_used_nothing_or_all() {
        let mut shares = Shares::default();
        let of = Use { consumers: vec![3, 0], idle: 4, is_assumed: true, ..Use::default() };
        shares.add(&[present(1), present(2)], &[(700, Some(of))]);
        let range = |key| (shares.jobs[&key].energy_uj, shares.jobs[&key].low_uj, shares.jobs[&key].high_uj);
        assert_eq!((range(1), range(2)), ((300, 0, Some(700)), (0, 0, Some(0))));
        assert_eq!((shares.idle_uj, shares.sum_uj()), (400, 700));
    }

    #[test]
    fn a_job_that_began_within_the_interval_may_have_used_all_of_it_or_nothing() {
        let mut shares = Shares::default();
        let of = Use { consumers: vec![50], idle: 50, ..Use::default() };
        shares.add(&[Present { throughout: false, ..present(1) }], &[(1_000, Some(of))]);
        assert_eq!(
            shares.jobs[&1],
            ShareSum { energy_uj: 500, low_uj: 0, high_uj: Some(1_000), ..ShareSum::default() }
        );
    }

    #[test]
    fn energy_of_a_job_is_in_the_total_of_those_that_it_is_within() {
        let mut shares = Shares::default();
        let of = Use { consumers: vec![10, 20, 30], idle: 40, ..Use::default() };
        let within = |key, parent| Present { parent: Some(parent), ..present(key) };
        shares.add(&[present(1), within(2, 1), within(3, 2)], &[(1_000, Some(of.clone()))]);
        assert_eq!([1, 2, 3].map(|key| shares.jobs[&key].energy_uj), [100, 200, 300]);
        assert_eq!([1, 2, 3].map(|key| shares.totals[&key].energy_uj), [600, 500, 300]);
        // The innermost one goes on after the others.
        shares.forget(1);
        shares.add(&[within(3, 2)], &[(100, Some(Use { consumers: vec![1], ..Use::default() }))]);
        assert_eq!((shares.totals[&2].energy_uj, shares.totals[&3].energy_uj), (500, 400));
    }

    proptest! {
        /// 500 intervals per case, in each of which the parts are the whole; a million with PROPTEST_CASES=2000.
        #[test]
        fn the_parts_are_the_whole_to_the_microjoule(seed in any::<u64>()) {
            let mut random = seed | 1;
            // xorshift64: quick numbers of any size.
            let mut next = move || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random
            };
            let (mut shares, mut whole_uj) = (Shares::default(), 0);
            for _ in 0..500 {
                let present: Vec<Present> = (0..next() % 4).map(|_| Present { key: next() % 6, throughout: next() % 2 == 0, parent: Some(next() % 6) }).collect();
                let mut seen = std::collections::BTreeSet::new();
                let present: Vec<Present> = present.into_iter().filter(|job| seen.insert(job.key)).collect();
                let devices: Vec<Interval> = (0..next() % 4)
                    .map(|_| {
                        let mut weight = || next() % [1, 7, 1_000_000_007][next() as usize % 3];
                        let consumers = (0..present.len()).map(|_| weight()).collect();
                        let of = Use { consumers, others: weight(), idle: weight(), unknown: weight(), ..Use::default() };
                        (next() % 1_000_000_000, (next() % 5 > 0).then_some(of))
                    })
                    .collect();
                shares.add(&present, &devices);
                whole_uj += devices.iter().map(|(uj, _)| uj).sum::<u64>();
                if next() % 10 == 0 {
                    shares.forget(next() % 6);
                }
                prop_assert_eq!(shares.sum_uj(), whole_uj);
            }
        }
    }
}
