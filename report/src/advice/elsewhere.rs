//! The run's own course at another hour, or at another place.

use std::path::Path;

use eco2_core::Bounded;
use eco2_core::schema::{Carbon, CarbonSegment, Report};
use eco2_grid::{Course, Difference, Intensity, Placed, Series, best_begin, difference, parse_instant, utc};

use super::{Advice, Claim, Evidence, Found, Outside, Saving, Topic, command, quoted};

const NS_PER_HOUR: f64 = 3.6e12;
const NS_PER_S: i64 = 1_000_000_000;

/// A series, and by how much the run may move in it.
#[derive(Debug, Clone, Copy)]
pub struct Hours<'a> {
    /// The series of the run's own place.
    pub series: &'a Series,
    /// Its file, for the command.
    pub file: &'a Path,
    /// Its column; empty where it has only one.
    pub column: &'a str,
    /// Nanoseconds from the run's begin to the latest end; also how much earlier it might have begun.
    pub within_ns: i64,
}

/// A place to compare with.
#[derive(Debug, Clone)]
pub enum Region<'a> {
    /// By its column in a series of the same file, at the hours of the run.
    Column(&'a str, &'a Series),
    /// By the table of yearly averages.
    Yearly(Box<Intensity>),
}

pub(super) fn hour(report: &Report, outside: &Outside<'_>, found: &mut Found) {
    let Some(hours) = outside.hours else {
        return found.silent(Topic::Hour, "no series was given: --series FILE weighs other hours");
    };
    let Some((course, from_ns)) = course(report, outside) else {
        return found.silent(Topic::Hour, "the report does not say when the run was, or what it used");
    };
    let here = Placed { series: hours.series, from_ns };
    if difference(&course, here, here).is_none() {
        return found.silent(Topic::Hour, uncovered(hours.series, from_ns, course.lasted_ns));
    }
    let lasted_ns = i64::try_from(course.lasted_ns).unwrap_or(i64::MAX);
    let (first_ns, last_ns) =
        (from_ns.saturating_sub(hours.within_ns), from_ns.saturating_add(hours.within_ns - lasted_ns));
    let best = best_begin(&course, here, first_ns, last_ns).filter(|(_, best)| best.saved_g() > 0.0);
    let Some((begin_ns, best)) = best else {
        return found.silent(
            Topic::Hour,
            "of the begins tried within the hours given, and with a figure for them (its begin, end or an eighth of it on \
             the edge of a slot), none is cleaner",
        );
    };
    let moved_h = (begin_ns - from_ns) as f64 / NS_PER_HOUR;
    let direction = if moved_h < 0.0 { "earlier" } else { "later" };
    let mut evidence = of_difference(&best);
    evidence.push(Evidence { name: "moved by", value: moved_h, unit: "h" });
    found.advice.push(Advice {
        topic: Topic::Hour,
        title: format!("Begun {:.1} h {direction} it weighs less", moved_h.abs()),
        text: format!(
            "The run's own course, begun at {} instead of {}, weighs {:.3} g instead of {:.3} g by {}. A series of the past \
             says nothing of tomorrow: plan with a forecast",
            utc(begin_ns),
            utc(from_ns),
            best.emitted_g() - best.saved_g(),
            best.emitted_g(),
            hours.file.display()
        ),
        evidence,
        claim: Claim::Computed,
        saving: Some(saving(&best)),
        command: plan(report, &hours, &course, (from_ns, begin_ns)),
        difficulty: "low",
    });
}

/// The plan of a job like this run, from the earlier of its begin and the better one, to the latest end.
fn plan(report: &Report, hours: &Hours<'_>, course: &Course<'_>, (from_ns, begin_ns): (i64, i64)) -> String {
    let zone = if hours.column.is_empty() { String::new() } else { format!(" --zone {}", quoted(hours.column)) };
    let lasted_ns = i64::try_from(course.lasted_ns).unwrap_or(i64::MAX);
    let start_ns = from_ns.min(begin_ns).div_euclid(NS_PER_S).saturating_mul(NS_PER_S).max(hours.series.from_ns());
    let latest_ns = from_ns.saturating_add(hours.within_ns).max(begin_ns.saturating_add(lasted_ns));
    let within_h = latest_ns.saturating_sub(start_ns) as f64 / NS_PER_HOUR;
    let watts = report.energy.total_uj.unwrap_or(0) as f64 * 1e3 / course.lasted_ns.max(1) as f64;
    let (file, start, took_h) = (hours.file.to_string_lossy(), utc(start_ns), course.lasted_ns as f64 / NS_PER_HOUR);
    format!(
        "eco2 plan --series {}{zone} --start {start} --duration {took_h} --within {within_h} --power {watts:.1} --pue {}",
        quoted(&file),
        course.pue.get()
    )
}

pub(super) fn regions(report: &Report, outside: &Outside<'_>, found: &mut Found) {
    if outside.regions.is_empty() {
        return found.silent(Topic::Region, "no place was given: --region ZONE compares with one");
    }
    for region in &outside.regions {
        match compared(report, outside, region) {
            Ok((name, kept)) if kept.saved_g() > 0.0 => {
                let command = there(report, region, &name);
                found.advice.push(elsewhere(&name, &kept, command));
            }
            Ok((name, kept)) => found.silent(Topic::Region, no_cleaner(&name, -kept.saved_g())),
            Err(reason) => found.silent(Topic::Region, reason),
        }
    }
}

