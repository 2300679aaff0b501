//! Computes the energy of one counter within windows of time, from the stretches that several readers saw.
//!
//! A *stretch* is what one reader saw of a counter: how its energy grew over a time. Each instant of a *window* (an
//! interval of boot time) is taken from one stretch. Stretches are sorted into *tiers*, by quality and by whether their
//! energy is bounded; a worse tier fills only what the better ones leave uncovered.

use super::stretch::{KeptStretches, Stretch, TierStretches, Window};
use crate::{Bounded, Quality, RangeKind};

/// Energy that the stretches of one or more counters cover, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// The energy with its bounds.
    pub energy: Bounded<u64>,
    /// The energy with the bounds that rest on no assumption about power.
    pub free: Bounded<u64>,
    /// Part of the estimate by quality, in the order measured, derived, estimated, synthetic.
    pub by_quality: [u64; 4],
    /// Time covered, nanoseconds.
    pub covered_ns: u64,
}

impl Default for Merged {
    /// Returns the start of a sum: nothing was covered yet, and at most 0 was used.
    fn default() -> Self {
        let nothing = Bounded::at_most(Some(0));
        Self { energy: nothing, free: nothing, by_quality: [0; 4], covered_ns: 0 }
    }
}

impl std::ops::Add for Merged {
    type Output = Self;

    /// Adds both up; saturates.
    fn add(mut self, other: Self) -> Self {
        self.energy = self.energy + other.energy;
        self.free = self.free + other.free;
        for (sum, more) in self.by_quality.iter_mut().zip(other.by_quality) {
            *sum = sum.saturating_add(more);
        }
        self.covered_ns = self.covered_ns.saturating_add(other.covered_ns);
        self
    }
}

/// Returns the energy within windows from stretches of at least the quality `worst`, and the parts of the windows that
/// none of them covers.
pub(super) fn energy(stretches: &KeptStretches, worst: Quality, windows: &[Window]) -> (Merged, Vec<Window>) {
    let mut open: Vec<Window> = windows.iter().filter(|window| window.from_ns < window.to_ns).copied().collect();
    let mut sum = Merged::default();
    for members in stretches.tiers(worst) {
        let mut left = Vec::new();
        for window in open {
            sum = sum + fill(members, window, &mut left);
        }
        open = left;
    }
    (sum, open)
}

/// Returns the energy that stretches of one tier cover of a window; the parts that none covers are added to `left`.
fn fill(members: TierStretches<'_>, window: Window, left: &mut Vec<Window>) -> Merged {
    let mut sum = Merged::default();
    let mut at_ns = window.from_ns;
    while at_ns < window.to_ns {
        let to_ns = match members.at(at_ns) {
            Some(best) => {
                let to_ns = best.end_ns().min(window.to_ns);
                sum = sum + taken(best, at_ns, to_ns);
                to_ns
            }
            None => {
                let to_ns = members.next_ns(Window { from_ns: at_ns, ..window });
                left.push(Window { from_ns: at_ns, to_ns });
                to_ns
            }
        };
        at_ns = to_ns;
    }
    sum
}

/// Returns the energy of a part of a stretch. Its bounds are as far from the estimate as those of the whole stretch,
/// widened by what is not known of the energy at the two instants where it is cut.
fn taken(stretch: &Stretch, from_ns: u64, to_ns: u64) -> Merged {
    let (from, to) = (stretch.cumulative(from_ns), stretch.cumulative(to_ns));
    let uj = to.uj - from.uj.min(to.uj);
    let (least, most) = (to.low_uj.saturating_sub(from.high_uj), to.high_uj.saturating_sub(from.low_uj));
    let range = |below: u64, above: Option<u64>, kind| {
        let high = above.map(|above| most.saturating_add(above));
        Bounded { value: Some(uj), low: least.saturating_sub(below), high, kind }.around_value()
    };
    let mut by_quality = [0; 4];
    if let Some(part) = place(stretch.quality).and_then(|place| by_quality.get_mut(place)) {
        *part = uj;
    }
    let kind = if matches!(stretch.quality, Quality::Measured | Quality::Synthetic) {
        RangeKind::Hard
    } else {
        RangeKind::Plausible
    };
    Merged {
        energy: range(stretch.below_uj, stretch.above_uj, kind),
        free: range(stretch.free_below_uj, stretch.free_above_uj, RangeKind::Hard),
        by_quality,
        covered_ns: to_ns - from_ns,
    }
}

/// Returns the index of a quality in [`Merged::by_quality`].
fn place(quality: Quality) -> Option<usize> {
    match quality {
        Quality::Measured => Some(0),
        Quality::Derived => Some(1),
        Quality::Estimated => Some(2),
        Quality::Synthetic => Some(3),
        Quality::Missing => None,
    }
}
