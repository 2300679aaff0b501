//! The energy of a domain at one instant, from its knots (counter changes): an estimate, and hard bounds.
//!
//! Model: the counter is monotone; knot *k* means that energy `c_k` was reached within `[l_k, h_k]`, give or take one
//! quantum `q`. For an instant `t`, with *i* the last knot surely before and *j* the first surely after:
//! `c_i <= E(t) <= c_j + q`. Where power is known to lie in `[Pmin, Pmax]`, knots near `t` tighten this:
//! `c_k - Pmax (h_k - t) <= E(t) <= c_k + q + Pmax (t - l_k)`, and `Pmin` likewise.

use crate::curve::straight;
use crate::knot::{Edge, Side};
use crate::units::uj_at_power;
use crate::{Kind, Quality, Track};

/// Knots looked at before an instant for the power-limited bounds: brackets overlap at most a few neighbours.
const NEIGHBOURS: usize = 4;

impl Track {
    /// Whether the knots that settle the energy at `t_ns` have arrived.
    #[must_use]
    pub fn resolvable(&self, t_ns: u64) -> bool {
        if self.domain.quality == Quality::Estimated {
            // Nothing later improves a model's value.
            return self.knots.back().is_some_and(|last| last.hi_ns >= t_ns);
        }
        let after = self.first_after(t_ns);
        let opening = after.checked_sub(1).and_then(|i| self.knots.get(i)).is_some_and(|knot| knot.first);
        // Right after a segment's first value the slope is known only once a second change dates that value.
        self.bridged || after + usize::from(opening) < self.knots.len()
    }

    /// The energy at an instant known to `±error_ns`.
    #[must_use]
    pub fn at(&self, t_ns: u64, error_ns: u64) -> Edge {
        let (early_ns, late_ns) = (t_ns.saturating_sub(error_ns), t_ns.saturating_add(error_ns));
        let mut edge = match (self.domain.quality, self.domain.kind) {
            (Quality::Estimated, _) => self.modelled(t_ns, early_ns, late_ns),
            (_, Kind::Power) => self.integrated(t_ns, early_ns, late_ns),
            (_, Kind::Energy) => self.counted(t_ns, early_ns, late_ns),
        };
        edge.settled = self.resolvable(t_ns);
        let free = edge.free;
        self.slack.widen(&mut edge, early_ns, late_ns);
        if self.domain.kind == Kind::Power && free.open_end == 0 {
            // From 0 to the ceiling at any time, whether it was read or not.
            edge.free = free;
        }
        edge
    }

    fn counted(&self, t_ns: u64, early_ns: u64, late_ns: u64) -> Edge {
        let (low, high) = (self.free_low(early_ns), self.free_high(late_ns));
        let (mut tight_low, mut tight_high) = (low, high);
        if let Some(max_uw) = self.domain.max_uw.filter(|_| self.counts.violations == 0) {
            let min_uw = self.domain.min_uw.unwrap_or(0);
            tight_low = low.max(self.limited_low(early_ns, min_uw, max_uw));
            tight_high = [high, self.limited_high(late_ns, min_uw, max_uw)].into_iter().flatten().min();
            tight_high = tight_high.map(|high| high.max(tight_low));
        }
        // Clamped by the free bounds alone: the estimate must not change when a limit turns out to be wrong.
        let uj = self.estimate(t_ns).clamp(low, high.unwrap_or(u64::MAX).max(low));
        let (free, limited) = (Side::counted(low, high), Side::counted(tight_low, tight_high));
        Edge { uj, free, limited, ..Edge::default() }
    }

    /// Integrated power: the trapezoid, whose 90 % range [`Edge::limited_between`] derives from how much readings
    /// differ; beyond the last reading only a limit gives a bound.
    fn integrated(&self, t_ns: u64, early_ns: u64, late_ns: u64) -> Edge {
        let (early, late) = (self.integral.at(early_ns), self.integral.at(late_ns));
        let beyond_ns = self.integral.last_ns().map_or(late_ns, |last_ns| late_ns.saturating_sub(last_ns));
        let beyond_ns = if self.bridged { 0 } else { beyond_ns };
        let most = uj_at_power(self.domain.max_uw.unwrap_or(0), beyond_ns);
        let limited = Side {
            floor_start: late.up_uj,
            floor_end: early.uj,
            ceil_start: early.uj,
            ceil_end: late.up_uj.saturating_add(most),
            open_start: 0,
            open_end: u32::from(beyond_ns > 0 && self.domain.max_uw.is_none()),
        };
        let (free, area) = (self.instantaneous(early_ns, late_ns), self.integral.at(t_ns));
        Edge { uj: area.uj, free, limited, scatter: area.scatter, blur_uj: area.blur_uj, settled: false }
    }

    /// Between two readings of an instantaneous power anything from 0 to the device's limit may have been drawn.
    fn instantaneous(&self, early_ns: u64, late_ns: u64) -> Side {
        let Some(max_uw) = self.domain.max_uw.filter(|_| self.counts.violations == 0) else { return Side::unknown() };
        let (ceil_start, ceil_end) = (floor_uj(max_uw, early_ns), uj_at_power(max_uw, late_ns));
        Side { ceil_start, ceil_end, open_end: 0, floor_start: 0, floor_end: 0, open_start: 0 }
    }

