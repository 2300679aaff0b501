//! Advice of `eco2 optimize` on another start time or grid zone: computes the emissions of the run's power profile (its
//! energy over time) with other carbon intensities.

use std::path::Path;

use eco2_core::schema::{Carbon, CarbonSegment, Report};
use eco2_core::{Bounded, Ranged};
use eco2_grid::{Difference, EnergyProfile, Intensity, PlacedRun, Series, best_start, difference, parse_instant, utc};

use crate::store::Calibration;

use super::types::{Advice, Claim, Evidence, Findings, Saving, Topic, command_line, shell_word};

const NS_PER_HOUR: f64 = 3.6e12;
const NS_PER_S: i64 = 1_000_000_000;

/// A carbon-intensity series, and how far the run may be moved in it.
#[derive(Debug, Clone, Copy)]
pub struct Hours<'a> {
    /// The series of the run's own zone.
    pub series: &'a Series,
    /// The file of the series, for the suggested command.
    pub file: &'a Path,
    /// The column of the series in that file; empty if the file has only one.
    pub column: &'a str,
    /// Nanoseconds from the run's start to the latest end of a moved run. The run may also start earlier by as much.
    pub within_ns: i64,
}

/// A zone to compare the run's zone with.
#[derive(Debug, Clone)]
pub enum Region<'a> {
    /// A column of the same file, at the hours of the run. The members are the column's name and its series.
    Column(&'a str, &'a Series),
    /// The yearly average of a zone from the table of zones.
    Yearly(Box<Intensity>),
}

/// The inputs for advice that the caller adds to the report.
#[derive(Default)]
pub struct AdviceInputs<'a> {
    /// The run's name as the user typed it, such as `last` or a file; empty for the run's id.
    pub run: &'a str,
    /// The run's energy over its time; without it, other start times are not assessed.
    pub course: Option<EnergyProfile<'a>>,
    /// An intensity series, and how far the run may be moved in it; `None`: other start times are not assessed.
    pub hours: Option<Hours<'a>>,
    /// Zones to compare with.
    pub regions: Vec<Region<'a>>,
    /// What the run's machine draws when idle, measured by `eco2 doctor --calibrate`; `None`: there is no advice on it.
    pub calibration: Option<&'a Calibration>,
}

/// Adds advice on the best start time within the given hours, or the reason why there is none.
pub(super) fn hour(report: &Report, inputs: &AdviceInputs<'_>, findings: &mut Findings) {
    let Some(hours) = inputs.hours else {
        return findings.skip(Topic::Hour, "no series was given: use --series FILE to compare start times");
    };
    let Some((course, from_ns)) = profile(report, inputs) else {
        return findings.skip(Topic::Hour, "the report has no start time or no energy over time");
    };
    let here = PlacedRun { series: hours.series, from_ns };
    if difference(&course, here, here).is_none() {
        return findings.skip(Topic::Hour, uncovered(hours.series, from_ns, course.lasted_ns));
    }
    let lasted_ns = i64::try_from(course.lasted_ns).unwrap_or(i64::MAX);
    let (first_ns, last_ns) =
        (from_ns.saturating_sub(hours.within_ns), from_ns.saturating_add(hours.within_ns - lasted_ns));
    let best = best_start(&course, here, first_ns, last_ns).filter(|(_, best)| best.saved_g() > 0.0);
    let Some((best_ns, best)) = best else {
        return findings.skip(
            Topic::Hour,
            "no start time within the hours given has lower emissions (tried are those where the start, the end or an eighth \
             of the run lies on the edge of a slot)",
        );
    };
    let moved_h = (best_ns - from_ns) as f64 / NS_PER_HOUR;
    let direction = if moved_h < 0.0 { "earlier" } else { "later" };
    let mut evidence = difference_evidence(&best);
    evidence.push(Evidence { name: "moved by", value: moved_h, unit: "h" });
    findings.advice.push(Advice {
        topic: Topic::Hour,
        title: format!("Starting {:.1} h {direction} would emit {:.0} % less", moved_h.abs(), saved_percent(&best)),
        text: format!(
            "Started at {} instead of {}, the run would emit {:.3} g instead of {:.3} g by {}. The series covers the past: \
             use a forecast to plan",
            utc(best_ns),
            utc(from_ns),
            best.emitted_g() - best.saved_g(),
            best.emitted_g(),
            hours.file.display()
        ),
        evidence,
        claim: Claim::Computed,
        saving: Some(saving(&best)),
        command: plan(report, &hours, &course, from_ns, best_ns),
        difficulty: "low",
    });
}

