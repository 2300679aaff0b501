//! How a run's energy was spread over its time, read off its report.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod steady;

use eco2::Meter;
use eco2::options::Options;
use eco2_core::schema::{Merge, Report};
use steady::{Steady, options, work};

/// The width of the bounds in the middle of the run, microjoules.
fn open_uj(report: &Report) -> u64 {
    let level = report.curve().at(report.run.duration_ns / 2);
    level.high.unwrap() - level.low
}

#[test]
fn counters_that_cannot_be_placed_leave_the_profile_open() {
    let folder = tempfile::tempdir().unwrap();
    // Read every 10 ms: on demand, nothing would be read in the middle of the run.
    let options = Options { sampling: Some("fixed".to_owned()), ..options(folder.path()) };
    let meter = Meter::open_with(options, vec![Box::new(Steady::new().0)]).unwrap();
    // Long enough for a machine that is busy with other tests.
    work(1_000);
    let report = meter.close();
    assert!(open_uj(&report) < report.energy.total_uj.unwrap() / 2, "{report:?}");
    // A report of an older version has counters alone.
    let report = Report { curves: Vec::new(), ..report };
    let total_uj = report.energy.total_uj;
    assert!(open_uj(&report) < total_uj.unwrap() / 2, "{report:?}");
    let unplaced = Report { run: eco2_core::schema::Run { boot_ns: None, ..report.run.clone() }, ..report.clone() };
    assert!(open_uj(&unplaced) >= total_uj.unwrap(), "its counters are on a clock that is not known");
    let merged = Report { merge: Some(Merge::default()), ..report };
    assert!(open_uj(&merged) >= total_uj.unwrap(), "its counters are on a clock for each machine");
}
