//! `eco2 plan`: the fixed JSON, text for people, and every way to be refused.

use serde_json::Value;

use crate::rig::{Ran, Rig};

/// Two days and zones; B is cleaner, and cleanest at other times.
fn rig() -> Rig {
    let rig = Rig::bare();
    let row = |hour: usize| {
        let (a, b) = ([300, 200, 100, 250][hour % 4], [120, 150, 80, 90][hour % 4]);
        format!("2026-01-{:02}T{:02}:00Z,{a},{b}\n", 1 + hour / 24, hour % 24)
    };
    rig.put("zones.csv", &("time,A,B\n".to_owned() + &(0..48).map(row).collect::<String>()));
    rig.put("one.csv", "time,gco2e_per_kwh\n2026-01-01 00:00,300\n2026-01-01 01:00,100\n2026-01-01 02:00,200\n");
    rig.put("scaling.csv", "nodes,throughput,power\n0,0,0\n1,10,1000\n2,15,2000\n");
    rig.put(
        "jobs.csv",
        "id,arrival,duration_h,deadline,interruptible\nnight,2026-01-01T00:00Z,2,2026-01-01T08:00Z,true\n\
        short,2026-01-01T01:00Z,0.5,2026-01-01T04:00Z,false\n",
    );
    rig
}

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