fn compared(report: &Report, outside: &Outside<'_>, region: &Region<'_>) -> Result<(String, Difference), String> {
    match region {
        Region::Column(name, series) => {
            let hours = outside.hours.ok_or("no series was given")?;
            let (course, from_ns) = course(report, outside).ok_or("the report does not say when the run was")?;
            let (here, there) = (Placed { series: hours.series, from_ns }, Placed { series, from_ns });
            let kept = difference(&course, here, there).ok_or_else(|| uncovered(series, from_ns, course.lasted_ns))?;
            Ok(((*name).to_owned(), kept))
        }
        Region::Yearly(intensity) => {
            let carbon = report.carbon.as_ref().ok_or("the run has no grams to compare with")?;
            yearly(carbon, intensity).map(|kept| (intensity.zone.clone(), kept))
        }
    }
}

/// By yearly averages: each segment's energy at the other place's figure, which has to count the same.
fn yearly(carbon: &Carbon, there: &Intensity) -> Result<Difference, String> {
    let kind = there.kind.map(|kind| kind.as_str());
    let of = |segment: &CarbonSegment| segment.kind.as_deref() == kind;
    if carbon.segments.is_empty() || !carbon.segments.iter().all(of) {
        let own = carbon.segments.iter().filter_map(|segment| segment.kind.as_deref()).next().unwrap_or("unstated");
        let other = kind.unwrap_or("unstated");
        return Err(format!("{}: its figure is {other}, the run's {own}: these are not compared", there.zone));
    }
    let kwh: f64 = carbon.segments.iter().map(|segment| segment.energy_uj as f64 / 3.6e12).sum();
    let would_be = kwh * there.g_per_kwh;
    let grams = carbon.grams.ok_or("the run has no grams to compare with")?;
    let share = if grams > 0.0 { 1.0 - would_be / grams } else { 0.0 };
    let emitted = carbon.bounded();
    // What is saved may be negative: then the bounds change places.
    let saved = match share {
        share if share >= 0.0 => emitted.times(share),
        share => Bounded {
            value: Some(grams * share),
            low: emitted.high.map_or(f64::NEG_INFINITY, |high| high * share),
            high: Some(emitted.low * share),
            kind: emitted.kind,
        },
    };
    let (lower, upper) = (carbon.segments.iter().map(|segment| segment.g_per_kwh))
        .fold((f64::INFINITY, 0.0_f64), |(low, high), g| (low.min(g), high.max(g)));
    let of = |g: f64| if g > 0.0 { 100.0 * (1.0 - there.g_per_kwh / g) } else { 0.0 };
    Ok(Difference {
        grams: emitted,
        saved: Bounded { value: Some(grams - would_be), ..saved },
        // With one intensity the ratio does not depend on the energy: the interval is a point.
        percent: Bounded::hard(100.0 * share, of(lower), Some(of(upper))),
    })
}

fn no_cleaner(name: &str, more_g: f64) -> String {
    // Less than is printed counts for nothing here.
    match more_g {
        more_g if more_g < 0.000_5 => format!("{name} is no cleaner: the same"),
        more_g => format!("{name} is no cleaner: {more_g:.3} g more"),
    }
}

/// The run in another place. A column of a series is no zone that `eco2 run` would know.
fn there(report: &Report, region: &Region<'_>, name: &str) -> String {
    let zone = match region {
        Region::Column(..) => String::new(),
        Region::Yearly(_) => format!("--zone {} ", quoted(name)),
    };
    format!("eco2 run {zone}-- {}    # on a machine there", command(report))
}

fn elsewhere(name: &str, kept: &Difference, command: String) -> Advice {
    Advice {
        topic: Topic::Region,
        title: format!("In {name} it weighs less"),
        text: format!(
            "The run's own course in {name} weighs {:.3} g instead of {:.3} g, at the same PUE. Moving data takes energy \
             too, and an average intensity says what a grid emits, not what one job changes",
            kept.emitted_g() - kept.saved_g(),
            kept.emitted_g()
        ),
        evidence: of_difference(kept),
        claim: Claim::Computed,
        saving: Some(saving(kept)),
        command,
        difficulty: "high",
    }
}

fn of_difference(kept: &Difference) -> Vec<Evidence> {
    let would_be = kept.emitted_g() - kept.saved_g();
    vec![
        Evidence { name: "as it was", value: kept.emitted_g(), unit: "g" },
        Evidence { name: "as it would have been", value: would_be, unit: "g" },
    ]
}

fn saving(kept: &Difference) -> Saving {
    let Bounded { value, low, high, .. } = kept.percent;
    let percent = value.unwrap_or(0.0);
    Saving {
        percent,
        low_percent: if low.is_finite() { low } else { percent },
        high_percent: high.unwrap_or(100.0),
        grams: Some(kept.saved_g()),
    }
}

fn course<'a>(report: &Report, outside: &Outside<'a>) -> Option<(Course<'a>, i64)> {
    let course =
        outside.course.filter(|course| course.lasted_ns > 0 && report.energy.total_uj.is_some_and(|uj| uj > 0))?;
    Some((course, parse_instant(&report.run.started_at)?))
}

fn uncovered(series: &Series, from_ns: i64, lasted_ns: u64) -> String {
    let to_ns = from_ns.saturating_add_unsigned(lasted_ns);
    format!(
        "the series, {} to {}, has no figure for all of the run, {} to {}",
        utc(series.from_ns()),
        utc(series.to_ns()),
        utc(from_ns),
        utc(to_ns)
    )
}
