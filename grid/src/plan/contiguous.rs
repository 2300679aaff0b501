//! T2: the cheapest stretch of fixed length.
//!
//! The grams of a stretch change linearly with its start as long as neither of its ends crosses the edge of a slot. So
//! the least is at a start where one of the ends lies on an edge, or at one of the window's own ends: those are all.

use super::{PlanSlot, Window};

/// The earliest cheapest stretch, and its integral.
pub(super) fn contiguous(window: &Window<'_>, length_ns: i64) -> (Vec<PlanSlot>, i128) {
    let last_ns = window.to_ns() - length_ns;
    let ends = [window.from_ns(), last_ns].map(|start| (window.integral(start, start + length_ns), start));
    let begins_on_edge = window.slide(window.first_edge(0), length_ns, last_ns);
    let ends_on_edge = window.slide(window.first_edge(length_ns), length_ns, last_ns);
    // Ordered by grams, then by start: of equal ones the earliest.
    let least = |best: (i128, i64), start: (i128, i64)| best.min(start);
    let best = ends_on_edge.fold(begins_on_edge.fold(ends[0].min(ends[1]), least), least);
    let (cost, from_ns) = best;
    (vec![PlanSlot { from_ns, to_ns: from_ns + length_ns, workers: 1 }], cost)
}
