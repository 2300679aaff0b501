//! Computes the energy that a domain (one sensor or counter) has counted until an instant: an estimate, and bounds.
//!
//! A *knot* is a change of the counter: its energy reached `c` at an unknown instant of the bracket `[l, h]`, nanoseconds.
//! A *quantum* `q` is the least energy that the counter shows, by which `c` may be too low. Let *i* be the last knot surely
//! before the instant `t` and *j* the first surely after it. The counter never falls, so `c_i <= E(t) <= c_j + q`. These
//! bounds are *free*: they assume nothing about power. Where power is within `[Pmin, Pmax]`, each knot *k* near `t` gives
//! the *limited* bounds `c_k - Pmax (h_k - t) <= E(t) <= c_k + q + Pmax (t - l_k)`, and `Pmin` likewise.
//!
//! The result is an [`Edge`]; the energy of a span is the difference of two. Power sensors and models have other bounds:
//! see `integrated_edge` and `modelled_edge`.

use crate::curve::straight;
use crate::knot::{Changes, Edge, Side};
use crate::units::uj_at_power;
use crate::{Kind, Quality, Track};

/// Number of knots before an instant that are used for its limited bounds. A bracket overlaps at most a few neighbours, and
/// older knots give wider bounds.
const NEIGHBOURS: usize = 4;

impl Track {
    /// Whether all knots that determine the energy at `t_ns` have arrived.
    #[must_use]
    pub fn resolvable(&self, t_ns: u64) -> bool {
        if self.domain.quality == Quality::Estimated {
            // Nothing later improves a model's value.
            return self.knots.back().is_some_and(|last| last.hi_ns >= t_ns);
        }
        let after = self.first_after(t_ns);
        // A second change dates the first value of a segment. Only then is the power right after that value known.
        let follows_first = after.checked_sub(1).and_then(|i| self.knots.get(i)).is_some_and(|knot| knot.first);
        self.bridged || after + usize::from(follows_first) < self.knots.len()
    }

    /// Returns the energy until an instant that is known to `±error_ns`.
    #[must_use]
    pub fn at(&self, t_ns: u64, error_ns: u64) -> Edge {
        let (early_ns, late_ns) = (t_ns.saturating_sub(error_ns), t_ns.saturating_add(error_ns));
        let mut edge = match (self.domain.quality, self.domain.kind) {
            (Quality::Estimated, _) => self.modelled_edge(t_ns, early_ns, late_ns),
            (_, Kind::Power) => self.integrated_edge(t_ns, early_ns, late_ns),
            (_, Kind::Energy) => self.counted_edge(t_ns, early_ns, late_ns),
        };
        edge.settled = self.resolvable(t_ns);
        let free = edge.free;
        self.slack.widen(&mut edge, early_ns, late_ns);
        if self.domain.kind == Kind::Power && free.open_end == 0 {
            // These bounds are 0 and the device's limit at any time, so gaps do not widen them.
            edge.free = free;
        }
        edge
    }

    /// Returns the energy of a counter. `early_ns` and `late_ns` are the earliest and latest instant that is meant.
    fn counted_edge(&self, t_ns: u64, early_ns: u64, late_ns: u64) -> Edge {
        let (low, high) = (self.free_low(early_ns), self.free_high(late_ns));
        let (mut limited_low, mut limited_high) = (low, high);
        if let Some(max_uw) = self.domain.max_uw.filter(|_| self.counts.violations == 0) {
            let min_uw = self.domain.min_uw.unwrap_or(0);
            limited_low = low.max(self.limited_low(early_ns, min_uw, max_uw));
            limited_high = [high, self.limited_high(late_ns, min_uw, max_uw)].into_iter().flatten().min();
            limited_high = limited_high.map(|high| high.max(limited_low));
        }
        // Clamped by the free bounds alone: the estimate must not change when a limit turns out to be wrong.
        let uj = self.estimate(t_ns).clamp(low, high.unwrap_or(u64::MAX).max(low));
        let (free, limited) = (Side::counted(low, high), Side::counted(limited_low, limited_high));
        Edge { uj, free, limited, bracket_ns: self.bracket_ns(early_ns, late_ns), ..Edge::default() }
    }

