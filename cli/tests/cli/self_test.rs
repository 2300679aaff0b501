//! The self-test of `eco2 doctor`: what it finds out about counters, and what a run does with the stored result.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::rig::{Ran, Rig, ran};

/// A package whose counter always shows one value.
fn still() -> Rig {
    let rig = Rig::bare();
    for (file, text) in [("name", "package-0"), ("max_energy_range_uj", "262143328850"), ("energy_uj", "123456789")] {
        rig.put(&format!("sys/class/powercap/intel-rapl:0/{file}"), &format!("{text}\n"));
    }
    rig
}

fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn doctor(rig: &Rig, library: &str) -> (Option<i32>, Value) {
    let ran = ran(rig.command("doctor --json").env("ECO2_NVML", library));
    (ran.code, document(&ran))
}

/// The test of a source's first counter.
fn counter<'a>(found: &'a Value, source: &str) -> &'a Value {
    let counters = found["self_test"]["counters"].as_array().unwrap();
    counters.iter().find(|counter| counter["source"] == source).unwrap_or_else(|| panic!("{found:#}"))
}

/// The file of the machine.
fn file(rig: &Rig) -> PathBuf {
    let mut files = fs::read_dir(rig.path("state/eco2/machine")).unwrap();
    files.next().unwrap().unwrap().path()
}

/// The first event of a kind.
fn event<'a>(report: &'a Value, kind: &str) -> Option<&'a Value> {
    report["events"].as_array().unwrap().iter().find(|event| event["kind"] == kind)
}

#[test]
fn moving_counter_passes_and_its_result_is_kept_privately() {
    let rig = Rig::measured();
    let (code, found) = doctor(&rig, "none");
    let test = counter(&found, "rapl-sysfs");
    assert_eq!((code == Some(4), &test["result"], &test["id"]), (false, &json!("passed"), &json!("package-0")));
    assert!(test["changes"].as_u64() > Some(1) && test["reads"].as_u64() >= test["changes"].as_u64(), "{test}");
    // The rig's counter grows by 100 mJ at a time.
    assert_eq!(test["smallest_step_uj"].as_u64().unwrap() % 100_000, 0, "{test}");
    assert!(test["read_cpu_us"].as_f64() > Some(0.0) && test["difference_percent"].is_null(), "{test}");
    let path = file(&rig);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let stored: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!((&stored["schema"], &stored["counters"][0]), (&json!("eco2.machine/1"), test));
    let report = document(&rig.run("--json - --no-log", "true"));
    assert_eq!(event(&report, "self-test-failed"), None);
}

#[test]
fn k05_still_counter_fails_and_a_short_run_does_not_trust_it() {
    let rig = still();
    let (code, found) = doctor(&rig, "none");
    assert_eq!((code, &counter(&found, "rapl-sysfs")["result"]), (Some(4), &json!("still")), "{found:#}");
    let text = rig.eco2("doctor");
    assert!(text.out.contains("FAILED, does not move"), "{text:?}");
    let report = document(&rig.run("--json - --no-log", "sleep 0.2"));
    let failed = event(&report, "self-test-failed").unwrap_or_else(|| panic!("{}", report["events"]));
    assert_eq!(failed["device"], "package-0");
    assert!(failed["text"].as_str().unwrap().contains("did not move under load"), "{failed}");
    let ids: Vec<&Value> = report["devices"].as_array().unwrap().iter().map(|device| &device["id"]).collect();
    assert_eq!((ids, &report["energy"]["measured_uj"]), (vec![&json!("package-0/estimate")], &json!(0)));
    // Without estimates nothing is known, which is not 0 J.
    let refused = document(&rig.run("--json - --no-log --no-estimate", "sleep 0.2"));
    assert!(refused["energy"]["total_uj"].is_null(), "{}", refused["energy"]);
}

#[test]
fn k05_counter_that_failed_is_measured_again_once_it_moves() {
    let mut rig = still();
    doctor(&rig, "none");
    rig.zone("intel-rapl:0", "package-0");
    let report = document(&rig.run("--json - --no-log", "sleep 0.3"));
    assert!(event(&report, "self-test-failed").is_some());
    assert_eq!(
        (&report["devices"][0]["id"], &report["devices"][0]["quality"]),
        (&json!("package-0"), &json!("measured"))
    );
}

#[test]
fn k05_contradicted_counter_gives_way_to_its_power_from_the_start_of_a_run() {
    let rig = Rig::bare();
    let library = rig.nvml("");
    let (_, found) = doctor(&rig, &library);
    assert_eq!(counter(&found, "nvml")["result"], "passed", "{found:#}");
    let quality = || {
        let mut command = rig.measuring("--json - --no-log --source nvml", "sleep 0.5");
        let report = document(&ran(command.env("ECO2_NVML", &library)));
        let devices = report["devices"].as_array().unwrap();
        let board = devices.iter().find(|device| device["overlaps"] == json!([])).unwrap();
        (board["quality"].clone(), event(&report, "self-test-failed").map(|event| event["text"].clone()))
    };
    assert_eq!(quality(), (json!("measured"), None));
    let path = file(&rig);
    let mut stored: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    stored["counters"][0]["result"] = json!("contradicted");
    stored["counters"][0]["difference_percent"] = json!(-42.8);
    fs::write(&path, stored.to_string()).unwrap();
    let (now, text) = quality();
    assert_eq!(now, "derived");
    assert!(text.unwrap().as_str().unwrap().contains("-42.8 % off the integrated power"));
    // A short test cannot compare them, so it keeps the failure.
    let (_, found) = doctor(&rig, &library);
    assert_eq!(counter(&found, "nvml")["result"], "contradicted", "{found:#}");
}

#[test]
fn hostile_result_is_named_and_ignored_and_written_again() {
    let rig = Rig::measured();
    doctor(&rig, "none");
    let path = file(&rig);
    for hostile in ["{\"schema\":\"eco2.machine/1\"", "\u{1b}]0;title\u{7}", "[[[[", ""] {
        fs::write(&path, hostile).unwrap();
        let report = document(&rig.run("--json - --no-log", "sleep 0.1"));
        let text = event(&report, "self-test-unreadable").unwrap()["text"].as_str().unwrap().to_owned();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
        assert_eq!(report["devices"][0]["quality"], "measured");
    }
    let (_, found) = doctor(&rig, "none");
    assert_eq!(found["self_test"]["warnings"].as_array().unwrap().len(), 1, "{found:#}");
    assert!(serde_json::from_str::<Value>(&fs::read_to_string(&path).unwrap()).is_ok());
}

#[test]
fn machine_without_counters_is_not_loaded_and_leaves_no_file() {
    let rig = Rig::bare();
    let (code, found) = doctor(&rig, "none");
    assert_eq!((code, &found["self_test"]["counters"]), (Some(4), &json!([])));
    assert!(!rig.path("state/eco2/machine").exists());
}
