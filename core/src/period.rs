//! Estimates how often a counter's value is updated, the *period*, and dates its changes with it ([`Period`]).
//!
//! Some counters are updated only every few milliseconds. A change is then seen in its *bracket*, the time between the
//! last reading of the old value and the first of the new one. A *distance* is the time from one change to the next.
//! From the distances, [`Period`] computes two means:
//!
//! - A mean over the last 32 changes, between guessed instants. It dates changes within their brackets, finds a counter
//!   that is no longer updated, and is reported. It changes slowly.
//! - A mean over the newest changes ([`UpdatePeriod`]), between the middles of the brackets. It follows a period that
//!   changes. The schedule of readings predicts the next update from it.

/// Number of distances kept: enough for a mean that a few late readings do not change much.
const DISTANCES: usize = 32;
/// Fewest updates from which a period is predicted: two of five distances may be wrong and the median is still right.
const FEWEST: usize = 5;
/// A predicted period is off by at most one part in this many. The prediction of the next update starts with an
/// uncertainty as wide.
const PRECISION: u64 = 50;
/// The usual distance is computed again after this many changes, so that a change seldom costs a sort.
const REFRESH: usize = 8;
/// Readings per change, in 1/256, up to which every reading is taken to show a change: 264/256 allows 3 % that do not.
const OUTRUN: u64 = 264;
/// The most that a guessed instant follows the period, in 1/256 (87 %). The rest is the middle of the bracket: without
/// it the errors of guesses would add up.
const MOST: u128 = 224;

/// The present period of a counter's updates, known to one part in fifty, as the prediction of updates requires.
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
    /// Distances between guessed instants, nanoseconds; change number `n` is at `n % DISTANCES`.
    distances: [u64; DISTANCES],
    /// Distances between the middles of the brackets. Unlike guessed instants, these do not depend on an earlier mean.
    middles: [u64; DISTANCES],
    /// Number of changes seen.
    changes: usize,
    /// Readings per change, smoothed, in 1/256.
    reads: u64,
    /// Readings without a change since the last change.
    since: u64,
    /// Median and mean of the kept distances; `None` before the first change.
    usual: Option<UsualDistance>,
    /// The present period; `None` while it is not known precisely enough.
    pub(crate) precise: Option<UpdatePeriod>,
    /// How far updates are off from a whole number of periods after the last one, smoothed, nanoseconds.
    off_ns: u64,
}

/// Median and mean of the kept distances.
#[derive(Debug, Clone, Copy)]
struct UsualDistance {
    median_ns: u64,
    /// Mean without distances over missed updates, nanoseconds.
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
    /// Takes a reading without a change.
    pub(crate) fn same(&mut self) {
        self.since += 1;
    }

    /// Takes a change in `bracket`, after one in `last`, each as (first, last) instant of the bracket in nanoseconds;
    /// `distance_ns` is the time between the guessed instants of both changes.
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

    /// Computes median and mean of the kept distances.
    fn refresh(&mut self) {
        let kept = self.changes.min(DISTANCES);
        let mut sorted = self.distances;
        let sorted = &mut sorted[..kept];
        sorted.sort_unstable();
        let median_ns = sorted[kept / 2];
        let mean_ns = mean_without_multiples(sorted.iter().copied(), median_ns).unwrap_or(median_ns);
        self.usual = Some(UsualDistance { median_ns, mean_ns });
    }

    /// Returns the mean distance between updates, nanoseconds; `None` before three changes, or with less than 1.5
    /// readings per change: distances would then be those of the readings.
    pub(crate) fn learned_ns(&self) -> Option<u64> {
        self.usual.filter(|_| self.is_resolved()).map(|usual| usual.mean_ns)
    }

    /// Whether distances show the updates rather than the readings: three changes, and 384/256 = 1.5 readings per
    /// change.
    fn is_resolved(&self) -> bool {
        self.changes >= 3 && self.reads >= 384
    }

    /// Returns the mean over as few of the newest updates as give the period to one part in [`PRECISION`], so that a
    /// new period is known soon; `None` before there are as many. `width_ns` is the width of the last bracket.
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

    /// Returns the median distance between changes as they were seen, even where the readings limit it and not the
    /// counter; `None` before the first change.
    pub(crate) fn median_ns(&self) -> Option<u64> {
        self.usual.map(|usual| usual.median_ns)
    }

    /// Whether every reading shows a change: the counter is updated faster than it is read, so a value is no older than
    /// its reading.
    pub(crate) fn outruns(&self) -> bool {
        self.since == 0 && self.reads <= OUTRUN
    }

    /// Returns the middle of the part of a bracket in which the last update can have happened. A value is never older
    /// than the usual distance between updates, so that part is at most as long, however long nothing was read.
    pub(crate) fn latest(&self, lo_ns: u64, hi_ns: u64) -> u64 {
        let from_ns = lo_ns.max(hi_ns.saturating_sub(self.median_ns().unwrap_or(u64::MAX))).min(hi_ns);
        from_ns + (hi_ns - from_ns) / 2
    }

    /// Returns the best guess of an update's instant within its bracket `lo_ns..=hi_ns`; `last_ns` is the guess for the
    /// update before. It is a weighted mean of two instants: the latest whole number of periods after `last_ns` that
    /// fits, and the middle of the possible part of the bracket. The less punctual the counter's updates are, the more
    /// the middle counts. Updates of a punctual counter are thereby dated more precisely than the readings around them.
    pub(crate) fn date(&mut self, last_ns: u64, lo_ns: u64, hi_ns: u64) -> u64 {
        let middle_ns = self.latest(lo_ns, hi_ns);
        let Some(period_ns) = self.learned_ns() else { return middle_ns };
        let width_ns = (hi_ns.max(middle_ns) - middle_ns).saturating_mul(2);
        let periods = (hi_ns.saturating_sub(last_ns) / period_ns.max(1)).max(1);
        let expected_ns = last_ns.saturating_add(period_ns.saturating_mul(periods));
        let off_ns = expected_ns.abs_diff(middle_ns);
        let smoothed_ns = u128::from(self.off_ns) * 7 / 8 + u128::from(off_ns) / 8;
        self.off_ns = u64::try_from(smoothed_ns).unwrap_or(u64::MAX);
        // Updates of a punctual counter lie anywhere in the bracket, on average a quarter of its width from the middle.
        // What they are off in addition is the counter's own error. Both add as squares, as independent errors do.
        let (bracket, all) = (u128::from(width_ns / 4).pow(2), u128::from(self.off_ns).pow(2));
        let share = (bracket * 256).checked_div(all).unwrap_or(MOST).min(MOST);
        let drawn = (u128::from(expected_ns) * share + u128::from(middle_ns) * (256 - share)) / 256;
        u64::try_from(drawn).unwrap_or(u64::MAX).clamp(lo_ns, hi_ns.max(lo_ns))
    }
}

/// Returns the middle of a bracket, nanoseconds.
fn middle_ns((lo_ns, hi_ns): (u64, u64)) -> u64 {
    lo_ns + hi_ns.saturating_sub(lo_ns) / 2
}

/// Returns the mean of the distances from half to one and a half times the median. Longer ones span missed updates, so
/// they are multiples of the period, and are left out.
fn mean_without_multiples(distances: impl Iterator<Item = u64>, median_ns: u64) -> Option<u64> {
    let single = distances.filter(|&ns| ns > median_ns / 2 && ns < (median_ns / 2).saturating_mul(3));
    let (sum, count) = single.fold((0u128, 0u128), |(sum, count), ns| (sum + u128::from(ns), count + 1));
    u64::try_from(sum.checked_div(count)?).ok()
}
