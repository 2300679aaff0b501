//! A build without network: what would ask it is lost, and said once; the run is measured.

#![cfg(not(feature = "providers"))]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod steady;

use eco2::Meter;
use eco2::options::Options;
use steady::{Steady, options, work};

#[test]
fn k19_a_build_without_network_measures_and_says_once_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        webhook: Some("slack".to_owned()),
        intensity_provider: vec!["neso".to_owned()],
        zone: Some("GB".to_owned()),
        ..options(folder.path())
    };
    let (source, _) = Steady::new();
    let meter = Meter::open_with(options, vec![Box::new(source)]).unwrap();
    work(150);
    let report = meter.close();
    assert!(report.energy.total_uj.unwrap() > 5_000, "{:?}", report.energy);
    let said = |kind: &str| report.events.iter().filter(|event| event.kind == kind).count();
    assert_eq!((said("webhook-failed"), said("intensity-fault")), (1, 1), "{:?}", report.events);
    // The table's intensity stands in for the provider's.
    assert!(report.carbon.unwrap().grams.is_some_and(|grams| grams > 0.0));
}