    /// The range of a model: factors of its power, or the powers that it states where it has no factors.
    fn modelled(&self, t_ns: u64, early_ns: u64, late_ns: u64) -> Edge {
        let (min_uw, max_uw) = (self.domain.min_uw.unwrap_or(0), self.domain.max_uw.unwrap_or(0));
        let has_factors = self.domain.model_range.is_some();
        let low = |ns| if has_factors { self.model.low_uj(ns, min_uw) } else { floor_uj(min_uw, ns) };
        let high = |ns| if has_factors { self.model.high_uj(ns, max_uw) } else { uj_at_power(max_uw, ns) };
        let limited = Side {
            floor_start: low(late_ns),
            floor_end: low(early_ns),
            ceil_start: high(early_ns),
            ceil_end: high(late_ns),
            open_start: 0,
            open_end: u32::from(self.domain.max_uw.is_none()),
        };
        Edge { uj: self.estimate(t_ns), free: Side::unknown(), limited, ..Edge::default() }
    }

    /// Index of the first knot that cannot have happened before `t_ns`. The very first value may be of any age.
    fn first_after(&self, t_ns: u64) -> usize {
        self.knots.partition_point(|knot| knot.lo_ns < t_ns || (knot.first && knot.lo_ns == 0))
    }

    /// Number of knots that have surely happened by `t_ns`.
    fn until(&self, t_ns: u64) -> usize {
        self.knots.partition_point(|knot| knot.hi_ns <= t_ns)
    }

    /// Whether all that is drawn around `t_ns` is counted: no reset can have happened between the last knot surely
    /// before and the first surely after, so that the least power holds for what the counter shows.
    fn is_whole(&self, t_ns: u64) -> bool {
        let (from, to) = (self.until(t_ns), self.first_after(t_ns) + 1);
        to <= self.knots.len() && self.knots.range(from.min(to)..to).all(|knot| knot.whole)
    }

    fn free_low(&self, t_ns: u64) -> u64 {
        self.until(t_ns).checked_sub(1).map_or(0, |i| self.knots[i].uj)
    }

    fn free_high(&self, t_ns: u64) -> Option<u64> {
        // A counter that has died counts no more.
        let ended = self.knots.back().filter(|_| self.bridged);
        let after = self.knots.get(self.first_after(t_ns)).or(ended);
        after.map(|knot| knot.uj.saturating_add(self.domain.scale.quantum()))
    }

    fn limited_low(&self, t_ns: u64, min_uw: u64, max_uw: u64) -> u64 {
        let next = self.until(t_ns);
        let since = next.checked_sub(1).map(|i| &self.knots[i]).filter(|_| self.is_whole(t_ns));
        let since = since.map_or(0, |knot| knot.uj.saturating_add(floor_uj(min_uw, t_ns - knot.hi_ns)));
        // No further than the knot that settles the edge: a later look must not see more.
        let ahead = self.knots.range(next..self.knots.len().min(self.first_after(t_ns) + 1).max(next));
        let ahead = ahead.map(|knot| knot.uj.saturating_sub(uj_at_power(max_uw, knot.hi_ns.saturating_sub(t_ns))));
        ahead.max().unwrap_or(0).max(since)
    }

    fn limited_high(&self, t_ns: u64, min_uw: u64, max_uw: u64) -> Option<u64> {
        let next = self.first_after(t_ns).min(self.knots.len());
        let behind =
            self.knots.range(next.saturating_sub(NEIGHBOURS)..next).filter(|knot| knot.lo_ns > 0 || !knot.first);
        let behind = behind.map(|knot| knot.uj.saturating_add(uj_at_power(max_uw, t_ns.saturating_sub(knot.lo_ns))));
        let ahead = self.knots.get(next).filter(|_| self.is_whole(t_ns));
        let ahead = ahead.map(|knot| knot.uj.saturating_sub(floor_uj(min_uw, knot.lo_ns.saturating_sub(t_ns))));
        behind.chain(ahead).min().map(|uj| uj.saturating_add(self.domain.scale.quantum()))
    }

    /// Straight between the knots' best guesses; flat before the first and after the last.
    fn estimate(&self, t_ns: u64) -> u64 {
        let next = self.knots.partition_point(|knot| knot.at_ns <= t_ns);
        let Some(before) = next.checked_sub(1).and_then(|i| self.knots.get(i)) else {
            return self.knots.front().map_or(0, |knot| knot.uj);
        };
        self.knots
            .get(next)
            .map_or(before.uj, |after| straight((before.at_ns, before.uj), (after.at_ns, after.uj), t_ns))
    }
}

/// Microjoules of a power over a time, rounded down: for lower bounds.
fn floor_uj(uw: u64, ns: u64) -> u64 {
    u64::try_from(u128::from(uw) * u128::from(ns) / 1_000_000_000).unwrap_or(u64::MAX)
}
