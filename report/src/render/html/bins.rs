//! Computes the power over time that the charts of the HTML report show: the report's curves, cut into bins of equal length
//! that all devices share.
//!
//! A *bin* is a part of the run with the mean power of a device in it, and bounds. A bin in which a device was not measured has
//! no value. The ends of a bin are moved to the nearest points of the device's curve, where its energy is known best. *Extremes* are the lowest and highest power between two points of the curve within a bin: a short peak stays
//! visible if a bin is longer than the distance of the points.
//!
//! A hard range (one that holds for every load) of a bin is the difference of the curve's bounds at its ends. A plausible range
//! belongs to the whole run, because the same model or sensor was used throughout: each bin gets the same relative range.

use std::collections::BTreeMap;

use eco2_core::schema::{Device, Report};
use eco2_core::{Bounded, Component, Curve, Quality, RangeKind, Ranged};

use super::super::numbers::as_f64;

/// Most bins: about four pixels each in the widest chart, and two points of a curve of 512.
const MAX_BINS: u64 = 240;
/// Points of a curve per bin, so that each end of a bin has a point of its own.
const POINTS_PER_BIN: u64 = 2;
/// Fewest bins of a run whose counters change slowly.
const MIN_BINS: u64 = 60;
/// Updates of the slowest counter per bin, so that the bounds of a bin, one update at each end, are within a tenth.
const UPDATES_PER_BIN: u64 = 20;

/// The bins of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) bins: u64,
    pub(super) end_ns: u64,
}

impl Grid {
    /// Returns the start of a bin, or the end of the one before it, nanoseconds since the start of the run.
    pub(super) fn edge_ns(self, bin: u64) -> u64 {
        (u128::from(self.end_ns) * u128::from(bin) / u128::from(self.bins.max(1))) as u64
    }

    fn edges(self) -> impl Iterator<Item = (u64, u64)> {
        (0..self.bins).map(move |bin| (self.edge_ns(bin), self.edge_ns(bin + 1)))
    }
}

/// The power in one bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bin {
    /// Mean power, watts; the value is `None` where it was not measured.
    pub(super) watts: Bounded<f64>,
    /// How the larger part of it came about.
    pub(super) quality: Quality,
    /// Lowest and highest power within the bin, watts.
    pub(super) extremes: [f64; 2],
}

/// The power of one device over time, or of several devices of one component that share a curve.
#[derive(Debug, Clone)]
pub(super) struct DevicePower {
    /// Id of the device; of a sum the component's name.
    pub(super) id: String,
    pub(super) component: Component,
    /// Number of devices in it.
    pub(super) devices: u64,
    pub(super) bins: Vec<Bin>,
    steps: Vec<PowerStep>,
}

/// The power of a run's devices over time.
#[derive(Debug, Clone)]
pub(super) struct PowerOverTime {
    pub(super) grid: Grid,
    pub(super) devices: Vec<DevicePower>,
}

/// Returns the power over time; `None` if the report has no usable curve.
pub(super) fn power_over_time(report: &Report) -> Option<PowerOverTime> {
    let end_ns = report.run.duration_ns;
    let mut sources: Vec<(DevicePower, Vec<&Device>, Curve)> = Vec::new();
    for record in report.curves.iter().filter(|record| record.is_sound() && record.t_ns.len() > 1) {
        let of_component = |device: &&Device| device.component.name() == record.device;
        let members: Vec<&Device> = match record.devices {
            Some(_) => report.devices.iter().filter(|device| device.is_summed()).filter(of_component).collect(),
            None => report.devices.iter().filter(|device| device.id == record.device).take(1).collect(),
        };
        // A curve that is there twice counts once.
        if sources.iter().any(|(power, ..)| power.id == record.device && power.devices == record.devices.unwrap_or(1)) {
            continue;
        }
        let Some(first) = members.first().filter(|device| device.is_summed()) else { continue };
        let total: Bounded<u64> = members.iter().map(|device| device.bounded()).sum();
        let power = DevicePower {
            id: record.device.clone(),
            component: first.component,
            devices: record.devices.unwrap_or(1),
            bins: Vec::new(),
            steps: Vec::new(),
        };
        sources.push((power, members, record.curve(end_ns, total)));
    }
    let grid = grid(end_ns, &sources)?;
    let devices = sources.into_iter().map(|(power, members, curve)| {
        let steps = powers_between_points(&curve);
        let bins = bins(grid, &members, &curve, &steps);
        DevicePower { bins, steps, ..power }
    });
    Some(PowerOverTime { grid, devices: devices.collect() })
}

