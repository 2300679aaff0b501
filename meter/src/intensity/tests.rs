//! A run in parts, priced by whoever covers them.

use std::sync::Arc;

use eco2_grid::provider::{About, Part};

use super::*;

fn part(from_ns: i64, to_ns: i64, g_per_kwh: f64) -> Part {
    let about = Arc::new(About { kind: Some(eco2_grid::Kind::LifecycleAverageProduction), ..About::default() });
    Part { from_ns, to_ns, g_per_kwh, estimated: false, provider: "asked".to_owned(), fallback: false, about }
}

fn feed() -> Feed {
    let table = eco2_grid::lookup("DE").unwrap();
    Feed { table, series: None, kind: Source::Here(Chain::default()) }
}

fn wanted(from_ns: i64, to_ns: i64) -> Wanted<'static> {
    Wanted { zone: "", from_ns, to_ns, now_ns: to_ns }
}

#[test]
fn what_no_answer_covers_is_the_tables_and_flagged() {
    let answer = Coverage { parts: vec![part(-5, 20, 1.0), part(30, 90, 2.0)], faults: Vec::new() };
    let coverage = feed().filled(Some(answer), &wanted(0, 80));
    let told: Vec<_> =
        coverage.parts.iter().map(|part| (part.from_ns, part.to_ns, part.g_per_kwh, part.fallback)).collect();
    assert_eq!(told, [(0, 20, 1.0, false), (20, 30, 342.06, true), (30, 80, 2.0, false)]);
    assert!(coverage.parts[1].estimated && !coverage.parts[0].estimated);
}

#[test]
fn f44_an_answer_that_never_came_is_the_tables_and_said() {
    let coverage = feed().filled(None, &wanted(0, 80));
    let told: Vec<_> = coverage.parts.iter().map(|part| (part.from_ns, part.to_ns, part.estimated)).collect();
    assert_eq!(told, [(0, 80, true)]);
    assert_eq!(coverage.faults[0].1, Fault::Late);
}

#[test]
fn who_covered_which_share_of_the_energy_is_said() {
    let answer =
        Coverage { parts: vec![part(0, 20, 1.0), part(20, 60, 2.0)], faults: vec![("asked".into(), Fault::Timeout)] };
    let coverage = feed().filled(Some(answer), &wanted(0, 80));
    let events = events(&coverage, &[500, 250, 250], 80);
    let told: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.text.as_str())).collect();
    let shares = "of the energy, 75.0 % by asked (lifecycle-average-production); \
                  25.0 % by table (lifecycle-average-production), standing in";
    assert_eq!(told, [("intensity-fault", "the service did not answer in time"), ("intensity-fallback", shares)]);
}
