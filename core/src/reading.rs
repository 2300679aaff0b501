//! A reading of a sensor or counter ([`Reading`]): its value with the clock before and after it, or the reason why there is no
//! value. Also gaps ([`Gap`]), times in which no reading shows the energy, and gauges such as temperature ([`Gauge`]).

use serde::{Deserialize, Serialize};

/// One reading of one domain (a sensor or counter of a device).
///
/// ```
/// use eco2_core::{Fault, Reading};
///
/// let read = Reading { before_ns: 1_000, after_ns: 1_040, value: Ok(123_456) };
/// let failed = Reading { value: Err(Fault::Denied), ..read }; // never a zero
/// assert_ne!(read, failed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Monotonic clock before the value was read, in nanoseconds.
    pub before_ns: u64,
    /// Monotonic clock after the value was read, in nanoseconds.
    pub after_ns: u64,
    /// The raw value in the domain's unit, or why there is none. A failed read is never a zero.
    pub value: Result<u64, Fault>,
}

/// Why a domain gave no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// The read failed or returned something that is not a number.
    Failed,
    /// Permission was denied.
    Denied,
    /// The device does not offer this quantity.
    Unsupported,
    /// The device answered with its "not available" sentinel.
    NotAvailable,
    /// The device is lost (fell off the bus).
    Lost,
    /// The interface vanished (module unloaded, hot-removed).
    Gone,
    /// The call did not return in time.
    Hung,
}

/// A time in which no reading shows a domain's energy, or when it was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Start, monotonic nanoseconds.
    pub from_ns: u64,
    /// End, monotonic nanoseconds.
    pub to_ns: u64,
    /// The reason.
    pub reason: GapReason,
}

/// Why there is a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GapReason {
    /// The counter was reset (driver reload, GPU reset): a new segment began.
    Reset,
    /// The counter may have wrapped more than once between two readings: the energy is at least what was seen.
    WrapAmbiguous,
    /// The counter did not change while updates were due.
    Frozen,
    /// The machine slept.
    Suspend,
    /// Reads failed.
    Failed,
    /// The device was lost or vanished.
    Lost,
    /// The source did not answer in time.
    Hung,
    /// No reading covers this time (before the first or after the last).
    Uncovered,
    /// A value beyond what the device can draw was rejected.
    Implausible,
}

/// One reading of a value that rises and falls, such as a temperature or a utilization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gauge {
    /// Id of the device: a domain's id, or `host`.
    pub device: String,
    /// What it is: `utilization`, `memory_used`, `temperature`, `sm_clock`, `power_limit`, `throttle_reasons`, …
    pub name: String,
    /// Base unit: `1` (a fraction), `By`, `Cel`, `Hz`, `W`, `bits`.
    pub unit: String,
    /// The value.
    pub value: f64,
}

impl GapReason {
    /// Every reason.
    pub(crate) const ALL: [Self; 9] = [
        Self::Reset,
        Self::WrapAmbiguous,
        Self::Frozen,
        Self::Suspend,
        Self::Failed,
        Self::Lost,
        Self::Hung,
        Self::Uncovered,
        Self::Implausible,
    ];

    /// Returns its text in reports, which is that of its serialized form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::WrapAmbiguous => "wrap-ambiguous",
            Self::Frozen => "frozen",
            Self::Suspend => "suspend",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Hung => "hung",
            Self::Uncovered => "uncovered",
            Self::Implausible => "implausible",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::GapReason;

    #[test]
    fn name_of_a_gap_reason_is_its_serialized_form() {
        for reason in GapReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
