//! Files that the command writes and reads: what they are called, what they replace, and what is refused before a run.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use crate::rig::{Rig, ran};

fn mkfifo(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn k18_output_that_cannot_be_written_is_refused_before_the_command_runs() {
    let rig = Rig::measured();
    rig.put("file", "");
    for flags in
        ["--json none/r.json", "--trace none/t.csv", "--json file/r.json", "--json state", "--json r --trace r"]
    {
        fs::create_dir_all(rig.path("state")).unwrap();
        let refused = rig.run(flags, "touch ran");
        assert_eq!(refused.code, Some(125), "{flags}: {refused:?}");
        let path = flags.split(' ').nth(1).unwrap();
        assert!(refused.err.contains(path) || path == "r", "{flags}: {refused:?}");
    }
    for (variable, value) in [("ECO2_JSON", "none/r.json"), ("ECO2_LOG", "file/logs"), ("ECO2_STATE_DIR", "file/state")]
    {
        let refused = ran(rig.measuring("", "touch ran").env(variable, value));
        assert_eq!(refused.code, Some(125), "{variable}: {refused:?}");
    }
    assert!(!rig.path("ran").exists());
    assert_eq!(rig.run("--json r.json", "touch ran").code, Some(0));
    for words in [
        "report last -o none/r",
        "merge last -o none/r",
        "compare last last -o none/r",
        "demo --json none/r",
        "runs -o none/r",
        "show -o none/r",
        "replay t.csv --json none/r",
    ] {
        let refused = rig.eco2(words);
        assert_eq!(refused.code, Some(2), "{words}: {refused:?}");
        assert!(refused.err.contains("the folder none does not exist"), "{words}: {refused:?}");
    }
}

#[test]
fn k18_report_is_private_keeps_the_mode_and_goes_through_links() {
    let rig = Rig::measured();
    let mode = |name: &str| fs::metadata(rig.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(rig.run("--json r.json --trace t.csv", "true").code, Some(0));
    assert_eq!((mode("r.json"), mode("t.csv")), (0o600, 0o600));
    fs::set_permissions(rig.path("r.json"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("r.json", rig.path("link.json")).unwrap();
    fs::write(rig.path("r.json"), "old").unwrap();
    assert_eq!(rig.eco2("report last --json -o link.json").code, Some(0));
    assert!(rig.path("link.json").is_symlink());
    assert_eq!(mode("r.json"), 0o640);
    assert!(!rig.report("r.json").run.id.is_empty());
}

#[test]
fn k18_devices_and_pipes_stay_and_cost_the_command_nothing() {
    let rig = Rig::measured();
    assert_eq!(rig.run("--json /dev/null --trace /dev/null", "exit 3").code, Some(3));
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    mkfifo(&rig.path("pipe"));
    let ran = rig.run("--json pipe", "exit 4");
    assert_eq!(ran.code, Some(4));
    assert!(ran.err.contains("no process reads from this pipe"), "{ran:?}");
    assert!(fs::metadata(rig.path("pipe")).unwrap().file_type().is_fifo());
}

#[test]
fn full_disk_costs_the_report_and_not_the_exit_code() {
    let rig = Rig::measured();
    let ran = rig.run("--quiet --json /dev/full", "exit 3");
    assert_eq!(ran.code, Some(3));
    assert!(ran.err.contains("the report was not written") && ran.err.contains("No space left"), "{ran:?}");
    let trace = rig.run("--quiet --json r.json --trace /dev/full", "sleep 0.2; exit 4");
    assert_eq!(trace.code, Some(4));
    assert!(rig.report("r.json").events.iter().any(|event| event.kind == "trace-failed"), "{trace:?}");
    for words in ["report r.json -o /dev/full", "show r.json -o /dev/full"] {
        let full = rig.eco2(words);
        assert!(full.code != Some(0) && !full.err.contains("panicked"), "{words}: {full:?}");
    }
}

#[test]
fn limits_with_the_scope_of_the_command_name_the_energy_that_they_count() {
    let rig = Rig::measured();
    let note = "limits count the command's part of the energy";
    assert!(rig.run("--scope command --max-energy 5kWh", "true").err.contains(note));
    assert!(!rig.run("--max-energy 5kWh", "true").err.contains(note));
}

#[test]
fn k18_file_names_need_not_be_utf8() {
    let rig = Rig::measured();
    let name = OsStr::from_bytes(b"r\xff.json");
    let mut run = rig.command("run --quiet --json");
    run.arg(name).args(["--", "true"]);
    assert_eq!(ran(&mut run).code, Some(0));
    let written = fs::read(rig.path(".").join(name)).unwrap();
    for words in ["report --json", "merge --json", "optimize", "check-budget --max-co2 1 -r"] {
        let ran = ran(rig.command(words).arg(name));
        assert_eq!(ran.code, Some(0), "{words}: {ran:?}");
    }
    assert_eq!(ran(rig.command("compare").args([name, name])).code, Some(0));
    let again = ran(rig.command("report --json").arg(name).arg("-o").arg(OsStr::from_bytes(b"s\xff.json")));
    assert_eq!(again.code, Some(0));
    assert_eq!(fs::read(rig.path(".").join(OsStr::from_bytes(b"s\xff.json"))).unwrap(), written);
}

#[test]
fn k20_trace_to_a_pipe_without_a_reader_costs_the_trace_alone() {
    let rig = Rig::measured();
    mkfifo(&rig.path("pipe"));
    // The command itself reads from the pipe only after it has started: a start that waited for it would never end.
    let ran = rig.run("--quiet --json r.json --trace pipe", "touch started; exit 5");
    assert_eq!(ran.code, Some(5));
    assert!(rig.path("started").exists());
    let events: Vec<String> = rig
        .report("r.json")
        .events
        .into_iter()
        .filter(|event| event.kind == "trace-failed")
        .map(|event| event.text)
        .collect();
    assert!(events.len() == 1 && events[0].contains("no process reads from this pipe"), "{events:?}");
    let read = rig.run("--quiet --trace pipe", "timeout 10 cat pipe > copy & sleep 0.3");
    assert_eq!(read.code, Some(0));
    crate::rig::await_that("the trace reaches the reader", || {
        fs::read_to_string(rig.path("copy")).ok().filter(|copy| copy.starts_with("# eco2.trace/1"))
    });
}
