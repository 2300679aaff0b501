//! Keeps what the charts of the live page show: power of the last two hours, and energy since the start.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

/// Rows of power, one per second: two hours.
const ROWS: usize = 7200;
/// Most recent rows that a document contains as they are: five minutes.
const FINE: usize = 300;
/// Older rows are averaged in groups of this many.
const COARSE: usize = 12;
/// Largest number of points of energy; beyond, every second one is dropped and the step doubles.
const POINTS: usize = 720;
/// First distance between two points of energy, seconds.
const STEP_S: u64 = 60;

/// A value with its bounds; `None`: not known.
pub(crate) type Triple = [Option<f64>; 3];

/// Power of the node at one second, watts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Seconds since 1970.
    pub(crate) t: f64,
    pub(crate) total: Triple,
    pub(crate) cpu: Triple,
    pub(crate) memory: Triple,
    pub(crate) gpu: Vec<Option<f64>>,
}

/// A row in short: two hours of rows with eight GPUs would else take 2.3 MB. Cloning shares its values.
#[derive(Debug, Clone)]
struct KeptRow {
    /// Seconds since 1970.
    t: f64,
    /// Tenths of a watt, [`UNKNOWN`] where not known: total, CPU and memory, each with its bounds, and each GPU.
    tenths: Arc<[u32]>,
}

const UNKNOWN: u32 = u32::MAX;
/// Where each part begins.
const TOTAL: usize = 0;
const CPU: usize = 3;
const MEMORY: usize = 6;
const GPUS: usize = 9;

impl From<Row> for KeptRow {
    fn from(row: Row) -> Self {
        let Row { t, total, cpu, memory, gpu } = row;
        let tenths = |watts: Option<f64>| watts.map_or(UNKNOWN, |watts| (watts * 10.0).round() as u32);
        Self { t, tenths: [total, cpu, memory].into_iter().flatten().chain(gpu).map(tenths).collect() }
    }
}

impl KeptRow {
    fn watts(&self, part: usize) -> Option<f64> {
        let tenths = self.tenths.get(part).filter(|tenths| **tenths != UNKNOWN);
        tenths.map(|tenths| f64::from(*tenths) / 10.0)
    }
}

/// Power as columns.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct PowerColumns {
    t: Vec<f64>,
    total: Columns,
    cpu: Columns,
    memory: Columns,
    gpu: Vec<Vec<Option<f64>>>,
}

/// Values with their bounds as columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Columns {
    v: Vec<Option<f64>>,
    lo: Vec<Option<f64>>,
    hi: Vec<Option<f64>>,
}

impl Columns {
    fn push(&mut self, [v, lo, hi]: Triple) {
        self.v.push(v);
        self.lo.push(lo);
        self.hi.push(hi);
    }

    /// Keeps every second value, the last of each pair.
    fn halve(&mut self) {
        for column in [&mut self.v, &mut self.lo, &mut self.hi] {
            let mut at = 0;
            column.retain(|_| {
                at += 1;
                at % 2 == 0
            });
        }
    }
}

/// Energy since the start, at equal distances.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Cumulative {
    /// Time of the first point, seconds since 1970.
    t0: f64,
    step_s: u64,
    energy_j: Columns,
}

impl Cumulative {
    /// Returns when the next point is due, seconds since 1970.
    fn due(&self) -> f64 {
        self.t0 + (self.energy_j.v.len() as u64 * self.step_s) as f64
    }

    fn push(&mut self, energy_j: Triple) {
        self.energy_j.push(energy_j);
        if self.energy_j.v.len() >= POINTS {
            self.t0 += self.step_s as f64;
            self.step_s *= 2;
            self.energy_j.halve();
        }
    }
}

/// Power of the last two hours, and energy since the start.
#[derive(Debug, Default)]
pub(crate) struct History {
    rows: VecDeque<KeptRow>,
    cumulative: Option<Cumulative>,
}

impl History {
    /// Adds a second.
    pub(crate) fn push(&mut self, row: Row) {
        if self.rows.len() == ROWS {
            self.rows.pop_front();
        }
        self.rows.push_back(row.into());
    }

    /// Adds the energy at an instant, if a step has passed since the last point. Steps that were missed, because the machine
    /// slept, are not known.
    pub(crate) fn energy(&mut self, t: f64, energy_j: Triple) -> bool {
        let first = Cumulative { t0: t, step_s: STEP_S, energy_j: Columns::default() };
        let points = self.cumulative.get_or_insert(first);
        if t < points.due() {
            return false;
        }
        while points.due() + points.step_s as f64 <= t {
            points.push([None; 3]);
        }
        points.push(energy_j);
        true
    }

    /// Moves all times.
    pub(crate) fn shift(&mut self, seconds: f64) {
        self.rows.iter_mut().for_each(|row| row.t += seconds);
        self.cumulative.iter_mut().for_each(|points| points.t0 += seconds);
    }

    /// Returns the energy since the start.
    pub(crate) fn cumulative(&self) -> Option<Cumulative> {
        self.cumulative.clone()
    }

