//! Plans: a queue of jobs over a year, a million windows, energy under an hourly intensity, and the look-up of a zone.

use std::hint::black_box;

use eco2_core::Scale;
use eco2_grid::plan::{HOUR_NS, IntensityCurve, Job, plan};
use eco2_grid::{FilePlace, Series, SeriesMeta, SeriesPoint};

use crate::bulk::{Random, counter};
use crate::measure::{Failure, Place as Machine, Samples, cpu_each, cpu_ms, in_turns};
use crate::table::{Limit, Row};

/// Half-hours of a year and nine days, as the published year of Great Britain has them.
const SLOTS: i64 = 18_000;
const SLOT_NS: i64 = HOUR_NS / 2;
/// The published queue of machine-learning jobs (Wiesner et al. 2021): 3387 jobs of 4 to 90 hours.
const JOBS: usize = 3387;
const WINDOWS: usize = 1_000_000;
const POINTS: usize = 10_000_000;
/// A reading every 10 ms: 28 hours of them.
const STEP_NS: i64 = 10_000_000;
const ROUNDS: usize = 11;

/// A job and its window: begin, end (Unix nanoseconds), job.
type Waiting = (i64, i64, Job);

/// Queues in one piece and interrupted, windows, grams and the look-up.
///
/// # Errors
/// Where a job does not fit, which would be a mistake of this bench.
pub(crate) fn measure(_: &Machine) -> Result<Vec<Row>, Failure> {
    let curve = IntensityCurve::new(&year()?);
    let mut rows = vec![queue(&curve, false)?, queue(&curve, true)?, windows(&curve)?];
    rows.push(grams()?);
    rows.push(look_up()?);
    Ok(rows)
}

/// The published queue's shape: each job may wait up to the next Monday or Thursday, half a week at most.
fn queue(curve: &IntensityCurve, interruptible: bool) -> Result<Row, Failure> {
    let mut random = Random::new(1);
    let jobs: Vec<Waiting> = (0..JOBS).map(|_| waiting(&mut random, curve, (8, 180), 4 * 48, interruptible)).collect();
    let seconds = timed(curve, &jobs, ROUNDS)?;
    let kind = if interruptible { "interruptible" } else { "in one piece" };
    let name = format!("queue of 3387 jobs {kind} on a half-hourly year");
    Ok(Row::of(name, &seconds, "s", Limit::AtMost(0.5)).noting("4 to 90 h, each with up to four days of slack"))
}

fn windows(curve: &IntensityCurve) -> Result<Row, Failure> {
    let mut random = Random::new(2);
    let jobs: Vec<Waiting> = (0..WINDOWS).map(|_| waiting(&mut random, curve, (1, 48), 96, false)).collect();
    let seconds = timed(curve, &jobs, 3)?;
    let note = format!("{:.0} ns a window; up to a day long, up to two days of slack", seconds.median() * 1e3);
    Ok(Row::of("a million cheapest windows on a half-hourly year", &seconds, "s", Limit::AtMost(5.0)).noting(note))
}

/// A random job of `least` to `most` half-hours, in a window with a slack of up to `slack` half-hours.
fn waiting(
    random: &mut Random,
    curve: &IntensityCurve,
    (least, most): (u64, u64),
    slack: u64,
    interruptible: bool,
) -> Waiting {
    let half_hours = least + random.below(most - least);
    let duration_ns = half_hours as i64 * SLOT_NS + random.below(1800) as i64 * 1_000_000_000;
    let window_ns = duration_ns + random.below(slack) as i64 * SLOT_NS;
    let latest = (curve.to_ns() - curve.from_ns() - window_ns) / 1_000_000_000;
    let from_ns = curve.from_ns() + random.below(latest as u64) as i64 * 1_000_000_000;
    (from_ns, from_ns + window_ns, Job { duration_ns, power_w: 1000.0, interruptible })
}

