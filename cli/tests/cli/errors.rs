//! One of each class of error: what, where, what to try; and its exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::rig::{Rig, ran, snapshots};

#[test]
fn each_class_of_error() {
    let rig = Rig::bare();
    rig.put(
        "bad.csv",
        "# eco2.trace/1\n# domain a component=cpu kind=energy unit=J\nbefore_ns,after_ns,domain,value\n1,2,b,3\n",
    );
    rig.put("bad.json", "{\"schema\": \"eco2.report/1\",\n \"run\": 3}\n");
    rig.put("other.json", "{\"hello\": 1}\n");
    rig.put("newer.json", "{\"schema\": \"eco2.report/7\"}\n");
    let cases = [
        ("unknown_command", "rum -- true"),
        ("unknown_flag", "doctor --jsn"),
        ("unknown_value", "report last --format jsn"),
        ("unknown_zone", "grid Germny"),
        ("unknown_region", "grid DE-BY"),
        ("unknown_run", "report 2031"),
        ("damaged_report", "report bad.json"),
        ("foreign_report", "report other.json"),
        ("newer_report", "report newer.json"),
        ("no_such_trace", "replay nothing.csv"),
        ("damaged_trace", "replay bad.csv"),
        ("option_out_of_range", "replay bad.csv --pue 0.9"),
        ("run_unknown_source", "run --source nvlm -- true"),
        ("run_bad_interval", "run --interval 3h -- true"),
        ("run_bad_label", "run --label team -- true"),
        ("run_no_command", "run --quiet"),
        ("run_no_process", "run --pid 2147483647"),
        ("run_not_found", "run -- trian"),
        ("run_not_executable", "run -- ./bad.csv"),
        ("run_unknown_zone", "run --zone Narnia -- true"),
    ];
    snapshots(&rig).bind(|| {
        for (name, words) in cases {
            let ran = ran(rig
                .bin()
                .args(words.split(' '))
                .env("ECO2_NVML", rig.path("none"))
                .env("ECO2_SYSFS", rig.path("sys")));
            assert!(ran.code.is_some_and(|code| code != 0), "{words}");
            insta::assert_snapshot!(format!("error_{name}"), format!("$ eco2 {words}\n{}", ran.shown()));
        }
    });
}

#[test]
fn wrong_files_and_variables_are_named_with_their_place() {
    let rig = Rig::bare();
    rig.put("eco2.toml", "zone = \"DE\"\nzoen = \"FR\"\n");
    let ran = rig.run("", "true");
    assert_eq!(ran.code, Some(125));
    assert!(ran.err.contains("eco2.toml:2") && ran.err.contains("did you mean \"zone\"?"), "{}", ran.err);
    assert_eq!(rig.eco2("doctor").code, Some(2));
    rig.put("eco2.toml", "");
    let warned = crate::rig::ran(rig.measuring("", "true").env("ECO2_ZOEN", "DE"));
    assert_eq!(warned.code, Some(0));
    assert!(warned.err.contains("did you mean ECO2_ZONE?"), "{}", warned.err);
}

#[test]
fn a_closed_pipe_is_a_quiet_success() {
    let rig = Rig::bare();
    for words in ["grid", "demo", "grid DE"] {
        let mut command = rig.bin();
        command.args(words.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{words}");
    }
}

#[test]
fn a_full_disk_is_reported() {
    let rig = Rig::bare();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = rig.bin().arg("demo").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"), "{output:?}");
}

#[test]
fn program_or_script_in_place_of_a_command_is_a_hint_at_run() {
    let rig = Rig::bare();
    rig.put("train.py", "");
    fs::set_permissions(rig.put("steps", ""), fs::Permissions::from_mode(0o755)).unwrap();
    for (words, line) in [
        ("sh -c true", "sh -c true"),
        ("train.py --lr 1;2", "python train.py --lr '1;2'"),
        ("steps", "./steps"),
        ("./steps", "./steps"),
    ] {
        let ran = rig.eco2(words);
        let word = words.split(' ').next().unwrap();
        let expected = format!("eco2: '{word}' is not a command of eco2; to measure it: eco2 run -- {line}\n");
        assert_eq!((ran.code, ran.err), (Some(2), expected));
    }
    rig.put("data.json", "{}");
    rig.put("data.txt", "");
    let report = "eco2: 'data.json' is not a command of eco2; if it is a report: eco2 show data.json\n";
    assert_eq!(rig.eco2("data.json").err, report);
    assert!(rig.eco2("./data.txt").err.contains("unrecognized subcommand"));
    assert!(rig.eco2("no-such-program-anywhere").err.contains("unrecognized subcommand"));
}
