//! [`PhaseLock`] decides when one counter is read so that two reads see each of its updates.
//!
//! A counter shows nothing new between its updates, so reads there are wasted. The lock, which knows the counter's
//! period, predicts the next update. It asks for one read half a window before the prediction and one half a window
//! after it. If only the second shows a change, the update lies in the window: a hit. Everything else is a miss. An
//! update before the window moves the prediction back and saves the second read. One after it moves the prediction on
//! and costs another read, if the budget of two an update has one left. Hits narrow the window and misses widen it, so
//! that its width follows the counter's jitter.
//!
//! The prediction is a Kalman filter over the instant of the next update and the period ([`UpdatePredictor`]). It
//! starts with the period that the account, which turns readings into energy, has learned ([`UpdatePeriod`]). Floating
//! point is in place there: only the time of a read depends on it, never an energy.

use eco2_core::UpdatePeriod;

/// Reads that one update may cost. What is saved or overspent is carried over to the next updates.
const READS_AN_UPDATE: i32 = 2;
/// Most reads that are carried over: two updates' worth.
const READS_SAVED: i32 = 4;
/// Misses in a row after which the lock is lost: by then the window is up to 1.5⁶ ≈ 11 times as wide.
const MISSES: u32 = 6;

/// Which read of an update comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The next read comes before the predicted update.
    Before,
    /// The next read comes after it.
    After,
    /// The update did not come in the window; the next read looks once more.
    Late,
}

/// The lock on one counter.
#[derive(Debug, Clone)]
pub(crate) struct PhaseLock {
    /// Predicts the next update.
    beat: UpdatePredictor,
    /// Half the width of the window.
    half_ns: u64,
    /// When to read next.
    probe_ns: u64,
    stage: Stage,
    /// Reads left for this update.
    budget: i32,
    /// Misses since the last hit, and hits since the last miss.
    misses: u32,
    hits: u32,
    /// Whether there was no miss yet, so that the window narrows quickly.
    fresh: bool,
    /// Whether the last update was given up because it was not seen in or after its window: the next change may be it.
    owed: bool,
}

impl PhaseLock {
    /// Locks on to a counter that changed between the two reads at the times `change` and will be read next after
    /// `now_ns`.
    pub(crate) fn new(change: (u64, u64), period: UpdatePeriod, now_ns: u64) -> Self {
        let half_ns = change.1.saturating_sub(change.0) / 2;
        let mut lock = Self {
            beat: UpdatePredictor::new(change.0 + half_ns, half_ns, period),
            half_ns: half_ns + period.mean_ns / 50,
            probe_ns: 0,
            stage: Stage::Before,
            budget: READS_SAVED,
            misses: 0,
            hits: 0,
            fresh: true,
            owed: false,
        };
        lock.half_ns = lock.half_ns.clamp(lock.narrowest(), lock.widest());
        lock.advance(now_ns);
        lock
    }

    /// Returns when the counter should be read next.
    pub(crate) fn due_ns(&self) -> u64 {
        self.probe_ns
    }

    /// Takes note that the counter was read at `now_ns`; `change` is the pair of reads between which a change lies, if
    /// one was seen. Returns `false` when the lock is lost.
    pub(crate) fn was_read(&mut self, now_ns: u64, change: Option<(u64, u64)>) -> bool {
        self.budget -= 1;
        match change {
            Some(change) => self.changed(now_ns, change),
            None if now_ns >= self.probe_ns => self.unchanged(now_ns),
            None => {}
        }
        self.misses < MISSES
    }

    /// Takes a change between `from_ns` and `to_ns`: corrects the prediction and the window.
    fn changed(&mut self, now_ns: u64, (from_ns, to_ns): (u64, u64)) {
        if self.owed && self.stage == Stage::Before {
            // The update of the window before, seen late: no news of the one that this window waits for.
            self.owed = false;
            return self.look_after();
        }
        let half_ns = to_ns.saturating_sub(from_ns) / 2;
        let vague = half_ns > self.half_ns - self.half_ns / 8;
        match self.stage {
            // Somewhere in the window: to take its middle for a measurement would only confirm the prediction.
            Stage::After if vague => {}
            // Before the window, at an unknown distance: most likely just before it.
            Stage::Before if vague => {
                self.beat.seen(to_ns.saturating_sub(self.half_ns / 4), self.half_ns / 4, self.half_ns);
            }
            _ => self.beat.seen(from_ns + half_ns, half_ns, self.half_ns),
        }
        if self.stage == Stage::After {
            self.hit()
        } else {
            self.miss()
        }
        self.advance(now_ns);
    }

    /// Takes a read that showed no change: waits for the next read of this update, or gives the update up.
    fn unchanged(&mut self, now_ns: u64) {
        match self.stage {
            Stage::Before if now_ns < self.beat.at_ns() + self.half_ns => self.look_after(),
            Stage::Before | Stage::After if self.budget > 0 => {
                self.stage = Stage::Late;
                self.probe_ns = now_ns + self.half_ns;
            }
            Stage::Before | Stage::After | Stage::Late => {
                self.miss();
                self.owed = true;
                self.advance(now_ns);
            }
        }
    }

