//! Power of a part as counters of this machine measured it at three loads (`eco2 doctor --calibrate`), for estimates at
//! times when the counters cannot be read.
//!
//! The curve goes through the three measured points. From idle to half load it has the shape of a package (see
//! `power.rs`), from there to full load it is straight. The range is the spread that was measured between two kinds of
//! load, and at least [`LEAST_RANGE`]. It is never wider, as factors of the power, than the range of what is known
//! without the measurement.

use super::power::{FULL, Factors, Power, Shape};

/// The narrowest range, as factors: other programs, temperature, and the shape between the measured loads. An
/// assumption: no set of machines was measured for it.
const LEAST_RANGE: [f64; 2] = [0.8, 1.25];

/// Power of a part at one load.
///
/// ```
/// use eco2_samplers::model::LoadPower;
///
/// let half = LoadPower { utilization: 0.5, watts: 70.0, low_w: 60.0, high_w: 80.0 };
/// assert!(half.low_w <= half.watts && half.watts <= half.high_w);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadPower {
    /// Utilisation of all CPUs, 0 to 1.
    pub utilization: f64,
    /// Mean power over the kinds of load, above 0.
    pub watts: f64,
    /// Power under the kind of load that drew least.
    pub low_w: f64,
    /// Power under the kind of load that drew most.
    pub high_w: f64,
}

/// Measured power of a part: idle, with about half of the CPUs busy, with all busy.
///
/// ```
/// use eco2_samplers::model::{LoadPower, MeasuredPower};
///
/// let at = |utilization, watts| LoadPower { utilization, watts, low_w: watts, high_w: watts };
/// let cpu = MeasuredPower { idle: at(0.0, 40.0), half: at(0.5, 70.0), full: at(1.0, 100.0) };
/// assert!(cpu.full.watts > cpu.idle.watts);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredPower {
    /// No load but the system's own.
    pub idle: LoadPower,
    /// About half of the CPUs busy; its utilisation lies between 0 and 1.
    pub half: LoadPower,
    /// All CPUs busy.
    pub full: LoadPower,
}

/// Measured power of a machine's CPUs and, where a counter shows it, of its memory.
///
/// ```
/// use eco2_samplers::model::{LoadPower, MeasuredMachine, MeasuredPower, ModelOptions};
///
/// let at = |utilization, watts| LoadPower { utilization, watts, low_w: watts, high_w: watts };
/// let cpu = MeasuredPower { idle: at(0.0, 40.0), half: at(0.5, 70.0), full: at(1.0, 100.0) };
/// let measured = MeasuredMachine { cpu, memory: None };
/// assert!(ModelOptions { measured: Some(measured), ..ModelOptions::default() }.cpu_watts.is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredMachine {
    /// All CPU packages together.
    pub cpu: MeasuredPower,
    /// All main memory; `None` where no counter of it was read.
    pub memory: Option<MeasuredPower>,
}

impl MeasuredPower {
    /// Returns the power with a range that is not wider than `above`, the one of what is known without the measurement.
    pub(super) fn power(&self, above: Factors) -> Power {
        let narrower = |own: [f64; 2], above: [f64; 2]| [own[0].max(above[0]), own[1].min(above[1])];
        let Factors { idle, busy } = self.factors();
        let factors = Factors { idle: narrower(idle, above.idle), busy: narrower(busy, above.busy) };
        Power::from_watts([self.idle.watts, self.full.watts], self.shape(), factors)
    }

    /// Returns how the power was found, for `devices[].method`.
    pub(super) fn method(&self) -> String {
        let Self { idle, half, full } = self;
        let percent = half.utilization * 100.0;
        format!(
            "estimated from this machine's calibration: {:.1} W idle, {:.1} W at {percent:.0} % load, {:.1} W at full load",
            idle.watts, half.watts, full.watts
        )
    }

    fn shape(&self) -> Shape {
        let ppm = |share: f64| (share.clamp(0.0, 1.0) * FULL as f64).round() as u64;
        let rise = self.full.watts - self.idle.watts;
        let part = if rise > 0.0 { (self.half.watts - self.idle.watts) / rise } else { 0.0 };
        Shape::Measured { half: ppm(self.half.utilization).clamp(1, FULL - 1), part: ppm(part) }
    }

