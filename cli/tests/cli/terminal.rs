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
    // A shell starts what runs in the background with interrupts ignored, and everything that this starts inherits it.
    let mut command = Command::new("/usr/bin/env");
    rig.dress(&mut command);
    command
        .args(["--default-signal=INT", "/usr/bin/script", "-qec", line, "/dev/null"])
        .env_remove("NO_COLOR")
        .env("SHELL", "/bin/sh");
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
fn a_terminal_gets_colour_and_with_verbose_the_sources() {
    let rig = Rig::measured();
    let Some(ran) = on_a_terminal(&rig, &line(&rig, "-- true"), b"") else { return };
    assert!(ran.out.starts_with("\u{1b}[1meco2  true"), "{}", ran.out);
    let Some(ran) = on_a_terminal(&rig, &line(&rig, "-v -- true"), b"") else { return };
    assert!(ran.out.starts_with("eco2: measuring with rapl-sysfs (1"), "{}", ran.out);
}

/// A command line for a terminal of 24 rows; `script` gives it none where its own input is no terminal.
fn sized(rig: &Rig, rest: &str) -> String {
    format!("stty rows 24 cols 80; {}", line(rig, rest))
}

#[test]
fn live_line_stays_in_the_last_row_and_is_removed_before_the_summary() {
    let rig = Rig::measured();
    let script = "-- sh -c 'echo one; sleep 1.3; echo two'";
    let Some(ran) = on_a_terminal(&rig, &sized(&rig, script), b"") else { return };
    let (shown, hidden) = ("\u{1b}[1;23r\u{1b}[24;1H", "\u{1b}7\u{1b}[r\u{1b}[24;1H\u{1b}[2K\u{1b}8");
    let at = |part: &str| ran.out.find(part).unwrap_or_else(|| panic!("{part:?} is not in {:?}", ran.out));
    assert!(at("one\r\n") < at(shown) && at(shown) < at("two\r\n"), "{:?}", ran.out);
    assert!(at("two\r\n") < at(hidden) && at(hidden) < at("eco2  sh"), "{:?}", ran.out);
    let line = &ran.out[at(shown)..at("two")];
    assert!(line.contains("1 s · ") && line.contains(" J") && line.contains("g CO₂e"), "{line:?}");
}

#[test]
fn live_line_can_be_refused_and_is_never_written_to_a_pipe() {
    let rig = Rig::measured();
    let script = "-- sleep 1.2";
    for flag in ["--no-live", "--quiet", "--summary off"] {
        let Some(ran) = on_a_terminal(&rig, &sized(&rig, &format!("{flag} {script}")), b"") else { return };
        assert!(!ran.out.contains("[1;23r"), "{flag}: {:?}", ran.out);
    }
    let piped = rig.run("", "sleep 1.2");
    assert!(!piped.err.contains('\u{1b}') && piped.err.starts_with("eco2  sh"), "{:?}", piped.err);
}

#[test]
fn live_line_is_hidden_while_a_program_reads_single_keys() {
    let rig = Rig::measured();
    let script = "-- sh -c 'stty -icanon; sleep 1.2; stty icanon'";
    let Some(ran) = on_a_terminal(&rig, &sized(&rig, script), b"") else { return };
    assert!(!ran.out.contains("[1;23r"), "{:?}", ran.out);
}

#[test]
fn summary_starts_on_a_new_line_after_an_interrupt() {
    let rig = Rig::measured();
    rig.put("train.py", COUNTER);
    let Some(ran) = on_a_terminal(&rig, &line(&rig, "-- python3 train.py"), b"\x03") else { return };
    assert!(ran.out.contains("^C"), "{:?}", ran.out);
    let before = ran.out.split("\u{1b}[1meco2  ").next().unwrap_or_default();
    assert!(before.ends_with("^C\r\n"), "{:?}", ran.out);
}

