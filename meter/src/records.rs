//! What is kept of each counter so that runs can be merged: a few points of its curve on the clock of the boot.
//!
//! The boot-time clock is one for all processes of a machine and also counts sleep. Points lie close together near both
//! ends of the run, where the records of ranks that began and ended a moment apart are joined, and wide apart between.

use eco2_core::report::{CounterRecord, Device, GapRecord};
use eco2_core::{Account, Stretch};

use crate::engine::Engine;
use crate::series::Point;

/// The points nearest to the ends are this far from them, nanoseconds; each next one this many times as far.
const NEAREST_NS: u64 = 10_000_000;
const WIDER: u64 = 4;
/// Points spread evenly over the run, besides.
const EVENLY: u64 = 8;
/// Knots of the last seconds that are looked at besides the thinned history.
const RECENT: usize = 512;

/// Where the boot-time clock stood, by the monotonic clock: their distance grows when the machine sleeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct BootAxis {
    /// From which monotonic instant on, and how far ahead boot time is then; in order.
    offsets: Vec<(u64, u64)>,
}

impl BootAxis {
    /// Boot time is ahead by `offset_ns` from `mono_ns` on.
    pub(crate) fn set(&mut self, mono_ns: u64, offset_ns: u64) {
        self.offsets.push((mono_ns, offset_ns));
    }

    /// Boot time of a monotonic instant, nanoseconds.
    pub(crate) fn at(&self, mono_ns: u64) -> u64 {
        let passed = self.offsets.iter().rev().find(|(from_ns, _)| *from_ns <= mono_ns);
        let (_, offset_ns) = passed.or(self.offsets.first()).copied().unwrap_or_default();
        mono_ns.saturating_add(offset_ns)
    }
}

/// The records of an account's devices; none where the boot is not known.
pub(crate) fn records(engine: &Engine, account: &Account, boot_id: &str) -> Vec<CounterRecord> {
    if boot_id.is_empty() {
        return Vec::new();
    }
    let devices = account.devices.iter().zip(&account.start_uj).enumerate();
    let record = |(index, (device, start_uj)): (usize, (&Device, &u64))| {
        let stretch = stretch(engine, account, index, device, *start_uj)?;
        Some(CounterRecord { boot_id: boot_id.to_owned(), device: device.id.clone(), stretches: vec![stretch] })
    };
    devices.filter_map(record).collect()
}

fn stretch(engine: &Engine, account: &Account, index: usize, device: &Device, start_uj: u64) -> Option<Stretch> {
    let energy_uj = device.energy_uj?;
    let (from_ns, to_ns) = known(device, account.begin_ns, account.end_ns);
    let ends = (engine.boot.at(from_ns), engine.boot.at(to_ns));
    let mut curve = Curve::new(ends, energy_uj);
    for point in chosen(&candidates(engine, index), from_ns, to_ns) {
        curve.pass(engine.boot.at(point.at_ns), point.uj.saturating_sub(start_uj), point.off_ns);
    }
    let below = |low: Option<u64>| energy_uj - low.unwrap_or(0).min(energy_uj);
    let above = |high: Option<u64>| high.map(|high| high.saturating_sub(energy_uj));
    Some(Stretch {
        quality: device.quality,
        slack_ns: curve.slack_ns,
        below_uj: below(device.low_uj),
        above_uj: above(device.high_uj),
        free_below_uj: below(device.free_low_uj),
        free_above_uj: above(device.free_high_uj),
        uj: curve.finished(),
        at_ns: curve.at_ns,
    })
}

/// The run without the times before the first reading and after the last.
fn known(device: &Device, begin_ns: u64, end_ns: u64) -> (u64, u64) {
    let unread = |gap: &&GapRecord| matches!(gap.reason.as_str(), "uncovered" | "lost" | "hung" | "failed");
    let lasted_ns = end_ns - begin_ns;
    let first = device.gaps.iter().filter(unread).find(|gap| gap.from_ns == 0 && gap.to_ns < lasted_ns);
    let last = device.gaps.iter().filter(unread).find(|gap| gap.from_ns > 0 && gap.to_ns >= lasted_ns);
    (begin_ns + first.map_or(0, |gap| gap.to_ns), last.map_or(end_ns, |gap| begin_ns + gap.from_ns))
}

/// A knot as a point: somewhere within `off_ns` of `at_ns` (monotonic) the counter reached `uj`.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at_ns: u64,
    off_ns: u64,
    uj: u64,
}

