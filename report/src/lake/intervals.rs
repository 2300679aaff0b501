//! The table `intervals`: the energy of each counter in consecutive intervals.
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
use super::table::{Column, Optional, Table, Values, signed};
use crate::Error;
use crate::analysis::record_stretches;

/// Largest number of rows of one record: they are in memory at the same time, about 1 GB.
const MAX_ROWS: u64 = 1 << 24;
const DAY_NS: i128 = 86_400_000_000_000;
const DAY_US: i64 = 86_400_000_000;

/// The columns of one day.
#[derive(Default)]
struct Rows {
    counter: Vec<i64>,
    from_ns: Vec<i64>,
    to_ns: Vec<i64>,
    at: Optional<i64>,
    energy_uj: Vec<i64>,
    g_per_kwh: Optional<f64>,
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
                days.entry(day).or_default().add(id, (key, g_per_kwh), &mut energy, intervals(part, step_ns));
            }
        }
    }
    Ok(days.into_values().map(Rows::into_table).collect())
}

impl Rows {
    /// Adds the intervals of a part of a stretch, which follow each other. `key`: the counter.
    fn add(
        &mut self,
        id: &Identity<'_>,
        (key, g_per_kwh): (i64, Option<f64>),
        energy: &mut StretchEnergy<'_>,
        intervals: impl Iterator<Item = Window>,
    ) {
        let mut before_uj = None;
        for Window { from_ns, to_ns } in intervals {
            let until_uj = energy.until(to_ns);
            self.from_ns.push(signed(from_ns));
            self.to_ns.push(signed(to_ns));
            self.at.push(id.wall_us(from_ns));
            self.energy_uj.push(signed(until_uj.saturating_sub(before_uj.unwrap_or_else(|| energy.until(from_ns)))));
            before_uj = Some(until_uj);
        }
        self.counter.resize(self.from_ns.len(), key);
        self.g_per_kwh.resize(self.from_ns.len(), g_per_kwh);
    }

    fn into_table(self) -> Table {
        let day = self.at.first_known().copied().and_then(day_of);
        let column = |name, values| Column { name, values };
        let columns = vec![
            column("counter", Values::Integers(self.counter)),
            column("from_ns", Values::Integers(self.from_ns)),
            column("to_ns", Values::Integers(self.to_ns)),
            column("started_at", Values::Instants(self.at)),
            column("energy_uj", Values::Integers(self.energy_uj)),
            column("g_per_kwh", Values::Numbers(self.g_per_kwh)),
        ];
        Table { name: "intervals", day, columns }
    }
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
            shape.before_uj = shape.uj(from_ns);
            shape
        });
        Self { stretch, shape, window }
    }

    /// Returns the energy from the beginning of the stretch, which at the ends of the window is the stretch's own. It is quick for instants
    /// that rise.
    fn until(&mut self, at_ns: u64) -> u64 {
        match &mut self.shape {
            Some(shape) if self.window.from_ns < at_ns && at_ns < self.window.to_ns => {
                let [least_uj, most_uj] = shape.ends_uj;
                shape.uj(at_ns).saturating_sub(shape.before_uj).clamp(least_uj, most_uj)
            }
            _ => self.stretch.energy_at(at_ns),
        }
    }
}

impl Shape<'_> {
    /// Returns the curve's energy at an instant of the boot's clock.
    fn uj(&mut self, at_ns: u64) -> u64 {
        self.cursor.at(at_ns.saturating_sub(self.begin_ns)).value.unwrap_or(0)
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

/// Cuts a window at the multiples of `step_ns`.
fn intervals(window: Window, step_ns: u64) -> impl Iterator<Item = Window> {
    let mut from_ns = window.from_ns;
    let mut next_ns = (from_ns / step_ns).saturating_add(1).saturating_mul(step_ns);
    std::iter::from_fn(move || {
        if from_ns >= window.to_ns {
            return None;
        }
        let interval = Window { from_ns, to_ns: next_ns.min(window.to_ns) };
        from_ns = interval.to_ns;
        next_ns = next_ns.saturating_add(step_ns);
        Some(interval)
    })
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
            let parts = between_cuts(window, cuts).flat_map(|part| intervals(part, step_ns));
            parts.map(|part| (part.from_ns, part.to_ns)).collect::<Vec<_>>()
        };
        let found = parts(Window { from_ns: 5, to_ns: 31 }, 10, &[2, 7, 7, 20, 31, 40]);
        assert_eq!(found, [(5, 7), (7, 10), (10, 20), (20, 30), (30, 31)]);
        assert_eq!(parts(Window { from_ns: 9, to_ns: 9 }, 10, &[9]), []);
        assert_eq!(parts(Window { from_ns: u64::MAX - 1, to_ns: u64::MAX }, 10, &[]).len(), 1);
    }
}
