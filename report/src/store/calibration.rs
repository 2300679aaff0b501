//! The calibration of one machine by `eco2 doctor --calibrate`, in the machine's file: what its counters showed when it
//! was idle and under two loads, and what the estimate (source `model`) gave for the same time. See
//! docs/self-test.md.

use serde::{Deserialize, Serialize};

/// The highest power that is taken from the file, watts: above that of any machine.
const MAX_W: f64 = 1e6;
/// The longest text that is taken from the file, bytes.
const MAX_TEXT_BYTES: usize = 512;

/// Measured power of a machine's CPUs and memory, against the estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// When it was measured (RFC 3339).
    pub measured_at: String,
    /// Name of the processor; empty where it was not known.
    pub processor: String,
    /// CPUs (hardware threads) that were on.
    pub cpus: u32,
    /// Vendor, version and date of the boot firmware; empty where it was not known.
    pub firmware: String,
    /// What the estimate rested on: the `reason` of the source `model`.
    pub estimated_from: String,
    /// All CPU packages together.
    pub cpu: CalibratedPart,
    /// All main memory; `None` where no counter of it was read.
    pub memory: Option<CalibratedPart>,
}

/// Measured power of one part at three loads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibratedPart {
    /// The source whose counters were read: `rapl-sysfs`.
    pub source: String,
    /// No load but the system's own.
    pub idle: CalibratedLoad,
    /// About half of the CPUs busy.
    pub half: CalibratedLoad,
    /// All CPUs busy.
    pub full: CalibratedLoad,
}

/// Measured and estimated power at one load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibratedLoad {
    /// Utilisation of all CPUs, 0 to 1.
    pub utilization: f64,
    /// Mean power by the counters, watts.
    pub watts: f64,
    /// Least and most power over the kinds of load, with the bounds of the counters, watts.
    pub low_w: f64,
    /// See `low_w`.
    pub high_w: f64,
    /// The estimate for the same time, watts.
    pub estimate_w: f64,
    /// Its range, watts.
    pub estimate_low_w: f64,
    /// See `estimate_low_w`.
    pub estimate_high_w: f64,
}

impl CalibratedLoad {
    /// Returns the estimate's error: measured power as a multiple of the estimate; `None` where the estimate is 0.
    #[must_use]
    pub fn factor(&self) -> Option<f64> {
        (self.estimate_w > 0.0).then(|| self.watts / self.estimate_w)
    }

    /// Whether the measured power lies in the estimate's range.
    #[must_use]
    pub fn is_in_range(&self) -> bool {
        (self.estimate_low_w..=self.estimate_high_w).contains(&self.watts)
    }

    /// Why it cannot be true.
    fn fault(&self) -> Option<&'static str> {
        let Self { utilization, watts, low_w, high_w, estimate_w, estimate_low_w, estimate_high_w } = *self;
        let all = [watts, low_w, high_w, estimate_w, estimate_low_w, estimate_high_w];
        if !(0.0..=1.0).contains(&utilization) {
            return Some("a utilisation is not between 0 and 1");
        }
        if !all.iter().all(|watts| (0.0..=MAX_W).contains(watts)) || watts <= 0.0 {
            return Some("a power is not between 0 and 1,000,000 W");
        }
        (low_w > watts || watts > high_w).then_some("a power is outside its own range")
    }
}

impl CalibratedPart {
    /// Returns the powers from idle to full load.
    #[must_use]
    pub fn loads(&self) -> [CalibratedLoad; 3] {
        [self.idle, self.half, self.full]
    }

    /// Why its values cannot be used; `None` if they can.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let Self { idle, half, full, .. } = self;
        let loads = [idle, half, full];
        loads.iter().find_map(|load| load.fault()).or_else(|| {
            let rises = idle.utilization < half.utilization && half.utilization < full.utilization;
            (!rises).then_some("the loads do not rise")
        })
    }
}

impl Calibration {
    /// Why the values of a file cannot be used; `None` if they can.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let parts = || [Some(&self.cpu), self.memory.as_ref()].into_iter().flatten();
        let texts = [&self.measured_at, &self.processor, &self.firmware];
        let is_long = texts.into_iter().chain(parts().map(|part| &part.source)).any(|text| text.len() > MAX_TEXT_BYTES);
        if is_long || self.estimated_from.len() > 8 * MAX_TEXT_BYTES {
            return Some("a text of the calibration is too long");
        }
        parts().find_map(CalibratedPart::fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Calibration {
        /// A calibration of the CPUs alone.
        pub(in crate::store) fn example() -> Self {
            Self {
                measured_at: "2026-11-29T20:00:00Z".to_owned(),
                processor: "Test CPU".to_owned(),
                cpus: 4,
                firmware: "1.0".to_owned(),
                estimated_from: "TDP".to_owned(),
                cpu: part(),
                memory: None,
            }
        }
    }

    fn load(utilization: f64, watts: f64) -> CalibratedLoad {
        let (low_w, high_w) = (watts - 1.0, watts + 1.0);
        let (estimate_w, estimate_low_w, estimate_high_w) = (50.0, 25.0, 75.0);
        CalibratedLoad { utilization, watts, low_w, high_w, estimate_w, estimate_low_w, estimate_high_w }
    }

    fn part() -> CalibratedPart {
        let source = "rapl-sysfs".to_owned();
        CalibratedPart { source, idle: load(0.0, 40.0), half: load(0.5, 70.0), full: load(1.0, 100.0) }
    }

    #[test]
    fn error_is_the_measured_power_as_a_multiple_of_the_estimate() {
        let [idle, half, full] = part().loads();
        assert_eq!([idle, half, full].map(|load| load.factor()), [Some(0.8), Some(1.4), Some(2.0)]);
        assert_eq!([idle, half, full].map(|load| load.is_in_range()), [true, true, false]);
        assert_eq!(CalibratedLoad { estimate_w: 0.0, ..idle }.factor(), None);
    }

    #[test]
    fn values_that_cannot_be_true_are_faults() {
        assert_eq!(part().fault(), None);
        let cases = [
            CalibratedPart { idle: load(0.7, 40.0), ..part() },
            CalibratedPart { idle: load(-0.1, 40.0), ..part() },
            CalibratedPart { half: load(0.5, 0.0), ..part() },
            CalibratedPart { half: load(0.5, f64::NAN), ..part() },
            CalibratedPart { full: load(1.0, 1e300), ..part() },
            CalibratedPart { full: CalibratedLoad { low_w: 101.0, ..load(1.0, 100.0) }, ..part() },
            CalibratedPart { full: CalibratedLoad { estimate_w: -1.0, ..load(1.0, 100.0) }, ..part() },
        ];
        for case in cases {
            assert!(case.fault().is_some(), "{case:?}");
            assert!(Calibration { memory: Some(case.clone()), ..Calibration::example() }.fault().is_some(), "{case:?}");
            assert!(Calibration { cpu: case.clone(), ..Calibration::example() }.fault().is_some(), "{case:?}");
        }
        assert_eq!(Calibration::example().fault(), None);
        let long = Calibration { firmware: "x".repeat(MAX_TEXT_BYTES + 1), ..Calibration::example() };
        assert!(long.fault().is_some_and(|fault| fault.contains("too long")));
    }
}
