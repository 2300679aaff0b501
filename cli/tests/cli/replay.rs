//! `eco2 replay` and `eco2 demo`: no hardware, the same figures on every machine.

use std::fs;

use eco2_core::Quality;
use eco2_core::schema::{Report, State};

use crate::rig::{Rig, assert_valid, snapshots};

/// Two counters: a CPU in microjoules that takes 10 W, a GPU in millijoules that takes 200 W, an update every 100 ms.
pub(crate) fn trace() -> String {
    let mut text = "# eco2.trace/1\n\
        # domain package-0 component=cpu kind=energy unit=uJ max_w=100\n\
        # domain GPU-1 component=gpu kind=energy unit=mJ max_w=700\n\
        # run begin_ns=0 end_ns=2000000000\n\
        # span name=epoch begin_ns=0 end_ns=1000000000\n\
        # span name=epoch begin_ns=1000000000 end_ns=2000000000\n\
        before_ns,after_ns,domain,value\n"
        .to_owned();
    for tick in 0..=210u64 {
        let (at_ns, updates) = (tick * 10_000_000, tick / 10);
        text.push_str(&format!("{at_ns},{},package-0,{}\n", at_ns + 1_000, updates * 1_000_000));
        text.push_str(&format!("{at_ns},{},GPU-1,{}\n", at_ns + 1_000, updates * 20_000));
    }
    text
}

#[test]
fn replayed_runs_are_summed_as_several_and_a_repeated_replay_counts_once() {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    rig.put(
        "other.csv",
        &trace().replace("updates", "").replace("end_ns=2000000000\n# span", "end_ns=1900000000\n# span"),
    );
    for (file, words) in [("a", "trace.csv"), ("again", "trace.csv --zone FR"), ("b", "other.csv")] {
        assert_eq!(rig.eco2(&format!("replay {words} --json {file}.json")).code, Some(0));
    }
    let sum = |files: &str| {
        let text = rig.eco2(&format!("report {files} --by team --json")).out;
        let groups: serde_json::Value = serde_json::from_str(&text).unwrap();
        let group = groups["groups"][0].clone();
        (group["runs"].as_array().unwrap().len(), group["energy_uj"].as_u64().unwrap())
    };
    let ((_, a), (_, b)) = (sum("a.json"), sum("b.json"));
    assert_eq!(sum("a.json b.json"), (2, a + b));
    assert_eq!(sum("a.json again.json"), (1, a));
    rig.eco2("demo --json demo.json");
    assert!(rig.report("demo.json").run.id.starts_with("demo-"));
    assert_eq!(sum("a.json b.json demo.json").0, 3);
}

#[test]
fn a_trace_is_accounted_and_its_spans_add_up() {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    let ran = rig.eco2("replay trace.csv --zone DE --name night --label team=nlp --json -");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let report = ran.report();
    assert_valid(&report);
    // 2 s at 10 W and at 200 W.
    assert!(
        report.energy.low_uj <= 420_000_000 && report.energy.high_uj.unwrap() >= 420_000_000,
        "{:?}",
        report.energy
    );
    assert_eq!(report.spans[0].energy_uj, report.energy.total_uj);
    assert_eq!((report.run.name.as_str(), report.run.labels["team"].as_str()), ("night", "nlp"));
}

#[test]
fn spans_may_come_from_a_file_of_their_own() {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    rig.put("spans.csv", "name,begin_ns,end_ns\nhalf,0,1000000000\n");
    let report = rig.eco2("replay trace.csv --spans spans.csv --json -").report();
    let names: Vec<&str> = report.spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["half"]);
}

#[test]
fn text_goes_to_standard_output_and_json_to_a_file() {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    let ran = rig.eco2("replay trace.csv --json report.json");
    assert_eq!(ran.code, Some(0));
    assert_valid(&rig.report("report.json"));
    snapshots(&rig).bind(|| insta::assert_snapshot!("replay_text", ran.out));
}

#[test]
fn a_live_run_s_trace_replays_to_the_same_account() {
    let rig = Rig::measured();
    assert_eq!(rig.run("--quiet --trace trace.csv --json live.json", "sleep 0.3").code, Some(0));
    let (live, again) = (rig.report("live.json"), rig.eco2("replay trace.csv --json -").report());
    let energies = |report: &Report| (report.energy.total_uj, report.energy.low_uj, report.energy.high_uj);
    assert_eq!(energies(&live), energies(&again));
    assert!(live.energy.total_uj > Some(0));
}

#[test]
fn demo_is_synthetic_in_its_first_line_and_the_same_everywhere() {
    let rig = Rig::bare();
    let ran = rig.eco2("demo");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let first = ran.out.lines().next().unwrap_or_default();
    assert!(first.contains("SYNTHETIC DATA") && ran.out.contains("synthetic, not measured"), "{}", ran.out);
    assert!(!ran.out.contains('!') && ran.out.lines().count() <= 12, "nothing to act on: {}", ran.out);
    let full = rig.eco2("demo --summary full").out;
    assert!(full.starts_with("SYNTHETIC DATA: ") && full.lines().count() > 12, "{full}");
    assert_eq!(rig.eco2("demo --summary off").out, "");
    snapshots(&rig).bind(|| insta::assert_snapshot!("demo", ran.out));
}

#[test]
fn d03_the_demos_values_are_marked_as_synthetic_in_the_json_too() {
    let rig = Rig::bare();
    let ran = rig.eco2("demo --json");
    let report = ran.report();
    assert_valid(&report);
    assert_eq!(report.run.state, State::Final);
    assert!(report.devices.iter().all(|device| device.quality == Quality::Synthetic && device.source == "synthetic"));
    assert_eq!((report.energy.synthetic_uj, report.energy.measured_uj), (report.energy.total_uj.unwrap(), 0));
    let with_file = rig.eco2("demo --json demo.json");
    assert!(with_file.out.contains("SYNTHETIC"));
    assert_eq!(fs::read_to_string(rig.path("demo.json")).unwrap(), ran.out);
}
