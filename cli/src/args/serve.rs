//! Flags of `eco2 serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use eco2_agent::DEFAULT_LISTEN;

use super::flags::{FlagValues, SensorFlags};

/// Flags of `eco2 serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Folder of the pages [default: /run/eco2 for root, else eco2 in $XDG_RUNTIME_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Address of the page, the metrics and the REST interface
    #[arg(long, value_name = "ADDR:PORT", default_value_t = DEFAULT_LISTEN)]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) hardware: FlagValues<SensorFlags>,
}
