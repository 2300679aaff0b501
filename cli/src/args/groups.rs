//! The list of commands in `eco2 --help`, in groups by what they are for. clap lists commands in one group only, so that the list is
//! made here, from the definitions that clap has.

use clap::Command;

/// The groups and their commands, in the order of the help. `help` is clap's own command.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Measure", &["run", "demo", "doctor"]),
    ("Look", &["runs", "show", "top", "compare", "report", "merge"]),
    ("Act", &["plan", "optimize", "check-budget"]),
    ("Data", &["grid", "replay", "export", "verify"]),
    ("Serve", &["serve", "job"]),
    ("Set up", &["config", "completions", "help"]),
];
/// What clap's command `help` does.
const HELP: &str = "Print the help of a command";

/// Returns a command whose help lists its subcommands in groups.
pub(super) fn grouped(command: Command) -> Command {
    let style = command.get_styles().clone();
    let (header, literal) = (style.get_header(), style.get_literal());
    let all = GROUPS.iter().flat_map(|(_, names)| names.iter());
    let width = all.map(|name| name.len()).max().unwrap_or(0);
    let mut list = String::new();
    for (group, names) in GROUPS {
        list.push_str(&format!("{header}{group}:{header:#}\n"));
        for name in names {
            let about = match command.find_subcommand(name) {
                Some(subcommand) => subcommand.get_about().map(ToString::to_string).unwrap_or_default(),
                None if *name == "help" => HELP.to_owned(),
                // It is of a feature that this build lacks.
                None => continue,
            };
            list.push_str(&format!("  {literal}{name}{literal:#}{:1$}  {about}\n", "", width - name.len()));
        }
        list.push('\n');
    }
    let options = format!("{header}Options:{header:#}");
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}{options}\n{{options}}{{after-help}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::definition;

    #[test]
    fn every_command_is_in_one_group_and_fits_a_line() {
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        listed.retain(|name| *name != "help");
        let definition = definition();
        let shown = definition.get_subcommands().filter(|command| !command.is_hide_set());
        let mut shown: Vec<&str> = shown.map(Command::get_name).collect();
        listed.sort_unstable();
        shown.sort_unstable();
        assert_eq!(listed, shown);
        let help = definition.clone().render_help().to_string();
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    }
}
