//! Two reads an update: a lock on the phase of one counter whose period is known.
//!
//! A counter shows nothing new between its updates, so reads there are wasted. The lock predicts the next update and
//! asks for one read half a window before it and one half a window after it; if only the second sees the change, the
//! update is bracketed by the window. Misses steer: an update before the window pulls the prediction back (and saves
//! the second read), one after it pushes it on (and costs another read if the budget of two an update has one left).
//! Hits narrow the window, misses widen it, so that its width follows the counter's jitter.

use crate::update_predictor::UpdatePredictor;

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
    /// Locks on to a counter that changed in the bracket `change` and will be read next after `now_ns`; its mean
    /// period is known from `updates` updates.
    pub(crate) fn new(change: (u64, u64), period_ns: u64, updates: u64, now_ns: u64) -> Self {
        let half_ns = change.1.saturating_sub(change.0) / 2;
        let mut lock = Self {
            beat: UpdatePredictor::new(change.0 + half_ns, period_ns, half_ns, updates),
            half_ns: half_ns + period_ns / 50,
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
