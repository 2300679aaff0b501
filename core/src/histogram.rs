//! Keeps a histogram of power weighted by time: for how long a device drew how much ([`Histogram`]).
//!
//! An *octave* is the values from a power of two to the next. Each is divided into 64 equal *cells*, so a cell is at
//! most 1/64 (1.6 %) of its value wide; below 128 values are exact. Octaves are allocated when first used: 512 bytes
//! each (64 numbers of 8 bytes), 59 of them at most. That is 31 KB at the very most, and 1 KB for a device that stays
//! within a factor of two. A histogram has one writer and is not atomic.

/// Cells in an octave: quantiles are then within 0.8 %, half a cell.
const CELLS: usize = 64;
/// Octaves of a u64: one for 0..64, one for each of the 58 further powers of two.
#[cfg(test)]
const OCTAVES: usize = 59;

/// Time-weighted distribution of a value, such as power in mW.
///
/// ```
/// use eco2_core::Histogram;
///
/// let mut power = Histogram::default();
/// power.record(100_000, 9_000_000); // 100 W for 9 ms
/// power.record(700_000, 1_000_000); // 700 W for 1 ms
/// let median_mw = power.quantile(0.5).unwrap();
/// assert!(median_mw.abs_diff(100_000) <= 100_000 / 64);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// Time spent in each cell, nanoseconds, by octave; `None`: nothing was recorded in the octave.
    octaves: Vec<Option<Box<[u64; CELLS]>>>,
    /// Time of all cells, nanoseconds.
    weight_ns: u64,
    /// Smallest value recorded; `u64::MAX` while nothing was.
    least: u64,
    /// Largest value recorded; 0 while nothing was.
    most: u64,
}

impl Default for Histogram {
    /// Returns an empty histogram; allocates nothing.
    fn default() -> Self {
        Self { octaves: Vec::new(), weight_ns: 0, least: u64::MAX, most: 0 }
    }
}

impl Histogram {
    /// Adds that the value was `value_mw` for `weight_ns` ns; a weight of 0 changes nothing. Saturates.
    #[inline]
    pub fn record(&mut self, value_mw: u64, weight_ns: u64) {
        let (octave, cell) = place_of(value_mw);
        let Some(Some(cells)) = self.octaves.get_mut(octave) else { return self.record_first(value_mw, weight_ns) };
        if weight_ns == 0 {
            return;
        }
        cells[cell] = cells[cell].saturating_add(weight_ns);
        self.weight_ns = self.weight_ns.saturating_add(weight_ns);
        self.least = self.least.min(value_mw);
        self.most = self.most.max(value_mw);
    }

    /// Records the first value of an octave, and allocates the octave.
    #[cold]
    fn record_first(&mut self, value_mw: u64, weight_ns: u64) {
        if weight_ns > 0 {
            self.octave(place_of(value_mw).0);
            self.record(value_mw, weight_ns);
        }
    }

    /// Adds everything that another histogram holds. Order does not matter.
    pub fn merge(&mut self, other: &Self) {
        for (octave, cells) in other.octaves.iter().enumerate() {
            let Some(cells) = cells else { continue };
            let sums = self.octave(octave).iter_mut().zip(cells.iter());
            sums.for_each(|(sum, more)| *sum = sum.saturating_add(*more));
        }
        self.weight_ns = self.weight_ns.saturating_add(other.weight_ns);
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// Returns the smallest value at or below which the share `q` (0 to 1) of the time was spent, within 0.8 %.
    ///
    /// The answer is the middle of that value's cell, or the smallest or largest value recorded where the middle lies
    /// beyond it. `None` when empty or when `q` is not within 0 and 1.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        if self.weight_ns == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = ((q * self.weight_ns as f64).ceil() as u64).clamp(1, self.weight_ns);
        let mut seen: u64 = 0;
        for (octave, cells) in self.octaves.iter().enumerate() {
            for (cell, weight) in cells.iter().flat_map(|cells| cells.iter().enumerate()) {
                seen = seen.saturating_add(*weight);
                if seen >= rank {
                    return Some(middle_of(octave, cell).clamp(self.least, self.most));
                }
            }
        }
        Some(self.most)
    }

