//! T2: the cheapest stretch of fixed length.
//!
//! The grams of a stretch change linearly with its start as long as neither of its ends crosses the edge of a slot. So
//! the least is at a start where one of the ends lies on an edge, or at one of the window's own ends: those are all. Slots
//! without a known intensity only add edges, and no stretch reaches into them.

use super::{PlanSlot, PlanWindow};

/// The earliest cheapest stretch, and its integral; `None` where none is known throughout.
pub(super) fn contiguous(window: &PlanWindow<'_>, length_ns: i64) -> Option<(PlanSlot, i128)> {
    let last_ns = window.to_ns() - length_ns;
    let ends = [window.from_ns(), last_ns].into_iter().filter(|start| window.is_known(*start, start + length_ns));
    let ends = ends.map(|start| (window.integral(start, start + length_ns), start));
    let begins_on_edge = window.slide(window.first_edge(0), length_ns, last_ns);
    let ends_on_edge = window.slide(window.first_edge(length_ns), length_ns, last_ns);
    // Ordered by grams, then by start: of equal ones the earliest.
    let (cost, from_ns) = ends.chain(begins_on_edge).chain(ends_on_edge).min()?;
    Some((PlanSlot { from_ns, to_ns: from_ns + length_ns, workers: 1 }, cost))
}
