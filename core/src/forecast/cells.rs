//! Keeps the energy and time of a run's steps in bounded memory, and finds how many of the first steps are warm-up.
//!
//! A *cell* is some steps in a row, about as many in each, of which only the sums are kept. When there are more than
//! [`CELLS`], each pair of neighbours is joined to one cell, so the number of steps in a cell doubles. *Warm-up* is the
//! beginning of a run, in which steps cost more: caches fill, code is compiled, a memory allocator learns.

/// The most cells that are kept; with one more, each pair of neighbours becomes one. At least half as many remain,
/// enough to find the warm-up to a few percent of the run.
const CELLS: usize = 128;

/// Progress of a run at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// Steps done.
    pub(super) done: u64,
    /// Energy used since the start of the run, microjoules.
    pub(super) uj: u64,
    /// The instant, monotonic nanoseconds.
    pub(super) at_ns: u64,
}

/// Mean energy and time of some steps in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    /// Number of steps.
    pub(super) steps: f64,
    /// Microjoules a step.
    pub(super) rate: f64,
    /// Nanoseconds a step.
    pub(super) pace: f64,
}

/// The cells of a run, kept as their edges: the progress where one cell ends and the next begins. Adding one allocates
/// nothing.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    edges: [Progress; CELLS + 1],
    /// How many edges there are; the first is the progress at which observation began.
    len: usize,
    /// Fewest steps of a cell: 1, doubled each time that pairs are joined.
    width: u64,
}

impl Cells {
    /// Returns no cells.
    pub(super) fn new() -> Self {
        Self { edges: [Progress::default(); CELLS + 1], len: 0, width: 1 }
    }

    /// Takes the progress of a run. It ends a cell if enough steps were done since the last edge; otherwise, and where
    /// its energy or time is below that edge's, it is left out.
    pub(super) fn add(&mut self, seen: Progress) {
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

    /// Adds an edge, for which there is room.
    fn push(&mut self, seen: Progress) {
        self.edges[self.len] = seen;
        self.len += 1;
    }

    /// Removes every second edge, so that each pair of neighbouring cells becomes one.
    fn halve(&mut self) {
        for kept in 0..=CELLS / 2 {
            self.edges[kept] = self.edges[2 * kept];
        }
        self.len = CELLS / 2 + 1;
        self.width = self.width.saturating_mul(2);
    }

    /// Returns the last edge; `None` if there is none.
    pub(super) fn last(&self) -> Option<Progress> {
        self.edges[..self.len].last().copied()
    }

    /// Returns all cells in the order of time.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Cell> + ExactSizeIterator + Clone + '_ {
        self.edges[..self.len].windows(2).map(|pair| {
            let steps = (pair[1].done - pair[0].done) as f64;
            let rate = (pair[1].uj - pair[0].uj) as f64 / steps;
            Cell { steps, rate, pace: (pair[1].at_ns - pair[0].at_ns) as f64 / steps }
        })
    }
}

/// Returns how many cells at the beginning are warm-up: the number whose omission makes the mean of the others surest,
/// at most half.
///
/// Marginal standard error rule (K. P. White, Simulation 69(6), 1997): the cut d that minimises
/// Σ_{i>d} (x_i − mean)² / (n − d)², weighted with the cells' steps. The loop runs from the last cell to the first and
/// updates mean and sum of squares with each (Welford's method).
pub(super) fn warm_up(cells: impl DoubleEndedIterator<Item = Cell> + ExactSizeIterator) -> usize {
    let count = cells.len();
    let (mut weight, mut mean, mut squares) = (0.0_f64, 0.0_f64, 0.0_f64);
    let mut best = (f64::INFINITY, 0);
    for (index, cell) in cells.enumerate().rev() {
        weight += cell.steps;
        let off = cell.rate - mean;
        mean += off * cell.steps / weight;
        squares += cell.steps * off * (cell.rate - mean);
        let score = squares / (weight * weight);
        if 2 * index <= count && score <= best.0 {
            best = (score, index);
        }
    }
    best.1
}

#[cfg(test)]
mod warm_up_tests {
    use super::*;

    fn cut(rates: &[f64]) -> usize {
        let cells: Vec<Cell> = rates.iter().map(|rate| Cell { steps: 1.0, rate: *rate, pace: 1.0 }).collect();
        warm_up(cells.into_iter())
    }

    #[test]
    fn the_cut_is_where_the_run_settles() {
        assert_eq!(cut(&[9.0, 7.0, 1.0, 1.1, 0.9, 1.0, 1.1, 0.9]), 2);
        assert_eq!(cut(&[1.0; 10]), 0);
        assert_eq!(cut(&[1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 1.2, 0.8]), 0);
        assert_eq!(cut(&[]), 0);
    }

    #[test]
    fn never_more_than_half_is_left_out() {
        assert!(cut(&[9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 1.0, 1.0]) <= 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_is_kept_in_few_cells_and_nothing_of_it_is_lost() {
        let mut cells = Cells::new();
        for done in 0..=100_000_u64 {
            cells.add(Progress { done, uj: 3 * done, at_ns: 7 * done });
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
            cells.add(Progress { done, uj, at_ns });
        }
        assert_eq!(cells.iter().map(|cell| cell.rate).collect::<Vec<_>>(), [10.0, 10.0]);
    }
}