    /// Makes the read after the window the next one.
    fn look_after(&mut self) {
        self.stage = Stage::After;
        self.probe_ns = self.beat.at_ns() + self.half_ns;
    }

    /// Narrows the window: by a fifth while there was no miss, else slowly.
    fn hit(&mut self) {
        self.misses = 0;
        self.hits += 1;
        // One miss widens the window by half, about 100 hits at 1/256 narrow it by as much (1.5 × (255/256)^104 ≈ 1),
        // so with one miss in about 100 updates the width stays. After 200 hits in a row it is too wide and narrows
        // faster.
        let share = if self.fresh {
            5
        } else if self.hits > 200 {
            32
        } else {
            256
        };
        self.half_ns = (self.half_ns - self.half_ns / share).max(self.narrowest());
    }

    /// Widens the window by half.
    fn miss(&mut self) {
        self.fresh = false;
        self.hits = 0;
        self.misses += 1;
        self.half_ns = (self.half_ns * 3 / 2).min(self.widest());
    }

    /// Predicts the first update whose window is not over at `now_ns`.
    fn advance(&mut self, now_ns: u64) {
        self.beat.advance(now_ns + self.half_ns / 4 + self.half_ns, self.half_ns);
        self.stage = Stage::Before;
        self.probe_ns = self.beat.at_ns().saturating_sub(self.half_ns);
        self.budget = (self.budget + READS_AN_UPDATE).clamp(-READS_SAVED, READS_SAVED);
    }

    /// Returns the least half width: 0.1 ms, by which wake-ups are late, or a hundredth of the period, as no counter's
    /// updates are more regular than that.
    fn narrowest(&self) -> u64 {
        (self.beat.period_ns() / 100).max(100_000)
    }

    /// Returns the greatest half width: a quarter of the period, so that a window covers half of it.
    fn widest(&self) -> u64 {
        self.beat.period_ns() / 4
    }
}

/// Predicts a counter's updates: holds the next update, the period, and how well both are known.
#[derive(Debug, Clone)]
pub(crate) struct UpdatePredictor {
    at_ns: f64,
    period_ns: f64,
    /// Variance of the instant, in ns².
    instant: f64,
    /// Covariance of instant and period.
    both: f64,
    /// Variance of the period.
    period: f64,
}

impl UpdatePredictor {
    /// Starts with an update seen within `half_ns` of `at_ns`. It is the last of those of which `period` is the mean.
    pub(crate) fn new(at_ns: u64, half_ns: u64, period: UpdatePeriod) -> Self {
        let instant = uniform(half_ns);
        let updates = period.updates.max(1) as f64;
        let period_ns = period.mean_ns as f64;
        // The last update is one end of the span of `updates` periods: its error, divided by their number, is in the
        // mean.
        let (both, period) = (instant / updates, 2.0 * instant / (updates * updates));
        Self { at_ns: at_ns as f64, period_ns, instant, both, period }
    }

    /// Returns when the next update is predicted.
    pub(crate) fn at_ns(&self) -> u64 {
        self.at_ns as u64
    }

    /// Returns the period.
    pub(crate) fn period_ns(&self) -> u64 {
        self.period_ns as u64
    }

    /// Corrects prediction and period by an update that was seen within `half_ns` of `seen_ns`. `window_ns`, half the
    /// width of the window, is taken for the jitter of updates.
    pub(crate) fn seen(&mut self, seen_ns: u64, half_ns: u64, window_ns: u64) {
        let error = seen_ns as f64 - self.at_ns;
        let variance = self.instant + uniform(half_ns) + uniform(window_ns);
        let (gain, period_gain) = (self.instant / variance, self.both / variance);
        self.at_ns += gain * error;
        self.period_ns += period_gain * error;
        self.period -= period_gain * self.both;
        self.both -= gain * self.both;
        self.instant -= gain * self.instant;
    }

    /// Predicts the first update after `after_ns`.
    pub(crate) fn advance(&mut self, after_ns: u64, window_ns: u64) {
        let updates = ((after_ns as f64 - self.at_ns) / self.period_ns).floor().max(0.0) + 1.0;
        self.at_ns += updates * self.period_ns;
        // Updates may drift by an eighth of the window each, and the period by a five-thousandth of it.
        let drift = uniform(window_ns);
        self.instant += 2.0 * updates * self.both + updates * updates * self.period + updates * drift / 64.0;
        self.both += updates * self.period;
        self.period += updates * drift / 25_000_000.0;
    }
}

/// Returns the variance of an instant that lies anywhere within `half_ns` to both sides (a uniform distribution).
fn uniform(half_ns: u64) -> f64 {
    let half = half_ns as f64;
    half * half / 3.0
}
