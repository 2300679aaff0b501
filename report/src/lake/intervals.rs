//! The tables `intervals`, the energy of each counter in consecutive intervals, and `days`, its sums by UTC day and carbon intensity.
//!
//! Intervals end at multiples of one length on the clock of the boot, so that two records of one counter have the same intervals, and at
//! midnight UTC and where the carbon intensity changes. They lie within the stretches (times that readings cover) from which `eco2 merge`
//! computes energy: the energies of a stretch's intervals add up to that of the stretch, to the microjoule. Within a stretch, the shape is
//! that of the report's curve of the device.

use std::collections::BTreeMap;

use eco2_core::schema::Device;
use eco2_core::{Curve, CurveCursor, Ranged as _, Stretch, Window};
use jiff::Timestamp;

use super::rows::{Identity, day_of};
use super::runs::{Equal, Steps};
use super::table::{Column, ColumnsOf, Table, Values, signed};
use crate::Error;
use crate::analysis::record_stretches;

/// Largest number of rows of one record: they are in memory at the same time, about 1 GB.
const MAX_ROWS: u64 = 1 << 24;
const DAY_NS: i128 = 86_400_000_000_000;
const DAY_US: i64 = 86_400_000_000;

/// The columns of one day. All but the energy are kept in runs, each of intervals of equal length.
#[derive(Default)]
struct Rows {
    counter: Vec<Steps>,
    from_ns: Vec<Steps>,
    to_ns: Vec<Steps>,
    /// Empty if the wall clock is not known.
    at: Vec<Steps>,
    energy_uj: Vec<i64>,
    g_per_kwh: Vec<Equal>,
    /// The sums of the energies by counter and carbon intensity (its bits; `None`: not known).
    sums_uj: BTreeMap<(i64, Option<u64>), i64>,
}

/// A carbon intensity and the instant of the boot's clock from which it holds.
struct Intensity {
    from_ns: u64,
    g_per_kwh: f64,
}

/// Returns the rows of one record, a table per day. `step_ns`: length of an interval, nanoseconds, not 0.
///
/// # Errors
/// [`Error::TooManyIntervals`] for more rows than [`MAX_ROWS`].
pub(super) fn tables(id: &Identity<'_>, step_ns: u64) -> Result<Vec<Table>, Error> {
    let records = record_stretches(id.report);
    let windows =
        records.iter().flat_map(|(_, stretches)| stretches).map(|stretch| StretchEnergy::new(id, stretch, None).window);
    let rows = windows.map(|window| window.to_ns.saturating_sub(window.from_ns) / step_ns).fold(0, u64::saturating_add);
    if rows > MAX_ROWS {
        return Err(Error::TooManyIntervals { run: id.report.run.id.clone(), rows, most: MAX_ROWS });
    }
    let intensities = intensities(id);
    let mut cuts: Vec<u64> = midnights(id).chain(intensities.iter().map(|intensity| intensity.from_ns)).collect();
    cuts.sort_unstable();
    let mut days: BTreeMap<Option<i64>, Rows> = BTreeMap::new();
    for (device_id, stretches) in records {
        let key = id.counter_key(&device_id);
        let device = id.report.devices.iter().find(|device| device.id == device_id);
        let shape = device.and_then(|device| shape(id, device));
        for stretch in &stretches {
            let mut energy = StretchEnergy::new(id, stretch, shape.as_ref());
            // Within a part between two cuts, day and intensity are the same.
            for part in between_cuts(energy.window, &cuts) {
                let day = id.wall_us(part.from_ns).map(|at_us| at_us.div_euclid(DAY_US));
                let passed = intensities.partition_point(|intensity| intensity.from_ns <= part.from_ns);
                let g_per_kwh = passed.checked_sub(1).map(|at| intensities[at].g_per_kwh);
                days.entry(day).or_default().add(id, (key, g_per_kwh), &mut energy, &pieces(part, step_ns));
            }
        }
    }
    Ok(days.into_iter().flat_map(|(day, rows)| rows.into_tables(day)).collect())
}

impl Rows {
    /// Adds the intervals of a part of a stretch, which follow each other. `key`: the counter.
    fn add(
        &mut self,
        id: &Identity<'_>,
        (key, g_per_kwh): (i64, Option<f64>),
        energy: &mut StretchEnergy<'_>,
        pieces: &[Piece],
    ) {
        let begin = self.energy_uj.len();
        let mut before_uj = pieces.first().map_or(0, |piece| energy.until(piece.from_ns));
        for Piece { from_ns, length_ns, rows } in pieces.iter().copied() {
            let wall_us = id.wall_us(from_ns);
            self.counter.push(Steps { first: key, step: 0, rows });
            self.from_ns.push(steps(from_ns, length_ns, rows));
            self.to_ns.push(steps(from_ns + length_ns, length_ns, rows));
            self.at.extend(wall_us.map(|first| Steps { first, step: signed(length_ns / 1_000), rows }));
            self.g_per_kwh.push(Equal { number: g_per_kwh, rows });
            for until_uj in energy.at_ends(from_ns, length_ns, rows) {
                self.energy_uj.push(signed(until_uj.saturating_sub(before_uj)));
                before_uj = until_uj;
            }
        }
        let sum_uj = self.sums_uj.entry((key, g_per_kwh.map(f64::to_bits))).or_default();
        *sum_uj = self.energy_uj[begin..].iter().fold(*sum_uj, |sum, energy_uj| sum.saturating_add(*energy_uj));
    }

