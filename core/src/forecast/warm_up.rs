//! How much of the beginning is warm-up: caches that fill, compilation, a memory allocator that learns.

use super::cells::Cell;

/// How many cells at the beginning to leave out: the number that makes the mean of the others surest, at most half.
///
/// Marginal standard error rule (K. P. White, Simulation 69(6), 1997): the cut d that minimises
/// Σ_{i>d} (x_i − mean)² / (n − d)², weighted with the cells' steps.
pub(super) fn length(cells: impl DoubleEndedIterator<Item = Cell> + ExactSizeIterator) -> usize {
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
mod tests {
    use super::*;

    fn cut(rates: &[f64]) -> usize {
        let cells: Vec<Cell> = rates.iter().map(|rate| Cell { steps: 1.0, rate: *rate, pace: 1.0 }).collect();
        length(cells.into_iter())
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