    /// Returns the power as it is now, which shares its values with this one.
    pub(crate) fn power(&self) -> PowerRows {
        PowerRows(self.rows.iter().cloned().collect())
    }
}

/// Power of the last two hours, of which columns are made without a lock on the history.
#[derive(Debug)]
pub(crate) struct PowerRows(Vec<KeptRow>);

impl PowerRows {
    /// Returns the power: the last minutes second by second, means of [`COARSE`] seconds before. A mean with a second that is not
    /// known is not known: no line is drawn across a gap.
    pub(crate) fn columns(&self, gpus: usize) -> PowerColumns {
        let Self(rows) = self;
        let mut columns = PowerColumns { gpu: vec![Vec::new(); gpus], ..PowerColumns::default() };
        let older = rows.len().saturating_sub(FINE);
        // Groups end where the fine part begins, so the first is the one that may be short.
        let short = older % COARSE;
        let groups = std::iter::once(&rows[..short]).chain(rows[short..older].chunks(COARSE));
        for group in groups.chain(rows[older..].chunks(1)) {
            let Some(last) = group.last() else { continue };
            columns.t.push(last.t);
            columns.total.push(mean3(group, TOTAL));
            columns.cpu.push(mean3(group, CPU));
            columns.memory.push(mean3(group, MEMORY));
            for (at, column) in columns.gpu.iter_mut().enumerate() {
                column.push(mean(group.iter().map(|row| row.watts(GPUS + at))));
            }
        }
        columns
    }
}

/// Returns the means of a power and its bounds. `part`: where they begin.
fn mean3(rows: &[KeptRow], part: usize) -> Triple {
    std::array::from_fn(|at| mean(rows.iter().map(|row| row.watts(part + at))))
}

/// Returns the mean, to a tenth; `None` if a value is not known.
fn mean(values: impl ExactSizeIterator<Item = Option<f64>>) -> Option<f64> {
    let count = values.len() as f64;
    let sum = values.sum::<Option<f64>>()?;
    Some((sum / count * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(t: u32, watts: Option<f64>) -> Row {
        let one = [watts, None, None];
        Row { t: f64::from(t), total: one, cpu: one, memory: one, gpu: vec![watts] }
    }

    #[test]
    fn two_hours_are_thinned_and_a_gap_stays_a_gap() {
        let mut history = History::default();
        (0..10_000).for_each(|t| history.push(row(t, (t != 5000).then_some(f64::from(t)))));
        let columns = history.power().columns(1);
        assert_eq!(columns.t.len(), (ROWS - FINE) / COARSE + FINE);
        assert_eq!(columns.total.v.iter().filter(|watts| watts.is_none()).count(), 1);
        assert_eq!(columns.gpu[0], columns.total.v);
        assert_eq!((columns.t[0], columns.total.v[0]), (2811.0, Some(2805.5)), "a mean of 2800 to 2811");
        assert_eq!(columns.total.v.last(), Some(&Some(9999.0)));
        assert!(columns.t.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn row_is_kept_to_a_tenth() {
        for tenths in [0_u32, 1, 7, 1_001, 99_999, 10_000_003] {
            let watts = f64::from(tenths) / 10.0;
            let kept = KeptRow::from(Row { gpu: vec![Some(watts), None], ..row(1, Some(watts)) });
            assert_eq!(
                [TOTAL, TOTAL + 1, GPUS, GPUS + 1, GPUS + 2].map(|part| kept.watts(part)),
                [Some(watts), None, Some(watts), None, None]
            );
        }
        assert_eq!(size_of::<KeptRow>(), 24);
    }

    #[test]
    fn energy_of_a_month_has_a_bounded_number_of_points() {
        let mut history = History::default();
        (0..30 * 24 * 60_u32).for_each(|minute| {
            history.energy(f64::from(minute * 60), [Some(f64::from(minute)), None, None]);
        });
        let all = history.cumulative().unwrap();
        assert!(all.energy_j.v.len() < POINTS && all.step_s == 60 * 64, "{} points", all.energy_j.v.len());
        let minute = |at: usize| (all.t0 + (at as u64 * all.step_s) as f64) / 60.0;
        assert!(all.energy_j.v.iter().enumerate().all(|(at, value)| value.unwrap() == minute(at)));
        let slept = 60.0 * 50_000.0;
        assert!(history.energy(slept, [Some(1.0), None, None]) && !history.energy(slept + 1.0, [None; 3]));
        let all = history.cumulative().unwrap();
        let known = all.energy_j.v.iter().filter(|value| value.is_some()).count();
        assert!(all.energy_j.v.len() > known && all.energy_j.v.len() < POINTS, "time asleep is not known");
    }

    #[test]
    fn device_that_came_later_has_no_power_before() {
        let mut history = History::default();
        history.push(row(1, Some(2.0)));
        history.push(Row { gpu: vec![Some(1.0), Some(3.0)], ..row(2, Some(4.0)) });
        assert_eq!(history.power().columns(2).gpu, [[Some(2.0), Some(1.0)], [None, Some(3.0)]]);
    }
}
