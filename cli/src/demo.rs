//! `eco2 demo`: a training run that never was. A made-up machine is polled for a virtual minute, and the readings take
//! the way of every recorded trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eco2::options::{Layer, Options};
use eco2_core::Reading;
use eco2_core::schema::{Report, Work};
use eco2_report::{Trace, TraceSpan};
use eco2_samplers::clock::Clock;
use eco2_samplers::synthetic::{Curve, Synthetic};
use eco2_samplers::{Batch, Source};

use crate::args::DemoArgs;
use crate::{out, replay, settings, sink};

/// Length of the run, nanoseconds: a minute that nobody waits for.
const LENGTH_NS: u64 = 60_000_000_000;
/// Polling goes on so long after it, nanoseconds: until the counters' next updates, as closing a run does.
const AFTER_NS: u64 = 250_000_000;
/// Time between two polls, nanoseconds, as `eco2 run` polls.
const POLL_NS: u64 = 10_000_000;
/// What a step of the made-up training processes.
const SAMPLES_A_STEP: u64 = 32;
const TOKENS_A_STEP: u64 = 4_096;

/// Shows the run.
///
/// # Errors
/// For wrong options, and when the output cannot be written.
pub(crate) fn demo(args: &DemoArgs) -> anyhow::Result<u8> {
    sink::check(args.json.as_deref())?;
    let mut layer = Layer::default();
    args.price.put(&mut layer)?;
    let options = Options { name: Some("demo".to_owned()), ..settings::resolve(layer)? };
    let curve = Curve::default();
    let trace = recorded(&curve);
    let report = Report { work: work(&trace), ..eco2::replay(&trace, None, &options)? };
    replay::show(&report, args.json.as_deref())?;
    if !args.json.as_deref().is_some_and(sink::is_stdout) {
        out::data("SYNTHETIC Next        eco2 run -- COMMAND measures one of yours; eco2 doctor says how well\n")?;
    }
    Ok(0)
}

/// What polling the made-up machine yields. Every change is seen by the next poll, as with a real counter.
fn recorded(curve: &Curve) -> Trace {
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

/// The warm-up, then computing and waiting for data in turns.
fn spans(curve: &Curve) -> Vec<TraceSpan> {
    let span = |name: &str, begin_ns, end_ns| TraceSpan { name: name.to_owned(), begin_ns, end_ns };
    let mut spans = vec![span("warm-up", 0, curve.warm_up_ns)];
    for begin_ns in (curve.warm_up_ns..LENGTH_NS).step_by(usize::try_from(curve.step_ns).unwrap_or(usize::MAX)) {
        let computed_ns = begin_ns + curve.compute_ns;
        spans.push(span("compute", begin_ns, computed_ns));
        spans.push(span("data", computed_ns, begin_ns + curve.step_ns));
    }
    spans
}

fn work(trace: &Trace) -> Work {
    let steps = trace.spans.iter().filter(|span| span.name == "compute").count() as u64;
    let counted = |each: u64| Some(steps * each);
    Work { steps: Some(steps), samples: counted(SAMPLES_A_STEP), tokens: counted(TOKENS_A_STEP), ..Work::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_tells_the_energy_of_its_curve() {
        let curve = Curve::default();
        let trace = recorded(&curve);
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
