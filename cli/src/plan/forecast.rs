//! The series of `eco2 plan --provider`: what a service publishes of the hours to come.

use eco2::options::opt;
use eco2_grid::plan::HOUR_NS;
use eco2_grid::provider::Coverage;
use eco2_grid::request::SeriesFrom;
use eco2_grid::{Series, utc};

use crate::args::PlanArgs;
use crate::{live, out};

const SECOND_NS: i64 = 1_000_000_000;

/// A published forecast of the window, and its start: now, unless one was given. Hours are asked for whole, so that slots
/// are the provider's own.
///
/// # Errors
/// Where no provider can be asked, or none has figures for that time.
pub(super) fn published(args: &PlanArgs) -> anyhow::Result<(SeriesFrom, Option<i64>)> {
    let start_ns = args.start.unwrap_or_else(next_second);
    let end_ns = start_ns.saturating_add(args.within.unwrap_or_default());
    let (from_ns, to_ns) = (whole_hours(start_ns), whole_hours(end_ns.saturating_add(HOUR_NS - 1)));
    let mut coverage = live::asked(&args.provider, args.zone.as_deref(), from_ns, to_ns)?;
    for (provider, fault) in &coverage.faults {
        out::talk(&format!("eco2: {provider}: {fault}\n"));
    }
    // An old answer stretches its last figure into the hours to come: nobody published that.
    let Coverage { parts, faults, .. } = &mut coverage;
    parts.retain(|part| faults.iter().all(|(provider, _)| *provider != part.provider));
    let series = Series::published(&coverage).map_err(crate::failure::of_request)?;
    let name = args.provider.text(&opt::INTENSITY_PROVIDER).unwrap_or_default().to_owned();
    out::talk(&format!("eco2: {name} publishes figures up to {}\n", utc(series.to_ns())));
    Ok((SeriesFrom::Known { name, series }, Some(start_ns)))
}

/// Now, in whole seconds as answers are written.
fn next_second() -> i64 {
    (live::now_ns().div_euclid(SECOND_NS) + 1) * SECOND_NS
}

fn whole_hours(at_ns: i64) -> i64 {
    at_ns.div_euclid(HOUR_NS) * HOUR_NS
}
