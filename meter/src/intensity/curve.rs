//! How much energy a run had used at an instant, with what is sure about it: the sum of its devices' curves.

use eco2_core::Bounded;
use eco2_core::report::{CounterRecord, Device, Energy};
use eco2_grid::pricing::EnergyCurve;

use crate::series::Point;

/// The curves of the devices that make up a run's total.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    devices: Vec<OfDevice>,
    total: Bounded<u64>,
    lasted_ns: u64,
}

/// One device: when it had used how much, within `[lo_ns, hi_ns]` since the run began; in order.
#[derive(Debug, Clone, Default)]
struct OfDevice {
    points: Vec<Point>,
    total_uj: u64,
}

impl Curve {
    /// The curve of a run of that energy and length; devices are added to it.
    pub(crate) fn new(energy: &Energy, lasted_ns: u64) -> Self {
        let total = energy.bounded();
        Self { devices: Vec::new(), total, lasted_ns }
    }

    /// Adds a device if it is part of the total. Points count time and energy from the run's beginning.
    pub(crate) fn add(&mut self, device: &Device, points: impl Iterator<Item = Point>) {
        let Some(total_uj) = device.energy_uj.filter(|_| device.is_summed()) else { return };
        let inside = |point: &Point| point.lo_ns > 0 && point.hi_ns <= self.lasted_ns && point.uj <= total_uj;
        let mut points: Vec<Point> = points.filter(inside).collect();
        points.sort_by_key(|point| (point.hi_ns, point.lo_ns, point.uj));
        let mut reached_uj = 0;
        points.retain(|point| {
            let rises = point.uj >= reached_uj;
            reached_uj = reached_uj.max(point.uj);
            rises
        });
        self.devices.push(OfDevice { points, total_uj });
    }

    /// Adds the devices of a report that is read again, whose counters are kept on the clock of the boot.
    pub(crate) fn add_records(&mut self, devices: &[Device], counters: &[CounterRecord], begin_ns: u64) {
        for device in devices {
            let stretches =
                counters.iter().filter(|record| record.device == device.id).flat_map(|record| &record.stretches);
            let points = stretches.flat_map(|stretch| {
                let slack_ns = stretch.slack_ns;
                stretch.at_ns.iter().zip(&stretch.uj).map(move |(at_ns, uj)| {
                    let since_ns = at_ns.saturating_sub(begin_ns);
                    Point {
                        lo_ns: since_ns.saturating_sub(slack_ns),
                        hi_ns: since_ns.saturating_add(slack_ns),
                        uj: *uj,
                    }
                })
            });
            self.add(device, points);
        }
    }

    /// What the total is not sure of, no point of it is.
    fn within_total(&self, level: Bounded<u64>) -> Bounded<u64> {
        let Bounded { value, low, high, kind } = self.total;
        let Some(total_uj) = value else { return Bounded::at_most(high) };
        let below_uj = total_uj.saturating_sub(low);
        let above_uj = high.map(|high| high.saturating_sub(total_uj));
        let at_most = |uj: u64| high.map_or(uj, |high| uj.min(high));
        Bounded {
            value: level.value.map(|uj| uj.min(total_uj)),
            low: level.low.saturating_sub(below_uj),
            high: level.high.zip(above_uj).map(|(uj, above_uj)| at_most(uj.saturating_add(above_uj))),
            kind,
        }
    }
}

impl EnergyCurve for Curve {
    fn at(&self, since_ns: u64) -> Bounded<u64> {
        if since_ns >= self.lasted_ns {
            return self.total;
        }
        let level = self.devices.iter().map(|device| device.at(since_ns, self.lasted_ns));
        self.within_total(level.reduce(|sum, device| sum + device).unwrap_or(Bounded::exact(0)))
    }
}

