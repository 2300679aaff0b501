//! Builds a series (values over time in equal periods, the *slots*) from the rows of a file, or reports the first row
//! with a fault. A *gap* is a slot without a value.

use std::collections::HashMap;

use crate::MAX_G_PER_KWH;

use super::error::{FileFault, FilePlace};
use super::{Series, SeriesGap, SeriesMeta, SlotRule, utc};

/// The length of the slot of a series with a single row, nanoseconds: an hour, the usual slot of published intensities.
const LONE_SLOT_NS: i64 = 3_600_000_000_000;
/// Maximum number of slots of a series whose rows are not evenly spaced: forty years of five minutes.
const MOST_SLOTS: i64 = 4_200_000;

/// One row: the start of a slot and its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesPoint {
    /// Start of the slot, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// The value in the unit of the [`SeriesMeta`]; `None` if unknown.
    pub value: Option<f64>,
    /// Place of the row in its file.
    pub place: FilePlace,
}

impl Series {
    /// Returns a series of points. A slot lasts until the next one starts. The last one lasts as long as the one
    /// before, a single one an hour. If the length of slots changes (hours to quarter hours), the series has slots of
    /// the greatest common length.
    ///
    /// # Errors
    /// The first point that is unsorted, a duplicate, out of the range 0 to 5000 g/kWh, or preceded by missing points;
    /// no point at all.
    pub fn of(meta: SeriesMeta, points: &[SeriesPoint]) -> Result<Self, (FilePlace, FileFault)> {
        Self::checked(meta, points, value)
    }

    /// Returns a series of values of another sort, such as prices. `value` checks and converts each value; it returns
    /// NaN for a gap.
    pub(crate) fn checked(
        meta: SeriesMeta,
        points: &[SeriesPoint],
        value: impl Fn(&SeriesPoint, &SeriesMeta) -> Result<f64, (FilePlace, FileFault)>,
    ) -> Result<Self, (FilePlace, FileFault)> {
        let first = points.first().ok_or((FilePlace::Whole, FileFault::Empty))?;
        points.windows(2).try_for_each(rises)?;
        let lengths = lengths(points, meta.slots)?;
        check_end(points, &lengths)?;
        let step_ns = lengths.iter().copied().fold(0, common);
        let len = lengths.iter().map(|length| length / step_ns).sum::<i64>();
        if len > MOST_SLOTS && len > points.len() as i64 {
            return Err((
                FilePlace::Whole,
                FileFault::TooFine { slots: len, step_s: step_ns as f64 / 1e9, most: MOST_SLOTS },
            ));
        }
        let (mut values, mut gaps) = (Vec::with_capacity(usize::try_from(len).unwrap_or(0)), Vec::new());
        for (point, length_ns) in points.iter().zip(&lengths) {
            let value = value(point, &meta)?;
            values.extend((0..length_ns / step_ns).map(|_| value));
            if point.value.is_none() {
                gaps.push(SeriesGap { from_ns: point.from_ns, to_ns: point.from_ns + length_ns, place: point.place });
            }
        }
        Ok(Self { meta, first_ns: first.from_ns, step_ns, values, gaps })
    }
}

/// Returns the greatest common divisor, by Euclid's algorithm.
pub(crate) fn common(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common(b, a % b) }
}

