//! Flags of `eco2 man`.

use std::path::PathBuf;

use clap::Args;

const MAN: &str = "\
Examples:
  eco2 man run | man -l -
  eco2 man -o /usr/local/share/man/man1";

/// Flags of `eco2 man`.
#[derive(Debug, Args)]
#[command(after_long_help = MAN)]
pub(crate) struct ManArgs {
    /// The command, such as `runs prune` [default: eco2 itself]
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    pub(crate) command: Vec<String>,
    /// Write the pages of all commands into DIR
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}
