//! T1: the cheapest parts of a window, as much as the job takes.
//!
//! Every nanosecond of the window whose intensity is known can be had once, at its slot's intensity: taking the cheapest is the optimum. Of
//! equal slots the earlier is taken, and of the last one its beginning.

use super::curve::PlanPiece;
use super::{PlanSlot, PlanWindow, push};

/// The parts in the order of time, and their integral.
pub(super) fn cheapest(window: &PlanWindow<'_>, length_ns: i64) -> (Vec<PlanSlot>, i128) {
    let pieces: Vec<PlanPiece> = window.pieces().filter(|piece| piece.is_known).collect();
    let mut order: Vec<u32> = (0..pieces.len() as u32).collect();
    order.sort_unstable_by_key(|&at| (pieces[at as usize].cost, at));
    let (mut left_ns, mut cost, mut chosen) = (length_ns, 0, Vec::new());
    for at in order {
        let piece = pieces[at as usize];
        let taken_ns = (piece.to_ns - piece.from_ns).min(left_ns);
        cost += i128::from(piece.cost) * i128::from(taken_ns);
        chosen.push((at, taken_ns));
        left_ns -= taken_ns;
        if left_ns == 0 {
            break;
        }
    }
    chosen.sort_unstable();
    let mut slots = Vec::new();
    for (at, taken_ns) in chosen {
        let from_ns = pieces[at as usize].from_ns;
        push(&mut slots, PlanSlot { from_ns, to_ns: from_ns + taken_ns, workers: 1 });
    }
    (slots, cost)
}
