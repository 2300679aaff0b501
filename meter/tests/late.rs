//! Spans that are recorded after they ended, by their edges.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod steady;

use std::time::Duration;

use eco2::monotonic_ns;
use eco2::options::Options;
use eco2::{LateSpan, Meter, Patience};
use steady::{Steady, open, options, work};

#[test]
fn m41_a_span_that_the_device_stamped_is_what_the_counter_gave_between_its_stamps() {
    let folder = tempfile::tempdir().unwrap();
    // The edges of such a span cannot be predicted, so that only a fixed rate knows its energy well.
    let options = Options { interval: Some(Duration::from_millis(5)), ..options(folder.path()) };
    let meter = Meter::open_with(options, vec![Box::new(Steady::new().0)]).unwrap();
    let name = meter.name("kernel");
    work(20);
    let begin_ns = monotonic_ns();
    work(60);
    let end_ns = monotonic_ns();
    work(40);
    meter.between(name, begin_ns, end_ns).unwrap();
    work(20);
    let report = meter.close();
    let span = report.spans.iter().find(|span| span.name == "kernel").unwrap();
    // 100 W: 100 uJ a microsecond.
    let truth_uj = (end_ns - begin_ns) / 10_000;
    assert_eq!((span.count, span.duration_ns), (1, end_ns - begin_ns));
    assert!(span.low_uj <= truth_uj && truth_uj <= span.high_uj.unwrap(), "{span:?}: {truth_uj}");
    assert!(span.energy_uj.unwrap().abs_diff(truth_uj) <= truth_uj / 10, "{span:?}: {truth_uj}");
}

#[test]
fn m41_a_span_of_the_past_is_refused_where_nothing_is_known_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let before_ns = monotonic_ns();
    let (meter, _) = open(folder.path());
    let name = meter.name("kernel");
    let now_ns = monotonic_ns();
    assert_eq!(meter.between(name, now_ns, now_ns - 1), Err(LateSpan::Reversed));
    assert_eq!(meter.between(name, before_ns, now_ns), Err(LateSpan::BeforeRun));
    assert_eq!(meter.between(name, now_ns, now_ns + 3_600_000_000_000), Err(LateSpan::Future));
    assert!(meter.close().spans.is_empty());
}

#[test]
fn m41_a_span_of_a_run_that_is_over_is_refused_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let name = meter.name("kernel");
    let begin_ns = monotonic_ns();
    work(20);
    let end_ns = monotonic_ns();
    let report = meter.finish(end_ns, None, Patience::LastReadings);
    assert_eq!(meter.between(name, begin_ns, end_ns), Err(LateSpan::Over));
    assert_eq!((report.spans.len(), meter.snapshot()), (0, report));
}

#[test]
fn m41_a_name_over_the_cap_has_the_text_that_its_spans_are_accounted_under() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let names: Vec<_> = (0..4098).map(|at| meter.name(&format!("n{at}"))).collect();
    assert_eq!((meter.name_text(names[0]), meter.name_text(names[4095])), ("n0".into(), "n4095".into()));
    assert_eq!((names[4096], meter.name_text(names[4096])), (names[4097], "(more names)".into()));
}