    /// Returns [`Edge::bracket_ns`] of a counter; 0 for one that another domain replaces, as its own changes show nothing.
    fn bracket_ns(&self, early_ns: u64, late_ns: u64) -> u64 {
        let before = self.count_until(early_ns).checked_sub(1).and_then(|index| self.knots.get(index));
        match before.zip(self.knots.get(self.first_after(late_ns))) {
            _ if self.bridged => 0,
            Some((before, after)) => after.at_ns.saturating_sub(before.at_ns).max(1),
            None => Edge::OPEN,
        }
    }

    /// Returns the energy of a power sensor: the trapezoid rule over its readings. [`Edge::limited_between`] computes the
    /// 90 % range from how much readings differ. After the last reading only the device's limit gives an upper bound.
    fn integrated_edge(&self, t_ns: u64, early_ns: u64, late_ns: u64) -> Edge {
        let (early, late) = (self.integral.at(early_ns), self.integral.at(late_ns));
        let beyond_ns = self.integral.last_ns().map_or(late_ns, |last_ns| late_ns.saturating_sub(last_ns));
        let beyond_ns = if self.bridged { 0 } else { beyond_ns };
        let unread_uj = uj_at_power(self.domain.max_uw.unwrap_or(0), beyond_ns);
        let limited = Side {
            floor_start: late.up_uj,
            floor_end: early.uj,
            ceil_start: early.uj,
            ceil_end: late.up_uj.saturating_add(unread_uj),
            open_start: 0,
            open_end: u32::from(beyond_ns > 0 && self.domain.max_uw.is_none()),
        };
        let (free, area) = (self.free_side_of_power(early_ns, late_ns), self.integral.at(t_ns));
        Edge { uj: area.uj, free, limited, scatter: area.scatter, blur_uj: area.blur_uj, ..Edge::default() }
    }

    /// Returns the free bounds of a power sensor: between two of its readings, the device may have drawn anything from 0 to
    /// its limit.
    fn free_side_of_power(&self, early_ns: u64, late_ns: u64) -> Side {
        let Some(max_uw) = self.domain.max_uw.filter(|_| self.counts.violations == 0) else { return Side::unknown() };
        let (ceil_start, ceil_end) = (floor_uj(max_uw, early_ns), uj_at_power(max_uw, late_ns));
        Side { ceil_start, ceil_end, open_end: 0, floor_start: 0, floor_end: 0, open_start: 0 }
    }

    /// Returns the energy of a model. Its range is given by factors of its power, or by the limits of its power where it has
    /// no factors.
    fn modelled_edge(&self, t_ns: u64, early_ns: u64, late_ns: u64) -> Edge {
        let (min_uw, max_uw) = (self.domain.min_uw.unwrap_or(0), self.domain.max_uw.unwrap_or(0));
        let has_factors = self.domain.model_range.is_some();
        let low_uj = |ns| if has_factors { self.model.low_uj(ns, min_uw) } else { floor_uj(min_uw, ns) };
        let high_uj = |ns| if has_factors { self.model.high_uj(ns, max_uw) } else { uj_at_power(max_uw, ns) };
        let limited = Side {
            floor_start: low_uj(late_ns),
            floor_end: low_uj(early_ns),
            ceil_start: high_uj(early_ns),
            ceil_end: high_uj(late_ns),
            open_start: 0,
            open_end: u32::from(self.domain.max_uw.is_none()),
        };
        Edge { uj: self.estimate(t_ns), free: Side::unknown(), limited, ..Edge::default() }
    }

    /// Returns the index of the first knot that surely happened after `t_ns`. The very first value may be of any age.
    fn first_after(&self, t_ns: u64) -> usize {
        self.knots.partition_point(|knot| knot.lo_ns < t_ns || (knot.first && knot.lo_ns == 0))
    }

