//! Options of the estimates: whether to estimate, the watts that the user states, and those that a calibration measured.

use super::measured::MeasuredMachine;

/// Name of the source in options and reports.
pub const NAME: &str = "model";

/// How often an estimate advances, nanoseconds.
pub(crate) const UPDATE_NS: u64 = 100_000_000;

/// The user's settings for estimates.
///
/// ```
/// use eco2_samplers::model::ModelOptions;
///
/// let options = ModelOptions { cpu_watts: Some(65.0), ..ModelOptions::default() };
/// assert!(options.enabled && options.gpu_watts.is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelOptions {
    /// Whether to estimate at all.
    pub enabled: bool,
    /// Watts of all CPUs of this machine under full load, instead of the table's.
    pub cpu_watts: Option<f64>,
    /// What a thread of a rented machine draws, where its owner's average is known and no watts were given.
    pub cpu_thread: Option<ThreadWatts>,
    /// What this machine's counters measured, if it was calibrated; the user's watts precede it.
    pub measured: Option<MeasuredMachine>,
    /// Watts of each GPU that nothing reads, instead of the table's.
    pub gpu_watts: Option<f64>,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self { enabled: true, cpu_watts: None, cpu_thread: None, measured: None, gpu_watts: None }
    }
}

/// Watts of one hardware thread, on an average.
///
/// ```
/// use eco2_samplers::model::{ModelOptions, ThreadWatts};
///
/// let rented = ThreadWatts { idle_w: 0.7, busy_w: 3.5, of: "the provider's published average" };
/// assert!(ModelOptions { cpu_thread: Some(rented), ..ModelOptions::default() }.cpu_watts.is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThreadWatts {
    /// Watts when idle.
    pub idle_w: f64,
    /// Watts when busy.
    pub busy_w: f64,
    /// Whose average it is.
    pub of: &'static str,
}

/// Returns the watts if they can be true: above 0 and below a megawatt.
pub(super) fn plausible(watts: Option<f64>) -> Option<f64> {
    watts.filter(|watts| watts.is_finite() && *watts > 0.0 && *watts < 1e6)
}
