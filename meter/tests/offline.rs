//! A build without network: options that need it are left out, each with one event, and the run is measured.

#![cfg(not(feature = "providers"))]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod steady;

use eco2::Meter;
use eco2::options::Options;
use steady::{Steady, options, work};

#[test]
fn k19_build_without_network_measures_and_reports_what_it_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        webhook: Some("slack".to_owned()),
        email_to: vec!["ops@example.org".to_owned()],
        intensity_provider: vec!["neso".to_owned()],
        zone: Some("GB".to_owned()),
        ..options(folder.path())
    };
    let (source, _) = Steady::new();
    let meter = Meter::open_with(options, vec![Box::new(source)]).unwrap();
    work(150);
    let report = meter.close();
    assert!(report.energy.total_uj.unwrap() > 5_000, "{:?}", report.energy);
    for kind in ["webhook-failed", "email-failed", "intensity-fault"] {
        let events = report.events.iter().filter(|event| event.kind == kind).count();
        assert_eq!(events, 1, "{kind}: {:?}", report.events);
    }
    // The table's intensity replaces the provider's.
    assert!(report.carbon.unwrap().grams.is_some_and(|grams| grams > 0.0));
}