/// CPU seconds of planning all jobs on this thread.
fn timed(curve: &IntensityCurve, jobs: &[Waiting], rounds: usize) -> Result<Samples, Failure> {
    let all = || jobs.iter().try_fold(0.0, |sum, job| Ok::<f64, Failure>(sum + grams_of(curve, job)?));
    all()?;
    let [ms] = in_turns(rounds, [&mut || cpu_ms(|| black_box(all().is_ok()))]);
    Ok(ms.divided_by(1e3))
}

fn grams_of(curve: &IntensityCurve, (from_ns, to_ns, job): &Waiting) -> Result<f64, Failure> {
    Ok(plan(&curve.window(*from_ns, *to_ns)?, job)?.grams)
}

fn grams() -> Result<Row, Failure> {
    let series = year()?;
    let raw = counter(POINTS);
    let times: Vec<i64> = (0..POINTS as i64).map(|at| series.from_ns() + at * STEP_NS).collect();
    let hourly = hourly(&series)?;
    let scale = Scale::from_base_per_raw(1.0 / 16_384.0).ok_or("no scale")?;
    let [floor, priced] = in_turns(
        41,
        [&mut || cpu_ms(|| sum(black_box(&raw))), &mut || {
            cpu_ms(|| hourly.emissions(black_box(&times), black_box(&raw), scale))
        }],
    );
    let speed = POINTS as f64 / (priced.min() * 1e3);
    let name = "grams of 1e7 points under an hourly series, reading the same bytes / multiplying";
    Ok(Row::of(name, &floor.over(&priced), "x", Limit::AtLeast(0.5)).noting(format!("{speed:.0} Mpoints/s")))
}

/// Reads every byte and only adds it up.
fn sum(raw: &[u32]) -> u32 {
    raw.iter().fold(0, |sum, value| sum.wrapping_add(*value))
}

fn look_up() -> Result<Row, Failure> {
    let names = ["DE", "usa", "Germany", "US-CA", "California", "EGRID:CAMX", "Türkiye"];
    names.iter().try_for_each(|name| eco2_grid::lookup(name).map(|_| ()))?;
    let slowest = |name: &&str| {
        let mut each = || cpu_each(2_000, || eco2_grid::lookup(black_box(name)).is_ok());
        let [ns] = in_turns(21, [&mut each]);
        ns
    };
    let all = names.iter().map(slowest);
    let slowest = all.max_by(|a, b| a.median().total_cmp(&b.median())).ok_or("no name")?;
    let row = Row::of("look-up of a zone, slowest of seven names", &slowest.divided_by(1e3), "us", Limit::AtMost(1.0));
    Ok(row.noting("codes, names and aliases"))
}

/// A synthetic year with a daily and a seasonal cycle and noise.
fn year() -> Result<Series, Failure> {
    let mut random = Random::new(3);
    let mut value = |slot: i64| {
        let day = (slot as f64 / 48.0 * std::f64::consts::TAU).sin() * 60.0;
        let season = (slot as f64 / 17_520.0 * std::f64::consts::TAU).cos() * 40.0;
        200.0 + day + season + random.below(400_000) as f64 / 1e4
    };
    let points: Vec<SeriesPoint> = (0..SLOTS).map(|slot| point(slot * SLOT_NS, value(slot))).collect();
    series(&points)
}

/// The first half-hour of each hour, for the hour.
fn hourly(half_hourly: &Series) -> Result<Series, Failure> {
    let points = half_hourly.slots().step_by(2).map(|slot| point(slot.from_ns, slot.g_per_kwh.unwrap_or(0.0)));
    series(&points.collect::<Vec<_>>())
}

fn point(from_ns: i64, value: f64) -> SeriesPoint {
    SeriesPoint { from_ns, value: Some(value), place: FilePlace::Whole }
}

fn series(points: &[SeriesPoint]) -> Result<Series, Failure> {
    Series::of(SeriesMeta::default(), points).map_err(|(_, fault)| fault.to_string().into())
}
