//! A counter's history in bounded memory: when it is full, every other knot goes and the next ones are spaced wider.

use crate::Knot;

/// Knots kept a domain: 48 bytes each.
const KNOTS: usize = 4096;
/// Least distance between kept knots at first, nanoseconds.
const SPACING_NS: u64 = 10_000_000;
/// The first knot of each doubling of the time since the run began, from here on, is never thinned: where ranks that
/// began in close succession are joined, the start must stay dense.
const OPENING_NS: u64 = 5_000_000;

/// The knots of one domain, thinned as the run grows.
#[derive(Debug, Clone)]
pub(crate) struct History {
    knots: Vec<Knot>,
    begin_ns: u64,
    apart_ns: u64,
}

impl History {
    /// An empty history of a run that starts at `begin_ns`, monotonic nanoseconds.
    pub(crate) fn new(begin_ns: u64) -> Self {
        Self { knots: Vec::new(), begin_ns, apart_ns: SPACING_NS }
    }

    /// Takes a knot if it is far enough from the last one kept.
    pub(crate) fn push(&mut self, knot: &Knot) {
        // A counter that returned to its earlier values: what it showed meanwhile is not part of its history.
        self.knots.truncate(self.knots.partition_point(|kept| kept.uj <= knot.uj));
        let octave = |knot: &Knot| self.octave(knot);
        if self
            .knots
            .last()
            .is_some_and(|last| octave(last) == octave(knot) && knot.hi_ns < last.hi_ns.saturating_add(self.apart_ns))
        {
            return;
        }
        if self.knots.len() >= KNOTS {
            self.halve();
        }
        self.knots.push(*knot);
    }

    /// The knots that were kept, in the order of time.
    pub(crate) fn knots(&self) -> &[Knot] {
        &self.knots
    }

    fn octave(&self, knot: &Knot) -> u32 {
        (knot.hi_ns.saturating_sub(self.begin_ns) / OPENING_NS).checked_ilog2().map_or(0, |octave| octave + 1)
    }

    fn halve(&mut self) {
        let octaves: Vec<u32> = self.knots.iter().map(|knot| self.octave(knot)).collect();
        let (mut at, mut kept) = (0, false);
        self.knots.retain(|_| {
            let opens = at == 0 || octaves[at] != octaves[at - 1];
            kept = opens || !kept;
            at += 1;
            kept
        });
        self.apart_ns = self.apart_ns.saturating_mul(2);
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
        assert!((KNOTS / 4..=KNOTS).contains(&history.knots().len()), "{}", history.knots().len());
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
