//! Defines what the account of the node takes ([`Input`], [`IntervalUse`]).

use std::collections::BTreeMap;

use eco2_core::{Domain, Gauge, Reading};
use eco2_samplers::usage::JobTimes;
use eco2_samplers::{Change, DeviceUse, SourceEvent};

use crate::shares::JobKey;

/// What the sampling thread passes on.
#[derive(Debug)]
pub enum Input {
    /// A source has these domains from now on.
    Domains {
        /// Number of the source.
        source: usize,
        /// All of its domains; the list only grows.
        domains: Vec<Domain>,
    },
    /// A source was read.
    Readings {
        /// Number of the source.
        source: usize,
        /// The readings, each with the number of its domain in that source.
        readings: Vec<(usize, Reading)>,
    },
    /// The machine slept.
    Suspended {
        /// Monotonic nanoseconds before.
        from_ns: u64,
        /// And after.
        to_ns: u64,
    },
    /// Temperatures and utilizations were read.
    Gauges {
        /// Monotonic nanoseconds.
        at_ns: u64,
        /// What was read.
        gauges: Vec<Gauge>,
    },
    /// Something happened in a source.
    Note(SourceEvent),
    /// The status of a source changed.
    Changed(Change),
    /// Which processes used the devices of a source.
    Users {
        /// Number of the source.
        source: usize,
        /// The use of each device since the last such input.
        uses: Vec<DeviceUse>,
    },
    /// A round of readings has ended.
    Tick {
        /// Monotonic nanoseconds.
        now_ns: u64,
    },
}

impl Input {
    /// Returns the number of readings in it.
    pub(crate) fn readings(&self) -> u64 {
        if let Self::Readings { readings, .. } = self { readings.len() as u64 } else { 0 }
    }

    /// Whether only a reading is lost with it, and no later input depends on it.
    pub(crate) fn may_be_dropped(&self) -> bool {
        matches!(
            self,
            Self::Readings { .. } | Self::Users { .. } | Self::Gauges { .. } | Self::Tick { .. } | Self::Note(_)
        )
    }
}

/// How processes used the machine in one interval.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IntervalUse {
    /// CPU time of all and of each job; `None`: not known.
    pub cpu: Option<JobTimes>,
    /// The job of each process that uses a device of which the driver lists the processes.
    pub owners: BTreeMap<u32, JobKey>,
    /// Whether the process ids that drivers list are those of another namespace, so that their jobs are not known.
    pub are_foreign: bool,
}

impl From<JobTimes> for IntervalUse {
    fn from(cpu: JobTimes) -> Self {
        Self { cpu: Some(cpu), ..Self::default() }
    }
}
