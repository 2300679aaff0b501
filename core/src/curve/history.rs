//! Keeps the knots (counter changes) of one domain over a whole run in bounded memory ([`History`]). When it is full, every
//! other knot is dropped, and later ones are kept at twice the distance.

use crate::Knot;

/// Knots that are kept per domain: 200 kB of 48 bytes each.
const MAX_KNOTS: usize = 4096;
/// Least distance between kept knots at first, nanoseconds: the shortest sampling interval.
const FIRST_SPACING_NS: u64 = 10_000_000;
/// From this time on, nanoseconds, the first knot of each doubling of the time since the start of the run is never dropped. Merging
/// ranks that started shortly after each other needs a dense start.
const FIRST_OCTAVE_NS: u64 = 5_000_000;

/// The knots of one domain, thinned as the run grows.
#[derive(Debug, Clone)]
pub(crate) struct History {
    knots: Vec<Knot>,
    begin_ns: u64,
    spacing_ns: u64,
}

impl History {
    /// Returns an empty history of a run that starts at `begin_ns`, monotonic nanoseconds.
    pub(crate) fn new(begin_ns: u64) -> Self {
        Self { knots: Vec::new(), begin_ns, spacing_ns: FIRST_SPACING_NS }
    }

    /// Adds a knot if it is far enough from the last one kept.
    pub(crate) fn push(&mut self, knot: &Knot) {
        // Knots above this one were wrong readings, which the track has taken back.
        self.knots.truncate(self.knots.partition_point(|kept| kept.uj <= knot.uj));
        let octave = |knot: &Knot| self.octave(knot);
        if self
            .knots
            .last()
            .is_some_and(|last| octave(last) == octave(knot) && knot.hi_ns < last.hi_ns.saturating_add(self.spacing_ns))
        {
            return;
        }
        if self.knots.len() >= MAX_KNOTS {
            self.halve();
        }
        self.knots.push(*knot);
    }

    /// Returns the knots that were kept, in the order of time.
    pub(crate) fn knots(&self) -> &[Knot] {
        &self.knots
    }

    /// Returns the number of doublings of [`FIRST_OCTAVE_NS`] until a knot.
    fn octave(&self, knot: &Knot) -> u32 {
        (knot.hi_ns.saturating_sub(self.begin_ns) / FIRST_OCTAVE_NS).checked_ilog2().map_or(0, |octave| octave + 1)
    }

    /// Drops every other knot, except the first of each octave, and doubles the spacing.
    fn halve(&mut self) {
        let octaves: Vec<u32> = self.knots.iter().map(|knot| self.octave(knot)).collect();
        let (mut index, mut is_kept) = (0, false);
        self.knots.retain(|_| {
            let is_first_of_octave = index == 0 || octaves[index] != octaves[index - 1];
            is_kept = is_first_of_octave || !is_kept;
            index += 1;
            is_kept
        });
        self.spacing_ns = self.spacing_ns.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_history_is_thinned_and_stays_ordered() {
        let mut history = History::new(0);
        for tick in 0..100_000u64 {
            let at = tick * 10_000_000;
            history.push(&Knot::change(at, at + 1_000, tick));
        }
        assert!((MAX_KNOTS / 4..=MAX_KNOTS).contains(&history.knots().len()), "{}", history.knots().len());
        let first: Vec<u64> = history.knots().iter().take(6).map(|knot| knot.lo_ns / 10_000_000).collect();
        assert_eq!(first[..5], [0, 1, 2, 4, 8], "the beginning stays dense");
        assert!(history.knots().windows(2).all(|pair| pair[0].hi_ns < pair[1].hi_ns && pair[0].uj < pair[1].uj));
    }

    #[test]
    fn k04_what_a_counter_took_back_is_no_history() {
        let mut history = History::new(0);
        for (second, uj) in [(1, 10), (2, 700), (3, 20)] {
            history.push(&Knot::change(second * 1_000_000_000, second * 1_000_000_000, uj));
        }
        assert_eq!(history.knots().iter().map(|knot| knot.uj).collect::<Vec<_>>(), [10, 20]);
    }
}
