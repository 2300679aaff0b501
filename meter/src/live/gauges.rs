//! Gauges summed up: mean, highest, last. They never meet an energy.

use std::collections::BTreeMap;

use eco2_core::Gauge;
use eco2_core::schema::GaugeSummary;

#[derive(Debug, Clone)]
struct Sum {
    unit: String,
    sum: f64,
    count: u32,
    max: f64,
    last: f64,
}

/// Summaries by device and gauge.
#[derive(Debug, Clone, Default)]
pub(crate) struct GaugeSums {
    by_device: BTreeMap<String, BTreeMap<String, Sum>>,
}

impl GaugeSums {
    /// Adds one reading; what is not a number is no reading.
    pub(crate) fn add(&mut self, gauge: &Gauge) {
        if !gauge.value.is_finite() {
            return;
        }
        if !self.by_device.contains_key(&gauge.device) {
            self.by_device.insert(gauge.device.clone(), BTreeMap::new());
        }
        let Some(gauges) = self.by_device.get_mut(&gauge.device) else { return };
        match gauges.get_mut(&gauge.name) {
            Some(sum) => sum.add(gauge.value),
            None => {
                let (unit, value) = (gauge.unit.clone(), gauge.value);
                gauges.insert(gauge.name.clone(), Sum { unit, sum: value, count: 1, max: value, last: value });
            }
        }
    }

    /// The summaries of one device.
    pub(crate) fn of(&self, device: &str) -> Vec<GaugeSummary> {
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

impl Sum {
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
        let [summary] = &sums.of("host")[..] else { panic!("one gauge") };
        assert_eq!((summary.mean, summary.max, summary.last), (3.0, 4.0, 3.0));
        assert!(sums.of("GPU-1").is_empty());
    }
}
