//! `eco2 compare`: table, JSON, undominated runs.

use serde_json::Value;

use crate::rig::{Rig, snapshots};

/// A replayed run of `seconds` at `watts`, read every second and once after the end.
pub(crate) fn run(rig: &Rig, name: &str, seconds: u64, watts: u64, g_per_kwh: u64) {
    let head = format!(
        "# eco2.trace/1\n# domain package-0 component=cpu kind=energy unit=J max_w=4000\n\
         # run begin_ns=0 end_ns={}\nbefore_ns,after_ns,domain,value\n",
        seconds * 1_000_000_000
    );
    let row = |at: u64| format!("{0},{0},package-0,{1}\n", at * 1_000_000_000, at * watts);
    rig.put(&format!("{name}.csv"), &(head + &(0..=seconds + 1).map(row).collect::<String>()));
    let ran = rig.eco2(&format!("replay {name}.csv --name {name} --intensity {g_per_kwh} --json {name}.json"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

/// `a` takes half an hour and 1.2 kWh at 50 g/kWh, `b` an hour and 1 kWh at 300 g/kWh.
fn rig() -> Rig {
    let rig = Rig::bare();
    run(&rig, "a", 1800, 2400, 50);
    run(&rig, "b", 3600, 1000, 300);
    rig
}

#[test]
fn a_table_and_the_same_as_json() {
    let rig = rig();
    let ran = rig.eco2("compare a.json b.json --pareto grams,duration");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    snapshots(&rig).bind(|| insta::assert_snapshot!("compare_text", ran.out));
    let json: Value =
        serde_json::from_str(&rig.eco2("compare a.json b.json --json --pareto energy,grams").out).unwrap();
    assert_eq!((json["schema"].as_str(), json["per"].as_str()), (Some("eco2.comparison/1"), Some("run")));
    assert_eq!(json["runs"][0]["grams"]["value"], 60.0);
    assert_eq!(json["verdicts"][0]["run_id"], json["runs"][0]["run_id"]);
    // a: least grams; b: least energy.
    assert_eq!(
        (json["runs"][0]["undominated"].as_bool(), json["runs"][1]["undominated"].as_bool()),
        (Some(true), Some(true))
    );
}

#[test]
fn what_makes_no_comparison_is_a_usage_error() {
    let rig = rig();
    assert_eq!(rig.eco2("compare a.json").code, Some(2));
    assert_eq!(rig.eco2("compare a.json b.json --pareto grams,beauty").code, Some(2));
    let gone = rig.eco2("compare a.json gone");
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert!(rig.eco2("compare a.json b.json --per step").out.contains("not counted"));
}
