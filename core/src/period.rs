//! The estimator of the period of a counter's updates.
//!
//! A counter changes at its updates, and each change is seen in the *bracket* between two readings. From the distances
//! between changes, [`Period`] computes two means:
//!
//! - Over the last 32 changes, between guessed instants. It dates changes within their brackets, finds a frozen counter,
//!   and is reported. It moves little.
//! - Over the newest changes ([`UpdatePeriod`]), between the middles of the brackets. It is handed to the schedule of
//!   readings with its precision. It follows a period that changes.

/// Distances kept: enough for a mean that a few late polls cannot move.
const DISTANCES: usize = 32;
/// Fewest updates from which a period is predicted.
const FEWEST: usize = 5;
/// A predicted period is off by at most one part in this many: the predictor starts with a window as wide.
const PRECISION: u64 = 50;
/// The usual distance is recomputed after this many changes.
const REFRESH: usize = 8;
/// Readings per change, in 1/256, up to which every reading is taken to bring a change: 3 % may fail to.
const OUTRUN: u64 = 264;
/// The most that a guess follows the period, in 1/256: the bracket always has an influence, or errors would add up.
const MOST: u128 = 224;

/// The present period of a counter's updates, known to a fiftieth: what predicting them requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdatePeriod {
    /// Mean distance between updates, nanoseconds.
    pub mean_ns: u64,
    /// How many of the newest updates it is computed from. It is off by at most a bracket's width divided by this.
    pub updates: u64,
}

/// Estimates a counter's update period from the distances between its changes.
#[derive(Debug, Clone)]
pub(crate) struct Period {
    distances: [u64; DISTANCES],
    /// Distances between the middles of the brackets. Unlike guessed instants, these do not depend on an earlier mean.
    middles: [u64; DISTANCES],
    changes: usize,
    /// Readings per change, smoothed, in 1/256.
    reads: u64,
    since: u64,
    usual: Option<UsualDistance>,
    pub(crate) precise: Option<UpdatePeriod>,
    /// How far updates are off from one period after the last, smoothed, nanoseconds.
    off_ns: u64,
}

#[derive(Debug, Clone, Copy)]
struct UsualDistance {
    median_ns: u64,
    mean_ns: u64,
}

impl Default for Period {
    fn default() -> Self {
        Self {
            distances: [0; DISTANCES],
            middles: [0; DISTANCES],
            changes: 0,
            reads: 256,
            since: 0,
            usual: None,
            precise: None,
            off_ns: 0,
        }
    }
}

impl Period {
    /// A reading without a change.
    pub(crate) fn same(&mut self) {
        self.since += 1;
    }

    /// A change in `bracket`, after one in `last`; `distance_ns` is the time between their guessed instants.
    pub(crate) fn change(&mut self, distance_ns: u64, last: (u64, u64), bracket: (u64, u64)) {
        let reads = (std::mem::take(&mut self.since) + 1) * 256;
        self.reads = if self.changes == 0 { reads } else { (self.reads * 7 + reads) / 8 };
        self.distances[self.changes % DISTANCES] = distance_ns;
        self.middles[self.changes % DISTANCES] = middle_ns(bracket).saturating_sub(middle_ns(last));
        self.changes += 1;
        if self.changes < REFRESH || self.changes.is_multiple_of(REFRESH) {
            self.refresh();
        }
        self.precise = if self.is_resolved() { self.newest(bracket.1.saturating_sub(bracket.0)) } else { None };
    }

    fn refresh(&mut self) {
        let kept = self.changes.min(DISTANCES);
        let mut sorted = self.distances;
        let sorted = &mut sorted[..kept];
        sorted.sort_unstable();
        let median_ns = sorted[kept / 2];
        let mean_ns = mean_without_multiples(sorted.iter().copied(), median_ns).unwrap_or(median_ns);
        self.usual = Some(UsualDistance { median_ns, mean_ns });
    }

    /// Mean distance between updates, nanoseconds, once three are known and there are at least 1.5 reads a change:
    /// polled more slowly, only the polling would be learned.
    pub(crate) fn learned_ns(&self) -> Option<u64> {
        self.usual.filter(|_| self.is_resolved()).map(|usual| usual.mean_ns)
    }

    fn is_resolved(&self) -> bool {
        self.changes >= 3 && self.reads >= 384
    }

