//! Flags of `eco2 config`.

use clap::{Args, Subcommand};

const CONFIG: &str = "\
The user's file is $XDG_CONFIG_HOME/eco2/config.toml, else ~/.config/eco2/config.toml. Flags, ECO2_*
variables and ./eco2.toml are stronger. docs/options.md lists the options.

Examples:
  eco2 config set zone DE
  eco2 config set budget.max_co2_kg 5
  eco2 config set labels.team nlp
  eco2 config unset zone
  eco2 config show";

const SET: &str = "\
The value is checked, and comments in the file are kept. Lists are separated by commas.

Examples:
  eco2 config set zone DE
  eco2 config set sources rapl-sysfs,nvml
  eco2 config set labels.team nlp";

const SHOW: &str = "\
The origin is a file with its line, a variable, or default.

Examples:
  eco2 config show
  eco2 config show --all --json | jq '.options[] | select(.name == \"zone\")'";

/// Flags of `eco2 config`.
#[derive(Debug, Args)]
#[command(after_long_help = CONFIG, disable_help_subcommand = true)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

/// What `eco2 config` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Set an option in the user's file
    #[command(after_long_help = SET)]
    Set {
        /// Name of the option, e.g. zone or budget.max_co2_kg
        #[arg(value_name = "OPTION")]
        name: String,
        /// Its value
        #[arg(value_name = "VALUE", allow_hyphen_values = true)]
        value: String,
    },
    /// Remove an option from the user's file
    Unset {
        /// Name of the option
        #[arg(value_name = "OPTION")]
        name: String,
    },
    /// Show the options that are set, their values and origins
    Show(ShowConfigArgs),
    /// Print the path of the user's file
    Path,
}

/// Flags of `eco2 config show`.
#[derive(Debug, Args)]
#[command(after_long_help = SHOW)]
pub(crate) struct ShowConfigArgs {
    /// Show every option, also those with their defaults
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Print JSON, schema eco2.config/1
    #[arg(long)]
    pub(crate) json: bool,
}
