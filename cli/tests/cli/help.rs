//! Help, and that what it names exists.

use crate::rig::{Rig, snapshots};

const COMMANDS: [&str; 20] = [
    "run",
    "demo",
    "verify",
    "doctor",
    "replay",
    "runs",
    "show",
    "report",
    "compare",
    "merge",
    "export",
    "check-budget",
    "grid",
    "plan",
    "optimize",
    "config",
    "completions",
    "serve",
    "job",
    "top",
];
/// The commands within commands, as they are typed.
const INNER: [&str; 9] = [
    "runs prune",
    "runs reindex",
    "config set",
    "config unset",
    "config show",
    "config path",
    "job begin",
    "job end",
    "job list",
];
const README: &str = include_str!("../../../README.md");
/// Lines and columns of a small terminal.
const SCREEN: (usize, usize) = (36, 100);

#[test]
fn help_of_every_command() {
    let rig = Rig::bare();
    snapshots(&rig).bind(|| {
        insta::assert_snapshot!("help", rig.eco2("--help").shown());
        insta::assert_snapshot!("help_short", rig.eco2("-h").shown());
        insta::assert_snapshot!("help_nothing", crate::rig::ran(&mut rig.bin()).shown());
        insta::assert_snapshot!("version", rig.eco2("--version").shown());
        for command in COMMANDS.iter().chain(&INNER) {
            let help = rig.eco2(&format!("{command} --help"));
            insta::assert_snapshot!(format!("help_{}", command.replace('-', "_").replace(' ', ".")), help.shown());
        }
    });
}

#[test]
fn short_help_fits_a_screen_and_long_help_has_examples() {
    let rig = Rig::bare();
    for command in COMMANDS {
        let short = crate::rig::ran(rig.bin().args([command, "-h"])).out;
        assert!(short.lines().count() <= SCREEN.0, "{command}: {}", short.lines().count());
        assert!(short.lines().all(|line| line.chars().count() <= SCREEN.1), "{short}");
        let long = crate::rig::ran(rig.bin().args([command, "--help"])).out;
        assert!(long.contains("Examples:"), "{command}");
    }
}

#[test]
fn d27_every_command_that_is_named_exists() {
    let rig = Rig::bare();
    let help = rig.eco2("--help").out;
    // Typed in a fenced block, or between backticks.
    let blocks =
        README.split("```").skip(1).step_by(2).flat_map(str::lines).filter_map(|line| line.strip_prefix("eco2 "));
    // A summary starts with two blanks after the program's name.
    let blocks = blocks.filter(|rest| !rest.starts_with(' '));
    let quoted = README.split("`eco2 ").skip(1);
    let typed: Vec<&str> = blocks.chain(quoted).filter_map(|rest| rest.split([' ', '`', '\n']).next()).collect();
    assert!(COMMANDS.iter().all(|command| help.contains(&format!("  {command} "))), "{help}");
    assert!(typed.contains(&"doctor"), "{typed:?}");
    for command in typed.iter().chain(&COMMANDS) {
        let ran = crate::rig::ran(rig.bin().args([command, "--help"]));
        assert_eq!(ran.code, Some(0), "eco2 {command} is named and does not exist");
    }
}