    /// Mean over as few of the newest updates as give the period to one part in [`PRECISION`], so that a new period is
    /// known soon after a change; `None` before there are as many. `width_ns` is the width of the last bracket.
    fn newest(&self, width_ns: u64) -> Option<UpdatePeriod> {
        let newest = |count: usize| (1..=count).map(|back| self.middles[(self.changes - back) % DISTANCES]);
        let kept = self.changes.min(DISTANCES);
        if kept < FEWEST {
            return None;
        }
        let mut sorted = [0; FEWEST];
        sorted.iter_mut().zip(newest(FEWEST)).for_each(|(place, ns)| *place = ns);
        sorted.sort_unstable();
        let median_ns = sorted[FEWEST / 2].max(1);
        // Each end of a mean is off by up to half a bracket. Rounded: brackets are a little wider than the interval.
        let enough = (width_ns.saturating_mul(PRECISION).saturating_add(median_ns / 2)) / median_ns;
        let updates = enough.max(FEWEST as u64);
        let count = usize::try_from(updates).ok().filter(|count| *count <= kept)?;
        Some(UpdatePeriod { mean_ns: mean_without_multiples(newest(count), median_ns)?, updates })
    }

    /// The median distance between changes as seen, whatever limits it.
    pub(crate) fn median_ns(&self) -> Option<u64> {
        self.usual.map(|usual| usual.median_ns)
    }

    /// Whether every reading brings a change: the counter moves faster than it is read, so a value is as old as its
    /// reading and no older.
    pub(crate) fn outruns(&self) -> bool {
        self.since == 0 && self.reads <= OUTRUN
    }

    /// The middle of the part of a bracket in which the update that a value shows can have happened: a value is never
    /// older than the usual distance between updates, however long nothing was read.
    pub(crate) fn latest(&self, lo_ns: u64, hi_ns: u64) -> u64 {
        let from_ns = lo_ns.max(hi_ns.saturating_sub(self.median_ns().unwrap_or(u64::MAX))).min(hi_ns);
        from_ns + (hi_ns - from_ns) / 2
    }

    /// Best guess of an update's instant within its bracket: the latest whole number of periods after the last update
    /// that fits, drawn to the middle of the possible part the more, the less the counter keeps time. A punctual one is
    /// thereby dated better than the polls around it.
    pub(crate) fn date(&mut self, last_ns: u64, lo_ns: u64, hi_ns: u64) -> u64 {
        let middle_ns = self.latest(lo_ns, hi_ns);
        let Some(period_ns) = self.learned_ns() else { return middle_ns };
        let width_ns = (hi_ns.max(middle_ns) - middle_ns).saturating_mul(2);
        let periods = (hi_ns.saturating_sub(last_ns) / period_ns.max(1)).max(1);
        let expected_ns = last_ns.saturating_add(period_ns.saturating_mul(periods));
        let off_ns = expected_ns.abs_diff(middle_ns);
        let smoothed_ns = u128::from(self.off_ns) * 7 / 8 + u128::from(off_ns) / 8;
        self.off_ns = u64::try_from(smoothed_ns).unwrap_or(u64::MAX);
        // A punctual counter's updates lie anywhere in the bracket: a quarter of its width off the middle, on average.
        // What they are off beyond that is the counter's own; both add as squares, as independent errors do.
        let (bracket, all) = (u128::from(width_ns / 4).pow(2), u128::from(self.off_ns).pow(2));
        let share = (bracket * 256).checked_div(all).unwrap_or(MOST).min(MOST);
        let drawn = (u128::from(expected_ns) * share + u128::from(middle_ns) * (256 - share)) / 256;
        u64::try_from(drawn).unwrap_or(u64::MAX).clamp(lo_ns, hi_ns.max(lo_ns))
    }
}

fn middle_ns((lo_ns, hi_ns): (u64, u64)) -> u64 {
    lo_ns + hi_ns.saturating_sub(lo_ns) / 2
}

/// Mean of the distances of one period. Distances over missed updates are multiples of it, and are left out.
fn mean_without_multiples(distances: impl Iterator<Item = u64>, median_ns: u64) -> Option<u64> {
    let single = distances.filter(|&ns| ns > median_ns / 2 && ns < (median_ns / 2).saturating_mul(3));
    let (sum, count) = single.fold((0u128, 0u128), |(sum, count), ns| (sum + u128::from(ns), count + 1));
    u64::try_from(sum.checked_div(count)?).ok()
}