    /// Returns the range by the measured loads. An idle part draws at most what it drew with half of the CPUs busy: one
    /// busy CPU of many can wake the whole package.
    fn factors(&self) -> Factors {
        let factor = |watts: f64, of: LoadPower| watts / of.watts;
        let Self { idle, half, full } = *self;
        let [least, most] = LEAST_RANGE;
        Factors {
            idle: [
                least.min(factor(idle.low_w, idle)),
                most.max(factor(idle.high_w, idle)).max(factor(half.high_w, idle)),
            ],
            busy: [
                least.min(factor(half.low_w, half)).min(factor(full.low_w, full)),
                most.max(factor(half.high_w, half)).max(factor(full.high_w, full)),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(utilization: f64, [low_w, watts, high_w]: [f64; 3]) -> LoadPower {
        LoadPower { utilization, watts, low_w, high_w }
    }

    /// 40 W idle, 70 W with half of the CPUs busy (60 and 80 W by kind of load), 100 W with all (95 and 105 W).
    fn forty_to_hundred() -> MeasuredPower {
        MeasuredPower {
            idle: at(0.01, [38.0, 40.0, 42.0]),
            half: at(0.5, [60.0, 70.0, 80.0]),
            full: at(0.99, [95.0, 100.0, 105.0]),
        }
    }

    const WIDE: Factors = Factors { idle: [0.1, 3.0], busy: [0.5, 3.6] };

    /// By hand: below half load 30 W × g(u)/g(0.5) above idle, where g(0.5) = 1/3 + 0.3 · 5/6 = 7/12, g(0.2) = 1/3,
    /// g(0.1) = 1/6; above it 30 W × (u − 0.5)/0.5 above 70 W.
    #[test]
    fn curve_goes_through_the_measured_powers() {
        let power = forty_to_hundred().power(WIDE);
        let milliwatts = |percent: u64| power.at(percent * FULL / 100) / 1_000;
        assert_eq!([0, 50, 100].map(milliwatts), [40_000, 70_000, 100_000]);
        assert_eq!(milliwatts(20), 57_142, "40 + 30 · (1/3)/(7/12)");
        assert_eq!(milliwatts(10), 48_571, "40 + 30 · (1/6)/(7/12)");
        assert_eq!(milliwatts(75), 85_000, "70 + 30 · 0.5");
        assert_eq!(power.at(2 * FULL), power.at(FULL));
    }

    /// By hand: under load 60/70 to 80/70 is inside the least range; idle up to 80/40.
    #[test]
    fn range_is_that_of_the_loads_and_never_wider_than_without_the_measurement() {
        assert_eq!(forty_to_hundred().power(WIDE).factors, Factors { idle: [0.8, 2.0], busy: [0.8, 1.25] });
        let spread = MeasuredPower { half: at(0.5, [35.0, 70.0, 105.0]), ..forty_to_hundred() };
        assert_eq!(spread.power(WIDE).factors, Factors { idle: [0.8, 105.0 / 40.0], busy: [0.5, 1.5] });
        let narrow = Factors { idle: [0.9, 1.5], busy: [0.7, 1.1] };
        assert_eq!(spread.power(narrow).factors, narrow, "intersected with what was known");
        let power = forty_to_hundred().power(WIDE);
        assert_eq!((power.min_uw(), power.max_uw()), (32_000_000, 125_000_000), "0.8 · 40 W, 1.25 · 100 W");
    }

    #[test]
    fn flat_or_falling_measurement_is_no_fault() {
        let flat = at(0.5, [40.0; 3]);
        let power = MeasuredPower { idle: flat, half: flat, full: flat }.power(WIDE);
        assert_eq!([0, FULL / 3, FULL].map(|ppm| power.at(ppm)), [40_000_000; 3]);
        let falling = MeasuredPower { half: at(1.0, [120.0; 3]), ..forty_to_hundred() }.power(WIDE);
        assert_eq!((falling.at(FULL - 1), falling.at(FULL)), (100_000_000, 100_000_000));
    }
}