    /// Returns the time spent above a value, nanoseconds, without that in the value's own cell.
    #[must_use]
    pub fn weight_above(&self, value: u64) -> u64 {
        let (octave, cell) = place_of(value);
        let cells = self.octaves.iter().enumerate().skip(octave);
        cells
            .flat_map(|(at, cells)| {
                cells.iter().flat_map(move |cells| cells.iter().skip(if at == octave { cell + 1 } else { 0 }))
            })
            .fold(0, |sum, weight| sum.saturating_add(*weight))
    }

    /// Returns the largest value recorded, exactly; `None` when empty.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.weight_ns > 0).then_some(self.most)
    }

    /// Returns the smallest value recorded, exactly; `None` when empty.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        (self.weight_ns > 0).then_some(self.least)
    }

    /// Returns the cells of an octave, which are allocated if they are not there.
    fn octave(&mut self, octave: usize) -> &mut [u64; CELLS] {
        if octave >= self.octaves.len() {
            self.octaves.resize_with(octave + 1, || None);
        }
        self.octaves[octave].get_or_insert_with(|| Box::new([0; CELLS]))
    }
}

/// Returns the octave and the cell of a value. Octave 0 is 0..64; octave n is 2^(n+5)..2^(n+6) in cells of 2^(n-1).
fn place_of(value: u64) -> (usize, usize) {
    let octave = (value | 63).ilog2() - 5;
    let cell = (value >> octave.saturating_sub(1)) & (CELLS as u64 - 1);
    (octave as usize, cell as usize)
}

/// Returns the middle value of a cell, rounded down.
fn middle_of(octave: usize, cell: usize) -> u64 {
    let shift = octave.saturating_sub(1);
    let offset = if octave == 0 { 0 } else { CELLS };
    let low = ((offset + cell) as u64) << shift;
    low + ((1 << shift) - 1) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_definition() {
        assert_eq!(place_of(0), (0, 0));
        assert_eq!(place_of(63), (0, 63));
        assert_eq!(place_of(64), (1, 0));
        assert_eq!(place_of(127), (1, 63));
        assert_eq!(place_of(128), (2, 0));
        assert_eq!(place_of(129), (2, 0));
        assert_eq!(place_of(130), (2, 1));
        assert_eq!(place_of(u64::MAX), (OCTAVES - 1, 63));
        assert_eq!(middle_of(1, 0), 64);
        assert_eq!(middle_of(3, 0), 257); // 256..260
    }

    #[test]
    fn unused_octaves_cost_nothing() {
        let mut power = Histogram::default();
        assert_eq!(power.octaves.capacity(), 0);
        power.record(1_000_000, 1);
        assert_eq!(power.octaves.iter().flatten().count(), 1);
        for bit in 0..64 {
            power.record(1 << bit, 1);
        }
        assert_eq!(power.octaves.iter().flatten().count(), OCTAVES);
    }

    #[test]
    fn half_the_time_at_or_below_is_the_median() {
        let mut power = Histogram::default();
        power.record(20, 5);
        power.record(10, 5);
        assert_eq!([0.0, 0.5, 0.51, 1.0].map(|q| power.quantile(q)), [10, 10, 20, 20].map(Some));
    }

    #[test]
    fn weight_above_a_value_is_that_of_the_cells_after_its_own() {
        let mut widths = Histogram::default();
        for (value, weight) in [(10, 1), (63, 2), (64, 4), (256, 8), (259, 16), (260, 32)] {
            widths.record(value, weight);
        }
        // 256 to 259 are one cell.
        assert_eq!([0, 10, 62, 63, 256, 259, 260].map(|value| widths.weight_above(value)), [63, 62, 62, 60, 32, 32, 0]);
        assert_eq!((Histogram::default().weight_above(0), widths.weight_above(u64::MAX)), (0, 0));
    }

    #[test]
    fn nothing_recorded_has_no_quantile() {
        let mut power = Histogram::default();
        power.record(5, 0);
        assert_eq!(power.quantile(0.5), None);
        power.record(5, 1);
        assert_eq!(power.quantile(0.5), Some(5));
        assert_eq!((power.quantile(1.1), power.quantile(-0.1), power.quantile(f64::NAN)), (None, None, None));
    }
}
