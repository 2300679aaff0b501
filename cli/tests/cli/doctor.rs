//! `eco2 doctor`: the verdict, its reasons, its exit codes.

use std::fs;

use serde_json::Value;

use crate::rig::{Ran, Rig, ran, snapshots};

fn doctor(rig: &Rig, flags: &str, library: &str) -> Ran {
    ran(rig.command(format!("doctor {flags}").trim_end()).env("ECO2_NVML", library))
}

fn found(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn status<'a>(found: &'a Value, name: &str) -> &'a str {
    let sources = found["sources"].as_array().unwrap();
    sources.iter().find(|source| source["name"] == name).and_then(|source| source["status"].as_str()).unwrap()
}

#[test]
fn f48_a_machine_without_any_sensor_is_explained() {
    let rig = Rig::bare();
    // So wide that the folder's length does not move a line's end.
    let wide = ran(rig.command("doctor").env("ECO2_NVML", "none/libnvidia-ml.so.1").env("COLUMNS", "2000"));
    assert_eq!((wide.code, wide.err.as_str()), (Some(4), ""));
    let mut settings = snapshots(&rig);
    settings.add_filter(r"\d+\.\d W", "[POWER]");
    settings.add_filter(r"(\[POWER\]  )(\d+\.\d ms|-)", "${1}[PERIOD]");
    settings.add_filter(r"error occurred: .*", "error occurred: [LOADER]");
    settings.bind(|| insta::assert_snapshot!("doctor_bare", wide.out));
    let found = found(&doctor(&rig, "--json", "none/libnvidia-ml.so.1"));
    assert_eq!((found["verdict"].as_str(), found["exit_code"].as_u64()), (Some("none-measurable"), Some(4)));
    let sources = found["sources"].as_array().unwrap();
    assert!(sources.iter().all(|source| !source["reason"].as_str().unwrap().is_empty()), "{sources:?}");
}

#[test]
fn everything_reads_exit_0() {
    let rig = Rig::measured();
    let ran = doctor(&rig, "--json", &rig.nvml(""));
    let found = found(&ran);
    assert_eq!((ran.code, found["verdict"].as_str()), (Some(0), Some("fine")), "{found:#}");
    assert_eq!((status(&found, "rapl-sysfs"), status(&found, "nvml")), ("ok", "ok"));
    let devices = found["devices"].as_array().unwrap();
    assert!(devices.iter().any(|device| device["id"] == "package-0" && device["alive"] == true), "{devices:?}");
    assert!(devices.iter().any(|device| device["source"] == "nvml" && device["alive"] == true), "{devices:?}");
}

#[test]
fn a_gpu_of_amd_is_listed_with_its_counter_and_measured() {
    let rig = Rig::measured();
    let library = rig.amdsmi("0000:c1:00.0");
    let found = found(&doctor(&rig, &format!("--json --amdsmi {library}"), "none"));
    assert_eq!(status(&found, "amdsmi"), "ok", "{found:#}");
    let devices = found["devices"].as_array().unwrap();
    let card = devices.iter().find(|device| device["id"] == "amdgpu-0000:c1:00.0").unwrap();
    assert_eq!((card["source"].as_str(), card["quality"].as_str()), (Some("amdsmi"), Some("measured")), "{card}");
    let flags = format!("--json - --no-log --source amdsmi --amdsmi {library}");
    let report: Value = serde_json::from_str(&ran(&mut rig.measuring(&flags, "sleep 1")).out).unwrap();
    let mean_w = report["devices"][0]["mean_w"].as_f64().unwrap();
    assert!((285.0..315.0).contains(&mean_w), "{mean_w} W of 300 W");
}

#[test]
fn d36_one_dead_source_is_exit_3_and_the_last_one_is_exit_4() {
    let rig = Rig::measured();
    let dead = rig.nvml("init=9\n");
    let ran = doctor(&rig, "--json", &dead);
    assert_eq!((ran.code, status(&found(&ran), "nvml")), (Some(3), "absent"), "{ran:?}");
    let bare = Rig::bare();
    for (file, text) in [("name", "package-0\n"), ("max_energy_range_uj", "262143328850\n"), ("energy_uj", "")] {
        bare.put(&format!("sys/class/powercap/intel-rapl:0/{file}"), text);
    }
    let ran = doctor(&bare, "--json --source rapl-sysfs", "none");
    assert_eq!(ran.code, Some(4), "an empty counter is dead: {ran:?}");
    assert_ne!(status(&found(&ran), "rapl-sysfs"), "ok");
}

#[test]
fn d36_what_was_not_asked_for_is_not_missed() {
    let rig = Rig::measured();
    let ran = doctor(&rig, "--json --source rapl-perf,rapl-sysfs", "none");
    assert_eq!((ran.code, status(&found(&ran), "nvml")), (Some(0), "off"), "{ran:?}");
}

#[test]
fn the_fix_script_is_printed_commented_and_not_run() {
    let rig = Rig::bare();
    let ran = doctor(&rig, "--fix-script", "none");
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.starts_with("#!/bin/sh\n"), "{}", ran.out);
    let commands: Vec<&str> = ran.out.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(commands.iter().all(|line| *line == "set -eu" || line.starts_with("sudo ")), "{commands:?}");
    assert!(commands.contains(&"sudo modprobe intel_rapl_msr"), "{}", ran.out);
    let script = rig.put("fix.sh", &ran.out);
    let checked = std::process::Command::new("sh").arg("-n").arg(&script).status().unwrap();
    assert!(checked.success(), "{}", fs::read_to_string(script).unwrap());
}

#[test]
fn doctor_leaves_no_run_behind() {
    let rig = Rig::measured();
    doctor(&rig, "", "none");
    assert!(rig.logs().is_empty(), "{:?}", rig.logs());
}

#[test]
fn bundle_is_an_archive_without_private_names() {
    let rig = Rig::measured();
    rig.put("proc/sys/kernel/hostname", "node-of-ada\n");
    let written = ran(rig
        .command("doctor --bundle found.tar.gz")
        .env("USER", "ada")
        .env("ECO2_ZONE", "DE")
        .env("ECO2_NVML", rig.path("home/lib.so")));
    assert_eq!(written.code, Some(0), "{written:?}");
    let tar = |flags: &str| {
        let output = std::process::Command::new("tar")
            .args([flags, "found.tar.gz"])
            .current_dir(rig.path("."))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let names = ["doctor.txt", "doctor.json", "machine.txt", "options.txt"].map(|name| format!("eco2-doctor/{name}\n"));
    assert_eq!(tar("-tzf"), names.concat());
    let texts = tar("-xOzf");
    let home = rig.path("home").display().to_string();
    assert!(!texts.contains("node-of-ada") && !texts.contains(&home) && !texts.contains("ada"), "{texts}");
    assert!(
        texts.contains("~/lib.so") && texts.contains("zone: environment\n") && texts.contains("Test CPU"),
        "{texts}"
    );
    assert_eq!(rig.eco2("doctor --bundle none/found.tar.gz").code, Some(2), "found before the counters are tested");
}
