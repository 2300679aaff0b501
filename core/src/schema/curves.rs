//! The energy curves of a report: how the energy of each device grew over the run.
//!
//! `records` creates them from the account (the energies of a run at its end), and `Report::curve` reads them back.

use std::collections::BTreeMap;

use super::device::Device;
use super::whole::{CounterRecord, Report};
use crate::{Bounded, Component, Curve, CurvePoint, CurveRecord, Ranged, RunCurve, is_left_out};

/// Points of a device's curve in a report, without those at changes of price or intensity. They bound the size of a
/// report: about 20 kB per device.
const MAX_POINTS: usize = 512;
/// Instants at which the price or the intensity changed: quarters of an hour for 28 days.
const MAX_SLOTS: usize = 2_688;
/// With more devices than this there is one curve per component, so that reports stay small.
const MAX_CURVES: usize = 64;

/// Returns the curves of a run's devices for its report. `curves` has `None` for a device that was not read. `slots` are
/// the instants at which a price or an intensity changed, nanoseconds since the start of the run; each gets a point.
#[must_use]
pub fn records(devices: &[Device], curves: &[Option<Curve>], slots: &[u64]) -> Vec<CurveRecord> {
    let slots = &slots[..slots.len().min(MAX_SLOTS)];
    let known: Vec<(&Device, &Curve)> = devices
        .iter()
        .zip(curves)
        .filter_map(|(device, curve)| Some((device, curve.as_ref()?)))
        .filter(|(device, _)| !is_left_out(device))
        .collect();
    if known.len() <= MAX_CURVES {
        return known
            .iter()
            .map(|(device, curve)| CurveRecord::new(&device.id, &curve.thin(MAX_POINTS, slots)))
            .collect();
    }
    let components = [Component::Cpu, Component::Memory, Component::Gpu, Component::Other];
    let sum = |component: Component| {
        let summed = known.iter().filter(|(device, _)| device.component == component && device.is_summed());
        let parts: Vec<Curve> = summed.map(|(_, curve)| (*curve).clone()).collect();
        let (end_ns, total) = (parts.first()?.end_ns(), parts.iter().map(Curve::total).sum());
        let devices = Some(parts.len() as u64);
        let sum = RunCurve::new(parts, end_ns, total).thin(MAX_POINTS, slots);
        Some(CurveRecord { devices, ..CurveRecord::new(component.name(), &sum) })
    };
    components.into_iter().filter_map(sum).collect()
}

impl Report {
    /// Returns how the energy of the run grew. A device's curve is the report's own; in a report of an older version it is
    /// computed from its counters. Where there is neither, constant power is assumed.
    #[must_use]
    pub fn curve(&self) -> RunCurve {
        let end_ns = self.run.duration_ns;
        let summed = || self.devices.iter().filter(|device| device.is_summed());
        let known = summed().filter(|device| device.energy_uj.is_some());
        let mut records: BTreeMap<(&str, bool), &CurveRecord> = BTreeMap::new();
        for record in &self.curves {
            records.entry((&record.device, record.devices.is_some())).or_insert(record);
        }
        let sums: BTreeMap<&str, &CurveRecord> =
            records.iter().filter(|((_, is_sum), _)| *is_sum).map(|((name, _), record)| (*name, *record)).collect();
        let mut counters: BTreeMap<&str, Vec<&CounterRecord>> = BTreeMap::new();
        // Counters of several machines have a clock each, and without the start on theirs they cannot be placed at all.
        let begin_ns = self.run.boot_ns.map(|[begin_ns, _]| begin_ns).filter(|_| self.merge.is_none());
        for counter in begin_ns.map_or(&[][..], |_| &self.counters) {
            counters.entry(&counter.device).or_default().push(counter);
        }
        let mut component_totals: BTreeMap<&str, Bounded<u64>> = BTreeMap::new();
        let mut parts: Vec<Curve> = Vec::new();
        for device in known {
            let (total, component) = (device.bounded(), device.component.name());
            // Several devices may share an id in a merged report. The record belongs to the first of them.
            if let Some(record) = records.remove(&(device.id.as_str(), false)) {
                parts.push(record.curve(end_ns, total));
            } else if sums.contains_key(component) {
                let sum = component_totals.get(component).map_or(total, |sum| *sum + total);
                component_totals.insert(component, sum);
            } else {
                let records = counters.remove(device.id.as_str()).unwrap_or_default();
                parts.push(Curve::new(
                    points_of_counters(records, begin_ns.unwrap_or_default(), &total),
                    end_ns,
                    total,
                ));
            }
        }
        parts.extend(component_totals.iter().map(|(component, total)| sums[component].curve(end_ns, *total)));
        RunCurve::new(parts, end_ns, self.energy.bounded())
    }
}

