//! Two reads an update: a lock on the phase of one counter whose period is known.
//!
//! A counter shows nothing new between its updates, so reads there are wasted. The lock predicts the next update and
//! asks for one read half a window before it and one half a window after it; if only the second sees the change, the
//! update is bracketed by the window. Misses steer: an update before the window pulls the prediction back (and saves
//! the second read), one after it pushes it on (and costs another read if the budget of two an update has one left).
//! Hits narrow the window, misses widen it, so that its width follows the counter's jitter.
//!
//! The prediction is a Kalman filter over the instant of the next update and the period ([`UpdatePredictor`]). It starts
//! with the period that the account has learned ([`UpdatePeriod`]). Floating point is in place there: nothing but the time
//! of a read depends on it, never an energy.

use eco2_core::UpdatePeriod;

/// Reads an update may cost; a shortage is carried over, and so is what early updates saved, up to a few reads.
const READS_AN_UPDATE: i32 = 2;
const READS_SAVED: i32 = 4;
/// Misses in a row after which the lock is lost.
const MISSES: u32 = 6;

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
    beat: UpdatePredictor,
    half_ns: u64,
    probe_ns: u64,
    stage: Stage,
    budget: i32,
    misses: u32,
    hits: u32,
    /// No miss yet: narrow the window quickly.
    fresh: bool,
    /// The last update was not seen in its window and given up: the next change may be it.
    owed: bool,
}

impl PhaseLock {
    /// Locks on to a counter that changed in the bracket `change` and will be read next after `now_ns`.
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

    /// When the counter should be read next.
    pub(crate) fn due_ns(&self) -> u64 {
        self.probe_ns
    }

    /// The counter was read at `now_ns`, and `change` is the bracket of a change if one was seen; `false`: lost.
    pub(crate) fn was_read(&mut self, now_ns: u64, change: Option<(u64, u64)>) -> bool {
        self.budget -= 1;
        match change {
            Some(change) => self.changed(now_ns, change),
            None if now_ns >= self.probe_ns => self.unchanged(now_ns),
            None => {}
        }
        self.misses < MISSES
    }

    fn changed(&mut self, now_ns: u64, (from_ns, to_ns): (u64, u64)) {
        if self.owed && self.stage == Stage::Before {
            // The update of the window before, seen late: no news of the one that this window waits for.
            self.owed = false;
            return self.look_after();
        }
        let half_ns = to_ns.saturating_sub(from_ns) / 2;
        let vague = half_ns > self.half_ns - self.half_ns / 8;
        match self.stage {
            // In the window and no news of where: taking its middle for a measurement would only confirm itself.
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

    fn look_after(&mut self) {
        self.stage = Stage::After;
        self.probe_ns = self.beat.at_ns() + self.half_ns;
    }

    fn hit(&mut self) {
        self.misses = 0;
        self.hits += 1;
        // With one miss in about 100 updates the window keeps its width.
        let share = if self.fresh {
            5
        } else if self.hits > 200 {
            32
        } else {
            256
        };
        self.half_ns = (self.half_ns - self.half_ns / share).max(self.narrowest());
    }

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

    /// Wake-ups are late by up to 0.1 ms, and a hundredth of the period is finer than any update is regular.
    fn narrowest(&self) -> u64 {
        (self.beat.period_ns() / 100).max(100_000)
    }

    fn widest(&self) -> u64 {
        self.beat.period_ns() / 4
    }
}

/// The next update, the period, and how well both are known.
#[derive(Debug, Clone)]
pub(crate) struct UpdatePredictor {
    at_ns: f64,
    period_ns: f64,
    /// Variance of the instant, covariance of both, variance of the period.
    instant: f64,
    both: f64,
    period: f64,
}

impl UpdatePredictor {
    /// An update was seen `half_ns` around `at_ns`, the last of those that the period is the mean of.
    pub(crate) fn new(at_ns: u64, half_ns: u64, period: UpdatePeriod) -> Self {
        let instant = uniform(half_ns);
        let updates = period.updates.max(1) as f64;
        let period_ns = period.mean_ns as f64;
        // The last update is one end of the mean: what it is off by, the period is off by its share of.
        let (both, period) = (instant / updates, 2.0 * instant / (updates * updates));
        Self { at_ns: at_ns as f64, period_ns, instant, both, period }
    }

    pub(crate) fn at_ns(&self) -> u64 {
        self.at_ns as u64
    }

    pub(crate) fn period_ns(&self) -> u64 {
        self.period_ns as u64
    }

    /// The predicted update was seen `half_ns` around `seen_ns`, in a window of `window_ns` to both sides, which is
    /// as wide as updates jitter.
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

    /// Goes on to the first update after `after_ns`.
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

/// Variance of something that lies anywhere within `half_ns`.
fn uniform(half_ns: u64) -> f64 {
    let half = half_ns as f64;
    half * half / 3.0
}
