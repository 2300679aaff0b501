//! Keeps the last temperature and utilization of each device ([`Gauges`]).

use std::collections::BTreeMap;

use eco2_core::{Gauge, MAX_DOMAINS};

/// Names of the gauges that are shown.
pub(crate) const TEMPERATURE: &str = "temperature";
pub(crate) const UTILIZATION: &str = "utilization";
/// A gauge that was not read for this long is not known any more.
const HOLDS_NS: u64 = 30_000_000_000;

/// The last gauges: for each name of [`NAMES`] the time and the value of each device.
#[derive(Debug, Clone, Default)]
pub(super) struct Gauges([BTreeMap<String, (u64, f64)>; 2]);

const NAMES: [&str; 2] = [TEMPERATURE, UTILIZATION];

impl Gauges {
    /// Takes gauges that were read. Those of devices beyond the capacity are left out.
    pub(super) fn take(&mut self, at_ns: u64, gauges: Vec<Gauge>) {
        for gauge in gauges.into_iter().filter(|gauge| gauge.value.is_finite()) {
            let Some(of_name) = NAMES.iter().position(|name| *name == gauge.name) else { continue };
            let devices = &mut self.0[of_name];
            if let Some(last) = devices.get_mut(&gauge.device) {
                *last = (at_ns, gauge.value);
            } else if devices.len() < MAX_DOMAINS {
                devices.insert(gauge.device, (at_ns, gauge.value));
            }
        }
    }

    /// Returns a gauge of a device at `now_ns`; `None`: it has none, or was not read for a while.
    pub(super) fn of(&self, device: &str, name: &'static str, now_ns: u64) -> Option<f64> {
        let of_name = NAMES.iter().position(|known| *known == name)?;
        let (at_ns, value) = self.0[of_name].get(device)?;
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
        assert_eq!(gauges.0.each_ref().map(BTreeMap::len), [1, MAX_DOMAINS]);
    }
}
