//! The table `intervals`: the energy of each counter in consecutive intervals.
//!
//! Intervals end at multiples of one length on the clock of the boot, so that two records of one counter have the same intervals, and at
//! midnight UTC and where the carbon intensity changes. They lie within the stretches (times that readings cover) from which `eco2 merge`
//! computes energy: the energies of a stretch's intervals add up to that of the stretch, to the microjoule. Within a stretch, the shape is
//! that of the report's curve of the device.

use std::collections::BTreeMap;

use eco2_core::schema::Device;
use eco2_core::{Curve, Ranged as _, Stretch, Window};
use jiff::Timestamp;

use super::rows::{Identity, day_of};
use super::table::{Column, Table, Values, signed};
use crate::Error;
use crate::analysis::record_stretches;

/// Largest number of rows of one record: they are in memory at the same time, about 1 GB.
const MAX_ROWS: u64 = 1 << 24;
const DAY_NS: i128 = 86_400_000_000_000;

/// The columns of one day.
#[derive(Default)]
struct Rows {
    counter: Vec<i64>,
    from_ns: Vec<i64>,
    to_ns: Vec<i64>,
    at: Vec<Option<i64>>,
    energy_uj: Vec<i64>,
    g_per_kwh: Vec<Option<f64>>,
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
            let energy = StretchEnergy::new(id, stretch, shape.as_ref());
            for Window { from_ns, to_ns } in intervals(energy.window, step_ns, &cuts) {
                let at = id.wall_us(from_ns);
                let rows = days.entry(at.map(|at| at.div_euclid((DAY_NS / 1_000) as i64))).or_default();
                rows.counter.push(key);
                rows.from_ns.push(signed(from_ns));
                rows.to_ns.push(signed(to_ns));
                rows.at.push(at);
                rows.energy_uj.push(signed(energy.between(from_ns, to_ns)));
                let passed = intensities.partition_point(|intensity| intensity.from_ns <= from_ns);
                rows.g_per_kwh.push(passed.checked_sub(1).map(|at| intensities[at].g_per_kwh));
            }
        }
    }
    Ok(days.into_values().map(Rows::into_table).collect())
}

impl Rows {
    fn into_table(self) -> Table {
        let day = self.at.first().copied().flatten().and_then(day_of);
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
    shape: Option<&'a Curve>,
    /// The stretch, as far as it is within the record.
    window: Window,
    /// Start of the record on the clock of the boot.
    begin_ns: u64,
    /// Energy of the shape where the stretch begins.
    before_uj: u64,
}

impl<'a> StretchEnergy<'a> {
    fn new(id: &Identity<'_>, stretch: &'a Stretch, shape: Option<&'a Curve>) -> Self {
        let from_ns = stretch.at_ns.first().copied().unwrap_or(0);
        let end_ns = stretch.at_ns.last().copied().unwrap_or(0);
        let window = Window { from_ns: from_ns.max(id.window.from_ns), to_ns: end_ns.min(id.window.to_ns) };
        let begin_ns = id.window.from_ns;
        let before_uj = shape.map_or(0, |shape| shape_uj(shape, begin_ns, from_ns));
        Self { stretch, shape, window, begin_ns, before_uj }
    }

    /// Returns the energy of an interval within the stretch, microjoules.
    fn between(&self, from_ns: u64, to_ns: u64) -> u64 {
        self.until(to_ns).saturating_sub(self.until(from_ns))
    }

    /// Returns the energy from the beginning of the stretch, which at the ends of the window is the stretch's own.
    fn until(&self, at_ns: u64) -> u64 {
        let own = |at_ns| self.stretch.energy_at(at_ns);
        match self.shape {
            Some(shape) if self.window.from_ns < at_ns && at_ns < self.window.to_ns => {
                let uj = shape_uj(shape, self.begin_ns, at_ns).saturating_sub(self.before_uj);
                uj.clamp(own(self.window.from_ns), own(self.window.to_ns))
            }
            _ => own(at_ns),
        }
    }
}

/// Returns a curve's energy at an instant of the boot's clock.
fn shape_uj(shape: &Curve, begin_ns: u64, at_ns: u64) -> u64 {
    shape.at(at_ns.saturating_sub(begin_ns)).value.unwrap_or(0)
}

/// Cuts a window at the multiples of `step_ns` and at `cuts`, which are sorted.
fn intervals(window: Window, step_ns: u64, cuts: &[u64]) -> impl Iterator<Item = Window> {
    let mut from_ns = window.from_ns;
    let mut next_cut = cuts.partition_point(|cut| *cut <= from_ns);
    std::iter::from_fn(move || {
        if from_ns >= window.to_ns {
            return None;
        }
        let mut to_ns = (from_ns / step_ns).saturating_add(1).saturating_mul(step_ns).min(window.to_ns);
        while let Some(cut) = cuts.get(next_cut).filter(|cut| **cut <= to_ns) {
            next_cut += 1;
            if *cut > from_ns {
                to_ns = *cut;
                break;
            }
        }
        let interval = Window { from_ns, to_ns };
        from_ns = to_ns;
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
        let window = Window { from_ns: 5, to_ns: 31 };
        let found: Vec<(u64, u64)> =
            intervals(window, 10, &[2, 7, 20, 31, 40]).map(|part| (part.from_ns, part.to_ns)).collect();
        assert_eq!(found, [(5, 7), (7, 10), (10, 20), (20, 30), (30, 31)]);
        assert_eq!(intervals(Window { from_ns: 9, to_ns: 9 }, 10, &[]).count(), 0);
        let last = Window { from_ns: u64::MAX - 1, to_ns: u64::MAX };
        assert_eq!(intervals(last, 10, &[]).count(), 1);
    }
}
