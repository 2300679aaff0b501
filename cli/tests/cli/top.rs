//! `eco2 top`: what the agent shows, in a terminal that `tmux` lends us, and without one.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Rig, await_that, ran};
use crate::serve::serve;

fn top(rig: &Rig, flags: &[&str]) -> Command {
    let mut command = rig.bin();
    command.arg("top").args(flags);
    command
}

#[test]
fn one_screen_is_printed_without_a_terminal() {
    let rig = Rig::measured();
    let folder = rig.path("agent").display().to_string();
    let none = ran(&mut top(&rig, &["--dir", &folder]));
    assert!(none.code == Some(1) && none.err.contains("eco2 serve") && none.out.is_empty(), "{none:?}");
    let agent = serve(&rig);
    let once = await_that("the node has power", || {
        Some(ran(&mut top(&rig, &["--dir", &folder]))).filter(|ran| ran.out.contains(" W\n"))
    });
    assert_eq!((once.code, once.err.as_str()), (Some(0), ""), "{once:?}");
    for part in [
        "eco2 top  ",
        "Energy  ",
        "package 0",
        "measured",
        "Not attributed",
        "Sources     rapl-sysfs reads package-0",
        "(standby)",
    ] {
        assert!(once.out.contains(part), "{part}: {}", once.out);
    }
    assert!(!once.out.contains('\u{1b}') && once.out.contains("WORLD, 473 g/kWh"), "{}", once.out);
    let json = ran(&mut top(&rig, &["--dir", &folder, "--json"]));
    let document: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert!(document["total_uj"].as_u64().is_some() && document["devices"][0]["id"] == "package-0", "{document}");
    drop(agent);
    let dead = ran(&mut top(&rig, &["--dir", &folder]));
    assert!(dead.code == Some(1) && dead.err.contains("eco2 serve"), "{dead:?}");
}

#[test]
fn stored_run_is_shown_at_its_end_without_a_terminal() {
    let rig = Rig::measured();
    assert_eq!(rig.run("--zone DE --name bert --json r.json", "sleep 1").code, Some(0));
    let shown = ran(&mut top(&rig, &["--replay", "r.json"]));
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for part in ["eco2 top  bert", "stored run, 0:00:01 of 0:00:01", "DE, ", "package 0", "This command"] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    assert_eq!(ran(&mut top(&rig, &["--replay", "no-such-run"])).code, Some(1));
    assert_eq!(ran(&mut top(&rig, &["--replay", "r.json", "--json"])).code, Some(2));
}

/// A terminal of `tmux` that ends with this value.
struct Tmux<'a>(&'a Rig);

impl<'a> Tmux<'a> {
    /// Starts a shell command on a terminal of 80 columns and 24 rows; `None` where there is no `tmux`.
    fn start(rig: &'a Rig, line: &str) -> Option<Self> {
        if !Path::new("/usr/bin/tmux").exists() {
            return None;
        }
        let terminal = Self(rig);
        terminal.call(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", line]);
        terminal.call(&["set", "-g", "window-size", "manual"]);
        Some(terminal)
    }

    fn call(&self, words: &[&str]) -> String {
        let mut command = Command::new("/usr/bin/tmux");
        self.0.dress(&mut command);
        command.args(words).env("TMUX_TMPDIR", self.0.path(".")).env_remove("NO_COLOR").env_remove("TMUX");
        let output = command.stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn keys(&self, keys: &str) {
        self.call(&["send-keys", keys]);
    }

    /// Waits until the screen shows a text, and returns the screen.
    fn awaited(&self, text: &str) -> String {
        let mut last = String::new();
        let found = || {
            last = self.call(&["capture-pane", "-p"]);
            last.contains(text).then(|| last.clone())
        };
        await_that(&format!("the screen shows {text}"), found)
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        self.call(&["kill-server"]);
    }
}

#[test]
fn terminal_shows_the_node_obeys_keys_and_is_restored() {
    let rig = Rig::measured();
    let agent = serve(&rig);
    let line = format!(
        "{} top --dir {}; echo $? > code; stty -a > modes; echo over; sleep 60",
        env!("CARGO_BIN_EXE_eco2"),
        rig.path("agent").display()
    );
    let Some(terminal) = Tmux::start(&rig, &line) else { return };
    terminal.awaited("live, ");
    let screen = terminal.awaited(" W\n");
    assert!(screen.contains("package 0") && screen.contains("q quit  ? help  s sort: none"), "{screen}");
    terminal.keys("s");
    terminal.awaited("s sort: power");
    terminal.keys("?");
    terminal.awaited("show or hide this help");
    terminal.keys("?");
    terminal.keys("p");
    assert!(terminal.awaited("paused").contains("DEVICE"));
    terminal.keys("p");
    terminal.awaited("live, ");
    terminal.call(&["resize-window", "-x", "50", "-y", "10"]);
    let small = await_that("the screen is smaller", || {
        Some(terminal.call(&["capture-pane", "-p"])).filter(|screen| screen.contains("more lines"))
    });
    assert!(small.lines().all(|line| line.chars().count() <= 50), "{small}");
    terminal.keys("End");
    terminal.keys("Down");
    terminal.call(&["resize-window", "-x", "80", "-y", "24"]);
    drop(agent);
    terminal.awaited("asking again");
    let agent = serve(&rig);
    terminal.awaited("live, ");
    let pane = terminal.call(&["display-message", "-p", "#{pane_pid}"]);
    let shell: i32 = pane.trim().parse().unwrap();
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap_or_default();
    let child = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    kill_process(child.unwrap(), Signal::TERM).unwrap();
    terminal.awaited("over");
    assert_eq!(rig.awaited("code").trim(), "143");
    let modes = rig.awaited("modes");
    assert!(modes.contains(" icanon") && modes.contains(" echo ") && !modes.contains("susp = <undef>"), "{modes}");
    drop(agent);
}

#[test]
fn stored_run_is_replayed_and_moved_in_time() {
    let rig = Rig::measured();
    assert_eq!(rig.run("--name bert --json r.json", "sleep 1").code, Some(0));
    let line = format!("{} top --replay r.json; echo $? > code", env!("CARGO_BIN_EXE_eco2"));
    let Some(terminal) = Tmux::start(&rig, &line) else { return };
    terminal.awaited("stored run, 0:00:00 of 0:00:01");
    (0..21).for_each(|_| terminal.keys("Right"));
    terminal.awaited("stored run, 0:00:01 of 0:00:01");
    terminal.keys("q");
    assert_eq!(rig.awaited("code").trim(), "0");
}
