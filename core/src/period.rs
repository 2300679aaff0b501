//! Estimates how often a counter's value is updated, the *period*, and dates its changes with it ([`Period`]).
//!
//! Some counters are updated only every few milliseconds. A change is then seen in its *bracket*, the time between the
//! last reading of the old value and the first of the new one. A *distance* is the time from one change to the next.
//! Readings may be seldom: then a bracket holds several updates, and distances are those of the readings. So a distance is
//! used only if both of its brackets are about as narrow as the narrowest so far. A period that was learned is kept until
//! there are such distances again.
//!
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
/// Distance per width of a bracket, in 1/256, up to which every reading is taken to show a change: 264/256 allows 3 % that
/// do not.
const OUTRUN: u64 = 264;
/// Distance per width of a bracket, in 1/256, from which distances show the updates rather than the readings: 1.5.
const RESOLVED: u64 = 384;
/// A bracket is narrow if it is no wider than this part of the learned period, ...
const NARROW: u64 = 4;
/// ... or no wider than this many times the usual width of the narrow ones.
const USUAL_WIDTHS: u64 = 2;
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
    /// Distance between the middles of narrow brackets and width of these, both smoothed, nanoseconds.
    distance_ns: u64,
    width_ns: u64,
    /// Changes in narrow brackets since the last wide one: between these, no update was missed.
    narrow: usize,
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
            distance_ns: 0,
            width_ns: 0,
            narrow: 0,
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
        self.since = 0;
        let width = |(lo_ns, hi_ns): (u64, u64)| hi_ns.saturating_sub(lo_ns);
        let width_ns = width(bracket).max(width(last));
        if !self.is_narrow(width_ns) {
            self.narrow = 0;
            return;
        }
        let between_ns = middle_ns(bracket).saturating_sub(middle_ns(last));
        // A pause of the device is no distance between updates: it counts as twice the usual one.
        let most_ns = if self.changes == 0 { u64::MAX } else { self.distance_ns.saturating_mul(2) };
        self.distance_ns = smoothed_ns(self.distance_ns, between_ns.min(most_ns), self.changes);
        self.width_ns = smoothed_ns(self.width_ns, width(bracket), self.changes);
        self.distances[self.changes % DISTANCES] = distance_ns;
        self.middles[self.changes % DISTANCES] = between_ns;
        self.changes += 1;
        self.narrow += 1;
        if self.changes < REFRESH || self.changes % REFRESH == 0 {
            self.refresh();
        }
        if !self.is_resolved() {
            self.precise = None;
        } else if self.narrow >= FEWEST {
            self.precise = self.newest(width(bracket));
        }
    }

    /// Whether a bracket of that width shows an update rather than how seldom the counter is read.
    fn is_narrow(&self, width_ns: u64) -> bool {
        let learned_ns = self.learned_ns().unwrap_or(0);
        self.changes == 0 || width_ns <= (learned_ns / NARROW).max(self.width_ns.saturating_mul(USUAL_WIDTHS))
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

    /// Returns the mean distance between updates, nanoseconds; `None` before three changes, or while distances are less
    /// than 1.5 times as long as brackets are wide: they would then be those of the readings.
    pub(crate) fn learned_ns(&self) -> Option<u64> {
        self.usual.filter(|_| self.is_resolved()).map(|usual| usual.mean_ns)
    }

    /// Whether distances show the updates rather than the readings.
    fn is_resolved(&self) -> bool {
        self.changes >= 3 && self.widths() >= RESOLVED
    }

    /// Returns how many times as long as the width of a bracket the distance is, in 1/256.
    fn widths(&self) -> u64 {
        self.distance_ns.saturating_mul(256) / self.width_ns.max(1)
    }

    /// Returns the number of readings without a change since the last change.
    pub(crate) fn unchanged(&self) -> u64 {
        self.since
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
        let count = usize::try_from(updates).ok().filter(|count| *count <= kept.min(self.narrow))?;
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
        self.since == 0 && self.widths() <= OUTRUN
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
        self.off_ns = smoothed_ns(self.off_ns, off_ns, 1);
        // Updates of a punctual counter lie anywhere in the bracket, on average a quarter of its width from the middle.
        // What they are off in addition is the counter's own error. Both add as squares, as independent errors do.
        let (bracket, all) = (u128::from(width_ns / 4).pow(2), u128::from(self.off_ns).pow(2));
        let share = (bracket * 256).checked_div(all).unwrap_or(MOST).min(MOST);
        let drawn = (u128::from(expected_ns) * share + u128::from(middle_ns) * (256 - share)) / 256;
        u64::try_from(drawn).unwrap_or(u64::MAX).clamp(lo_ns, hi_ns.max(lo_ns))
    }
}

/// Returns the smoothed value of a series after its next value, which counts one eighth; `values` came before it.
fn smoothed_ns(mean_ns: u64, next_ns: u64, values: usize) -> u64 {
    let smoothed_ns = u128::from(mean_ns) * 7 / 8 + u128::from(next_ns) / 8;
    if values == 0 { next_ns } else { u64::try_from(smoothed_ns).unwrap_or(u64::MAX) }
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