#[test]
fn notices_about_the_machine_are_printed_once() {
    let rig = Rig::bare();
    let first = rig.run("", "true").err;
    assert_eq!(first.matches("  ! ").count(), 2, "{first}");
    let second = rig.run("", "true").err;
    assert_eq!(second.matches("  ! ").count(), 0, "{second}");
    assert!(second.contains("world average"), "the rows keep the facts: {second}");
    let without = Rig::bare();
    for _ in 0..2 {
        let ran = without.run("--no-log", "true");
        assert!(ran.err.contains("  ! ") && !without.path("state").exists(), "no log, no file: {}", ran.err);
    }
}

#[test]
fn zone_of_the_clock_is_a_hint_and_not_the_zone_of_the_run() {
    let rig = Rig::measured();
    let mut command = rig.measuring("--json r.json", "true");
    let ran = crate::rig::ran(command.env("TZ", "Europe/Berlin"));
    assert!(ran.err.contains("The clock is in Europe/Berlin: eco2 config set zone DE."), "{}", ran.err);
    assert_eq!(rig.report("r.json").carbon.unwrap().zone, "WORLD");
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

#[test]
fn scope_chooses_the_energy_of_every_output_that_names_one() {
    let rig = Rig::measured();
    let busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 0.3";
    // With the real process table: the CPU time in the rig's does not change.
    let mut command = rig.bin();
    command.args(["run", "--scope", "command", "--json", "r.json", "--sysfs"]).arg(rig.path("sys"));
    let ran = crate::rig::ran(command.args(["--nvml", "none", "--", "sh", "-c", busy]));
    assert!(ran.err.contains("this job, measured") && ran.err.contains("  Machine  "), "{}", ran.err);
    let report = rig.report("r.json");
    let job = report.attribution.unwrap();
    assert!(Some(job.command_uj) < report.energy.total_uj, "JSON has both");
    // Each output with the words by which it names the machine and the command.
    for (words, machine, command) in [
        ("report r.json --format codecarbon", ",machine,", ",process,"),
        ("report r.json --format hf", "energy of the whole machine", "energy of the command's part of the machine"),
        ("report r.json --format boamps", "energy of the whole machine", "energy of the command's part of the machine"),
        ("report r.json --format methods", "energy of the whole machine", "that is attributed to the training"),
        ("report r.json --format ai-act", "\"scope\": \"machine\"", "\"scope\": \"command\""),
        ("report r.json --format hf-json", "\"scope\": \"machine\"", "\"scope\": \"command\""),
        ("report r.json --format summary", "\"scope\": \"machine\"", "\"scope\": \"command\""),
        ("report r.json --format scope2", ",machine\n", ",command\n"),
        ("compare r.json r.json", "those of the whole machines", "that are attributed to the commands"),
        ("compare r.json r.json --json", "\"scope\": \"machine\"", "\"scope\": \"command\""),
        ("compare r.json r.json --format csv", ",machine,", ",command,"),
        ("compare r.json r.json --format html", "energy of the whole machines", "energy attributed to the commands"),
        ("compare r.json r.json --format markdown", "those of the whole machines", "attributed to the commands"),
        ("compare r.json r.json --format latex", "those of the whole machines", "attributed to the commands"),
        ("check-budget r.json --max-co2 1", "Scope   the whole machine", "Scope   the command's part"),
        ("check-budget r.json --max-co2 1 --json", "\"scope\": \"machine\"", "\"scope\": \"command\""),
    ] {
        let (whole, part) = (rig.eco2(words).out, rig.eco2(&format!("{words} --scope command")).out);
        assert!(whole.contains(machine) && !whole.contains(command), "{words}: {whole}");
        assert!(part.contains(command) && !part.contains(machine), "{words}: {part}");
    }
    assert!(rig.eco2("report r.json --format html").out.contains("Energy of the whole machine"));
    assert_eq!(rig.eco2("show r.json --scope all").code, Some(2), "the error names the allowed values");
}
