//! The energy of a run over its time ([`Curves`]): one curve per device, and their sum. Prices and episodes read energies from them;
//! the report keeps them as curves, and as counter records ([`counter_records`]) by which runs are merged.
//!
//! An *account* has the energies of a run until some time. A *stretch* is a part of a curve without a gap in its readings, and the
//! *slack* of a stretch is how far the times of its points may be off. A *hole* is a gap that is left out between two stretches. A *border*
//! is a time at which the intensity or the price changes. A *counter record* lets runs be merged: a few points of a counter's curve on the boot-time clock, which is one for all
//! processes of a machine and also counts sleep. Its points are dense near both ends of the run, where the records of ranks that
//! began and ended a moment after each other are joined, and sparse in the middle.

use eco2_core::schema::{Carbon, CounterRecord, Device, GapRecord};
use eco2_core::{Account, Curve, CurvePoint, CurveRecord, Ledger, Ranged, RunCurve, Stretch, curve_records};
use jiff::Timestamp;

use crate::live::wall::BootAxis;
use crate::run::pricing::When;

/// The energy curves of an account.
#[derive(Debug, Clone)]
pub(crate) struct Curves {
    /// The curve of each device; `None`: the device was not read.
    pub(crate) devices: Vec<Option<Curve>>,
    /// The curve of the run: the sum of the devices that do not overlap.
    pub(crate) run: RunCurve,
}

impl Curves {
    /// Returns the curves of an account of that ledger.
    pub(crate) fn of(ledger: &Ledger, account: &Account) -> Self {
        let devices: Vec<Option<Curve>> = (0..account.devices.len()).map(|at| ledger.curve(account, at)).collect();
        let summed = account.devices.iter().zip(&devices).filter(|(device, _)| device.is_summed());
        let parts = summed.filter_map(|(_, curve)| curve.clone());
        let run = RunCurve::new(parts, account.end_ns - account.begin_ns, account.energy.bounded());
        Self { devices, run }
    }

    /// Returns the curves as a report keeps them: with few points, but exact where the carbon intensity or the price changes.
    /// `borders` has the times at which the price changes, nanoseconds since the start of the run.
    pub(crate) fn records(
        &self,
        devices: &[Device],
        carbon: &Carbon,
        borders: Vec<u64>,
        when: &When,
    ) -> Vec<CurveRecord> {
        let since = |at: &String| {
            let at_ns = i64::try_from(at.parse::<Timestamp>().ok()?.as_nanosecond()).ok()?;
            u64::try_from(at_ns.checked_sub(when.from_ns)?).ok()
        };
        let ends = carbon.segments.iter().filter_map(|segment| since(&segment.to));
        let mut slots: Vec<u64> = ends.chain(borders).filter(|at_ns| (1..when.lasted_ns).contains(at_ns)).collect();
        slots.sort_unstable();
        slots.dedup();
        curve_records(devices, &self.devices, &slots)
    }
}

/// Distance of the outermost points from the ends of a stretch, nanoseconds: 10 ms, about the period of the fastest sampling. Each
/// next point is [`WIDER`] times as far, so that the number of points grows with the logarithm of the duration.
const NEAREST_NS: u64 = 10_000_000;
const WIDER: u64 = 4;
/// Parts of a stretch at whose borders there are further points, so that the middle has some.
const EVEN_PARTS: u64 = 8;
/// Gaps that are left out of a curve, at most, so that records stay small. The shortest gaps beyond it are bridged.
const MAX_HOLES: usize = 16;

/// Returns the counter records of an account's devices, with times of the boot-time clock. `boot_id` identifies the boot.
pub(crate) fn counter_records(
    boot: &BootAxis,
    account: &Account,
    curves: &[Option<Curve>],
    boot_id: &str,
) -> Vec<CounterRecord> {
    let record = |(device, curve): (&Device, &Option<Curve>)| {
        // A standby estimate, or a counter that never counted, is no counter of this run.
        if eco2_core::is_left_out(device) {
            return None;
        }
        let stretches = stretches(boot, account, device, curve.as_ref()?)?;
        Some(CounterRecord { boot_id: boot_id.to_owned(), device: device.id.clone(), stretches })
    };
    account.devices.iter().zip(curves).filter_map(record).collect()
}

