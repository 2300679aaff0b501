//! On a terminal, which `script` (bsdutils, part of every Debian) lends us.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::rig::{Ran, Rig, await_that};

/// Counts interrupts one by one: a shell's trap would take two in a row for one.
const COUNTER: &str = "import os, signal, sys, time
r, w = os.pipe()
os.set_blocking(w, False)
signal.set_wakeup_fd(w)
signal.signal(signal.SIGINT, lambda *_: None)
open('pid', 'w').write('here')
time.sleep(0.6)
open('got', 'w').write(f'{len(os.read(r, 64))}\\n')
sys.exit(5)
";

/// Runs a command line on a terminal; `keys` are typed once there is a file `pid`. `None` where there is no `script`.
fn on_a_terminal(rig: &Rig, line: &str, keys: &[u8]) -> Option<Ran> {
    if !Path::new("/usr/bin/script").exists() {
        return None;
    }
    let mut command = Command::new("/usr/bin/script");
    rig.dress(&mut command);
    command.args(["-qec", line, "/dev/null"]).env_remove("NO_COLOR").env("SHELL", "/bin/sh");
    command.env("ECO2_NVML", rig.path("none")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut script = command.spawn().unwrap();
    let mut input = script.stdin.take().unwrap();
    if !keys.is_empty() {
        await_that("the command runs", || rig.path("pid").exists().then_some(()));
        input.write_all(keys).unwrap();
    }
    let output = script.wait_with_output().unwrap();
    drop(input);
    Some(output.into())
}

fn line(rig: &Rig, rest: &str) -> String {
    format!("exec {} run {} {rest}", env!("CARGO_BIN_EXE_eco2"), rig.hardware().join(" "))
}

#[test]
fn f36_a_terminal_s_ctrl_c_reaches_the_command_once() {
    let rig = Rig::measured();
    rig.put("train.py", COUNTER);
    let Some(ran) = on_a_terminal(&rig, &line(&rig, "--quiet -- python3 train.py"), b"\x03") else { return };
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert_eq!(std::fs::read_to_string(rig.path("got")).unwrap(), "1\n");
}

#[test]
fn force_color_colours_what_no_terminal_shows() {
    let rig = Rig::bare();
    let shown = |force: &str, no: Option<&str>| {
        let mut command = rig.command("demo");
        command.env("FORCE_COLOR", force).env_remove("NO_COLOR").envs(no.map(|value| ("NO_COLOR", value)));
        crate::rig::ran(&mut command).out
    };
    assert!(shown("1", None).contains("\u{1b}["));
    assert!(!shown("0", None).contains("\u{1b}["));
    assert!(!shown("1", Some("1")).contains("\u{1b}["));
}

#[test]
fn a_terminal_gets_a_header_and_colour() {
    let rig = Rig::measured();
    let Some(ran) = on_a_terminal(&rig, &line(&rig, "-- true"), b"") else { return };
    assert!(ran.out.starts_with("eco2: measuring with rapl-sysfs (1"), "{}", ran.out);
    assert!(ran.out.contains("\u{1b}["), "{}", ran.out);
}

#[test]
fn colour_goes_by_no_color_and_clicolor_force() {
    let rig = Rig::bare();
    let of = |name: &str, value: &str| {
        let mut command = rig.bin();
        crate::rig::ran(command.arg("demo").env_remove("NO_COLOR").env(name, value)).out.contains('\u{1b}')
    };
    assert!(!of("UNUSED", "1"), "no terminal, no colour");
    assert!(of("CLICOLOR_FORCE", "1"));
    assert!(!of("NO_COLOR", "1"));
}