    /// Returns the tables `intervals` and `days` of a day.
    fn into_tables(self, day: Option<i64>) -> [Table; 2] {
        let column = |name, values| Column { name, values };
        let sums: Vec<_> = self.sums_uj.into_iter().collect();
        let sums = ColumnsOf::new(&sums)
            .key("counter", |((counter, _), _)| *counter)
            .key("energy_uj", |(_, energy_uj)| *energy_uj)
            .number("g_per_kwh", |((_, g_per_kwh), _)| g_per_kwh.map(f64::from_bits));
        let rows = self.energy_uj.len();
        let at = if day.is_some() {
            Values::InstantSteps(self.at)
        } else {
            Values::Instants(std::iter::repeat_n(None, rows).collect())
        };
        let columns = vec![
            column("counter", Values::Steps(self.counter)),
            column("from_ns", Values::Steps(self.from_ns)),
            column("to_ns", Values::Steps(self.to_ns)),
            column("started_at", at),
            column("energy_uj", Values::Integers(self.energy_uj)),
            column("g_per_kwh", Values::Equal(self.g_per_kwh)),
        ];
        let day = day.and_then(|day| day_of(day * DAY_US));
        [Table { name: "intervals", day: day.clone(), columns }, sums.table("days", day)]
    }
}

/// Returns instants that rise by equal steps. Those above 2^63 - 1 are written as that, all of a run if its last one is.
fn steps(first_ns: u64, step_ns: u64, rows: usize) -> Steps {
    let last_ns = first_ns.saturating_add(step_ns.saturating_mul(rows as u64));
    let step = if last_ns > i64::MAX as u64 { 0 } else { signed(step_ns) };
    Steps { first: signed(first_ns), step, rows }
}

/// Returns how a device's energy grew; `None` where the report has no curve of it.
fn shape(id: &Identity<'_>, device: &Device) -> Option<Curve> {
    let record = id.report.curves.iter().find(|curve| curve.devices.is_none() && curve.device == device.id)?;
    Some(record.curve(id.report.run.duration_ns, device.bounded()))
}

/// The energy of one stretch as a function of time.
struct StretchEnergy<'a> {
    stretch: &'a Stretch,
    shape: Option<Shape<'a>>,
    /// The stretch, as far as it is within the record.
    window: Window,
}

/// The shape of a stretch: the device's curve, as far as it is within the stretch's own energies.
struct Shape<'a> {
    cursor: CurveCursor<'a>,
    /// Start of the record on the clock of the boot.
    begin_ns: u64,
    /// Energy of the curve where the stretch begins.
    before_uj: u64,
    /// Energies of the stretch at the ends of the window.
    ends_uj: [u64; 2],
}

impl<'a> StretchEnergy<'a> {
    fn new(id: &Identity<'_>, stretch: &'a Stretch, shape: Option<&'a Curve>) -> Self {
        let from_ns = stretch.at_ns.first().copied().unwrap_or(0);
        let end_ns = stretch.at_ns.last().copied().unwrap_or(0);
        let window = Window { from_ns: from_ns.max(id.window.from_ns), to_ns: end_ns.min(id.window.to_ns) };
        let shape = shape.map(|curve| {
            let begin_ns = id.window.from_ns;
            let ends_uj = [window.from_ns, window.to_ns].map(|at_ns| stretch.energy_at(at_ns));
            let mut shape = Shape { cursor: curve.cursor(), begin_ns, before_uj: 0, ends_uj };
            shape.before_uj = shape.energies(from_ns, 0, 1)[0];
            shape
        });
        Self { stretch, shape, window }
    }

    /// Returns the energy from the beginning of the stretch.
    fn until(&mut self, at_ns: u64) -> u64 {
        self.at_ends(at_ns, 0, 1)[0]
    }

    /// Returns the energies from the beginning of the stretch until the end of each of some intervals that follow each other. At the ends
    /// of the window they are the stretch's own. It is quick for instants that rise.
    fn at_ends(&mut self, from_ns: u64, length_ns: u64, rows: usize) -> Vec<u64> {
        let ends_ns = (1..=rows as u64).map(|row| from_ns.saturating_add(length_ns.saturating_mul(row)));
        let Some(shape) = &mut self.shape else { return ends_ns.map(|at_ns| self.stretch.energy_at(at_ns)).collect() };
        let mut energies = shape.energies(from_ns.saturating_add(length_ns), length_ns, rows);
        let [least_uj, most_uj] = shape.ends_uj;
        for (uj, at_ns) in energies.iter_mut().zip(ends_ns) {
            *uj = if self.window.from_ns < at_ns && at_ns < self.window.to_ns {
                uj.saturating_sub(shape.before_uj).clamp(least_uj, most_uj)
            } else {
                self.stretch.energy_at(at_ns)
            };
        }
        energies
    }
}

