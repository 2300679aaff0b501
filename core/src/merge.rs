//! Merges records of the same counter, so that energy that several processes measured counts once ([`Union`]).
//!
//! Ranks (processes of one distributed run), agents and restarts may all have read one counter. A record names its
//! counter (boot, device) and holds a *stretch*: how the energy grew over a time since boot, as one reader saw it. A
//! union is a set of stretches. So merging twice, in any order or grouping, has the same result.
//!
//! Energy is computed only on request, for a *window* (an interval of boot time). Each instant of it is taken from one
//! stretch: the best quality first; of one quality a stretch whose end was read, before one that broke off; and of
//! those the one that reaches furthest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Quality;

mod cover;
mod stretch;

pub use cover::Merged;
pub use stretch::{Stretch, Window};

use stretch::KeptStretches;

/// Names one counter from one boot of its machine to the next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CounterKey {
    /// Kernel's boot id.
    pub boot_id: String,
    /// Stable device id, such as a GPU's UUID; with the host's name where it is not unique by itself.
    pub device: String,
}

/// The stretches of any number of records, by counter.
///
/// ```
/// use eco2_core::{CounterKey, Quality, Stretch, Union, Window};
///
/// // Two ranks on one machine read the same GPU: its energy must count once.
/// let key = CounterKey { boot_id: "boot".into(), device: "GPU-1".into() };
/// let seen = |from_ns, to_ns, uj| Stretch {
///     quality: Quality::Measured,
///     at_ns: vec![from_ns, to_ns],
///     uj: vec![0, uj],
///     slack_ns: 0,
///     below_uj: 0,
///     above_uj: Some(0),
///     free_below_uj: 0,
///     free_above_uj: Some(0),
/// };
/// let mut union = Union::default();
/// assert!(union.insert(key.clone(), seen(0, 100, 1_000)));
/// assert!(union.insert(key.clone(), seen(0, 100, 1_000)));
/// assert_eq!(union.total().energy.value, Some(1_000));
/// let half = Window { from_ns: 0, to_ns: 50 };
/// assert_eq!(union.within(&key, &[half]).energy.value, Some(500));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Union {
    counters: BTreeMap<CounterKey, KeptStretches>,
}

impl Union {
    /// Adds what one reader saw. Returns `false`, and adds nothing, for a stretch that is not [`Stretch::is_sound`].
    ///
    /// A stretch that a better one covers wholly is accepted and not kept: no instant would ever be taken from it.
    pub fn insert(&mut self, key: CounterKey, stretch: Stretch) -> bool {
        if !stretch.is_sound() {
            return false;
        }
        self.counters.entry(key).or_default().insert(stretch);
        true
    }

    /// Adds every stretch of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (key, stretches) in &other.counters {
            for stretch in stretches.sorted() {
                self.insert(key.clone(), stretch.clone());
            }
        }
    }

    /// Returns the counters with their stretches, both sorted.
    pub fn counters(&self) -> impl Iterator<Item = (&CounterKey, Vec<&Stretch>)> {
        self.counters.iter().map(|(key, stretches)| (key, stretches.sorted()))
    }

    /// Returns the counters with their stretches, both sorted, without a copy of them.
    pub fn into_counters(self) -> impl Iterator<Item = (CounterKey, Vec<Stretch>)> {
        self.counters.into_iter().map(|(key, stretches)| (key, stretches.into_sorted()))
    }

    /// Returns the stretches of one counter, sorted; none of a counter that is not there.
    #[must_use]
    pub fn stretches(&self, key: &CounterKey) -> Vec<&Stretch> {
        self.counters.get(key).map_or_else(Vec::new, KeptStretches::sorted)
    }

    /// Returns the energy of one counter within windows that do not overlap; nothing for a counter that is not there.
    #[must_use]
    pub fn within(&self, key: &CounterKey, windows: &[Window]) -> Merged {
        self.counters
            .get(key)
            .map_or_else(Merged::default, |stretches| cover::energy(stretches, Quality::Missing, windows).0)
    }

    /// Returns the parts of the windows that no stretch of at least `quality` covers.
    #[must_use]
    pub fn uncovered(&self, key: &CounterKey, quality: Quality, windows: &[Window]) -> Vec<Window> {
        let Some(stretches) = self.counters.get(key) else { return windows.to_vec() };
        cover::energy(stretches, quality, windows).1
    }

    /// Returns the energy of all counters over all time.
    #[must_use]
    pub fn total(&self) -> Merged {
        let all = [Window { from_ns: 0, to_ns: u64::MAX }];
        self.counters.keys().fold(Merged::default(), |sum, key| sum + self.within(key, &all))
    }
}
