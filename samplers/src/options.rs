//! [`Options`] of the sampling thread, the one thread that reads energy sensors.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::schedule::Pace;
use crate::tsc::HotClock;

/// How the sampling thread works.
///
/// ```
/// use eco2_samplers::Options;
/// use eco2_samplers::schedule::Pace;
///
/// let pace = Pace::Fixed(50_000_000);
/// let options = Options { pace, max_overhead_percent: Some(1.0), ..Options::default() };
/// assert!(options.cpus.is_empty()); // not pinned to a package
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// When sources are read. The default is on demand.
    pub pace: Pace,
    /// Most CPU time that sampling may take, percent of a core; it polls less often where it takes more. `None`: no
    /// limit.
    pub max_overhead_percent: Option<f64>,
    /// Whether to pin the thread.
    pub pin: bool,
    /// CPUs of the packages that the sources read, best first; the thread is pinned to the first allowed one.
    pub cpus: Vec<usize>,
    /// Where batches take their time from. A scripted clock is for [`crate::Stepped`]: a thread sleeps by the real one.
    pub clock: Clock,
    /// Clock of the measured program's recording threads, which the loop keeps calibrated; `None` if there is none.
    pub hot: Option<HotClock>,
    /// How long one read of a source that may hang can take before the source counts as hung.
    pub deadline: Duration,
    /// Seed of the random instants at which power is read; another one in each process by default.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            max_overhead_percent: None,
            pin: true,
            cpus: Vec::new(),
            clock: Clock::Monotonic,
            hot: None,
            deadline: Deadline::DEFAULT,
            seed: RandomState::new().build_hasher().finish(),
        }
    }
}
