//! What was seen of a run's progress, in bounded memory: cells of equally many steps, doubled when there are too many.

/// Cells kept; beyond, pairs become one.
const CELLS: usize = 128;

/// Progress at one instant, since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    pub(super) done: u64,
    pub(super) uj: u64,
    pub(super) at_ns: u64,
}

/// Energy and time of some steps in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    pub(super) steps: f64,
    /// Microjoules a step.
    pub(super) rate: f64,
    /// Nanoseconds a step.
    pub(super) pace: f64,
}

/// The edges between cells. Adding one allocates nothing.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    edges: [Seen; CELLS + 1],
    /// How many edges there are; the first is where watching began.
    len: usize,
    /// Least steps of a cell.
    width: u64,
}

impl Cells {
    pub(super) fn new() -> Self {
        Self { edges: [Seen::default(); CELLS + 1], len: 0, width: 1 }
    }

    /// Takes what has been reached. What does not go on, or is less than a cell, waits for more.
    pub(super) fn add(&mut self, seen: Seen) {
        let Some(last) = self.last() else { return self.push(seen) };
        let goes_on = seen.uj >= last.uj && seen.at_ns >= last.at_ns;
        if !goes_on || seen.done < last.done.saturating_add(self.width) {
            return;
        }
        if self.len > CELLS {
            self.halve();
        }
        self.push(seen);
    }

    fn push(&mut self, seen: Seen) {
        self.edges[self.len] = seen;
        self.len += 1;
    }

    /// Every second edge goes.
    fn halve(&mut self) {
        for kept in 0..=CELLS / 2 {
            self.edges[kept] = self.edges[2 * kept];
        }
        self.len = CELLS / 2 + 1;
        self.width = self.width.saturating_mul(2);
    }

    pub(super) fn last(&self) -> Option<Seen> {
        self.edges[..self.len].last().copied()
    }

    /// All cells in the order of time.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Cell> + ExactSizeIterator + Clone + '_ {
        self.edges[..self.len].windows(2).map(|pair| {
            let steps = (pair[1].done - pair[0].done) as f64;
            let rate = (pair[1].uj - pair[0].uj) as f64 / steps;
            Cell { steps, rate, pace: (pair[1].at_ns - pair[0].at_ns) as f64 / steps }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_is_kept_in_few_cells_and_nothing_of_it_is_lost() {
        let mut cells = Cells::new();
        for done in 0..=100_000_u64 {
            cells.add(Seen { done, uj: 3 * done, at_ns: 7 * done });
        }
        let all: Vec<Cell> = cells.iter().collect();
        assert!((CELLS / 2..=CELLS).contains(&all.len()), "{}", all.len());
        assert!(all.iter().all(|cell| cell.rate == 3.0 && cell.pace == 7.0));
        let steps: f64 = all.iter().map(|cell| cell.steps).sum();
        assert_eq!(steps, cells.last().unwrap().done as f64);
        assert!(steps > 98_000.0, "{steps}");
    }

    #[test]
    fn what_does_not_go_on_is_left_out() {
        let mut cells = Cells::new();
        for (done, uj, at_ns) in [(0, 0, 0), (1, 10, 1), (2, 5, 2), (1, 20, 3), (3, 30, 3)] {
            cells.add(Seen { done, uj, at_ns });
        }
        assert_eq!(cells.iter().map(|cell| cell.rate).collect::<Vec<_>>(), [10.0, 10.0]);
    }
}
