//! From points in file order to a series, or to the first point that is wrong.

use std::collections::HashMap;

use crate::MAX_G_PER_KWH;

use super::error::{FileFault, Place};
use super::{Gap, LONE_SLOT_NS, Meta, Series, utc};

/// One row: the start of a slot and its figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Start of the slot, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// The figure in the unit of the [`Meta`]; `None`: not known.
    pub value: Option<f64>,
    /// Where it stands.
    pub place: Place,
}

impl Series {
    /// A series of points. Slots last what most points are apart; a lone one [`LONE_SLOT_NS`].
    ///
    /// # Errors
    /// The first point that is unsorted, doubled, missing, or not a number from 0 to 5000 g/kWh; no point at all.
    pub fn of(meta: Meta, points: &[Point]) -> Result<Self, (Place, FileFault)> {
        Self::checked(meta, points, value)
    }

    /// The same for figures of another sort, each as `value` takes it: not a number for a gap.
    pub(crate) fn checked(
        meta: Meta,
        points: &[Point],
        value: impl Fn(&Point, &Meta) -> Result<f64, (Place, FileFault)>,
    ) -> Result<Self, (Place, FileFault)> {
        let first = points.first().ok_or((Place::Whole, FileFault::Empty))?;
        points.windows(2).try_for_each(rises)?;
        let step_ns = step(points);
        points.windows(2).try_for_each(|pair| is_next(pair, step_ns))?;
        check_end(points, step_ns)?;
        let values = points.iter().map(|point| value(point, &meta)).collect::<Result<Vec<f64>, _>>()?;
        let gap = |point: &Point| Gap { from_ns: point.from_ns, to_ns: point.from_ns + step_ns, place: point.place };
        let gaps = points.iter().filter(|point| point.value.is_none()).map(gap).collect();
        Ok(Self { meta, first_ns: first.from_ns, step_ns, values, gaps })
    }
}

fn rises(pair: &[Point]) -> Result<(), (Place, FileFault)> {
    let [before, point] = pair else { return Ok(()) };
    if point.from_ns == before.from_ns {
        return Err((point.place, FileFault::Duplicate(utc(point.from_ns))));
    }
    if point.from_ns < before.from_ns {
        let (at, before) = (utc(point.from_ns), utc(before.from_ns));
        return Err((point.place, FileFault::Unsorted { at, before }));
    }
    Ok(())
}

/// That no time of the series lies beyond half the range of the clock, so that no sum of two overflows.
fn check_end(points: &[Point], step_ns: i64) -> Result<(), (Place, FileFault)> {
    let is_far = |ns: &i64| !(-i64::MAX / 2..=i64::MAX / 2).contains(ns);
    let end_ns = |point: &Point| point.from_ns.checked_add(step_ns).filter(|end| !is_far(end));
    match points.iter().find(|point| is_far(&point.from_ns) || end_ns(point).is_none()) {
        Some(point) => Err((point.place, FileFault::Time(utc(point.from_ns)))),
        None => Ok(()),
    }
}

/// What most points are apart; of several such distances the shortest.
fn step(points: &[Point]) -> i64 {
    let mut counts: HashMap<i64, usize> = HashMap::new();
    for pair in points.windows(2) {
        *counts.entry(pair[1].from_ns.saturating_sub(pair[0].from_ns)).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|&(step, count)| (count, std::cmp::Reverse(step)));
    most.map_or(LONE_SLOT_NS, |(step, _)| step)
}

fn is_next(pair: &[Point], step_ns: i64) -> Result<(), (Place, FileFault)> {
    let [before, point] = pair else { return Ok(()) };
    let length_ns = point.from_ns.saturating_sub(before.from_ns);
    let (at, step_s) = (utc(point.from_ns), step_ns as f64 / 1e9);
    match length_ns.cmp(&step_ns) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => {
            Err((point.place, FileFault::Uneven { at, length_s: length_ns as f64 / 1e9, step_s }))
        }
        std::cmp::Ordering::Greater => {
            Err((point.place, FileFault::Gapped { at, before: utc(before.from_ns), step_s }))
        }
    }
}

/// The figure in grams per kilowatt-hour; not a number for a gap.
fn value(point: &Point, meta: &Meta) -> Result<f64, (Place, FileFault)> {
    let Some(value) = point.value else { return Ok(f64::NAN) };
    let g_per_kwh = meta.unit.g_per_kwh(value);
    if (0.0..=MAX_G_PER_KWH).contains(&g_per_kwh) {
        // -0.0 is within the range and would print as such.
        return Ok(g_per_kwh.abs());
    }
    let allowed = "0 to 5000 grams CO2e per kilowatt-hour, or nothing where it is not known";
    Err((point.place, FileFault::Figure { what: "the intensity", text: value.to_string(), allowed }))
}
