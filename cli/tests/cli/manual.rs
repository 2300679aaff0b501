//! `eco2 completions`, `eco2 man` and `eco2 help`: made from the command line's definition, and read by the programs that they are for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::rig::Rig;

/// Runs a script in a shell; `None`: the shell is not installed.
fn in_shell(shell: &str, script: &str) -> Option<String> {
    let output = Command::new(shell).args(["-c", script]).output().ok()?;
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn completions_are_scripts_that_complete_commands_and_flags() {
    let rig = Rig::bare();
    let script = rig.put("eco2.bash", &rig.eco2("completions bash").out);
    let complete = |words: &str, at: usize| {
        let script = script.display();
        let line = format!(
            ". {script}; COMP_WORDS=({words}); COMP_CWORD={at}; _eco2 eco2 \"${{COMP_WORDS[{at}]}}\"; echo ${{COMPREPLY[@]}}"
        );
        in_shell("bash", &line)
    };
    if let Some(found) = complete("eco2 comp", 1) {
        assert_eq!(found, "compare completions\n");
        assert!(complete("eco2 run --max", 2).is_some_and(|found| found == "--max-co2 --max-energy\n"));
        assert!(
            complete("eco2 completions ''", 2)
                .is_some_and(|found| found.contains("bash fish zsh") || found.contains("bash zsh fish"))
        );
    }
    for (shell, name) in [("zsh", "_eco2"), ("fish", "eco2.fish")] {
        let ran = rig.eco2(&format!("completions {shell}"));
        assert!(ran.code == Some(0) && ran.out.contains("check-budget"), "{shell}");
        assert!(!ran.out.contains("manual page"), "{shell}: a hidden command");
        let path = rig.put(name, &ran.out);
        // Checked where the shell is installed.
        in_shell(shell, &format!("{shell} -n {}", path.display()));
    }
    assert_eq!(rig.eco2("completions tcsh").code, Some(2));
}

#[test]
fn manual_page_of_every_command_has_no_fault() {
    let rig = Rig::bare();
    assert_eq!(rig.eco2("man -o pages/man1").code, Some(0));
    let mut names: Vec<String> = fs::read_dir(rig.path("pages/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    for name in ["eco2.1", "eco2-run.1", "eco2-runs-prune.1", "eco2-config-set.1", "eco2-check-budget.1"] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("help") || name.contains("-man")), "{names:?}");
    assert_eq!(rig.eco2("man runs prune").out, fs::read_to_string(rig.path("pages/man1/eco2-runs-prune.1")).unwrap());
    // Every user reads the pages that root installs.
    fs::write(rig.path("readable"), "").unwrap();
    let mode = |path: &str| fs::metadata(rig.path(path)).unwrap().permissions().mode();
    assert_eq!(mode("pages/man1/eco2.1"), mode("readable"));
    assert!(rig.eco2("man").out.starts_with(".TH ECO2 1 "));
    assert!(rig.eco2("man rum").err.contains("no command is named 'rum'"));
    if !Path::new("/usr/bin/mandoc").exists() {
        eprintln!("skipped: mandoc is not installed");
        return;
    }
    for name in names {
        let checked = Command::new("/usr/bin/mandoc")
            .args(["-Tlint", "-Wstyle"])
            .arg(rig.path("pages/man1").join(&name))
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}

#[test]
fn help_of_a_command_is_printed_by_help_as_by_its_flag() {
    let rig = Rig::bare();
    assert_eq!(rig.eco2("help").out, rig.eco2("--help").out);
    for command in ["run", "config set"] {
        assert_eq!(
            rig.eco2(&format!("help {command}")).out,
            crate::rig::ran(rig.bin().args(command.split(' ')).arg("--help")).out
        );
    }
    assert_eq!(rig.eco2("help rum").code, Some(2));
}