/// Returns the `eco2 plan` command for a job like this run. It covers the time from the earlier of the run's start
/// (`from_ns`) and the better start (`best_ns`) to the latest end.
fn plan(report: &Report, hours: &Hours<'_>, course: &EnergyProfile<'_>, from_ns: i64, best_ns: i64) -> String {
    let zone = if hours.column.is_empty() { String::new() } else { format!(" --zone {}", shell_word(hours.column)) };
    let lasted_ns = i64::try_from(course.lasted_ns).unwrap_or(i64::MAX);
    let start_ns = from_ns.min(best_ns).div_euclid(NS_PER_S).saturating_mul(NS_PER_S).max(hours.series.from_ns());
    let latest_ns = from_ns.saturating_add(hours.within_ns).max(best_ns.saturating_add(lasted_ns));
    let within_h = latest_ns.saturating_sub(start_ns) as f64 / NS_PER_HOUR;
    let watts = report.energy.total_uj.unwrap_or(0) as f64 * 1e3 / course.lasted_ns.max(1) as f64;
    let (file, start, took_h) = (hours.file.to_string_lossy(), utc(start_ns), course.lasted_ns as f64 / NS_PER_HOUR);
    format!(
        "eco2 plan --series {}{zone} --start {start} --duration {took_h} --within {within_h} --power {watts:.1} --pue {}",
        shell_word(&file),
        course.pue.get()
    )
}

/// Adds advice on the zones that the caller named, or the reasons why there is none.
pub(super) fn regions(report: &Report, inputs: &AdviceInputs<'_>, findings: &mut Findings) {
    if inputs.regions.is_empty() {
        return findings.skip(Topic::Region, "no zone was given: use --region ZONE to compare with one");
    }
    for region in &inputs.regions {
        match compared(report, inputs, region) {
            Ok((name, difference)) if difference.saved_g() > 0.0 => {
                let command = run_there(report, region, &name);
                findings.advice.push(region_advice(&name, &difference, command));
            }
            Ok((name, difference)) => findings.skip(Topic::Region, not_cleaner(&name, -difference.saved_g())),
            Err(reason) => findings.skip(Topic::Region, reason),
        }
    }
}

/// Returns the zone's name and the difference in emissions there; the reason as an error if they cannot be compared.
fn compared(report: &Report, inputs: &AdviceInputs<'_>, region: &Region<'_>) -> Result<(String, Difference), String> {
    match region {
        Region::Column(name, series) => {
            let hours = inputs.hours.ok_or("no series was given")?;
            let (course, from_ns) =
                profile(report, inputs).ok_or("the report has no start time or no energy over time")?;
            let (here, there) = (PlacedRun { series: hours.series, from_ns }, PlacedRun { series, from_ns });
            let saved = difference(&course, here, there).ok_or_else(|| uncovered(series, from_ns, course.lasted_ns))?;
            Ok(((*name).to_owned(), saved))
        }
        Region::Yearly(intensity) => {
            let carbon = report.carbon.as_ref().ok_or("the run has no grams to compare with")?;
            yearly(carbon, intensity).map(|saved| (intensity.zone.clone(), saved))
        }
    }
}

