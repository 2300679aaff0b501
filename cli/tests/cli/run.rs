//! `eco2 run`: the command's own affairs pass through, and its energy is measured.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use eco2_core::Quality;
use eco2_core::schema::Status;

use crate::rig::{Rig, assert_valid, ran};

#[test]
fn a_command_is_measured_and_its_streams_are_its_own() {
    let rig = Rig::measured();
    let file = "sys/class/powercap/intel-rapl:0/energy_uj";
    let counter_uj = || rig.awaited(file).trim_end().parse::<u64>().unwrap();
    // However slowly the counter grows on a busy machine: the command waits for 4 J.
    let waits = format!("first=$(cat {file}); until [ $(cat {file}) -ge $((first + 4000000)) ]; do sleep 0.05; done");
    let before_uj = counter_uj();
    let ran = rig
        .run("--json report.json --name train --label team=nlp --zone DE", &format!("echo out; {waits}; echo err >&2"));
    let counted_uj = counter_uj() - before_uj;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "out\n"));
    assert!(ran.err.starts_with("err\n"), "no header without a terminal: {}", ran.err);
    let report = rig.report("report.json");
    assert_valid(&report);
    let package = &report.devices[0];
    assert_eq!((package.id.as_str(), package.quality), ("package-0", Quality::Measured));
    let total_uj = report.energy.total_uj.unwrap();
    assert!((2_000_000..=counted_uj).contains(&total_uj), "{total_uj} of {counted_uj}");
    assert!(report.energy.low_uj <= report.energy.total_uj.unwrap());
    assert!(report.energy.high_uj.is_some_and(|high| report.energy.total_uj <= Some(high)));
    assert_eq!((report.run.name.as_str(), report.run.exit_code), ("train", Some(0)));
    assert_eq!(report.run.labels["team"], "nlp");
    assert_eq!(report.carbon.unwrap().zone, "DE");
}

#[test]
fn exit_codes_pass_through_and_those_of_eco2_differ() {
    let rig = Rig::bare();
    assert_eq!(rig.run("--quiet", "exit 0").code, Some(0));
    assert_eq!(rig.run("--quiet", "exit 7").code, Some(7));
    assert_eq!(rig.run("--quiet", "exit 125").code, Some(125));
    assert_eq!(rig.run("--quiet", "kill -9 $$").code, Some(128 + 9));
    assert_eq!(rig.run("--quiet", "kill -TERM $$").code, Some(128 + 15));
    assert_eq!(rig.eco2("run --quiet -- no-such-program").code, Some(127));
    let file = rig.put("no-program", "");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(rig.eco2("run --quiet -- ./no-program").code, Some(126));
    assert_eq!(rig.eco2("run --no-such-flag -- true").code, Some(125));
    assert_eq!(rig.eco2("run").code, Some(125));
}

#[test]
fn a_command_that_did_not_start_leaves_no_run() {
    let rig = Rig::bare();
    assert_eq!(rig.eco2("run -- no-such-program").code, Some(127));
    assert!(rig.logs().is_empty(), "{:?}", rig.logs());
}

#[test]
fn stdin_and_bytes_that_are_no_text_reach_the_command() {
    let rig = Rig::bare();
    let odd = OsStr::from_bytes(b"\xff\xfe");
    let mut command = rig.command("run --quiet --json report.json -- sh -c");
    command.args([OsStr::new("printf %s \"$1\"; cat"), OsStr::new("sh"), odd]);
    command.stdin(fs::File::open(rig.put("in", "text")).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"\xff\xfetext");
    assert_eq!(rig.report("report.json").run.command[4], "\u{fffd}\u{fffd}");
}

#[test]
fn k16_a_long_command_line_is_complete_in_json_and_cut_in_text() {
    let rig = Rig::bare();
    // 1.5 MB in words that the kernel accepts: at most 128 KiB each.
    let words = vec!["x".repeat(100_000); 15];
    let run = ran(rig.command("run --json report.json -- true").args(&words));
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.err.len() < 10_000 && run.err.lines().all(|line| line.len() < 200), "{} bytes", run.err.len());
    assert_eq!(rig.report("report.json").run.command[1..], words);
    let text = rig.eco2("report report.json");
    assert!(text.code == Some(0) && text.out.len() < 10_000, "{} bytes", text.out.len());
}

#[test]
fn the_report_on_standard_output_follows_the_command_s_own() {
    let rig = Rig::measured();
    let ran = rig.run("--quiet --json -", "echo mine");
    let (mine, report) = ran.out.split_once('\n').unwrap();
    assert_eq!((mine, ran.err.as_str()), ("mine", ""));
    assert_eq!(serde_json::from_str::<eco2_core::schema::Report>(report).unwrap().run.name, "sh");
}

#[test]
fn redaction_keeps_the_program_and_hides_its_arguments() {
    let rig = Rig::bare();
    rig.run("--quiet --redact --json report.json", "true secret");
    let command = rig.report("report.json").run.command;
    assert_eq!(command[0], "sh");
    assert!(!fs::read_to_string(rig.path("report.json")).unwrap().contains("secret"), "{command:?}");
    assert!(!fs::read(&rig.logs()[0]).unwrap().windows(6).any(|bytes| bytes == b"secret"));
}

#[test]
fn f33_a_command_that_forks_is_measured_and_waited_for() {
    let rig = Rig::measured();
    let script = "import os, sys\n\
        pids = [os.fork() for _ in range(4)]\n\
        if 0 in pids: os._exit(0)\n\
        sys.exit(sum(os.waitpid(pid, 0)[1] for pid in pids) + 3)\n";
    rig.put("forks.py", script);
    let ran = ran(rig.command("run --json report.json -- python3 forks.py").env("ECO2_NVML", rig.path("none")));
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(rig.report("report.json").run.exit_code, Some(3));
}