/// Returns a stretch for each part of the run that readings cover.
fn stretches(boot: &BootAxis, account: &Account, device: &Device, curve: &Curve) -> Option<Vec<Stretch>> {
    let energy_uj = device.energy_uj?;
    let seen: Vec<CounterPoint> =
        curve.points().iter().map(|point| CounterPoint::of(point, account.begin_ns)).collect();
    let pieces = pieces(&device.gaps, account.begin_ns, account.end_ns);
    let levels = levels(&seen, &pieces, energy_uj);
    let stretch = |(piece, level): (&Piece, &StretchEnergy)| stretch(boot, device, &seen, *piece, *level);
    Some(pieces.iter().zip(&levels).map(stretch).collect())
}

fn stretch(
    boot: &BootAxis,
    device: &Device,
    seen: &[CounterPoint],
    (from_ns, to_ns): Piece,
    level: StretchEnergy,
) -> Stretch {
    let energy_uj = level.to_uj - level.from_uj;
    let mut curve = RisingCurve::new((boot.boottime_at(from_ns), boot.boottime_at(to_ns)), energy_uj);
    for point in chosen(seen, from_ns, to_ns).filter(|point| point.uj >= level.from_uj) {
        curve.push(boot.boottime_at(point.at_ns), point.uj - level.from_uj, point.off_ns);
    }
    let whole_uj = device.energy_uj.unwrap_or(0);
    let below =
        |low: Option<u64>| (whole_uj - low.unwrap_or(0).min(whole_uj)).saturating_add(level.off_uj).min(energy_uj);
    let above = |high: Option<u64>| high.map(|high| high.saturating_sub(whole_uj).saturating_add(level.off_uj));
    Stretch {
        quality: device.quality,
        slack_ns: curve.slack_ns,
        below_uj: below(device.low_uj),
        above_uj: above(device.high_uj),
        free_below_uj: below(device.free_low_uj),
        free_above_uj: above(device.free_high_uj),
        uj: curve.finished(),
        at_ns: curve.at_ns,
    }
}

/// A piece of the run that readings cover, monotonic nanoseconds.
type Piece = (u64, u64);

/// Energy from the run's beginning until both ends of a piece, and how far either may be off, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StretchEnergy {
    from_uj: u64,
    to_uj: u64,
    off_uj: u64,
}

/// The run without its longest gaps, those before the first reading and after the last among them. A gap whose energy was
/// counted all the same is none; a run that is all gap is one piece, with its bounds.
fn pieces(gaps: &[GapRecord], begin_ns: u64, end_ns: u64) -> Vec<Piece> {
    let mut holes: Vec<Piece> = gaps
        .iter()
        .filter(|gap| !gap.is_counted())
        .map(|gap| (begin_ns + gap.from_ns, (begin_ns + gap.to_ns).min(end_ns)))
        .collect();
    holes.sort_by_key(|(from_ns, to_ns)| std::cmp::Reverse(to_ns.saturating_sub(*from_ns)));
    holes.truncate(MAX_HOLES);
    holes.sort_unstable();
    let (mut pieces, mut at_ns) = (Vec::new(), begin_ns);
    for (from_ns, to_ns) in holes {
        pieces.push((at_ns, from_ns));
        at_ns = at_ns.max(to_ns);
    }
    pieces.push((at_ns, end_ns));
    pieces.retain(|(from_ns, to_ns)| from_ns < to_ns);
    if pieces.is_empty() { vec![(begin_ns, end_ns)] } else { pieces }
}

