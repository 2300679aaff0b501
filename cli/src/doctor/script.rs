//! The remedies as a shell script. It is printed for reading; nothing here runs anything.

use super::page;
use super::verdict::{Findings, is_missing};

const HEAD: &str = "\
#!/bin/sh
# What would let eco2 measure more on this machine, as `eco2 doctor` found it.
# Read every line before you run this, as the user who measures: it changes permissions or loads drivers.
set -eu
";

/// The script: a reason and a command for each source that is missing; what is no command stays a comment.
pub(super) fn script(findings: &Findings) -> String {
    let mut out = HEAD.to_owned();
    let missing: Vec<_> = findings.sources.iter().filter(|source| is_missing(source)).collect();
    for source in &missing {
        let status = page::status_word(source.status);
        out.push_str(&format!("\n# {} is {status}: {}\n", source.name, one_line(&source.reason)));
        let remedy = one_line(&source.remedy);
        let line = if is_command(&remedy) { remedy } else { format!("# {}", or(&remedy, "no remedy is known")) };
        out.push_str(&format!("{line}\n"));
    }
    if missing.is_empty() {
        out.push_str("\n# Nothing is missing.\n");
    }
    out
}

/// Remedies are commands or advice; every command among them begins like this.
fn is_command(remedy: &str) -> bool {
    remedy.starts_with("sudo ")
}

/// A line feed in what a driver says must not end the comment.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::verdict::Verdict;
    use eco2_core::schema::{SourceStatus, Status};

    #[test]
    fn commands_are_commands_and_the_rest_is_comment() {
        let source = |name: &str, reason: &str, remedy: &str| SourceStatus {
            name: name.into(),
            status: Status::Denied,
            reason: reason.into(),
            remedy: remedy.into(),
        };
        let sources = vec![
            source("rapl-sysfs", "root only", "sudo chmod a+r x"),
            source("nvml", "odd\nrm -rf x", "reboot, or reload the driver"),
            source("hwmon", "odd", ""),
        ];
        let script = script(&Findings { sources, devices: Vec::new(), verdict: Verdict::NoneMeasurable });
        let commands: Vec<&str> = script.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(commands, ["set -eu", "sudo chmod a+r x"]);
    }
}