/// Returns the difference by yearly averages: the energy of each segment at the intensity of the other zone. Returns
/// the reason as an error if the intensities are not of the same kind.
fn yearly(carbon: &Carbon, there: &Intensity) -> Result<Difference, String> {
    let kind = there.kind.map(|kind| kind.as_str());
    let has_kind = |segment: &CarbonSegment| segment.kind.as_deref() == kind;
    if carbon.segments.is_empty() || !carbon.segments.iter().all(has_kind) {
        let own = carbon.segments.iter().filter_map(|segment| segment.kind.as_deref()).next().unwrap_or("unstated");
        let other = kind.unwrap_or("unstated");
        return Err(format!("{}: its intensity is {other}, the run's is {own}: these are not compared", there.zone));
    }
    let kwh: f64 = carbon.segments.iter().map(|segment| segment.energy_uj as f64 / 3.6e12).sum();
    let would_be = kwh * there.g_per_kwh;
    let grams = carbon.grams.ok_or("the run has no grams to compare with")?;
    let share = if grams > 0.0 { 1.0 - would_be / grams } else { 0.0 };
    let emitted = carbon.bounded();
    // A negative saving swaps the bounds.
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
    let percent = |g: f64| if g > 0.0 { 100.0 * (1.0 - there.g_per_kwh / g) } else { 0.0 };
    Ok(Difference {
        grams: emitted,
        saved: Bounded { value: Some(grams - would_be), ..saved },
        // With one intensity the ratio does not depend on the energy, so both bounds are equal.
        percent: Bounded::hard(100.0 * share, percent(lower), Some(percent(upper))),
    })
}

/// Returns the reason why a zone is no improvement; `more_g` are the grams that the run would emit in addition.
fn not_cleaner(name: &str, more_g: f64) -> String {
    // Three decimals are printed, so a smaller difference is shown as none.
    match more_g {
        more_g if more_g < 0.000_5 => format!("{name} is not cleaner: the same"),
        more_g => format!("{name} is not cleaner: {more_g:.3} g more"),
    }
}

/// Returns the command for the run in another zone. The column of a series gets no `--zone`, because it is not a grid
/// zone.
fn run_there(report: &Report, region: &Region<'_>, name: &str) -> String {
    let zone = match region {
        Region::Column(..) => String::new(),
        Region::Yearly(_) => format!("--zone {} ", shell_word(name)),
    };
    format!("eco2 run {zone}-- {}    # on a machine there", command_line(report))
}

/// Returns the suggestion to run in another zone.
fn region_advice(name: &str, difference: &Difference, command: String) -> Advice {
    Advice {
        topic: Topic::Region,
        title: format!("Running in {name} would emit {:.0} % less", saved_percent(difference)),
        text: format!(
            "In {name}, the run would emit {:.3} g instead of {:.3} g, at the same PUE. Not included: the energy to move data. \
             An average intensity describes the grid, not the effect of one job",
            difference.emitted_g() - difference.saved_g(),
            difference.emitted_g()
        ),
        evidence: difference_evidence(difference),
        claim: Claim::Computed,
        saving: Some(saving(difference)),
        command,
        difficulty: "high",
    }
}

/// Returns the grams in the run's own zone and in the other zone.
fn difference_evidence(difference: &Difference) -> Vec<Evidence> {
    let would_be = difference.emitted_g() - difference.saved_g();
    vec![
        Evidence { name: "as it was", value: difference.emitted_g(), unit: "g" },
        Evidence { name: "as it would have been", value: would_be, unit: "g" },
    ]
}

/// Returns the saving as percent of the run's emissions.
fn saved_percent(difference: &Difference) -> f64 {
    difference.percent.value.unwrap_or(0.0)
}

/// Returns the saving with its bounds.
fn saving(difference: &Difference) -> Saving {
    let Bounded { low, high, .. } = difference.percent;
    let percent = saved_percent(difference);
    Saving {
        percent,
        low_percent: if low.is_finite() { low } else { percent },
        high_percent: high.unwrap_or(100.0),
        grams: Some(difference.saved_g()),
    }
}

/// Returns the run's energy over time and its start; `None` if either is not known.
fn profile<'a>(report: &Report, inputs: &AdviceInputs<'a>) -> Option<(EnergyProfile<'a>, i64)> {
    let profile =
        inputs.course.filter(|course| course.lasted_ns > 0 && report.energy.total_uj.is_some_and(|uj| uj > 0))?;
    Some((profile, parse_instant(&report.run.started_at)?))
}

/// Returns the text that a series does not cover the whole run.
fn uncovered(series: &Series, from_ns: i64, lasted_ns: u64) -> String {
    let to_ns = from_ns.saturating_add_unsigned(lasted_ns);
    format!(
        "the series ({} to {}) does not cover the whole run ({} to {})",
        utc(series.from_ns()),
        utc(series.to_ns()),
        utc(from_ns),
        utc(to_ns)
    )
}