/// Returns the energies at the ends of pieces. A hole adds no energy of its own: the energy between the points around it is divided
/// by the covered time on either side.
fn levels(seen: &[CounterPoint], pieces: &[Piece], energy_uj: u64) -> Vec<StretchEnergy> {
    let mut levels = Vec::with_capacity(pieces.len());
    let (mut from_uj, mut off_uj) = (0, 0);
    for (place, (_, ends_ns)) in pieces.iter().enumerate() {
        let next = pieces.get(place + 1);
        let (to_uj, off) =
            next.map_or((energy_uj, 0), |(begins_ns, _)| across(seen, (*ends_ns, *begins_ns), energy_uj));
        let to_uj = to_uj.clamp(from_uj, energy_uj.max(from_uj));
        levels.push(StretchEnergy { from_uj, to_uj, off_uj: off.max(off_uj) });
        (from_uj, off_uj) = (to_uj, off);
    }
    levels
}

/// Returns the energy at a hole, and how far it may be off, microjoules.
fn across(seen: &[CounterPoint], (from_ns, to_ns): Piece, energy_uj: u64) -> (u64, u64) {
    let before = seen.partition_point(|seen| seen.at_ns <= from_ns).checked_sub(1).and_then(|at| seen.get(at));
    let after = seen.get(seen.partition_point(|seen| seen.at_ns < to_ns));
    let (early_ns, low_uj) = before.map_or((from_ns, 0), |seen| (seen.at_ns, seen.uj.min(energy_uj)));
    let Some(after) = after else { return (energy_uj, 0) };
    let rest_uj = after.uj.clamp(low_uj, energy_uj) - low_uj;
    let (left_ns, right_ns) = (u128::from(from_ns - early_ns), u128::from(after.at_ns - to_ns));
    let part = (u128::from(rest_uj) * left_ns).checked_div(left_ns + right_ns).unwrap_or(0);
    (low_uj + u64::try_from(part).unwrap_or(rest_uj), rest_uj)
}

/// A change of a counter: within `off_ns` of `at_ns` (monotonic) it reached `uj`.
#[derive(Debug, Clone, Copy)]
struct CounterPoint {
    at_ns: u64,
    off_ns: u64,
    uj: u64,
}

impl CounterPoint {
    fn of(point: &CurvePoint, begin_ns: u64) -> Self {
        // A stretch's points are off by as much either way, so that the middle of the bracket is nearest.
        let off_ns = (point.hi_ns - point.lo_ns.min(point.hi_ns)).div_ceil(2);
        Self { at_ns: begin_ns + point.hi_ns - off_ns, off_ns, uj: point.uj }
    }
}

/// Returns the points for the record of a stretch: those nearest to the wanted times, dense near both ends.
fn chosen(all: &[CounterPoint], from_ns: u64, to_ns: u64) -> impl Iterator<Item = &CounterPoint> {
    let lasted_ns = to_ns.saturating_sub(from_ns);
    let mut wanted: Vec<u64> = (1..EVEN_PARTS).map(|part| from_ns + lasted_ns / EVEN_PARTS * part).collect();
    let mut far_ns = NEAREST_NS;
    while far_ns < lasted_ns {
        wanted.extend([from_ns + far_ns, to_ns - far_ns]);
        far_ns = far_ns.saturating_mul(WIDER);
    }
    let mut places: Vec<usize> = wanted.into_iter().filter_map(|at_ns| nearest(all, at_ns)).collect();
    places.sort_unstable();
    places.dedup();
    places.into_iter().filter_map(|place| all.get(place))
}

/// Returns the index of the point nearest to a time.
fn nearest(all: &[CounterPoint], at_ns: u64) -> Option<usize> {
    let next = all.partition_point(|seen| seen.at_ns < at_ns);
    let around = [next.checked_sub(1), Some(next)].into_iter().flatten();
    around.filter(|place| *place < all.len()).min_by_key(|place| all[*place].at_ns.abs_diff(at_ns))
}

/// Builds the points of a stretch: times rise, and energies do not fall.
struct RisingCurve {
    at_ns: Vec<u64>,
    uj: Vec<u64>,
    slack_ns: u64,
    end_ns: u64,
    total_uj: u64,
}

