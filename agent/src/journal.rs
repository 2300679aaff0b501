//! What the agent keeps over a restart ([`Journal`]): the energies that it has published, and the jobs. Plain data.
//!
//! Once a second the agent adds what has changed since the second before ([`Change`]) to a file; the whole is written seldom
//! ([`store`](crate::store)). A change has numbers for each device whose counter moved, and no name or other text that is known already.
//! [`Journal::apply`] gives the state of the later second.
//!
//! After a restart within the same boot, a counter that was not reset goes on: the reading that was kept is the first of the new
//! account, so that the energy in between is measured. Its users are not known: it is not attributed. What was published
//! never falls, not even where a counter was reset.

mod change;

use std::collections::BTreeMap;

use eco2_core::{Bounded, Domain, Ranged};
use serde::{Deserialize, Serialize};

pub(crate) use change::{Change, SharesChange, differences};

use crate::emissions::{Grams, Rate};
use crate::jobs::JobState;
use crate::shares::{JobKey, Shares};
use crate::source_counts::SourceCounts;
use crate::view::Shown;

/// Version of the format.
pub(crate) const VERSION: u32 = 2;

/// The state of the node at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Journal {
    pub(crate) version: u32,
    /// Which of the states that were written whole it goes back to.
    #[serde(default)]
    pub(crate) generation: u64,
    /// The boot in which it was written.
    pub(crate) boot_id: String,
    /// When it was written, monotonic nanoseconds.
    pub(crate) at_ns: u64,
    pub(crate) devices: BTreeMap<String, KeptDevice>,
    pub(crate) jobs: BTreeMap<JobKey, JobState>,
    pub(crate) next_key: JobKey,
    /// What the energy emitted, in full and in public.
    pub(crate) grams: (Grams, Grams),
    /// The last intensity of it; `None`: not known.
    #[serde(default)]
    pub(crate) rate: Option<Rate>,
    pub(crate) counts: BTreeMap<String, SourceCounts>,
    pub(crate) full: Shares,
    pub(crate) public: Shares,
    pub(crate) events: BTreeMap<String, u64>,
    /// The last record of the log of jobs that it contains.
    #[serde(default)]
    pub(crate) records: u64,
}

impl Journal {
    /// Returns the journal of a node of which nothing is known.
    pub(crate) fn new(boot_id: String) -> Self {
        Self {
            version: VERSION,
            generation: 0,
            boot_id,
            at_ns: 0,
            devices: BTreeMap::new(),
            jobs: BTreeMap::new(),
            next_key: 0,
            grams: Default::default(),
            rate: None,
            counts: BTreeMap::new(),
            full: Shares::default(),
            public: Shares::default(),
            events: BTreeMap::new(),
            records: 0,
        }
    }

    /// Whether it is of this boot and was written by a clock that was ahead of `began_ns`, the start of the agent: a time namespace, or
    /// a process that was restored elsewhere, has another monotonic clock. How long no agent ran is then not known.
    pub(crate) fn is_of_other_clock(&self, boot_id: &str, began_ns: u64) -> bool {
        self.boot_id == boot_id && self.at_ns > began_ns
    }
}

/// One domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptDevice {
    pub(crate) domain: Domain,
    #[serde(flatten)]
    pub(crate) state: DeviceState,
}

/// What changes of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct DeviceState {
    pub(crate) base: Base,
    pub(crate) full: Shown,
    pub(crate) public: Shown,
    /// Whether it did not appear while the agent ran that wrote this.
    pub(crate) is_absent: bool,
    /// The last reading of its counter; `None` for a power or an estimate, and where there was none.
    pub(crate) last: Option<KeptReading>,
}

/// Energy that was counted before the account began, with its bounds, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Base {
    pub(crate) uj: u64,
    pub(crate) low_uj: u64,
    /// `None`: unbounded.
    pub(crate) high_uj: Option<u64>,
}

impl Default for Base {
    fn default() -> Self {
        Self { uj: 0, low_uj: 0, high_uj: Some(0) }
    }
}

impl Ranged for Base {
    type Amount = u64;

    fn bounded(&self) -> Bounded<u64> {
        Bounded::hard(self.uj, self.low_uj, self.high_uj)
    }
}

/// A reading of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptReading {
    pub(crate) before_ns: u64,
    pub(crate) after_ns: u64,
    pub(crate) raw: u64,
}