#[test]
fn f34_the_command_inherits_no_descriptor_of_ours() {
    let rig = Rig::measured();
    let library = rig.nvml("");
    let list = "for fd in /proc/self/fd/*; do readlink $fd; done | sort";
    let mut plain = std::process::Command::new("sh");
    rig.dress(plain.args(["-c", list]));
    // Pipes have numbers of their own in each run.
    let kinds = |text: &str| {
        let kind = |line: &str| line.split(":[").next().unwrap_or(line).to_owned();
        text.lines().filter(|line| !line.starts_with("/proc/")).map(kind).collect::<Vec<_>>()
    };
    let alone = kinds(&ran(&mut plain).out);
    let measured = ran(rig.measuring("--quiet --trace trace.csv", list).env("ECO2_NVML", library));
    assert_eq!(kinds(&measured.out), alone, "{measured:?}");
    assert!(!alone.is_empty());
}

#[test]
fn m43_a_missing_source_is_named_with_its_reason_in_every_output() {
    let rig = Rig::measured();
    let ran = rig.run("--json report.json --summary full", "true");
    let report = rig.report("report.json");
    let nvml = report.sources.iter().find(|source| source.name == "nvml").unwrap();
    assert_eq!(nvml.status, Status::Absent);
    let reason = "no-such-library.so cannot be loaded";
    assert!(nvml.reason.contains(reason) && !nvml.remedy.is_empty(), "{nvml:?}");
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(joined(&ran.err).contains("nvml: absent"), "{}", ran.err);
    let csv = rig.eco2("report last --format csv").out;
    assert!(
        csv.lines().any(|line| line.contains(",source,") && line.contains("nvml") && line.contains(reason)),
        "{csv}"
    );
}

#[test]
fn m45_measuring_reports_its_own_cost() {
    let rig = Rig::measured();
    let ran = rig.run("--json report.json -v", "sleep 0.3");
    let own = rig.report("report.json").own;
    assert!(own.cpu_ns > 0 && own.samples > 0 && own.max_rss_bytes > 0, "{own:?}");
    assert!(ran.err.contains("of CPU time"), "{}", ran.err);
}

#[test]
fn f48_without_any_sensor_the_estimate_is_flagged_and_can_be_refused() {
    let rig = Rig::bare();
    let ran = rig.run("--json estimated.json", "sleep 0.3");
    assert_eq!(ran.code, Some(0));
    assert!(ran.err.contains("estimated, plausible range") && ran.err.contains("are modelled"), "{}", ran.err);
    let energy = rig.report("estimated.json").energy;
    assert_eq!((energy.measured_uj, energy.estimated_uj), (0, energy.total_uj.unwrap()));
    let ran = rig.run("--no-estimate --json refused.json", "sleep 0.1");
    assert_eq!(ran.code, Some(0));
    let refused = rig.report("refused.json");
    assert_valid(&refused);
    assert!(refused.devices.is_empty() && refused.energy.estimated_uj == 0, "{refused:?}");
    assert!(ran.err.contains("not measured   no readable sensor, and estimates are off"), "{}", ran.err);
}

#[test]
fn k01_where_nothing_was_read_no_share_of_it_is_zero() {
    let rig = Rig::bare();
    assert_eq!(rig.run("--no-estimate --json none.json", "true").code, Some(0));
    let text = rig.eco2("report none.json").out;
    assert!(text.contains("This job    not known: no device was read"), "{text}");
    assert!(!text.contains("of the energy") && !text.contains("idle 0"), "{text}");
}

#[test]
fn a_place_that_cannot_be_written_costs_the_report_and_not_the_run() {
    let rig = Rig::measured();
    rig.put("out/.keep", "");
    let ran = rig.run("--json out/report.json", "rm -r out; exit 4");
    assert_eq!(ran.code, Some(4));
    assert!(ran.err.contains("the report was not written"), "{}", ran.err);
    assert_eq!(rig.eco2("report last").code, Some(0));
}

#[test]
fn a_log_that_cannot_be_written_costs_the_log_and_not_the_run() {
    let rig = Rig::measured();
    rig.put("state", "a file where a folder should be");
    let ran = rig.run("--json report.json", "exit 4");
    assert_eq!(ran.code, Some(4));
    let report = rig.report("report.json");
    assert!(report.events.iter().any(|event| event.kind == "log-failed"), "{:?}", report.events);
    assert!(!ran.err.contains("\nLog "), "{}", ran.err);
}

#[test]
fn settings_come_from_flags_then_variables_then_files() {
    let rig = Rig::bare();
    rig.put("eco2.toml", "zone = \"FR\"\nname = \"from-file\"\npue = 1.5\n");
    let mut command = rig.measuring("--quiet --json report.json --pue 1.25", "true");
    assert_eq!(ran(command.env("ECO2_ZONE", "DE")).code, Some(0));
    let report = rig.report("report.json");
    assert_eq!((report.run.name.as_str(), report.energy.pue), ("from-file", 1.25));
    assert_eq!(report.carbon.unwrap().zone, "DE");
}

#[test]
fn a_process_that_runs_already_is_measured_until_it_ends() {
    let rig = Rig::measured();
    let mut other = std::process::Command::new("sleep").arg("0.4").spawn().unwrap();
    let pid = other.id();
    // A zombie counts as ended: pidfd_open(2).
    let ran = rig.eco2(&format!("run --quiet --json report.json --pid {pid}"));
    other.wait().unwrap();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = rig.report("report.json");
    assert_eq!((report.run.name, report.run.exit_code), (format!("pid-{pid}"), None));
    assert!(report.energy.total_uj > Some(0));
}