/// Returns the grid; `None` without a curve or for a run of no length.
fn grid(end_ns: u64, sources: &[(DevicePower, Vec<&Device>, Curve)]) -> Option<Grid> {
    let intervals = sources.iter().map(|(_, _, curve)| curve.points().len() as u64 + 1).max()?;
    let devices = || sources.iter().flat_map(|(_, members, _)| members);
    let is_sensor = |device: &&&Device| matches!(device.quality, Quality::Measured | Quality::Synthetic);
    let slowest_ns = devices().filter(is_sensor).filter_map(|device| device.update_period_ns).max().unwrap_or(0);
    let wanted = end_ns.checked_div(slowest_ns.saturating_mul(UPDATES_PER_BIN)).unwrap_or(MAX_BINS);
    let bins = wanted.clamp(MIN_BINS, MAX_BINS).min((intervals / POINTS_PER_BIN).max(1));
    (end_ns > bins).then_some(Grid { bins, end_ns })
}

/// Returns the bins of a curve.
fn bins(grid: Grid, members: &[&Device], curve: &Curve, steps: &[PowerStep]) -> Vec<Bin> {
    let relative = RelativeRange::of(&as_f64(curve.total()));
    let bin = |(from_ns, to_ns): (u64, u64)| {
        let (near_ns, far_ns) = snapped(curve, from_ns, to_ns);
        let seconds = (far_ns - near_ns) as f64 / 1e9;
        let mean = curve.between(near_ns, far_ns).map(|uj| uj as f64 / 1e6 / seconds);
        let is_lost = members.iter().any(|device| is_mostly_gap(device, from_ns, to_ns));
        let watts = match (mean.value.filter(|_| !is_lost), &relative) {
            (None, _) => Bounded { value: None, low: 0.0, high: None, kind: mean.kind },
            (Some(value), Some(range)) => range.around(value),
            (Some(_), None) => mean,
        };
        let extremes = extremes(steps, from_ns, to_ns, &watts);
        Bin { watts, quality: quality_in(members, from_ns, to_ns), extremes }
    };
    grid.edges().map(bin).collect()
}

/// Returns the ends of a bin, moved to the nearest points of the curve; unchanged if both are nearest to one point.
fn snapped(curve: &Curve, from_ns: u64, to_ns: u64) -> (u64, u64) {
    let points = curve.points();
    let nearest = |at_ns: u64| {
        let next = points.partition_point(|point| point.at_ns < at_ns);
        let known = [0, curve.end_ns()].into_iter();
        let around = [next.checked_sub(1), Some(next)].into_iter().flatten().filter_map(|at| points.get(at));
        known.chain(around.map(|point| point.at_ns)).min_by_key(|known_ns| known_ns.abs_diff(at_ns)).unwrap_or(at_ns)
    };
    let (near_ns, far_ns) = (nearest(from_ns), nearest(to_ns));
    if near_ns < far_ns { (near_ns, far_ns) } else { (from_ns, to_ns) }
}

/// Returns the lowest and highest power within a bin; its mean if no point of the curve lies in it.
fn extremes(steps: &[PowerStep], from_ns: u64, to_ns: u64, watts: &Bounded<f64>) -> [f64; 2] {
    let mean = watts.value.unwrap_or(0.0);
    let first = steps.partition_point(|step| step.to_ns <= from_ns);
    let within = steps.iter().skip(first).take_while(|step| step.from_ns < to_ns);
    within.fold([mean, mean], |[least, most], step| [least.min(step.watts), most.max(step.watts)])
}

/// The bounds of a plausible range, as parts of its value.
pub(super) struct RelativeRange {
    low: f64,
    high: Option<f64>,
}

impl RelativeRange {
    /// Returns the range of a total; `None` for a hard range or an unknown value.
    pub(super) fn of(total: &Bounded<f64>) -> Option<Self> {
        let value = total.value.filter(|value| *value > 0.0 && total.kind == RangeKind::Plausible)?;
        Some(Self { low: total.low / value, high: total.high.map(|high| high / value) })
    }

    pub(super) fn around(&self, value: f64) -> Bounded<f64> {
        Bounded::plausible(value, value * self.low, self.high.map(|high| value * high))
    }
}

