//! Spans that are recorded after they ended, by their edges.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod steady;

use eco2::Late;
use eco2::samplers::clock::monotonic_ns;
use steady::{open, work};

#[test]
fn m41_a_span_that_the_device_stamped_is_what_the_counter_gave_between_its_stamps() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
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
    assert!(span.energy_uj.abs_diff(truth_uj) <= truth_uj / 10, "{span:?}: {truth_uj}");
}

#[test]
fn m41_a_span_of_the_past_is_refused_where_nothing_is_known_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let before_ns = monotonic_ns();
    let (meter, _) = open(folder.path());
    let name = meter.name("kernel");
    let now_ns = monotonic_ns();
    assert_eq!(meter.between(name, now_ns, now_ns - 1), Err(Late::Reversed));
    assert_eq!(meter.between(name, before_ns, now_ns), Err(Late::BeforeRun));
    assert_eq!(meter.between(name, now_ns, now_ns + 3_600_000_000_000), Err(Late::Future));
    assert!(meter.close().spans.is_empty());
}
