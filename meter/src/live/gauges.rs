//! Sums up the gauges of a run for its report ([`GaugeSums`]): mean, highest and last value of each. A *gauge* is a value that a sensor
//! shows, such as a temperature or a load. Gauges are not used to compute energy.

use std::collections::BTreeMap;

use eco2_core::Gauge;
use eco2_core::schema::GaugeSummary;

/// The values of one gauge so far.
#[derive(Debug, Clone)]
struct GaugeSum {
    unit: String,
    sum: f64,
    count: u32,
    max: f64,
    last: f64,
}

/// The values of all gauges, by device and name.
#[derive(Debug, Clone, Default)]
pub(crate) struct GaugeSums {
    by_device: BTreeMap<String, BTreeMap<String, GaugeSum>>,
}

impl GaugeSums {
    /// Adds one reading. Infinite values and not-a-number are ignored.
    pub(crate) fn add(&mut self, gauge: &Gauge) {
        if !gauge.value.is_finite() {
            return;
        }
        // Names are copied only the first time.
        if !self.by_device.contains_key(&gauge.device) {
            self.by_device.insert(gauge.device.clone(), BTreeMap::new());
        }
        let Some(gauges) = self.by_device.get_mut(&gauge.device) else { return };
        match gauges.get_mut(&gauge.name) {
            Some(sum) => sum.add(gauge.value),
            None => {
                let (unit, value) = (gauge.unit.clone(), gauge.value);
                gauges.insert(gauge.name.clone(), GaugeSum { unit, sum: value, count: 1, max: value, last: value });
            }
        }
    }

    /// Returns the summaries of one device; `host` has those of the machine.
    pub(crate) fn summaries(&self, device: &str) -> Vec<GaugeSummary> {
        let gauges = self.by_device.get(device).into_iter().flatten();
        gauges
            .map(|(name, sum)| GaugeSummary {
                name: name.clone(),
                unit: sum.unit.clone(),
                mean: sum.sum / f64::from(sum.count),
                max: sum.max,
                last: sum.last,
            })
            .collect()
    }
}

impl GaugeSum {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count = self.count.saturating_add(1);
        self.max = self.max.max(value);
        self.last = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_summed_up_and_a_nan_is_no_reading() {
        let mut sums = GaugeSums::default();
        for value in [2.0, f64::NAN, 4.0, 3.0] {
            sums.add(&Gauge { device: "host".into(), name: "load".into(), unit: "1".into(), value });
        }
        let [summary] = &sums.summaries("host")[..] else { panic!("one gauge") };
        assert_eq!((summary.mean, summary.max, summary.last), (3.0, 4.0, 3.0));
        assert!(sums.summaries("GPU-1").is_empty());
    }
}
