//! [`Anchors`] converts values of the CPU's time-stamp counter to monotonic nanoseconds, by pairs of clock readings.
//!
//! An [`Anchor`] is one look at both clocks. Between two anchors time is interpolated, so an event that lies before
//! the newest anchor costs no assumption on the counter's frequency. The error that comes with each result is
//! measured: the anchors' half widths plus the residual, which is how far the newer anchor lies from where the
//! interval before it pointed, plus what the anchors' widths may hide of that. It covers one change of rate in an
//! interval (the kernel disciplines its clock by changing its rate), not several that cancel within one.

/// One look at both clocks: the counter was read between two looks at the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Time-stamp counter.
    pub tsc: u64,
    /// Middle of the two monotonic readings, nanoseconds.
    pub mono_ns: u64,
    /// Half of their distance, rounded up.
    pub half_width_ns: u64,
}

/// How many anchors are kept: the newest half in full, which is seconds and more than event rings wait; what thinning
/// the older half costs is added to its error.
const KEPT: usize = 512;
/// A jump beyond an eighth of the interval and this much is no discipline of a clock: the counter is given up.
const JUMP_NS: u64 = 100_000;

#[derive(Debug, Clone, Copy)]
struct Point {
    at: Anchor,
    /// Error inside the interval that ends here, without the half widths of its ends.
    residual_ns: u64,
}

/// The history of anchors, oldest first.
///
/// ```
/// use eco2_samplers::{Anchor, Anchors};
///
/// let mut anchors = Anchors::default();
/// anchors.push(Anchor { tsc: 0, mono_ns: 1_000, half_width_ns: 10 });
/// anchors.push(Anchor { tsc: 2_000_000, mono_ns: 1_001_000, half_width_ns: 10 }); // 2 GHz
/// assert_eq!(anchors.convert(1_000_000).map(|(mono_ns, _error_ns)| mono_ns), Some(501_000));
/// ```
#[derive(Debug)]
pub struct Anchors {
    points: Vec<Point>,
    broken_ns: Option<u64>,
}

impl Default for Anchors {
    fn default() -> Self {
        Self { points: Vec::with_capacity(KEPT), broken_ns: None }
    }
}

impl Anchors {
    /// Returns the oldest anchor.
    #[must_use]
    pub(crate) fn first(&self) -> Option<Anchor> {
        self.points.first().map(|p| p.at)
    }

    /// Returns the error of the newest interval, nanoseconds; `None` before there is one.
    ///
    /// ```
    /// use eco2_samplers::{Anchor, Anchors};
    ///
    /// let mut anchors = Anchors::default();
    /// assert_eq!(anchors.error_ns(), None);
    /// anchors.push(Anchor { tsc: 0, mono_ns: 0, half_width_ns: 20 });
    /// anchors.push(Anchor { tsc: 1_000, mono_ns: 1_000_000, half_width_ns: 20 });
    /// assert!(anchors.error_ns() >= Some(20));
    /// ```
    #[must_use]
    pub fn error_ns(&self) -> Option<u64> {
        let [.., a, b] = self.points.as_slice() else { return None };
        Some(interval_error(a, b))
    }

    /// Adds an anchor; `false` when the counter jumped (sleep, migration of a virtual machine) and must not be used
    /// from now on. What was recorded before stays convertible.
    pub fn push(&mut self, at: Anchor) -> bool {
        if self.broken_ns.is_some() {
            return false;
        }
        let Some(last) = self.points.last() else {
            self.points.push(Point { at, residual_ns: 0 });
            return true;
        };
        if at.tsc <= last.at.tsc || at.mono_ns <= last.at.mono_ns {
            return self.give_up(at.mono_ns);
        }
        let (residual_ns, hidden_ns) = self.residual(at);
        if residual_ns > (at.mono_ns - last.at.mono_ns) / 8 + JUMP_NS {
            return self.give_up(at.mono_ns);
        }
        let residual_ns = residual_ns + hidden_ns;
        if self.points.len() == KEPT {
            self.thin();
        }
        self.points.push(Point { at, residual_ns });
        true
    }

    /// Takes note that the counter cannot be trusted beyond the newest anchor (the machine slept until `now_ns`);
    /// returns `false` always.
    pub(crate) fn give_up(&mut self, now_ns: u64) -> bool {
        self.broken_ns.get_or_insert(now_ns);
        false
    }

