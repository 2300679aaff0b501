//! Merging: ranks, agents and restarts may all have read one counter. Its energy is the union of what they saw.
//!
//! A record names its counter (boot, device, segment) and says how the energy grew over a stretch of boot time. A union
//! is a set of such stretches, so merging is idempotent, commutative and associative by construction; energy is worked
//! out only when asked, by walking over the union of the stretches and taking each instant from one of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Names one counter in one unbroken life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CounterKey {
    /// Kernel's boot id.
    pub boot_id: String,
    /// Stable device id, such as a GPU's UUID; with the host's name where it is not unique by itself.
    pub device: String,
}

/// What one reader saw of a counter: energy since the stretch began, at points of boot time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stretch {
    /// `(boot-time nanoseconds, microjoules since the first point)`, rising in both; at least one point.
    pub points: Vec<(u64, u64)>,
    /// How far the energy may lie below the last point's.
    pub below_uj: u64,
    /// How far above; `None`: unbounded.
    pub above_uj: Option<u64>,
}

impl Stretch {
    fn begin_ns(&self) -> u64 {
        self.points.first().map_or(0, |point| point.0)
    }

    fn end_ns(&self) -> u64 {
        self.points.last().map_or(0, |point| point.0)
    }

    /// Energy from its beginning until `t_ns`, straight between points.
    fn at(&self, t_ns: u64) -> u64 {
        let next = self.points.partition_point(|point| point.0 <= t_ns);
        let Some(&(from_ns, from_uj)) = next.checked_sub(1).and_then(|i| self.points.get(i)) else { return 0 };
        let Some(&(to_ns, to_uj)) = self.points.get(next) else { return from_uj };
        let part = u128::from(to_uj - from_uj) * u128::from(t_ns - from_ns) / u128::from(to_ns - from_ns);
        from_uj + u64::try_from(part).unwrap_or(u64::MAX)
    }
}

/// Energy of a union, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Merged {
    /// The estimate.
    pub energy_uj: u64,
    /// Lower bound.
    pub low_uj: u64,
    /// Upper bound; `None`: unbounded.
    pub high_uj: Option<u64>,
    /// Time covered, nanoseconds.
    pub covered_ns: u64,
}

/// A set of records, by counter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Union {
    counters: BTreeMap<CounterKey, BTreeSet<Stretch>>,
}

impl Union {
    /// Adds what one reader saw. A stretch without points, or whose points fall, says nothing and is refused.
    pub fn insert(&mut self, key: CounterKey, stretch: Stretch) -> bool {
        let rises = stretch.points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        if stretch.points.is_empty() || !rises {
            return false;
        }
        self.counters.entry(key).or_default().insert(stretch)
    }

    /// Everything in `other` too.
    pub fn merge(&mut self, other: &Self) {
        for (key, stretches) in &other.counters {
            self.counters.entry(key.clone()).or_default().extend(stretches.iter().cloned());
        }
    }

    /// The counters and their energy.
    pub fn counters(&self) -> impl Iterator<Item = (&CounterKey, Merged)> {
        self.counters.iter().map(|(key, stretches)| (key, walk(stretches)))
    }

    /// Energy of all counters.
    #[must_use]
    pub fn total(&self) -> Merged {
        self.counters().fold(Merged { high_uj: Some(0), ..Merged::default() }, |sum, (_, one)| Merged {
            energy_uj: sum.energy_uj + one.energy_uj,
            low_uj: sum.low_uj + one.low_uj,
            high_uj: sum.high_uj.zip(one.high_uj).map(|(sum, one)| sum + one),
            covered_ns: sum.covered_ns + one.covered_ns,
        })
    }
}

/// Walks over time once; each instant is taken from the stretch that covers it and reaches furthest.
fn walk(stretches: &BTreeSet<Stretch>) -> Merged {
    let mut by_start: Vec<&Stretch> = stretches.iter().collect();
    by_start.sort_by_key(|stretch| (stretch.begin_ns(), stretch.end_ns()));
    let mut sum = Merged { high_uj: Some(0), ..Merged::default() };
    let mut reached = 0;
    let mut next = 0;
    while next < by_start.len() {
        let from_ns = by_start[next].begin_ns().max(reached);
        let mut best = by_start[next];
        while next < by_start.len() && by_start[next].begin_ns() <= from_ns {
            best = if by_start[next].end_ns() > best.end_ns() { by_start[next] } else { best };
            next += 1;
        }
        if best.end_ns() > reached || sum.covered_ns == 0 {
            take(&mut sum, best, from_ns);
            reached = best.end_ns().max(reached);
        }
    }
    sum
}

fn take(sum: &mut Merged, stretch: &Stretch, from_ns: u64) {
    let uj = stretch.at(stretch.end_ns()) - stretch.at(from_ns);
    sum.energy_uj += uj;
    sum.low_uj += uj.saturating_sub(stretch.below_uj);
    sum.high_uj = sum.high_uj.zip(stretch.above_uj).map(|(sum, above)| sum + uj + above);
    sum.covered_ns += stretch.end_ns() - from_ns;
}
