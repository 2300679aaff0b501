//! Keeps the last temperature and utilization of each device ([`Gauges`]).

use std::collections::BTreeMap;

use eco2_core::{Gauge, MAX_DOMAINS};

/// Names of the gauges that are shown.
pub(crate) const TEMPERATURE: &str = "temperature";
pub(crate) const UTILIZATION: &str = "utilization";
/// A gauge that was not read for this long is not known any more.
const HOLDS_NS: u64 = 30_000_000_000;

/// The last gauges by device.
#[derive(Debug, Clone, Default)]
pub(super) struct Gauges(BTreeMap<(String, &'static str), (u64, f64)>);

impl Gauges {
    /// Takes gauges that were read. Those of devices beyond the capacity are left out.
    pub(super) fn take(&mut self, at_ns: u64, gauges: Vec<Gauge>) {
        for gauge in gauges.into_iter().filter(|gauge| gauge.value.is_finite()) {
            let Some(name) = [TEMPERATURE, UTILIZATION].into_iter().find(|name| *name == gauge.name) else { continue };
            let key = (gauge.device, name);
            if self.0.len() < 2 * MAX_DOMAINS || self.0.contains_key(&key) {
                self.0.insert(key, (at_ns, gauge.value));
            }
        }
    }

    /// Returns a gauge of a device at `now_ns`; `None`: it has none, or was not read for a while.
    pub(super) fn of(&self, device: &str, name: &'static str, now_ns: u64) -> Option<f64> {
        let (at_ns, value) = self.0.get(&(device.to_owned(), name))?;
        (now_ns.saturating_sub(*at_ns) < HOLDS_NS).then_some(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauge_is_known_while_it_is_read_and_their_number_is_bounded() {
        let mut gauges = Gauges::default();
        let one = |device: &str, name: &str, value| Gauge {
            device: device.into(),
            name: name.into(),
            unit: "Cel".into(),
            value,
        };
        gauges.take(
            1,
            vec![one("GPU-0", TEMPERATURE, 61.0), one("GPU-0", "sm_clock", 1e9), one("x", UTILIZATION, f64::NAN)],
        );
        assert_eq!(gauges.of("GPU-0", TEMPERATURE, HOLDS_NS), Some(61.0));
        assert_eq!(gauges.of("GPU-0", TEMPERATURE, HOLDS_NS + 1), None, "it was not read for a while");
        gauges.take(2, (0..1_000).map(|n| one(&format!("GPU-{n}"), UTILIZATION, 0.5)).collect());
        assert_eq!(gauges.0.len(), 2 * MAX_DOMAINS);
    }
}
