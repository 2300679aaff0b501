//! A domain's history in bounded memory: when it is full, every other point goes and the next ones are spaced wider.

use eco2_core::Knot;

/// Points kept a domain: 32 bytes each.
const POINTS: usize = 4096;
/// The first points, which thinning does not touch: each this many times as far from the beginning as the one before.
const OPENING_WIDER: u64 = 2;

/// One knot of a series: energy `uj` was reached within `[lo_ns, hi_ns]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// No earlier, nanoseconds since the run began.
    pub lo_ns: u64,
    /// No later, nanoseconds since the run began.
    pub hi_ns: u64,
    /// Energy since the run's first reading, microjoules.
    pub uj: u64,
}

/// The knots of one domain, thinned as the run grows.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    points: Vec<Point>,
    every_ns: u64,
    opening: Vec<Point>,
    opening_ns: u64,
}

impl Default for Series {
    fn default() -> Self {
        Self { points: Vec::new(), every_ns: 10_000_000, opening: Vec::new(), opening_ns: 5_000_000 }
    }
}

impl Series {
    /// Takes a knot if it is far enough from the last one kept.
    pub(crate) fn push(&mut self, knot: &Knot, begin_ns: u64) {
        // A counter that returned to its earlier course: what it showed meanwhile is no part of its history.
        for points in [&mut self.points, &mut self.opening] {
            points.truncate(points.partition_point(|point| point.uj <= knot.uj));
        }
        let point = Point {
            lo_ns: knot.lo_ns.saturating_sub(begin_ns),
            hi_ns: knot.hi_ns.saturating_sub(begin_ns),
            uj: knot.uj,
        };
        if point.hi_ns >= self.opening_ns {
            self.opening.push(point);
            self.opening_ns = point.hi_ns.saturating_mul(OPENING_WIDER);
        }
        if self.points.last().is_some_and(|last| point.hi_ns < last.hi_ns.saturating_add(self.every_ns)) {
            return;
        }
        if self.points.len() == POINTS {
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.every_ns *= 2;
        }
        self.points.push(point);
    }

    /// The kept points and the first ones, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Point> {
        self.opening.iter().chain(&self.points)
    }

    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_history_is_thinned_and_stays_ordered() {
        let mut series = Series::default();
        for tick in 0..100_000u64 {
            let at = tick * 10_000_000;
            series.push(&Knot::change(at, at + 1_000, tick), 0);
        }
        assert!(series.points().len() <= POINTS);
        assert!(series.points().len() > POINTS / 4);
        let first: Vec<u64> = series.opening.iter().take(4).map(|point| point.lo_ns / 10_000_000).collect();
        assert_eq!(first, [1, 3, 7, 15], "the beginning stays dense");
        assert!(series.points().windows(2).all(|pair| pair[0].hi_ns < pair[1].hi_ns && pair[0].uj < pair[1].uj));
    }
}
