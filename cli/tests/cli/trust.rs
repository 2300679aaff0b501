//! What a folder may decide about the programs that run in it.

use std::fs;

use crate::rig::{Rig, ran};

#[test]
fn k17_folder_loads_no_code_writes_no_file_and_is_asked_for_its_other_keys() {
    let rig = Rig::measured();
    let library = rig.nvml("[gpu 0]\npower=200\n");
    rig.put("precious", "mine");
    let text = format!(
        "quiet = true\nzone = \"FR\"\nnvml = \"{library}\"\njson = \"precious\"\ntrace = \"trace.csv\"\nlog = \"logs\"\n\
         state_dir = \"elsewhere\"\nsysfs = \"/nowhere\"\nprovider_url = \"https://collect.example.org\"\nwebhook = \"json\"\n"
    );
    rig.put("eco2.toml", &text);
    let ran = ran(rig.command("run --json report.json").args(["--", "sh", "-c", "true"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = rig.report("report.json");
    assert!(report.devices.iter().all(|device| device.source != "nvml"), "{:?}", report.devices);
    assert!(report.devices.iter().any(|device| device.source.starts_with("rapl")), "{:?}", report.devices);
    assert_eq!(report.carbon.unwrap().zone, "FR");
    assert_eq!(fs::read_to_string(rig.path("precious")).unwrap(), "mine");
    for written in ["trace.csv", "logs", "elsewhere"] {
        assert!(!rig.path(written).exists(), "{written}");
    }
    let refused = ["nvml", "json", "trace", "log", "state_dir", "sysfs", "provider_url", "webhook"];
    for (line, key) in refused.iter().enumerate() {
        let told = format!("eco2.toml:{}: {key} is ignored", line + 3);
        assert!(ran.err.contains(&told), "{told}: {}", ran.err);
    }
    assert!(ran.err.contains("--nvml") && ran.err.contains("--json") && ran.err.contains("ECO2_LOG"), "{}", ran.err);
    let events = report.events.iter().filter(|event| event.kind == "option-refused").count();
    assert_eq!(events, refused.len(), "{:?}", report.events);
}

#[test]
fn k17_doctor_loads_no_library_that_a_folder_names() {
    let rig = Rig::measured();
    let library = rig.nvml("[gpu 0]\npower=200\n");
    rig.put("eco2.toml", &format!("nvml = \"{library}\"\n"));
    let doctor = |extra: &[&str]| ran(rig.command("doctor --json").args(extra));
    let gpus = |text: &str| text.matches("GPU-").count();
    let by_file = doctor(&[]);
    assert_eq!(gpus(&by_file.out), 0, "{by_file:?}");
    assert!(by_file.err.contains("eco2.toml:1: nvml is ignored"), "{by_file:?}");
    assert!(gpus(&doctor(&["--nvml", &library]).out) > 0, "a flag names it all the same");
}