impl Shape<'_> {
    /// Returns the curve's energies at instants of the boot's clock with equal steps; 0 where they are not known.
    fn energies(&mut self, first_ns: u64, step_ns: u64, rows: usize) -> Vec<u64> {
        let mut energies = vec![0; rows];
        self.cursor.estimates(first_ns.saturating_sub(self.begin_ns), step_ns, &mut energies);
        energies
    }
}

/// Cuts a window at `cuts`, which are sorted.
fn between_cuts(window: Window, cuts: &[u64]) -> impl Iterator<Item = Window> {
    let within = cuts.iter().copied().filter(move |cut| window.from_ns < *cut && *cut < window.to_ns);
    let mut from_ns = window.from_ns;
    within.chain([window.to_ns]).filter_map(move |to_ns| {
        let part = Window { from_ns, to_ns };
        from_ns = to_ns;
        (part.from_ns < part.to_ns).then_some(part)
    })
}

/// Intervals of equal length that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    from_ns: u64,
    length_ns: u64,
    rows: usize,
}

/// Cuts a window at the multiples of `step_ns`: what is before the first one, whole intervals, and what is after the last one.
fn pieces(window: Window, step_ns: u64) -> Vec<Piece> {
    let Window { from_ns, to_ns } = window;
    let first_ns = from_ns.div_ceil(step_ns).saturating_mul(step_ns).min(to_ns);
    let last_ns = (to_ns / step_ns * step_ns).max(first_ns);
    let piece = |from_ns: u64, to_ns: u64, length_ns: u64| {
        let rows = (to_ns - from_ns).checked_div(length_ns).and_then(|rows| usize::try_from(rows).ok()).unwrap_or(0);
        (rows > 0).then_some(Piece { from_ns, length_ns, rows })
    };
    let all = [
        piece(from_ns, first_ns, first_ns - from_ns),
        piece(first_ns, last_ns, step_ns),
        piece(last_ns, to_ns, to_ns - last_ns),
    ];
    all.into_iter().flatten().collect()
}

/// Returns the instants of the boot's clock at which a UTC day begins within the record.
fn midnights(id: &Identity<'_>) -> impl Iterator<Item = u64> + use<> {
    let (from_ns, to_ns) = (i128::from(id.window.from_ns), id.window.to_ns);
    let first = id.started_ns.map(|started_ns| from_ns + DAY_NS - started_ns.rem_euclid(DAY_NS));
    let all = std::iter::successors(first, |at| Some(at + DAY_NS));
    all.map_while(|at| u64::try_from(at).ok()).take_while(move |at| *at < to_ns)
}

/// Returns the carbon intensities of a record in the order of time; none where it was not priced.
fn intensities(id: &Identity<'_>) -> Vec<Intensity> {
    let segments = id.report.carbon.iter().flat_map(|carbon| &carbon.segments);
    let mut all: Vec<Intensity> = segments
        .enumerate()
        .filter_map(|(place, segment)| {
            let since = |started_ns: i128| Some(segment.from.parse::<Timestamp>().ok()?.as_nanosecond() - started_ns);
            // The first intensity holds from the start, also where the clocks differ by the rounding of a text.
            let since_ns = if place == 0 { 0 } else { since(id.started_ns?)?.max(0) };
            let from_ns = id.window.from_ns.saturating_add(u64::try_from(since_ns).ok()?);
            Some(Intensity { from_ns, g_per_kwh: segment.g_per_kwh })
        })
        .collect();
    all.sort_by_key(|intensity| intensity.from_ns);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_cut_at_multiples_and_at_cuts() {
        let parts = |window, step_ns, cuts: &[u64]| {
            let pieces = between_cuts(window, cuts).flat_map(|part| pieces(part, step_ns));
            pieces.map(|piece| (piece.from_ns, piece.length_ns, piece.rows)).collect::<Vec<_>>()
        };
        let found = parts(Window { from_ns: 5, to_ns: 51 }, 10, &[2, 7, 7, 20, 51, 60]);
        assert_eq!(found, [(5, 2, 1), (7, 3, 1), (10, 10, 1), (20, 10, 3), (50, 1, 1)]);
        assert_eq!(parts(Window { from_ns: 9, to_ns: 9 }, 10, &[9]), []);
        assert_eq!(parts(Window { from_ns: 12, to_ns: 17 }, 10, &[]), [(12, 5, 1)], "no multiple");
        assert_eq!(parts(Window { from_ns: u64::MAX - 1, to_ns: u64::MAX }, 10, &[]).len(), 1);
    }

    #[test]
    fn instants_above_the_largest_signed_number_do_not_become_negative() {
        let found = steps(u64::MAX - 30, 10, 3);
        assert_eq!(found, Steps { first: i64::MAX, step: 0, rows: 3 });
    }
}