/// Checks that the second of two points is later than the first.
fn rises(pair: &[SeriesPoint]) -> Result<(), (FilePlace, FileFault)> {
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

/// Checks that no time of the series is beyond half the range of the clock, so that no sum of two overflows.
fn check_end(points: &[SeriesPoint], lengths: &[i64]) -> Result<(), (FilePlace, FileFault)> {
    let is_far = |ns: &i64| !(-i64::MAX / 2..=i64::MAX / 2).contains(ns);
    let is_outside = |(point, length_ns): &(&SeriesPoint, &i64)| {
        is_far(&point.from_ns) || point.from_ns.checked_add(**length_ns).is_none_or(|end_ns| is_far(&end_ns))
    };
    match points.iter().zip(lengths).find(is_outside) {
        Some((point, _)) => Err((point.place, FileFault::Time(utc(point.from_ns)))),
        None => Ok(()),
    }
}

/// Returns the length of every slot: until the next one starts; the last one has the length of the one before.
fn lengths(points: &[SeriesPoint], slots: SlotRule) -> Result<Vec<i64>, (FilePlace, FileFault)> {
    let mut lengths: Vec<i64> = points.windows(2).map(|pair| pair[1].from_ns.saturating_sub(pair[0].from_ns)).collect();
    if slots == SlotRule::Steady {
        let step_ns = most_frequent(&lengths);
        let stray = runs(&lengths).find(|run| !is_steady(run, &lengths, points) && run.length_ns != step_ns);
        if let Some(run) = stray {
            return Err(missing(&points[run.first], &points[run.first + 1], step_ns));
        }
    }
    lengths.push(lengths.last().copied().unwrap_or(LONE_SLOT_NS));
    Ok(lengths)
}

/// Adjacent slots of one length.
struct LengthRun {
    /// Index of the first slot.
    first: usize,
    count: usize,
    length_ns: i64,
}

/// Returns the runs of equal lengths, in order.
fn runs(lengths: &[i64]) -> impl Iterator<Item = LengthRun> {
    let mut first = 0;
    lengths.chunk_by(|one, next| one == next).map(move |run| {
        let found = LengthRun { first, count: run.len(), length_ns: run[0] };
        first += run.len();
        found
    })
}

/// Whether slots of this length are intended and no row is missing: two of them are adjacent, or the series starts with
/// a full hour or half hour that the following shorter slots divide.
fn is_steady(run: &LengthRun, lengths: &[i64], points: &[SeriesPoint]) -> bool {
    let after = &lengths[run.first + run.count..];
    let divides = after.first().is_some_and(|next| run.length_ns % next == 0 && after.get(1) == Some(next));
    let is_usual = [LONE_SLOT_NS, LONE_SLOT_NS / 2].contains(&run.length_ns);
    let is_aligned = points[run.first].from_ns.rem_euclid(run.length_ns) == 0;
    run.count > 1 || (run.first == 0 && is_usual && is_aligned && divides)
}

/// Returns the most frequent length of slots; of several such lengths the shortest.
fn most_frequent(lengths: &[i64]) -> i64 {
    let mut counts: HashMap<i64, usize> = HashMap::new();
    for length_ns in lengths {
        *counts.entry(*length_ns).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|&(length_ns, count)| (count, std::cmp::Reverse(length_ns)));
    most.map_or(LONE_SLOT_NS, |(length_ns, _)| length_ns)
}

/// Returns the fault of a point whose distance from the one before is not `step_ns`.
fn missing(before: &SeriesPoint, point: &SeriesPoint, step_ns: i64) -> (FilePlace, FileFault) {
    let length_ns = point.from_ns.saturating_sub(before.from_ns);
    let (at, step_s) = (utc(point.from_ns), step_ns as f64 / 1e9);
    let fault = if length_ns < step_ns {
        FileFault::Uneven { at, length_s: length_ns as f64 / 1e9, step_s }
    } else {
        FileFault::Gapped { at, before: utc(before.from_ns), step_s }
    };
    (point.place, fault)
}

/// Returns the intensity of a point, grams per kilowatt-hour; NaN for a gap.
fn value(point: &SeriesPoint, meta: &SeriesMeta) -> Result<f64, (FilePlace, FileFault)> {
    let Some(value) = point.value else { return Ok(f64::NAN) };
    let g_per_kwh = meta.unit.g_per_kwh(value);
    if (0.0..=MAX_G_PER_KWH).contains(&g_per_kwh) {
        // -0.0 is within the range, but would be printed with its sign.
        return Ok(g_per_kwh.abs());
    }
    let allowed = "0 to 5000 grams CO2e per kilowatt-hour, or nothing where it is not known";
    Err((point.place, FileFault::Figure { what: "the intensity", text: value.to_string(), allowed }))
}
