//! `eco2 doctor --calibrate`: what it refuses, how it is stopped, and what runs and `doctor` do with a stored result.
//! `meter/src/run/calibration/tests.rs` has the calibration itself, by a scripted clock.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::rig::{Ran, Rig, ran};

fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// The machine's file, as JSON, and its path.
fn stored(rig: &Rig) -> (std::path::PathBuf, Value) {
    let mut files: Vec<_> = fs::read_dir(rig.path("state/eco2/machine")).unwrap().collect();
    assert_eq!(files.len(), 1, "no temporary file is left");
    let path = files.remove(0).unwrap().path();
    let text = fs::read_to_string(&path).unwrap();
    (path, serde_json::from_str(&text).unwrap())
}

/// A machine whose counters were calibrated: 40 W idle, 70 and 100 W under load. The rig shows one CPU.
fn calibrated() -> Rig {
    let rig = Rig::measured();
    rig.put("proc/sys/kernel/hostname", "node-1\n");
    rig.eco2("doctor --json");
    let (path, mut state) = stored(&rig);
    let load = |utilization: f64, watts: f64, estimate_w: f64| {
        json!({
            "utilization": utilization, "watts": watts, "low_w": watts - 5.0, "high_w": watts + 5.0,
            "estimate_w": estimate_w, "estimate_low_w": 0.5 * estimate_w, "estimate_high_w": 1.5 * estimate_w,
        })
    };
    state["calibration"] = json!({
        "measured_at": "2026-11-29T20:00:00Z", "processor": "Test CPU", "cpus": 1, "firmware": "",
        "estimated_from": "a table",
        "cpu": {
            "source": "rapl-sysfs", "idle": load(0.01, 40.0, 50.0), "half": load(0.5, 70.0, 70.0),
            "full": load(1.0, 100.0, 50.0),
        },
        "memory": null,
    });
    fs::write(path, state.to_string()).unwrap();
    rig
}

#[test]
fn machine_without_counter_is_not_calibrated_and_nothing_is_stored() {
    let rig = Rig::bare();
    let ran = rig.eco2("doctor --calibrate --json");
    let found = document(&ran);
    let failure = found["calibration"]["failure"].as_str().unwrap();
    assert!(failure.contains("nothing to calibrate against"), "{failure}");
    assert_eq!((ran.code, &found["exit_code"], &found["calibration"]["stored"]), (Some(1), &json!(1), &Value::Null));
    assert!(!rig.path("state/eco2/machine").exists());
    let text = rig.eco2("doctor --calibrate");
    assert!(text.out.contains("Not calibrated: no energy counter"), "{text:?}");
    let without = document(&rig.eco2("doctor --json"));
    assert_eq!(without["calibration"], json!({ "stored": null, "unused": null, "failure": null }));
}

#[test]
fn interrupt_ends_the_calibration_and_nothing_is_stored() {
    let rig = Rig::measured();
    let cpu =
        |n: u32| format!("processor\t: {n}\nvendor_id\t: GenuineIntel\nmodel name\t: Test CPU\nflags\t\t: fpu\n\n");
    rig.put("proc/cpuinfo", &(cpu(0) + &cpu(1)));
    let mut command = rig.command("doctor --calibrate");
    command.env("ECO2_NVML", "none").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut doctor = command.spawn().unwrap();
    let mut lines = BufReader::new(doctor.stderr.take().unwrap()).lines().map(Result::unwrap);
    let begun = lines.find(|line| line.contains("1/6 idle"));
    assert!(begun.is_some(), "a phase is reported as it begins");
    kill_process(Pid::from_child(&doctor), Signal::INT).unwrap();
    assert_eq!(doctor.wait().unwrap().signal(), Some(Signal::INT.as_raw()));
    let (_, state) = stored(&rig);
    assert_eq!(state.get("calibration"), None, "the self-test before it is stored: {state}");
}

#[test]
fn stored_calibration_is_the_estimate_where_counters_cannot_be_read() {
    let rig = calibrated();
    let with_counters = document(&rig.run("--json - --no-log", "sleep 0.1"));
    assert_eq!(with_counters["devices"][0]["quality"], "measured");
    fs::remove_dir_all(rig.path("sys/class/powercap")).unwrap();
    let report = document(&rig.run("--json - --no-log", "sleep 0.3"));
    let device = &report["devices"][0];
    assert_eq!((&device["quality"], &device["source"]), (&json!("estimated"), &json!("model")));
    let method = device["method"].as_str().unwrap();
    assert!(method.contains("this machine's calibration: 40.0 W idle, 70.0 W at 50 % load, 100.0 W"), "{method}");
    let watts = device["mean_w"].as_f64().unwrap();
    assert!((39.9..100.1).contains(&watts), "{device}");
    let doctor = rig.eco2("doctor");
    assert!(doctor.out.contains("known by its calibration"), "{doctor:?}");
}

