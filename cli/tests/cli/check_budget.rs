//! `eco2 check-budget`: the result as text, as JSON and as an exit code.

use std::fs::OpenOptions;
use std::process::Stdio;

use serde_json::Value;

use crate::compare::run;
use crate::rig::{Ran, Rig, ran};

/// A report of eco2 over 120 g and one of HF Eco2AI over 2 kg.
fn with_reports() -> Rig {
    let rig = Rig::bare();
    rig.put("hf.json", r#"{"metadata": {"version": "1.0"}, "summary": {"total_energy_kwh": 4, "total_co2_kg": 2.0}}"#);
    assert_eq!(rig.eco2("demo --json demo.json").code, Some(0));
    let mut report: Value = serde_json::from_str(&std::fs::read_to_string(rig.path("demo.json")).unwrap()).unwrap();
    report["carbon"]["grams"] = 120.0.into();
    report["carbon"]["low"] = 100.0.into();
    report["carbon"]["high"] = 900.0.into();
    rig.put("eco2.json", &report.to_string());
    report["carbon"] = Value::Null;
    rig.put("unpriced.json", &report.to_string());
    rig
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[test]
fn d28_a_budget_that_is_exceeded_is_exit_code_1_in_both_formats() {
    let rig = with_reports();
    for (words, code) in [
        ("--report hf.json --max-co2 1.5", 1),
        ("-r hf.json --budget 1.5", 1),
        ("-r hf.json --max-co2 2", 0),
        ("-r hf.json --max-co2 2.5", 0),
        ("-r eco2.json --max-co2 0.1", 1),
        ("-r eco2.json --max-co2 0.12", 0),
        ("-r hf.json --max-co2 0", 1),
    ] {
        for format in ["--format text", "--format json", "--json", ""] {
            let ran = rig.eco2(format!("check-budget {words} {format}").trim());
            assert_eq!(ran.code, Some(code), "{words} {format}: {ran:?}");
        }
    }
}

#[test]
fn run_may_be_named_without_a_flag() {
    let rig = with_reports();
    let flag = rig.eco2("check-budget --report eco2.json --max-co2 0.5");
    let plain = rig.eco2("check-budget eco2.json --max-co2 0.5");
    assert_eq!((flag.code, flag.out), (plain.code, plain.out));
    assert_eq!(rig.eco2("check-budget --max-co2 0.5").code, Some(2), "one of them is required");
    assert_eq!(rig.eco2("check-budget eco2.json -r hf.json --max-co2 0.5").code, Some(2), "and not both");
}

#[test]
fn d28_the_json_has_the_keys_of_hf_eco2ai_and_the_bounds() {
    let rig = with_reports();
    let found = json(&rig.eco2("check-budget -r hf.json --max-co2 1.6 --format json"));
    assert_eq!(found["budget_kg"], 1.6);
    assert_eq!(found["actual_kg"], 2.0);
    assert_eq!(found["exceeded"], true);
    assert_eq!(found["percentage_used"], 125.0);
    assert!((found["remaining_kg"].as_f64().unwrap() + 0.4).abs() < 1e-12);
    assert_eq!(found["actual_high_kg"], Value::Null, "HF Eco2AI has no bounds");
    let found = json(&rig.eco2("check-budget -r eco2.json --max-co2 0.5 --json"));
    assert_eq!((found["actual_kg"].as_f64(), found["exceeded"].as_bool()), (Some(0.12), Some(false)));
    assert_eq!((found["actual_low_kg"].as_f64(), found["actual_high_kg"].as_f64()), (Some(0.1), Some(0.9)));
    let text = rig.eco2("check-budget -r eco2.json --max-co2 0.5").out;
    assert!(text.contains("24.0 %") && text.contains("[0.100000 - 0.900000]") && text.contains("within"), "{text}");
}

#[test]
fn k10_quality_and_range_of_a_synthetic_value_are_shown_in_both_formats() {
    let rig = with_reports();
    let text = rig.eco2("check-budget -r eco2.json --max-co2 0.5").out;
    assert!(text.contains("[0.100000 - 0.900000]  synthetic\n"), "{text}");
    let found = json(&rig.eco2("check-budget -r eco2.json --max-co2 0.5 --json"));
    assert_eq!(
        (found["actual_quality"].as_str(), found["actual_quality_percent"].as_f64()),
        (Some("synthetic"), Some(100.0))
    );
    let found = json(&rig.eco2("check-budget -r hf.json --max-co2 3 --json"));
    assert_eq!(found["actual_quality"], Value::Null, "HF Eco2AI does not report it");
}

#[test]
fn k10_an_unknown_co2_is_not_known_and_no_other_kind_of_file() {
    let rig = Rig::bare();
    rig.put("null.json", r#"{"summary": {"total_co2_kg": null}}"#);
    let ran = rig.eco2("check-budget -r null.json --max-co2 1");
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
    assert!(ran.err.contains("null.json: the emissions are not known (total_co2_kg is null)"), "{ran:?}");
}

#[test]
fn d28_a_check_that_cannot_be_made_is_exit_code_2() {
    let rig = with_reports();
    rig.put("garbage.json", "{");
    rig.put("other.json", r#"{"summary": {}}"#);
    for words in [
        "-r none.json --max-co2 1",
        "-r garbage.json --max-co2 1",
        "-r other.json --max-co2 1",
        "-r unpriced.json --max-co2 1",
        "-r hf.json --max-co2 -1",
        "-r hf.json --max-co2 nan",
        "-r hf.json --max-co2 much",
        "-r hf.json",
        "--max-co2 1",
        "-r hf.json --max-co2 1 --format yaml",
    ] {
        let ran = rig.eco2(&format!("check-budget {words}"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{words}: {ran:?}");
        assert!(!ran.err.is_empty(), "{words}");
    }
}

#[test]
fn d28_a_run_that_measured_nothing_is_neither_within_nor_beyond_a_budget() {
    let rig = Rig::bare();
    assert_eq!(rig.run("--no-estimate --json real.json", "true").code, Some(0));
    let ran = rig.eco2("check-budget -r real.json --max-co2 1");
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
    assert!(ran.err.contains("real.json: the report has no emissions: nothing was measured"), "{ran:?}");
}

#[test]
fn d28_a_failed_write_is_exit_code_2_and_a_closed_pipe_keeps_the_result() {
    let rig = with_reports();
    let code = |limit: &str, out: Stdio| {
        let mut command = rig.command(&format!("check-budget -r hf.json --max-co2 {limit}"));
        command.stdout(out).stderr(Stdio::null()).status().unwrap().code()
    };
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    let closed = || std::io::pipe().unwrap().1.into();
    assert_eq!((code("3", full()), code("1", full())), (Some(2), Some(2)));
    assert_eq!((code("3", closed()), code("1", closed())), (Some(0), Some(1)));
}

#[test]
fn increase_over_a_baseline_is_decided_by_its_range() {
    let rig = Rig::bare();
    run(&rig, "base", 3600, 1000, 100);
    run(&rig, "more", 3600, 1100, 100);
    for (limit, code, verdict) in [
        ("5%", 1, "EXCEEDED"),
        ("15", 0, "within the limit"),
        // The range of the increase, 9.95 to 10.05 %, contains it.
        ("10%", 2, "INCONCLUSIVE"),
    ] {
        let words = format!("check-budget more.json --baseline base.json --max-increase {limit}");
        let text = rig.eco2(&words);
        assert_eq!((text.code, text.err.as_str()), (Some(code), ""), "{text:?}");
        assert!(text.out.contains("Increase: +10.0 % (+9.") && text.out.contains(verdict), "{text:?}");
        assert!(text.out.contains("measured  replay-"), "quality and run: {text:?}");
        let found = json(&rig.eco2(&format!("{words} --json")));
        assert_eq!(found["max_increase_percent"].as_f64(), limit.trim_end_matches('%').parse().ok());
        assert!(found["increase"]["low_percent"].as_f64() < found["increase"]["percent"].as_f64());
    }
    for words in [
        "check-budget more.json --baseline base.json",
        "check-budget more.json --baseline base.json --max-increase -1",
        "check-budget more.json --baseline base.json --max-increase much",
        "check-budget more.json --baseline base.json --max-increase 5 --max-co2 1",
        "check-budget more.json --max-increase 5",
        "check-budget more.json --baseline gone.json --max-increase 5",
    ] {
        let refused = rig.eco2(words);
        assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{words}: {refused:?}");
    }
}

#[test]
fn energy_that_is_not_known_cannot_be_compared_with_a_baseline() {
    let rig = Rig::bare();
    run(&rig, "base", 3600, 1000, 100);
    assert_eq!(rig.run("--no-estimate --json none.json", "true").code, Some(0));
    let ran = rig.eco2("check-budget none.json --baseline base.json --max-increase 5%");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.out.contains("energy not known") && ran.out.contains("INCONCLUSIVE"), "never zero: {ran:?}");
}

#[test]
fn results_are_added_to_the_summary_of_a_job_in_continuous_integration() {
    let rig = with_reports();
    run(&rig, "base", 3600, 1000, 100);
    run(&rig, "more", 3600, 1100, 100);
    let mut last = String::new();
    for (words, text) in [
        ("check-budget more.json --baseline base.json --max-increase 5%", "Energy: the limit is exceeded"),
        ("check-budget eco2.json --max-co2 0.5", "Emissions: within the limit"),
    ] {
        let mut command = rig.command(words);
        ran(command.env("GITHUB_STEP_SUMMARY", rig.path("summary.md")));
        let summary = std::fs::read_to_string(rig.path("summary.md")).unwrap();
        assert!(summary.starts_with(&last) && summary.contains(text), "appended: {summary}");
        assert!(summary.contains("| Run | E") && summary.contains("Energy of the whole machine"), "{summary}");
        last = summary;
    }
    let mut command = rig.command("check-budget eco2.json --max-co2 0.5");
    let warned = ran(command.env("GITHUB_STEP_SUMMARY", rig.path("none/summary.md")));
    assert_eq!(warned.code, Some(0), "the result stays");
    assert!(warned.err.contains("GITHUB_STEP_SUMMARY") && warned.err.lines().count() == 1, "{warned:?}");
}
