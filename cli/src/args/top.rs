//! Flags of `eco2 top`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use eco2_core::quantity::in_unit;

const TOP: &str = "\
Keys: q quit, s sort, p pause, arrows scroll, ? help; in a stored run the left and right arrows move in time.
Root and members of the group eco2 see every change and all jobs, other users steps of 0.1 J and their own jobs.
Without a terminal, one screen is printed.

Examples:
  eco2 top
  eco2 top --url http://127.0.0.1:9862      over TCP, such as a tunnel of SSH
  eco2 top --replay last                    a stored run, in a minute
  eco2 top --json | jq .total_uj";

/// Flags of `eco2 top`.
#[derive(Debug, Args)]
#[command(after_long_help = TOP)]
pub(crate) struct TopArgs {
    /// Folder of the agent [default: ECO2_AGENT, else /run/eco2, else eco2 in $XDG_RUNTIME_DIR]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "replay"])]
    pub(crate) dir: Option<PathBuf>,
    /// Address of an agent, instead of its folder
    #[arg(long, value_name = "URL", conflicts_with = "replay")]
    pub(crate) url: Option<String>,
    /// File with the token of that agent
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) token_file: Option<PathBuf>,
    /// Time between two screens, 1 s to 1 h
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,
    /// Show a stored run as it went, instead of a node
    #[arg(long, value_name = "RUN")]
    pub(crate) replay: Option<OsString>,
    /// Print what the agent shows as JSON, once
    #[arg(long, conflicts_with = "replay")]
    pub(crate) json: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds = in_unit(text, "s").filter(|seconds| (1.0..=3_600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "a time of 1 s to 1 h, such as 2s".to_owned())
}
