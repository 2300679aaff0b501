//! An estimate for boards whose driver answers and has neither energy nor power: virtual GPUs, and old boards.
//!
//! Their board power is the user's or the table's, and the driver tells their utilisation. The estimate takes the place of
//! the board's own domain, in which the driver's source has nothing but faults.

use std::collections::BTreeMap;

use eco2_core::{Component, Domain, Fault, Gauge, Kind, Quality, Scale};

use super::power::{FULL, Integral, Power};
use super::{ModelOptions, gpu, plausible, table};
use crate::{Batch, Change, DeviceUse, Note, Source};

/// The gauge that says how busy a board is, from 0 to 1.
const BUSY: &str = "utilization";

/// Puts estimates into a source, where it has boards without readings. Its list of domains may grow.
pub(crate) fn behind(inner: Box<dyn Source>, options: &ModelOptions) -> Box<dyn Source> {
    if !options.enabled {
        return inner;
    }
    let mut boards = Boards {
        inner,
        domains: Vec::new(),
        estimates: BTreeMap::new(),
        watts: plausible(options.gpu_watts),
        busy: BTreeMap::new(),
    };
    boards.sync();
    Box::new(boards)
}

struct Boards {
    inner: Box<dyn Source>,
    domains: Vec<Domain>,
    /// By the domain's index.
    estimates: BTreeMap<usize, Estimate>,
    watts: Option<f64>,
    /// Last utilisation by device, parts per million.
    busy: BTreeMap<String, u64>,
}

struct Estimate {
    power: Power,
    integral: Integral,
    at_ns: Option<u64>,
}

impl Boards {
    fn sync(&mut self) {
        for domain in self.inner.domains().iter().skip(self.domains.len()) {
            let dark = domain.quality == Quality::Missing && domain.component == Component::Gpu;
            match board(&domain.name, self.watts).filter(|_| dark && domain.domain == "board") {
                Some((power, name)) => {
                    let estimate = Estimate { power, integral: Integral::default(), at_ns: None };
                    self.estimates.insert(self.domains.len(), estimate);
                    self.domains.push(Domain {
                        name,
                        source: "model".to_owned(),
                        quality: Quality::Estimated,
                        kind: Kind::Energy,
                        scale: Scale::MICRO,
                        min_uw: Some(power.min_uw),
                        max_uw: Some(power.max_uw),
                        gain_percent: None,
                        ..domain.clone()
                    });
                }
                None => self.domains.push(domain.clone()),
            }
        }
    }

    fn learn(&mut self, gauges: &[Gauge]) {
        for gauge in gauges.iter().filter(|gauge| gauge.name == BUSY) {
            let ppm = (gauge.value.clamp(0.0, 1.0) * FULL as f64).round() as u64;
            self.busy.insert(gauge.device.clone(), ppm);
        }
    }

    fn value(&mut self, index: usize, at_ns: u64) -> Option<u64> {
        let id = &self.domains.get(index)?.id;
        // What is not told is half, as for boards without a driver.
        let ppm = self.busy.get(id).copied().unwrap_or(FULL / 2);
        let estimate = self.estimates.get_mut(&index)?;
        let passed_ns = at_ns.saturating_sub(estimate.at_ns.unwrap_or(at_ns));
        estimate.integral.add(estimate.power.at(ppm), passed_ns);
        estimate.at_ns = Some(at_ns);
        Some(estimate.integral.microjoules())
    }
}

/// What is assumed about a board that its driver calls `name`.
fn board(name: &str, given_w: Option<f64>) -> Option<(Power, String)> {
    let row = table::gpu(Some(name), "").or_else(|| table::virtual_gpu(name));
    let watts = given_w.or(row.map(|row| row.tdp_w))?;
    let origin = if given_w.is_some() { "given" } else { "board power" };
    Some((gpu::board_power(watts), format!("{name}: estimated from {origin} {watts} W and the driver's utilisation")))
}

impl Source for Boards {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let before = batch.readings().len();
        self.inner.read(batch);
        self.sync();
        if self.estimates.is_empty() {
            return;
        }
        if self.busy.is_empty() {
            let mut gauges = Vec::new();
            self.inner.gauges(&mut gauges);
            self.learn(&gauges);
        }
        batch.edit(before, |index, reading| match reading.value {
            Err(Fault::Lost | Fault::Gone | Fault::Hung) | Ok(_) => {}
            Err(_) => {
                if let Some(value) = self.value(index, reading.after_ns) {
                    (reading.before_ns, reading.value) = (reading.after_ns, Ok(value));
                }
            }
        });
    }

    fn gauges(&mut self, out: &mut Vec<Gauge>) {
        let before = out.len();
        self.inner.gauges(out);
        let gauges = out.split_off(before);
        self.learn(&gauges);
        out.extend(gauges);
    }

    fn notes(&mut self, out: &mut Vec<Note>) {
        self.inner.notes(out);
    }

    fn changes(&mut self, out: &mut Vec<Change>) {
        self.inner.changes(out);
    }

    fn users(&mut self, watched: &crate::Watched, out: &mut Vec<DeviceUse>) {
        self.inner.users(watched, out);
    }

    fn may_hang(&self) -> bool {
        self.inner.may_hang()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k05_a_virtual_gpu_is_estimated_from_the_board_that_it_is_of() {
        let watts = |name: &str| board(name, None).map(|(power, _)| power.busy_uw / 1_000_000);
        assert_eq!(watts("GRID V100D-32Q"), Some(300));
        assert_eq!(watts("NVIDIA L40S-48Q"), Some(350));
        assert_eq!(watts("NVIDIA A100-SXM4-80GB"), Some(400), "a board, not a share of one");
        assert_eq!(watts("GRID Unheard-8Q"), None);
        let (power, text) = board("GRID Unheard-8Q", Some(120.0)).unwrap();
        assert_eq!((power.busy_uw, power.idle_uw), (120_000_000, 12_000_000));
        assert_eq!(text, "GRID Unheard-8Q: estimated from given 120 W and the driver's utilisation");
    }
}
