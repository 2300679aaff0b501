//! The final report over a million steps.

use std::time::{Duration, Instant};

use eco2::Meter;
use eco2_samplers::Source;

use crate::fixture::{Noop, quiet_options};
use crate::measure::{Failure, Place};
use crate::table::{Limit, Row};

const STEPS: u64 = 1_000_000;
/// Steps between two pauses of a tick: the event ring holds 4096.
const BURST: u64 = 1_000;

/// A million steps through the meter, then report and JSON while the run goes on, and its close.
///
/// # Errors
/// Where no meter can be opened, or steps were dropped.
pub(crate) fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let sources: Vec<Box<dyn Source>> = vec![Box::new(Noop::rapl().restless()), Box::new(Noop::gpus().restless())];
    let meter = Meter::open_with(quiet_options(), sources)?;
    let step = meter.name("step");
    let mut recorded = 0;
    while recorded < STEPS {
        (0..BURST).for_each(|_| _ = meter.step(step));
        recorded += BURST;
        std::thread::sleep(Duration::from_millis(10));
    }
    let (report, json, running_s) = timed(|| meter.snapshot())?;
    let (closed, _, closing_s) = timed(|| meter.close())?;
    let counted = report.spans.iter().find(|span| span.name == "step").map_or(0, |span| span.count);
    let cpu_ns = closed.own.cpu_ns as f64 / STEPS as f64;
    if counted + 1 + closed.own.dropped < STEPS {
        return Err(format!("{counted} of {STEPS} steps were counted").into());
    }
    Ok(vec![
        Row::new("report over 1e6 steps: account, report, JSON (wall)", running_s, "s", Limit::AtMost(0.2))
            .noting(format!("{counted} steps counted, {} dropped; {} bytes of JSON", closed.own.dropped, json.len())),
        Row::new(
            "the same with the run's close, its wait for the last knots included (wall)",
            closing_s,
            "s",
            Limit::AtMost(0.2),
        ),
        Row::new("sampling thread's CPU for each step, 12 domains", cpu_ns, "ns", Limit::AtMost(1_000.0))
            .noting("sampling at 100 Hz included"),
    ])
}

fn timed(report: impl FnOnce() -> eco2::schema::Report) -> Result<(eco2::schema::Report, String, f64), Failure> {
    let begun = Instant::now();
    let report = report();
    let json = eco2::render::json(&report)?;
    Ok((report, json, begun.elapsed().as_secs_f64()))
}