/// Snapshots with their times: these are the answer.
fn kept(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn the_json_is_as_fixed() {
    let ran = rig().eco2("plan --series one.csv --duration 1.5 --within 3 --power 2000 --json");
    let plan = json(&ran);
    let past =
        "eco2: the plan ends in the past (2026-01-01T02:30:00Z); use a series of the hours to come, or --provider\n";
    assert_eq!(ran.err, past);
    let keys: Vec<&str> = plan.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = ["start", "slots", "grams", "grams_now", "saving_percent", "bound_grams", "kind"];
    expected.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    // 1 h at 100 and half an hour at 200, 2 kW; now 300 and half an hour of 100.
    let slot = serde_json::json!({"from": "2026-01-01T01:00:00Z", "to": "2026-01-01T02:30:00Z", "workers": 1});
    assert_eq!((&plan["start"], &plan["slots"]), (&slot["from"], &Value::from(vec![slot.clone()])));
    assert_eq!((plan["grams"].as_f64(), plan["grams_now"].as_f64()), (Some(400.0), Some(700.0)));
    assert_eq!((plan["bound_grams"].as_f64(), &plan["kind"]), (Some(400.0), &Value::Null));
    assert!((plan["saving_percent"].as_f64().unwrap() - 300.0 / 7.0).abs() < 1e-12);
}

#[test]
fn flags_have_the_effect_of_their_help() {
    let rig = rig();
    let grams = |words: &str| json(&rig.eco2(&format!("plan --json --power 1000 {words}")))["grams"].as_f64().unwrap();
    let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert_eq!(grams("--series zones.csv --zone B --duration 2 --within 4"), 170.0);
    assert_eq!(grams("--series zones.csv --zone A --duration 2 --within 4 --start 2026-01-02T02:00Z"), 350.0);
    assert_eq!(grams("--series zones.csv --zone A --duration 2 --within 8 --interruptible"), 200.0);
    assert_eq!(grams("--series zones.csv --zone A --duration 2 --within 8 --interruptible --pue 1.5"), 300.0);
    // Two starts of 100 Wh at 100 g/kWh.
    assert_eq!(grams("--series zones.csv --zone A --duration 2 --within 8 --interruptible --start-cost 100"), 220.0);
    assert!(close(grams("--series one.csv --duration 2 --within 3 --profile scaling.csv"), 300.0));
    let whole = json(
        &rig.eco2("plan --json --series one.csv --duration 2 --within 3 --profile scaling.csv --switch-cost 1000"),
    );
    assert!(whole["bound_grams"].as_f64() <= whole["grams"].as_f64(), "{whole}");
}

#[test]
fn a_queue_is_planned_alone_or_on_few_machines() {
    let rig = rig();
    let queue = json(&rig.eco2("plan --series zones.csv --zone A --jobs jobs.csv --power 1000 --json"));
    let job = |at: usize| &queue["jobs"][at];
    assert_eq!((&job(0)["id"], &job(1)["id"]), (&Value::from("night"), &Value::from("short")));
    assert_eq!((job(0)["grams"].as_f64(), job(1)["grams"].as_f64()), (Some(200.0), Some(50.0)));
    assert_eq!(job(0)["slots"].as_array().unwrap().len(), 2, "hours 2 and 6");
    let total = &queue["total"];
    assert_eq!((total["grams"].as_f64(), total["grams_now"].as_f64()), (Some(250.0), Some(600.0)));
    assert!((total["saving_percent"].as_f64().unwrap() - 350.0 / 6.0).abs() < 1e-12);
    let shared = json(&rig.eco2("plan --series zones.csv --zone A --jobs jobs.csv --power 1000 --machines 1 --json"));
    // Half of hour 2 is the short job's; the long one takes half an hour at 200 instead.
    assert_eq!(shared["total"]["grams"].as_f64(), Some(300.0));
}

#[test]
fn zones_are_ranked() {
    let ranked = json(
        &rig()
            .eco2("plan --series zones.csv --duration 1 --within 4 --rank --zone A --transfer 0.2 --power 1000 --json"),
    );
    let zone = |at: usize| (ranked["zones"][at]["zone"].as_str().unwrap(), ranked["zones"][at]["total_grams"].as_f64());
    // To B: 80 g, and 0.2 kWh at (300 + 120) / 2.
    assert_eq!((zone(0), zone(1)), (("A", Some(100.0)), ("B", Some(122.0))));
}

#[test]
fn text_for_people() {
    let rig = rig();
    let shown = |words: &str| rig.eco2(words).shown();
    kept("plan_text", &shown("plan --series one.csv --duration 1.5 --within 3"));
    kept("plan_wide_text", &shown("plan --series one.csv --duration 2 --within 3 --profile scaling.csv --whole-slots"));
    kept("plan_queue_text", &shown("plan --series zones.csv --zone A --jobs jobs.csv --power 1000"));
    kept("plan_zones_text", &shown("plan --series zones.csv --duration 2 --within 8 --rank --power 1000"));
}

#[test]
fn what_cannot_be_planned_is_refused_with_its_place_and_a_remedy() {
    let rig = rig();
    rig.put("unsorted.csv", "time,gco2e_per_kwh\n2026-01-01T01:00Z,1\n2026-01-01T00:00Z,1\n");
    rig.put("gap.csv", "time,gco2e_per_kwh\n2026-01-01T00:00Z,1\n2026-01-01T01:00Z,\n2026-01-01T02:00Z,1\n");
    rig.put("falling.csv", "nodes,throughput,power\n1,10,100\n2,9,200\n");
    rig.put("late.csv", "id,arrival,duration_h,deadline,interruptible\na,2026-01-01,3,2026-01-01T02:00Z,true\n");
    rig.put("far.csv", "id,arrival,duration_h,deadline,interruptible\na,2031-01-01,3,2031-01-02,true\n");
    let plan = "--duration 1 --within 3";
    let cases = [
        ("unsorted", "--series unsorted.csv --duration 1 --within 2".to_owned(), 1),
        ("gap", "--series gap.csv --duration 2 --within 3".to_owned(), 1),
        ("no_file", format!("--series none.csv {plan}"), 1),
        ("no_column", format!("--series zones.csv --zone C {plan}"), 2),
        ("which_column", format!("--series zones.csv {plan}"), 2),
        ("too_long", "--series one.csv --duration 3 --within 2".to_owned(), 2),
        ("outside", format!("--series one.csv {plan} --start 2031-01-01"), 2),
        ("falling_profile", format!("--series one.csv {plan} --profile falling.csv"), 1),
        ("late_job", "--series zones.csv --zone A --jobs late.csv".to_owned(), 1),
        ("job_outside", "--series zones.csv --zone A --jobs far.csv".to_owned(), 1),
        ("bad_hours", "--series one.csv --duration 0 --within 2".to_owned(), 2),
        ("no_duration", "--series one.csv".to_owned(), 2),
        ("cannot_pause", format!("--series one.csv {plan} --start-cost 5"), 2),
        ("pue", format!("--series one.csv {plan} --pue 0.5"), 2),
    ];
    let mut messages = String::new();
    for (name, words, code) in cases {
        let ran = rig.eco2(&format!("plan --power 1000 {words}"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{name}: {ran:?}");
        messages += &format!("{name}: {}", ran.err);
    }
    kept("plan_refused", &messages);
}

#[test]
fn assumptions_are_printed() {
    let rig = rig();
    let messages = |words: &str| rig.eco2(&format!("plan --series one.csv --json {words}")).err;
    assert!(messages("--duration 1 --within 3").contains("1000 W"));
    assert!(messages("--duration 1 --within 9 --power 5").contains("the series ends at 2026-01-01T03:00:00Z"));
    assert!(messages("--duration 1 --within 3 --power 5 --profile scaling.csv").contains("--power is not used"));
}