#[test]
fn optimize_states_the_calibrated_idle_power_of_the_machine_that_measured_the_run() {
    let rig = calibrated();
    let trace = "# eco2.trace/1\n# domain p component=cpu kind=energy unit=uJ range=262143328850\n\
                 # run begin_ns=0 end_ns=20000000000\nbefore_ns,after_ns,domain,value\n";
    // 80 W for 20 s: half of it is drawn when idle.
    let rows = (0..=200).map(|tenth| format!("{tenth}00000000,{tenth}00000000,p,{}\n", tenth * 8_000_000));
    rig.put("trace.csv", &(trace.to_owned() + &rows.collect::<String>()));
    assert_eq!(rig.eco2("replay trace.csv --json report.json").code, Some(0));
    let mut report: Value = serde_json::from_str(&fs::read_to_string(rig.path("report.json")).unwrap()).unwrap();
    let mut advice_at = |hostname: &str| {
        report["run"]["host"]["hostname"] = hostname.into();
        rig.put("report.json", &report.to_string());
        let mut command = rig.command("optimize report.json --json");
        command.env("ECO2_SYSFS", rig.path("sys")).env("ECO2_PROCFS", rig.path("proc"));
        document(&ran(&mut command))
    };
    let here = advice_at("node-1");
    let advice = &here["advice"][0];
    assert_eq!(advice["topic"], "idle-machine", "{here:#}");
    assert!((advice["percent"].as_f64().unwrap() - 50.0).abs() < 0.5, "{advice:#}");
    assert!(advice["text"].as_str().unwrap().contains("40.0 W when idle (calibrated 2026-11-29)"), "{advice:#}");
    let elsewhere = advice_at("node-2");
    let topics = |document: &Value| document["silences"].as_array().unwrap().len();
    assert_eq!((&elsewhere["advice"], topics(&elsewhere)), (&json!([]), topics(&here)));
    rig.put("sys/class/dmi/id/bios_version", "9.9\n");
    assert_eq!(advice_at("node-1")["advice"], json!([]), "another firmware: the calibration no longer applies");
}

#[test]
fn doctor_shows_the_stored_calibration_and_whether_it_is_used() {
    let rig = calibrated();
    let shown = rig.eco2("doctor").out;
    for row in [
        "calibration 2026-11-29         load   measured   estimate  range of estimate  measured/estimate",
        "CPUs, idle                      1 %     40.0 W     50.0 W  25.0 – 75.0 W      0.80\n",
        "CPUs, half load                50 %     70.0 W     70.0 W  35.0 – 105.0 W     1.00\n",
        "CPUs, full load               100 %    100.0 W     50.0 W  25.0 – 75.0 W      2.00, outside the range\n",
        "Estimates on this machine use the measured powers",
    ] {
        assert!(shown.contains(row), "{row}\n{shown}");
    }
    let found = document(&rig.eco2("doctor --json"));
    let full = &found["calibration"]["stored"]["cpu"]["full"];
    assert_eq!((&full["factor"], &full["in_range"], &full["watts"]), (&json!(2.0), &json!(false), &json!(100.0)));
    rig.put("sys/class/dmi/id/bios_version", "9.9\n");
    let found = document(&rig.eco2("doctor --json"));
    assert_eq!(found["calibration"]["unused"], "the firmware was '', is '9.9'");
    assert!(rig.eco2("doctor").out.contains("Estimates do not use this calibration"));
}

#[test]
fn hostile_calibration_is_named_and_not_used() {
    let rig = calibrated();
    let (path, good) = stored(&rig);
    fs::remove_dir_all(rig.path("sys/class/powercap")).unwrap();
    let event = |state: &str| {
        fs::write(&path, state).unwrap();
        let report = document(&rig.run("--json - --no-log", "true"));
        let events = report["events"].as_array().unwrap();
        let unreadable = events.iter().find(|event| event["kind"] == "self-test-unreadable");
        let method = report["devices"][0]["method"].as_str().unwrap().to_owned();
        (unreadable.map(|event| event["text"].as_str().unwrap().to_owned()), method)
    };
    let (text, method) = event(&good.to_string());
    assert!(text.is_none() && method.contains("calibration"), "{text:?} {method}");
    for (key, value) in
        [("watts", json!(-1)), ("watts", json!(1e12)), ("utilization", json!(7)), ("high_w", json!("x"))]
    {
        let mut state = good.clone();
        state["calibration"]["cpu"]["full"][key] = value;
        let (text, method) = event(&state.to_string());
        assert!(text.unwrap().contains(path.to_str().unwrap()) && !method.contains("calibration"), "{key}: {method}");
    }
    let mut long = good;
    long["calibration"]["firmware"] = json!("\u{1b}[2J".repeat(1_000));
    assert!(event(&long.to_string()).0.unwrap().contains("too long"));
}