impl RisingCurve {
    fn new((begin_ns, end_ns): (u64, u64), total_uj: u64) -> Self {
        Self { at_ns: vec![begin_ns], uj: vec![0], slack_ns: 0, end_ns, total_uj }
    }

    /// Adds a point, unless it lies outside the ends of the stretch or before the last point, in time or in energy.
    fn push(&mut self, at_ns: u64, uj: u64, off_ns: u64) {
        let (last_ns, last_uj) = (self.at_ns.last().copied().unwrap_or(0), self.uj.last().copied().unwrap_or(0));
        if at_ns > last_ns && at_ns < self.end_ns && (last_uj..=self.total_uj).contains(&uj) {
            self.at_ns.push(at_ns);
            self.uj.push(uj);
            self.slack_ns = self.slack_ns.max(off_ns);
        }
    }

    /// Adds the end, and returns the energies.
    fn finished(&mut self) -> Vec<u64> {
        if self.at_ns.last().is_some_and(|last_ns| *last_ns < self.end_ns) {
            self.at_ns.push(self.end_ns);
            self.uj.push(self.total_uj);
        }
        std::mem::take(&mut self.uj)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f39_a_gap_within_a_run_is_in_no_stretch_and_no_counted_energy_is_lost() {
        let gap = |from_ns, to_ns, reason: &str| GapRecord { from_ns, to_ns, reason: reason.to_owned() };
        let gaps = [gap(0, 5, "uncovered"), gap(30, 80, "lost"), gap(85, 90, "frozen"), gap(98, 100, "hung")];
        let pieces = pieces(&gaps, 1_000, 1_100);
        assert_eq!(pieces, [(1_005, 1_030), (1_080, 1_098)], "what was frozen is counted");
        assert_eq!(super::pieces(&[gap(0, 100, "failed")], 0, 100), [(0, 100)]);
        let seen = |at_ns, uj| CounterPoint { at_ns, off_ns: 0, uj };
        // 10 uJ between 1020 and 1090, of whose covered time half lies before the hole.
        let all = [seen(1_010, 20), seen(1_020, 40), seen(1_090, 50), seen(1_095, 60)];
        let level = |from_uj, to_uj, off_uj| StretchEnergy { from_uj, to_uj, off_uj };
        assert_eq!(levels(&all, &pieces, 70), [level(0, 45, 10), level(45, 70, 10)]);
        assert_eq!(levels(&all[..2], &pieces, 40), [level(0, 40, 0), level(40, 40, 0)]);
    }

    #[test]
    fn points_are_dense_near_both_ends_and_few() {
        const MS: u64 = 1_000_000;
        let all: Vec<CounterPoint> =
            (0..360_000).map(|at| CounterPoint { at_ns: at * 10 * MS, off_ns: 1, uj: at }).collect();
        let points: Vec<u64> = chosen(&all, 0, 3_600_000 * MS).map(|seen| seen.at_ns / MS).collect();
        assert!(points.len() < 40, "{}", points.len());
        assert_eq!(points[..4], [10, 40, 160, 640]);
        assert_eq!(points[points.len() - 3..], [3_599_840, 3_599_960, 3_599_990]);
        assert!(points.contains(&1_800_000));
    }

    #[test]
    fn a_curve_rises_and_ends_with_the_total() {
        let mut curve = RisingCurve::new((100, 200), 50);
        for (at_ns, uj) in [(90, 0), (120, 10), (120, 11), (130, 9), (150, 60), (160, 40), (200, 50), (210, 50)] {
            curve.push(at_ns, uj, at_ns / 10);
        }
        assert_eq!(curve.finished(), [0, 10, 40, 50]);
        assert_eq!((curve.at_ns, curve.slack_ns), (vec![100, 120, 160, 200], 16));
        let mut empty = RisingCurve::new((100, 100), 0);
        assert_eq!((empty.finished(), empty.at_ns), (vec![0], vec![100]));
    }
}
