//! Runs `eco2 completions` and `eco2 man`, which print what a package installs with the program: the completions of shells and manual
//! pages. Both are made from the definition of the command line.

mod page;

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::Command;
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};
use jiff::Timestamp;

use crate::args::{self, CompletionsArgs, ManArgs, Shell};
use crate::failure::UsageError;
use crate::out;

/// Prints the completions of a shell.
///
/// # Errors
/// If standard output cannot be written.
pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<u8> {
    // The shells' generators would offer hidden commands too.
    let all = args::definition();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut definition =
        Command::new("eco2").version(env!("CARGO_PKG_VERSION")).args(all.get_arguments().cloned()).subcommands(shown);
    let mut script = Vec::new();
    match args.shell {
        Shell::Bash => generate(Bash, &mut definition, "eco2", &mut script),
        Shell::Zsh => generate(Zsh, &mut definition, "eco2", &mut script),
        Shell::Fish => generate(Fish, &mut definition, "eco2", &mut script),
    }
    out::bytes(&script)?;
    Ok(0)
}

/// Prints the manual page of a command, or writes those of all commands into a folder.
///
/// # Errors
/// If there is no such command, and if the output cannot be written.
pub(crate) fn man(args: &ManArgs) -> anyhow::Result<u8> {
    let mut definition = args::definition();
    definition.build();
    if let Some(folder) = &args.output {
        fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        write_all(&definition, folder)?;
        return Ok(0);
    }
    let mut command = &definition;
    for name in &args.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            UsageError(format!("no command is named '{}'; `eco2 help` lists them", args.command.join(" ")))
        })?;
    }
    out::bytes(page::page(command, &date()).as_bytes())?;
    Ok(0)
}

/// Writes the pages of a command and of its subcommands. Every user may read them, unlike files that hold runs.
fn write_all(command: &Command, folder: &Path) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let file = folder.join(format!("{name}.1"));
    fs::write(&file, page::page(command, &date())).with_context(|| format!("cannot write {}", file.display()))?;
    page::documented(command).try_for_each(|command| write_all(command, folder))
}

/// Returns the date of the pages: today, or that of `SOURCE_DATE_EPOCH`, so that a package can be built again byte by byte
/// (<https://reproducible-builds.org/specs/source-date-epoch/>).
fn date() -> String {
    let epoch =
        std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| Timestamp::from_second(seconds.parse().ok()?).ok());
    epoch.unwrap_or_else(Timestamp::now).strftime("%Y-%m-%d").to_string()
}