/// Returns the points of a curve from a counter's records. `begin_ns`: when the run began, on the clock of the boot.
fn points_of_counters<'a>(
    counters: impl IntoIterator<Item = &'a CounterRecord>,
    begin_ns: u64,
    total: &Bounded<u64>,
) -> Vec<CurvePoint> {
    let total_uj = total.value.unwrap_or(0);
    let below_uj = total_uj.saturating_sub(total.low);
    let above_uj = total.high.map(|high| high.saturating_sub(total_uj));
    let mut points = Vec::new();
    let mut before_uj = 0_u64;
    for stretch in counters.into_iter().flat_map(|counter| &counter.stretches) {
        for (at_ns, uj) in stretch.at_ns.iter().zip(&stretch.uj) {
            let (at_ns, uj) = (at_ns.saturating_sub(begin_ns), before_uj.saturating_add(*uj));
            let (lo_ns, hi_ns) = (at_ns.saturating_sub(stretch.slack_ns), at_ns.saturating_add(stretch.slack_ns));
            let point = CurvePoint { lo_ns, at_ns, hi_ns, low_uj: uj, uj, high_uj: Some(uj) };
            points.push(point.loosened(below_uj, above_uj));
        }
        before_uj = before_uj.saturating_add(stretch.uj.last().copied().unwrap_or(0));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Domain, Ledger, Reading};

    fn read_devices(domains: usize, seconds: u64) -> (Vec<Device>, Vec<Option<Curve>>) {
        let mut ledger = Ledger::new(0, 1);
        for at in 0..domains {
            ledger.add_domain(Domain::counter(&format!("GPU-{at}"), Component::Gpu, "board", "t"));
        }
        for second in 0..=seconds {
            let at_ns = second * 1_000_000_000;
            let reading = Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(second * 1_000_000) };
            for at in 0..domains {
                ledger.reading(at, &reading);
            }
        }
        let account = ledger.account(seconds * 1_000_000_000);
        let curves = (0..domains).map(|at| ledger.curve(&account, at)).collect();
        (account.devices, curves)
    }

    #[test]
    fn a_record_is_read_back_as_the_curve_it_was() {
        let (devices, curves) = read_devices(1, 100);
        let record = records(&devices, &curves, &[]).remove(0);
        let (curve, end_ns) = (curves[0].clone().unwrap(), 100_000_000_000);
        let again = record.curve(end_ns, curve.total());
        for at_ns in (0..=end_ns).step_by(37_000_000) {
            assert_eq!(again.at(at_ns).value, curve.at(at_ns).value);
        }
        assert_eq!(CurveRecord::new("GPU-0", &again), record);
    }

    #[test]
    fn a_long_run_keeps_512_points_and_one_for_each_slot() {
        let (devices, curves) = read_devices(1, 3_600);
        let slots: Vec<u64> = (1..4).map(|slot| slot * 900_000_000_000 + 1).collect();
        let record = &records(&devices, &curves, &slots)[0];
        assert!((400..=MAX_POINTS + 3 + 1).contains(&record.t_ns.len()), "{}", record.t_ns.len());
        assert!(slots.iter().all(|slot| record.t_ns.contains(slot)));
        assert!(record.t_ns.is_sorted() && record.energy_uj.is_sorted() && record.low_uj.is_sorted());
    }

    #[test]
    fn many_counters_share_one_curve_a_component() {
        let (devices, curves) = read_devices(MAX_CURVES + 1, 10);
        let records = records(&devices, &curves, &[]);
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].device.as_str(), records[0].devices), ("gpu", Some(65)));
        assert_eq!(records[0].energy_uj.last(), Some(&650_000_000));
    }
}