/// The mean power between two neighbouring points of a curve.
#[derive(Debug, Clone, Copy)]
struct PowerStep {
    from_ns: u64,
    to_ns: u64,
    watts: f64,
}

fn powers_between_points(curve: &Curve) -> Vec<PowerStep> {
    let points = curve.points().iter().map(|point| (point.at_ns, point.uj));
    let end = (curve.end_ns(), curve.total().value.unwrap_or(0));
    let all: Vec<(u64, u64)> = std::iter::once((0, 0)).chain(points).chain([end]).collect();
    let pairs = all.windows(2).filter(|pair| pair[1].0 > pair[0].0);
    let step = |pair: &[(u64, u64)]| PowerStep {
        from_ns: pair[0].0,
        to_ns: pair[1].0,
        watts: pair[1].1.saturating_sub(pair[0].1) as f64 * 1e3 / (pair[1].0 - pair[0].0) as f64,
    };
    pairs.map(step).collect()
}

/// Whether a gap in which nothing was counted covers more than half of the bin.
fn is_mostly_gap(device: &Device, from_ns: u64, to_ns: u64) -> bool {
    let lost = device.gaps.iter().filter(|gap| !gap.is_counted());
    let covered: u64 =
        lost.map(|gap| gap.to_ns.min(to_ns).saturating_sub(gap.from_ns.max(from_ns))).fold(0, u64::saturating_add);
    covered.saturating_mul(2) > to_ns - from_ns
}

/// Returns how the members' energy in a bin came about: the quality of the member with the most energy in the run, or of what
/// counted in its place.
fn quality_in(members: &[&Device], from_ns: u64, to_ns: u64) -> Quality {
    let Some(device) = members.iter().max_by_key(|device| device.energy_uj) else { return Quality::Missing };
    let middle_ns = from_ns + (to_ns - from_ns) / 2;
    let replaced = device.replaced.iter().find(|part| part.from_ns <= middle_ns && middle_ns < part.to_ns);
    let own = device.replaced.first().map_or(device.quality, |part| part.sensor_quality);
    replaced.map_or(own, |part| part.quality)
}

/// Returns the sum of the devices' power per bin. A bin in which one of them was not measured has no value.
pub(super) fn summed(grid: Grid, devices: &[&DevicePower]) -> Vec<Bin> {
    let steps = summed_steps(devices);
    let bin = |(at, (from_ns, to_ns)): (usize, (u64, u64))| {
        let parts: Vec<Bin> = devices.iter().filter_map(|device| device.bins.get(at).copied()).collect();
        let sum: Bounded<f64> = parts.iter().map(|bin| bin.watts).sum();
        let is_whole = parts.iter().all(|bin| bin.watts.value.is_some());
        let watts = Bounded { value: sum.value.filter(|_| is_whole), ..sum };
        let mut by_quality: BTreeMap<Quality, f64> = BTreeMap::new();
        for bin in &parts {
            *by_quality.entry(bin.quality).or_default() += bin.watts.value.unwrap_or(0.0);
        }
        let most = by_quality.iter().max_by(|one, other| one.1.total_cmp(other.1));
        let quality = most.map_or(Quality::Missing, |(quality, _)| *quality);
        Bin { watts, quality, extremes: extremes(&steps, from_ns, to_ns, &watts) }
    };
    grid.edges().enumerate().map(bin).collect()
}

/// Returns the sum of the devices' powers between the points of all their curves.
fn summed_steps(devices: &[&DevicePower]) -> Vec<PowerStep> {
    let mut instants: Vec<u64> = devices.iter().flat_map(|device| &device.steps).map(|step| step.to_ns).collect();
    instants.sort_unstable();
    instants.dedup();
    let mut next = vec![0_usize; devices.len()];
    let mut from_ns = 0;
    let mut sum = Vec::with_capacity(instants.len());
    for to_ns in instants {
        let mut watts = 0.0;
        for (device, next) in devices.iter().zip(&mut next) {
            while device.steps.get(*next).is_some_and(|step| step.to_ns <= from_ns) {
                *next += 1;
            }
            watts += device.steps.get(*next).map_or(0.0, |step| step.watts);
        }
        sum.push(PowerStep { from_ns, to_ns, watts });
        from_ns = to_ns;
    }
    sum
}
