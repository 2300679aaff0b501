//! What a folder may decide about the programs that run in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

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
        let message = format!("eco2.toml:{}: {key} is ignored", line + 3);
        assert!(ran.err.contains(&message), "{message}: {}", ran.err);
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

#[test]
fn k17_planted_folder_for_temporary_files_gets_no_runs() {
    let rig = Rig::measured();
    let planted = rig.path("tmp/eco2");
    fs::create_dir_all(&planted).unwrap();
    fs::set_permissions(&planted, fs::Permissions::from_mode(0o777)).unwrap();
    let homeless = |command: &mut Command| {
        command.env_remove("HOME").env_remove("XDG_STATE_HOME").env("TMPDIR", rig.path("tmp"));
        ran(command)
    };
    let run = homeless(&mut rig.measuring("--json report.json", "exit 3"));
    assert_eq!(run.code, Some(3), "{run:?}");
    let report = rig.report("report.json");
    let event = report.events.iter().find(|event| event.kind == "log-failed").unwrap();
    assert!(event.text.contains("ECO2_STATE_DIR"), "{}", event.text);
    assert_eq!(fs::read_dir(&planted).unwrap().count(), 0);
    let last = homeless(&mut rig.command("report last"));
    assert!(last.code == Some(1) && last.err.contains("ECO2_STATE_DIR"), "{last:?}");
    fs::set_permissions(&planted, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(homeless(&mut rig.measuring("", "true")).code, Some(0));
    assert_eq!(homeless(&mut rig.command("report last")).code, Some(0));
}

#[test]
fn home_that_cannot_be_written_costs_the_log_and_the_remedy_is_named() {
    let rig = Rig::measured();
    // A folder in a file: root could write to a folder without permissions.
    rig.put("file", "");
    let homeless = |command: &mut Command| {
        ran(command.env("HOME", rig.path("file/home")).env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME"))
    };
    let run = homeless(&mut rig.measuring("", "exit 3"));
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(
        run.err.contains("Energy") && run.err.contains("no log:") && run.err.contains("ECO2_STATE_DIR=FOLDER"),
        "{run:?}"
    );
    let set = homeless(&mut rig.command("config set zone DE"));
    assert!(set.code == Some(1) && set.err.contains("file/home"), "{set:?}");
    let elsewhere = homeless(rig.measuring("", "true").env("ECO2_STATE_DIR", rig.path("elsewhere")));
    assert!(elsewhere.code == Some(0) && !elsewhere.err.contains("no log:"), "{elsewhere:?}");
}

#[test]
fn k17_secrets_of_the_command_line_are_in_no_file_and_no_rendering() {
    let rig = Rig::measured();
    let mut run = rig.measuring("--json report.json", "true");
    run.args(["--token=s3cr3t-1", "--api-key", "s3cr3t-2", "PASSWORD=s3cr3t-3", "--lr=0.1"]);
    let ran = ran(&mut run);
    assert_eq!(ran.code, Some(0));
    let kept = fs::read(rig.path("report.json")).unwrap();
    let log = fs::read(&rig.logs()[0]).unwrap();
    let shown = ["text", "json", "csv", "hf-json", "codecarbon", "openmetrics", "boamps"];
    let shown = shown.map(|format| rig.eco2(&format!("report last --format {format}")).out.into_bytes());
    for text in [kept, log, ran.err.into_bytes()].into_iter().chain(shown) {
        assert!(!String::from_utf8_lossy(&text).contains("s3cr3t"), "{}", String::from_utf8_lossy(&text));
    }
    let command = rig.report("report.json").run.command;
    assert_eq!(command[3..], ["--token=[redacted]", "--api-key", "[redacted]", "PASSWORD=[redacted]", "--lr=0.1"]);
}

#[test]
fn k17_hostile_report_sends_no_escape_sequence_to_the_terminal() {
    let rig = Rig::measured();
    assert_eq!(rig.run("--quiet --json report.json", "true").code, Some(0));
    let mut report = rig.report("report.json");
    report.run.name = "\u{1b}]0;owned\u{7}".to_owned();
    report.run.id = "x\u{1b}[2J".to_owned();
    let text = serde_json::to_string(&report).unwrap();
    rig.put("a.json", &text);
    rig.put("b.json", &text.replace("x\\u001b", "y\\u001b"));
    for words in ["report a.json", "merge a.json b.json", "compare a.json b.json", "report a.json --format csv"] {
        let ran = rig.eco2(words);
        assert_eq!(ran.code, Some(0), "{words}: {ran:?}");
        assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "{words}: {ran:?}");
    }
    let missing = rig.eco2("report no\u{1b}[2Jrun");
    assert!(missing.code == Some(1) && !missing.err.contains('\u{1b}'), "{missing:?}");
}
