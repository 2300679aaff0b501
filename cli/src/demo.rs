//! Runs `eco2 demo`, which prints the report of a synthetic training run, for trying eco2 on a machine without sensors.
//!
//! A synthetic machine is polled for one virtual minute. Its readings are accounted like a recorded trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use eco2::options::{Layer, Options, SummaryLength};
use eco2_core::Reading;
use eco2_core::schema::{Report, Work};
use eco2_report::{Trace, TraceSpan};
use eco2_samplers::clock::Clock;
use eco2_samplers::synthetic::{Curve, Synthetic};
use eco2_samplers::{Batch, Source};

use crate::args::DemoArgs;
use crate::{out, settings, sink, summary};

/// Length of the run, nanoseconds of virtual time.
const LENGTH_NS: u64 = 60_000_000_000;
/// Time that polling continues after the run, nanoseconds: until each counter has its next update, as in a real run.
const AFTER_NS: u64 = 250_000_000;
/// Time between two polls, nanoseconds: 100 Hz, the highest rate of `eco2 run`.
const POLL_NS: u64 = 10_000_000;
/// Samples per training step: a usual batch size.
const SAMPLES_PER_STEP: u64 = 32;
/// Tokens per training step: 128 per sample.
const TOKENS_PER_STEP: u64 = 4_096;

/// Commands to try after the demonstration.
const NEXT: [&str; 2] = ["eco2 run -- COMMAND measures a command", "eco2 doctor lists the sensors of this machine"];

/// Makes the synthetic run, prints or writes its report and returns the exit code.
///
/// # Errors
/// For wrong options, and if the output cannot be written.
pub(crate) fn demo(args: &DemoArgs) -> anyhow::Result<u8> {
    sink::check(args.json.as_deref())?;
    let mut layer = Layer::default();
    args.price.copy_to(&mut layer)?;
    args.shown.copy_to(&mut layer)?;
    let mut options = Options { name: Some("demo".to_owned()), ..settings::resolve(layer)? };
    if args.verbose {
        options.summary = SummaryLength::Full;
    }
    let curve = Curve::default();
    let trace = synthetic_trace(&curve);
    let mut report = Report { work: work(&trace), ..eco2::replay(&trace, None, &options)? };
    report.run.id = report.run.id.replace("replay", "demo");
    if let Some(file) = &args.json {
        sink::write(file, &eco2_report::json(&report)?).context("the report was not written")?;
        if sink::is_stdout(file) {
            return Ok(0);
        }
    }
    let next = NEXT.map(str::to_owned);
    out::data(&summary::of_stored_run(&report, &options, out::data_style(), &next))?;
    Ok(0)
}

/// Polls the synthetic machine and returns the readings as a trace.
fn synthetic_trace(curve: &Curve) -> Trace {
    let now = Arc::new(AtomicU64::new(0));
    let clock = Clock::Scripted(Arc::clone(&now));
    let mut source = Synthetic::new(curve.clone(), clock.clone());
    let mut batch = Batch::new(clock);
    let mut readings: Vec<(u32, Reading)> = Vec::new();
    for at_ns in (0..=LENGTH_NS + AFTER_NS).step_by(usize::try_from(POLL_NS).unwrap_or(usize::MAX)) {
        // Relaxed: one thread moves the clock and reads it.
        now.store(at_ns, Ordering::Relaxed);
        batch.clear();
        source.read(&mut batch);
        readings.extend(batch.readings().iter().map(|(domain, reading)| (*domain as u32, *reading)));
    }
    Trace { domains: source.domains().to_vec(), run: Some((0, LENGTH_NS)), spans: spans(curve), readings }
}

/// Returns the spans: a warm-up, then computing and waiting for data alternately.
fn spans(curve: &Curve) -> Vec<TraceSpan> {
    let span = |name: &str, begin_ns, end_ns| TraceSpan { name: name.to_owned(), begin_ns, end_ns };
    let mut spans = vec![span("warm-up", 0, curve.warm_up_ns)];
    for begin_ns in (curve.warm_up_ns..LENGTH_NS).step_by(usize::try_from(curve.step_ns).unwrap_or(usize::MAX)) {
        let data_ns = begin_ns + curve.compute_ns;
        spans.push(span("compute", begin_ns, data_ns));
        spans.push(span("data", data_ns, begin_ns + curve.step_ns));
    }
    spans
}

/// Returns the work that was done: one step per span `compute`.
fn work(trace: &Trace) -> Work {
    let steps = trace.spans.iter().filter(|span| span.name == "compute").count() as u64;
    let counted = |each: u64| Some(steps * each);
    Work { steps: Some(steps), samples: counted(SAMPLES_PER_STEP), tokens: counted(TOKENS_PER_STEP), ..Work::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_reports_the_energy_of_its_curve() {
        let curve = Curve::default();
        let trace = synthetic_trace(&curve);
        let report = eco2::replay(&trace, None, &Options::default()).unwrap();
        use eco2_samplers::synthetic::Part::{Cpu, Gpu};
        let truth = curve.energy_uj(Cpu, LENGTH_NS) + curve.energy_uj(Gpu, LENGTH_NS);
        assert!((report.energy.low_uj..=report.energy.high_uj.unwrap()).contains(&truth));
        assert_eq!(report.energy.synthetic_uj, report.energy.total_uj.unwrap());
        let spans: u64 = report.spans.iter().filter_map(|span| span.energy_uj).sum();
        assert_eq!(spans, report.energy.total_uj.unwrap(), "the spans cover the run");
        assert_eq!(work(&trace).steps, Some(50));
    }
}