    /// Returns the monotonic nanoseconds of a counter value and the error of that; `None` with fewer than two anchors.
    #[must_use]
    pub fn convert(&self, tsc: u64) -> Option<(u64, u64)> {
        let (first, [.., before_last, last]) = (self.points.first()?, self.points.as_slice()) else { return None };
        if tsc < first.at.tsc || tsc > last.at.tsc {
            return Some(self.outside(tsc, first, before_last, last));
        }
        let after = self.points.partition_point(|p| p.at.tsc < tsc).max(1);
        let (a, b) = (self.points.get(after - 1)?, self.points.get(after)?);
        Some((on_line(a.at, b.at, tsc), interval_error(a, b)))
    }

    fn outside(&self, tsc: u64, first: &Point, before_last: &Point, last: &Point) -> (u64, u64) {
        if let Some(broken_ns) = self.broken_ns {
            // Recorded after the newest anchor and before the jump was seen: somewhere in between is all that is known.
            let between = broken_ns.saturating_sub(last.at.mono_ns);
            return (last.at.mono_ns + between / 2, between / 2 + 1 + last.at.half_width_ns);
        }
        if tsc < first.at.tsc {
            return (first.at.mono_ns, first.at.mono_ns);
        }
        let ahead = on_line(before_last.at, last.at, tsc);
        let ahead_ns = ahead.saturating_sub(last.at.mono_ns);
        let length_ns = (last.at.mono_ns - before_last.at.mono_ns).max(1);
        let slope_error = u128::from(interval_error(before_last, last)) * u128::from(ahead_ns) / u128::from(length_ns);
        (ahead, interval_error(before_last, last) + u64::try_from(slope_error).unwrap_or(u64::MAX / 2))
    }

    /// Distance of `at` from where the last interval points, and how much more the anchors' widths may hide: those of
    /// this interval's ends, and those of the last one's as its slope carries them here. 0 while there is none.
    fn residual(&self, at: Anchor) -> (u64, u64) {
        let [.., a, b] = self.points.as_slice() else { return (0, 0) };
        let length_ns = u128::from(at.mono_ns.saturating_sub(b.at.mono_ns));
        let before_ns = u128::from(b.at.mono_ns.saturating_sub(a.at.mono_ns)).max(1);
        let carried = u128::from(a.at.half_width_ns + b.at.half_width_ns) * length_ns / before_ns;
        let hidden_ns = at.half_width_ns + b.at.half_width_ns + u64::try_from(carried).unwrap_or(u64::MAX / 4);
        (on_line(a.at, b.at, at.tsc).abs_diff(at.mono_ns), hidden_ns)
    }

    /// Drops every second anchor of the older half, so that the farther back the sparser they are; the interval that
    /// remains takes over the larger error of the two and the dropped anchor's distance from it, which is the most that
    /// the two lines differ.
    fn thin(&mut self) {
        let old = KEPT / 2;
        for pair in 0..old / 2 {
            let (Some(&a), Some(&dropped), Some(&b)) =
                (self.points.get(2 * pair), self.points.get(2 * pair + 1), self.points.get(2 * pair + 2))
            else {
                return;
            };
            let bend = on_line(a.at, b.at, dropped.at.tsc).abs_diff(dropped.at.mono_ns);
            let worse = dropped.residual_ns.max(b.residual_ns) + dropped.at.half_width_ns;
            if let Some(kept) = self.points.get_mut(2 * pair + 2) {
                kept.residual_ns = worse + bend;
            }
        }
        let mut place = 0;
        self.points.retain(|_| {
            place += 1;
            place > old || place % 2 == 1
        });
    }
}

fn interval_error(a: &Point, b: &Point) -> u64 {
    // One more for the rounding of the interpolation.
    a.at.half_width_ns.max(b.at.half_width_ns) + b.residual_ns + 1
}

/// Returns the time of `tsc` on the line through two anchors; `tsc` is at or after the first.
fn on_line(a: Anchor, b: Anchor, tsc: u64) -> u64 {
    let ticks = u128::from(b.tsc.saturating_sub(a.tsc)).max(1);
    let nanoseconds = u128::from(b.mono_ns.saturating_sub(a.mono_ns));
    let since = u128::from(tsc.saturating_sub(a.tsc)) * nanoseconds / ticks;
    a.mono_ns.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
}