impl OfDevice {
    /// At least, estimated, at most: bounded by the points around, interpolated between their middles.
    fn at(&self, since_ns: u64, lasted_ns: u64) -> Bounded<u64> {
        let passed = self.points.partition_point(|point| point.hi_ns <= since_ns);
        let low_uj = passed.checked_sub(1).map_or(0, |place| self.points[place].uj);
        let later = self.points[passed..].iter().find(|point| point.lo_ns >= since_ns);
        let high_uj = later.map_or(self.total_uj, |point| point.uj);
        let middle = |point: &Point| point.lo_ns / 2 + point.hi_ns / 2;
        let near = passed.saturating_sub(1)..self.points.len().min(passed + 2);
        let (mut from, mut to) = ((0, 0), (lasted_ns, self.total_uj));
        for point in &self.points[near] {
            match middle(point) {
                at_ns if at_ns <= since_ns => from = (at_ns, point.uj),
                at_ns if at_ns < to.0 => to = (at_ns, point.uj),
                _ => {}
            }
        }
        let whole_ns = u128::from(to.0.saturating_sub(from.0).max(1));
        let passed_ns = u128::from(since_ns.saturating_sub(from.0)).min(whole_ns);
        let grown = u128::from(to.1.saturating_sub(from.1)) * passed_ns / whole_ns;
        let uj = from.1.saturating_add(u64::try_from(grown).unwrap_or(u64::MAX));
        let high_uj = high_uj.max(low_uj);
        Bounded::hard(uj.clamp(low_uj, high_uj), low_uj, Some(high_uj))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eco2_core::{Component, Domain, Ledger};

    fn device(energy_uj: u64) -> Device {
        let mut ledger = Ledger::new(0, 1);
        ledger.add_domain(Domain::counter("GPU-1", Component::Gpu, "board", "nvml"));
        let device = ledger.account(1).devices.remove(0);
        Device { energy_uj: Some(energy_uj), ..device }
    }

    fn curve(points: &[(u64, u64, u64)], total_uj: u64, high_uj: Option<u64>) -> Curve {
        let energy = Energy { total_uj: Some(total_uj), low_uj: total_uj, high_uj, ..Energy::default() };
        let mut curve = Curve::new(&energy, 1000);
        let points = points.iter().map(|&(lo_ns, hi_ns, uj)| Point { lo_ns, hi_ns, uj });
        curve.add(&device(total_uj), points);
        curve
    }

    fn level(low_uj: u64, energy_uj: u64, high_uj: u64) -> Bounded<u64> {
        Bounded::plausible(energy_uj, low_uj, Some(high_uj))
    }

    #[test]
    fn between_two_points_the_energy_is_theirs() {
        let curve = curve(&[(190, 210, 100), (590, 610, 500)], 900, Some(900));
        assert_eq!(curve.at(400), level(100, 300, 500));
        assert_eq!(curve.at(100), level(0, 50, 100));
        assert_eq!(curve.at(800), level(500, 700, 900));
        assert_eq!(curve.at(600), level(100, 500, 900), "within a point's own bracket");
        assert_eq!(curve.at(1000), level(900, 900, 900));
    }

    #[test]
    fn without_points_nothing_is_sure_but_the_ends() {
        let curve = curve(&[], 900, Some(950));
        assert_eq!(curve.at(500), level(0, 450, 950));
        assert_eq!(curve.at(1000), level(900, 900, 950));
    }

    #[test]
    fn a_total_without_an_upper_bound_has_none_anywhere() {
        assert_eq!(curve(&[(190, 210, 100)], 900, None).at(100).high, None);
    }

    #[test]
    fn levels_rise() {
        let points: Vec<(u64, u64, u64)> = (1..50).map(|at| (at * 20 - 9, at * 20 + 9, at * at)).collect();
        let curve = curve(&points, 2600, Some(2600));
        let levels: Vec<Bounded<u64>> = (0..=1000).map(|at| curve.at(at)).collect();
        for pair in levels.windows(2) {
            assert!(pair[0].value <= pair[1].value && pair[0].low <= pair[1].low, "{pair:?}");
        }
        assert!(levels.iter().all(Bounded::is_consistent));
    }
}
