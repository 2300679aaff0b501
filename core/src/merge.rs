//! Merging: ranks, agents and restarts may all have read one counter. Its energy is the union of what they saw.
//!
//! A record names its counter (boot, device) and states how the energy grew over a stretch of boot time. A union is a
//! set of such stretches, so merging is idempotent, commutative and associative by construction; energy is worked out
//! only when asked, by walking over a window of time and taking each instant from one stretch: the best quality first,
//! one whose end was read before one that broke off, and of those the one that reaches furthest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Quality;

mod cover;
mod stretch;

pub use cover::Merged;
pub use stretch::{Stretch, Window};

use stretch::KeptStretches;

/// Names one counter in one unbroken life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CounterKey {
    /// Kernel's boot id.
    pub boot_id: String,
    /// Stable device id, such as a GPU's UUID; with the host's name where it is not unique by itself.
    pub device: String,
}

/// A set of records, by counter.
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
    /// Adds what one reader saw. A stretch that is not [`Stretch::is_sound`] is refused.
    ///
    /// A stretch of which no instant would ever be taken, because a better one covers it all, is not kept.
    pub fn insert(&mut self, key: CounterKey, stretch: Stretch) -> bool {
        if !stretch.is_sound() {
            return false;
        }
        self.counters.entry(key).or_default().insert(stretch);
        true
    }

    /// Everything in `other` too.
    pub fn merge(&mut self, other: &Self) {
        for (key, stretches) in &other.counters {
            for stretch in stretches.sorted() {
                self.insert(key.clone(), stretch.clone());
            }
        }
    }

    /// The counters with their stretches, in order.
    pub fn counters(&self) -> impl Iterator<Item = (&CounterKey, Vec<&Stretch>)> {
        self.counters.iter().map(|(key, stretches)| (key, stretches.sorted()))
    }

    /// The stretches of one counter, in order; none of a counter that is not there.
    #[must_use]
    pub fn stretches(&self, key: &CounterKey) -> Vec<&Stretch> {
        self.counters.get(key).map_or_else(Vec::new, KeptStretches::sorted)
    }

    /// Energy of one counter within windows that do not overlap; nothing for a counter that is not there.
    #[must_use]
    pub fn within(&self, key: &CounterKey, windows: &[Window]) -> Merged {
        self.counters
            .get(key)
            .map_or_else(Merged::default, |stretches| cover::energy(stretches, Quality::Missing, windows).0)
    }

    /// The parts of the windows that no values of at least `quality` cover.
    #[must_use]
    pub fn uncovered(&self, key: &CounterKey, quality: Quality, windows: &[Window]) -> Vec<Window> {
        let Some(stretches) = self.counters.get(key) else { return windows.to_vec() };
        cover::energy(stretches, quality, windows).1
    }

    /// Energy of all counters over all time.
    #[must_use]
    pub fn total(&self) -> Merged {
        let all = [Window { from_ns: 0, to_ns: u64::MAX }];
        self.counters.keys().fold(Merged::default(), |sum, key| sum + self.within(key, &all))
    }
}