fn candidates(engine: &Engine, index: usize) -> Vec<Seen> {
    let opened_ns = engine.ledger.opened_ns();
    let seen = |lo_ns: u64, hi_ns: u64, uj| {
        let off_ns = (hi_ns - lo_ns.min(hi_ns)).div_ceil(2);
        Seen { at_ns: hi_ns - off_ns, off_ns, uj }
    };
    // A value of unknown age has no lower end.
    let history = engine.series.get(index).into_iter().flat_map(|series| series.all()).filter(|point| point.lo_ns > 0);
    let mut all: Vec<Seen> =
        history.map(|point: &Point| seen(opened_ns + point.lo_ns, opened_ns + point.hi_ns, point.uj)).collect();
    if let Some(track) = engine.ledger.tracks().get(index) {
        all.extend(track.recent(RECENT).filter(|knot| !knot.first).map(|knot| seen(knot.lo_ns, knot.hi_ns, knot.uj)));
    }
    all.sort_by_key(|seen| (seen.at_ns, seen.uj));
    all
}

/// Those nearest to where points are wanted.
fn chosen(all: &[Seen], from_ns: u64, to_ns: u64) -> impl Iterator<Item = &Seen> {
    let lasted_ns = to_ns.saturating_sub(from_ns);
    let mut wanted: Vec<u64> = (1..EVENLY).map(|part| from_ns + lasted_ns / EVENLY * part).collect();
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

fn nearest(all: &[Seen], at_ns: u64) -> Option<usize> {
    let next = all.partition_point(|seen| seen.at_ns < at_ns);
    let around = [next.checked_sub(1), Some(next)].into_iter().flatten();
    around.filter(|place| *place < all.len()).min_by_key(|place| all[*place].at_ns.abs_diff(at_ns))
}

/// A curve under construction, that rises in time and does not fall in energy.
struct Curve {
    at_ns: Vec<u64>,
    uj: Vec<u64>,
    slack_ns: u64,
    end_ns: u64,
    total_uj: u64,
}

impl Curve {
    fn new((begin_ns, end_ns): (u64, u64), total_uj: u64) -> Self {
        Self { at_ns: vec![begin_ns], uj: vec![0], slack_ns: 0, end_ns, total_uj }
    }

    /// Takes a point that lies within the curve's ends, in time and in energy.
    fn pass(&mut self, at_ns: u64, uj: u64, off_ns: u64) {
        let (last_ns, last_uj) = (self.at_ns.last().copied().unwrap_or(0), self.uj.last().copied().unwrap_or(0));
        if at_ns > last_ns && at_ns < self.end_ns && (last_uj..=self.total_uj).contains(&uj) {
            self.at_ns.push(at_ns);
            self.uj.push(uj);
            self.slack_ns = self.slack_ns.max(off_ns);
        }
    }

    /// Adds the end and hands out the energies.
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
    fn sleep_moves_the_boot_clock_on() {
        let mut axis = BootAxis::default();
        axis.set(100, 5);
        axis.set(200, 50);
        assert_eq!([axis.at(90), axis.at(150), axis.at(200), axis.at(300)], [95, 155, 250, 350]);
        assert_eq!(BootAxis::default().at(7), 7);
    }

    #[test]
    fn points_are_dense_near_both_ends_and_few() {
        const MS: u64 = 1_000_000;
        let all: Vec<Seen> = (0..360_000).map(|at| Seen { at_ns: at * 10 * MS, off_ns: 1, uj: at }).collect();
        let points: Vec<u64> = chosen(&all, 0, 3_600_000 * MS).map(|seen| seen.at_ns / MS).collect();
        assert!(points.len() < 40, "{}", points.len());
        assert_eq!(points[..4], [10, 40, 160, 640]);
        assert_eq!(points[points.len() - 3..], [3_599_840, 3_599_960, 3_599_990]);
        assert!(points.contains(&1_800_000));
    }

    #[test]
    fn a_curve_rises_and_ends_with_the_total() {
        let mut curve = Curve::new((100, 200), 50);
        for (at_ns, uj) in [(90, 0), (120, 10), (120, 11), (130, 9), (150, 60), (160, 40), (200, 50), (210, 50)] {
            curve.pass(at_ns, uj, at_ns / 10);
        }
        assert_eq!(curve.finished(), [0, 10, 40, 50]);
        assert_eq!((curve.at_ns, curve.slack_ns), (vec![100, 120, 160, 200], 16));
        let mut empty = Curve::new((100, 100), 0);
        assert_eq!((empty.finished(), empty.at_ns), (vec![0], vec![100]));
    }
}
