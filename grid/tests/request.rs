//! Requests for plans as JSON: the answers, and an error with the key for every mistake.
//!
//! The prefix `d17_` of a test name refers to docs/acceptance.md.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use eco2_grid::request::{PlanNote, PlanRequest, RequestError};
use serde_json::{Value, json};

fn series() -> Value {
    let point =
        |(hour, value): (usize, &Option<u32>)| json!({"time": format!("2026-01-01T{hour:02}:00Z"), "value": value});
    let points: Vec<Value> = [Some(300), Some(100), Some(200), None].iter().enumerate().map(point).collect();
    json!({"schema": "eco2.series/1", "zone": "A", "kind": "marginal-operating", "points": points})
}

/// A request of these keys and that series.
fn request(keys: Value) -> Result<PlanRequest, RequestError> {
    let mut keys = keys;
    keys["series"] = series();
    PlanRequest::from_json(&keys.to_string())
}

fn answer(keys: Value) -> Value {
    request(keys).unwrap().answer().unwrap().document()
}

#[test]
fn keys_do_what_the_flags_do() {
    let plan = answer(json!({"duration": 1.5, "within": 3, "power": 2000}));
    // 1 h at 100 and half an hour at 200, 2 kW; at once 300 and half an hour of 100.
    assert_eq!((plan["grams"].as_f64(), plan["grams_now"].as_f64()), (Some(400.0), Some(700.0)));
    assert_eq!((&plan["kind"], &plan["start"]), (&json!("marginal-operating"), &json!("2026-01-01T01:00:00Z")));
    let grams = |keys: Value| answer(keys)["grams"].as_f64();
    assert_eq!(grams(json!({"duration": 1, "within": 2, "power": 1000, "pue": 1.5})), Some(150.0));
    assert_eq!(grams(json!({"duration": 1, "within": 1, "power": 1000, "start": "2026-01-01T02:00Z"})), Some(200.0));
    assert_eq!(grams(json!({"duration": 2, "within": 3, "power": 1000, "interruptible": true})), Some(300.0));
    assert_eq!(
        grams(json!({"duration": 1, "within": 3, "power": 1000, "interruptible": true, "start_cost": 100})),
        Some(110.0)
    );
    assert_eq!(grams(json!({"duration": 1, "within": 3, "power": 1000, "zone": "A"})), Some(100.0));
    let ranked = answer(json!({"duration": 1, "within": 3, "power": 1000, "rank": true, "zone": "A", "transfer": 5}));
    assert_eq!((&ranked["zones"][0]["zone"], &ranked["zones"][0]["transfer_grams"]), (&json!("A"), &json!(0.0)));
}

#[test]
fn what_was_assumed_is_noted() {
    let notes = |keys: Value| request(keys).unwrap().answer().unwrap().notes;
    assert_eq!(notes(json!({"duration": 1, "within": 3})), [PlanNote::PlainPower]);
    assert_eq!(notes(json!({"duration": 1, "within": 3, "power": 1})), []);
}

#[test]
fn d17_a_request_without_a_series_is_refused_and_a_gap_is_never_bridged() {
    for text in [r#"{"duration": 1, "within": 2}"#, r#"{"duration": 1, "within": 2, "series": null}"#] {
        let error = PlanRequest::from_json(text).unwrap_err();
        assert!(error.is_of_the_request() && error.to_string().contains("no intensities are invented"), "{error}");
    }
    let around = request(json!({"duration": 1, "within": 4, "power": 1})).unwrap().answer().unwrap();
    assert_eq!(around.notes, [PlanNote::Unknown(60)], "a job that fits into the known hours is planned");
    let gap = request(json!({"duration": 4, "within": 4, "power": 1})).unwrap().answer().unwrap_err();
    assert!(!gap.is_of_the_request());
    assert!(gap.to_string().contains("points[3]") && gap.to_string().contains("no intensity is known"), "{gap}");
}

#[test]
fn every_mistake_is_reported_with_its_key() {
    let cases = [
        (json!({"durations": 1}), "durations"),
        (json!({"duration": 1}), "duration and within"),
        (json!({"duration": 0, "within": 2}), "duration is 0"),
        (json!({"duration": 1, "within": -2}), "within is -2"),
        (json!({"duration": 1, "within": 2, "start": "tomorrow"}), "start is \"tomorrow\""),
        (json!({"duration": 1, "within": 2, "power": -1}), "power is -1"),
        (json!({"duration": 1, "within": 2, "machines": 2}), "machines needs jobs"),
        (json!({"jobs": "a.csv", "machines": 0}), "machines is 0"),
        (json!({"jobs": "a.csv", "interruptible": true}), "jobs goes without"),
        (json!({"duration": 1, "within": 2, "transfer": 1}), "transfer needs rank and zone"),
        (json!({"duration": 1, "within": 2, "rank": true, "whole_slots": true}), "rank goes without"),
        (json!({"duration": "1", "within": 2}), "invalid type"),
    ];
    for (keys, word) in cases {
        let error = request(keys.clone()).unwrap_err();
        assert!(error.is_of_the_request() && error.to_string().contains(word), "{keys}: {error}");
    }
    let zone = request(json!({"duration": 1, "within": 2, "zone": "B"})).unwrap().answer().unwrap_err();
    assert!(zone.is_of_the_request() && zone.to_string().contains("no column \"B\""), "{zone}");
    assert!(PlanRequest::from_json("[").unwrap_err().is_of_the_request());
    assert!(PlanRequest::from_json(&"[".repeat(10_000)).is_err(), "depth is bounded");
}
