//! Alerts by e-mail: a run's events reach a mail server on the loopback, and a server that fails delays nothing.

#![cfg(feature = "providers")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

#[path = "../../net/tests/stub/smtp.rs"]
mod smtp;
mod steady;

use std::time::{Duration, Instant};

use eco2::Meter;
use eco2::options::{Budget, Options};
use eco2_core::schema::Report;
use smtp::{MailStub, Script};
use steady::{Steady, options, work};

/// Measures for 150 ms with limits that are exceeded; returns the report and how long closing took.
fn measured(stub: &MailStub, folder: &std::path::Path) -> (Report, Duration) {
    let root = folder.join("root.pem");
    std::fs::write(&root, &stub.root_pem).unwrap();
    let options = Options {
        email_to: vec!["ops@example.org".to_owned()],
        email_server: Some(stub.server.clone()),
        email_from: Some("eco2@example.org".to_owned()),
        email_ca: Some(root),
        intensity: Some(3_600.0),
        budget: Budget { max_co2_kg_per_hour: Some(1e-9), max_energy_kwh: Some(1e-9), ..Budget::default() },
        ..options(folder)
    };
    let (source, _) = Steady::new();
    let meter = Meter::open_with(options, vec![Box::new(source)]).unwrap();
    work(150);
    let began = Instant::now();
    (meter.close(), began.elapsed())
}

fn kinds(report: &Report) -> Vec<&str> {
    report.events.iter().map(|event| event.kind.as_str()).collect()
}

#[test]
fn limits_and_limits_per_hour_reach_the_recipient() {
    let folder = tempfile::tempdir().unwrap();
    let stub = MailStub::new(Script::StartTls);
    let (report, _) = measured(&stub, folder.path());
    let texts: Vec<String> = stub.mails().into_iter().map(|mail| mail.text).collect();
    for words in ["budget-stop", "co2-rate", "budget.max_co2_kg_per_hour"] {
        assert!(texts.iter().any(|text| text.replace("=\n", "").contains(words)), "{words}: {texts:#?}");
    }
    assert!(!kinds(&report).contains(&"email-failed"), "{:?}", report.events);
}

#[test]
fn server_that_never_answers_delays_closing_by_its_limit_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (report, closing) = measured(&MailStub::new(Script::Silent), folder.path());
    assert!(closing < Duration::from_secs(4), "2 s for the last alerts: {closing:?}");
    assert!(kinds(&report).contains(&"email-failed"), "{:?}", report.events);
    assert!(report.energy.total_uj > Some(5_000), "{:?}", report.energy);
}