    /// Returns the number of knots that surely happened by `t_ns`.
    fn count_until(&self, t_ns: u64) -> usize {
        self.knots.partition_point(|knot| knot.hi_ns <= t_ns)
    }

    /// Whether all energy around `t_ns` is counted: no reset can have happened between the last knot surely before and the
    /// first surely after. Only then does the least power hold for what the counter shows.
    fn is_whole(&self, t_ns: u64) -> bool {
        let (from, to) = (self.count_until(t_ns), self.first_after(t_ns) + 1);
        to <= self.knots.len() && self.knots.range(from.min(to)..to).all(|knot| knot.whole)
    }

    /// Returns the free lower bound at `t_ns`: the energy of the last knot surely before.
    fn free_low(&self, t_ns: u64) -> u64 {
        self.count_until(t_ns).checked_sub(1).map_or(0, |i| self.knots[i].uj)
    }

    /// Returns the free upper bound at `t_ns`: the energy of the first knot surely after; `None`: there is none yet.
    fn free_high(&self, t_ns: u64) -> Option<u64> {
        // A counter that another domain replaces shows no more energy than its last knot.
        let final_knot = self.knots.back().filter(|_| self.bridged);
        let after = self.knots.get(self.first_after(t_ns)).or(final_knot);
        after.map(|knot| knot.uj.saturating_add(self.domain.scale.quantum()))
    }

    /// Returns the limited lower bound at `t_ns`: the highest that follows from the knots around it.
    fn limited_low(&self, t_ns: u64, min_uw: u64, max_uw: u64) -> u64 {
        let next = self.count_until(t_ns);
        let last_before = next.checked_sub(1).map(|i| &self.knots[i]).filter(|_| self.is_whole(t_ns));
        let from_before = last_before.map_or(0, |knot| knot.uj.saturating_add(floor_uj(min_uw, t_ns - knot.hi_ns)));
        // Only until the first knot surely after: a later call must not return another bound.
        let knots_ahead = self.knots.range(next..self.knots.len().min(self.first_after(t_ns) + 1).max(next));
        let from_ahead =
            knots_ahead.map(|knot| knot.uj.saturating_sub(uj_at_power(max_uw, knot.hi_ns.saturating_sub(t_ns))));
        from_ahead.max().unwrap_or(0).max(from_before)
    }

    /// Returns the limited upper bound at `t_ns`: the lowest that follows from the knots around it.
    fn limited_high(&self, t_ns: u64, min_uw: u64, max_uw: u64) -> Option<u64> {
        let next = self.first_after(t_ns).min(self.knots.len());
        let knots_behind =
            self.knots.range(next.saturating_sub(NEIGHBOURS)..next).filter(|knot| knot.lo_ns > 0 || !knot.first);
        let from_behind =
            knots_behind.map(|knot| knot.uj.saturating_add(uj_at_power(max_uw, t_ns.saturating_sub(knot.lo_ns))));
        let first_ahead = self.knots.get(next).filter(|_| self.is_whole(t_ns));
        let from_ahead =
            first_ahead.map(|knot| knot.uj.saturating_sub(floor_uj(min_uw, knot.lo_ns.saturating_sub(t_ns))));
        from_behind.chain(from_ahead).min().map(|uj| uj.saturating_add(self.domain.scale.quantum()))
    }

    /// Returns the last change until an instant and the first after it, between which [`Self::estimate`] is linear.
    pub(crate) fn changes_around(&self, t_ns: u64) -> Changes {
        let next = self.knots.partition_point(|knot| knot.at_ns <= t_ns);
        [next.checked_sub(1), Some(next)].map(|index| self.knots.get(index?).copied())
    }

    /// Returns the estimate at `t_ns`: linear between the knots' most likely instants, constant before the first and after
    /// the last.
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

/// Returns the microjoules of a power over a time, rounded down, for lower bounds. `uj_at_power` rounds up.
fn floor_uj(uw: u64, ns: u64) -> u64 {
    u64::try_from(u128::from(uw) * u128::from(ns) / 1_000_000_000).unwrap_or(u64::MAX)
}
