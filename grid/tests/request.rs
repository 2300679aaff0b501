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

#[test]
fn jobs_of_a_file_are_planned_each_alone_or_for_shared_machines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.csv");
    let jobs =
        |rows: &str| std::fs::write(&file, format!("id,arrival,duration_h,deadline,interruptible\n{rows}")).unwrap();
    let asked = |keys: Value| {
        let mut keys = keys;
        keys["jobs"] = json!(file);
        keys["power"] = json!(1000);
        request(keys).unwrap().answer()
    };
    jobs("one,2026-01-01T00:00Z,1,2026-01-01T03:00Z,false\ntwo,2026-01-01T00:00Z,2,2026-01-01T09:00Z,true\n");
    let alone = asked(json!({})).unwrap();
    let [PlanNote::DeadlinesAfter(1, end_ns)] = alone.notes[..] else { panic!("{:?}", alone.notes) };
    assert_eq!(end_ns, 1_767_240_000_000_000_000, "2026-01-01T04:00Z, the end of the series");
    // One at 01:00 for 100 g instead of 300, two from 01:00 to 03:00 for 300 g instead of 400.
    let document = alone.document();
    assert_eq!((&document["jobs"][0]["id"], document["jobs"][1]["grams"].as_f64()), (&json!("one"), Some(300.0)));
    assert_eq!(
        (document["total"]["grams"].as_f64(), document["total"]["grams_now"].as_f64()),
        (Some(400.0), Some(700.0))
    );
    assert_eq!(alone.outcome.totals(), (400.0, Some(700.0)));
    // One machine has the three known hours for both, in whatever order.
    assert_eq!(asked(json!({"machines": 1})).unwrap().outcome.totals().0, 600.0);

    let row = |id: &str| format!("{id},2026-01-01T00:00Z,1,2026-01-01T03:00Z,false\n");
    jobs(&["a", "b", "c", "d"].map(row).concat());
    let error = asked(json!({"machines": 1})).unwrap_err().to_string();
    assert!(
        error.contains("jobs.csv:") && error.contains("job "),
        "a job without a machine is named by its line: {error}"
    );
}

#[test]
fn a_profile_of_workers_sets_the_power_and_may_pause() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profile.csv");
    let asked = |text: &str, keys: Value| {
        std::fs::write(&file, text).unwrap();
        let mut keys = keys;
        keys["profile"] = json!(file);
        request(keys).unwrap().answer().unwrap()
    };
    let with_power = "workers,throughput,power\n1,10,1000\n2,15,2000\n";
    // An hour of work of one worker: 1 kWh at 100 g, as two workers for 40 minutes need 1.33 kWh. PUE applies to the profile's power.
    let answer = asked(with_power, json!({"duration": 1, "within": 3, "pue": 1.5, "power": 7}));
    assert_eq!((answer.notes.clone(), answer.outcome.totals().0), (vec![PlanNote::PowerNotUsed], 150.0));
    let whole = asked(
        "workers,throughput\n1,10\n2,15\n",
        json!({"duration": 2, "within": 3, "power": 1000, "whole_slots": true}),
    );
    // In whole hours: one worker at 100 and 200 g, or two at 100 g (1.5 h of work) and one at 200 g: the first is 300, the second 400 g.
    assert_eq!((whole.notes.clone(), whole.outcome.totals().0), (vec![], 300.0));
    let fixed =
        request(json!({"duration": 1, "within": 3, "power": 1, "whole_slots": true})).unwrap().answer().unwrap_err();
    assert!(fixed.to_string().contains("for jobs that may pause"), "{fixed}");
}

#[test]
fn each_note_is_a_sentence_with_its_figures() {
    let end_ns = 1_767_240_000_000_000_000;
    let cases = [
        (PlanNote::PlainPower, "draws 1000 W"),
        (PlanNote::PowerNotUsed, "is not used"),
        (PlanNote::SeriesEnds(end_ns), "2026-01-01T04:00"),
        (PlanNote::DeadlinesAfter(2, end_ns), "2 deadlines"),
        (PlanNote::Unknown(60), "60 minutes"),
        (PlanNote::ZoneUnknown("FR".to_owned()), "FR: its intensity"),
    ];
    for (note, words) in cases {
        assert!(note.to_string().contains(words), "{note}");
    }
    let late = request(json!({"duration": 1, "within": 9, "power": 1})).unwrap().answer().unwrap();
    assert_eq!(late.notes.first(), Some(&PlanNote::SeriesEnds(end_ns)));
}
