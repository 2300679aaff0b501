//! Flags of `eco2 verify`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

const VERIFY: &str = "\
RUN is the path of a run log, a JSON report or a folder of them, an ID or name of `eco2 runs`,
`last` or `last~1`. Nothing is sent anywhere, and the file is not changed.

A run log is checked frame by frame (each contains a hash of itself and of the frame before it), and
its totals, grams and costs are computed again. A program that can write the file can also compute
all hashes again: only a seal (--seal, then --public-key) shows that none did.

Exit codes: 0 sound, 1 broken (with --require-closed also a log without its closing record),
2 usage.

Examples:
  eco2 verify last
  eco2 verify --require-closed --json run.eco2log | jq .findings
  eco2 verify --keygen lab.key                 once; prints the public key
  eco2 verify --seal last --key lab.key        writes a .seal file next to the log
  eco2 verify --public-key \"$KEY\" run.eco2log";

/// Flags of `eco2 verify`.
#[derive(Debug, Args)]
#[command(after_long_help = VERIFY)]
pub(crate) struct VerifyArgs {
    /// Log or report file, folder, ID or name of a run, `last` or `last~1`
    #[arg(value_name = "RUN", required_unless_present = "keygen", conflicts_with = "keygen")]
    pub(crate) runs: Vec<OsString>,
    /// Fail if a log has no closing record, as after a crash or a cut
    #[arg(long)]
    pub(crate) require_closed: bool,
    /// Check the seals with this public key, and fail if a log has no seal of that key
    #[arg(long, value_name = "KEY")]
    pub(crate) public_key: Option<String>,
    /// Seal the logs: write a signed statement of their content next to each
    #[arg(long, requires = "key", conflicts_with = "public_key")]
    pub(crate) seal: bool,
    /// Private key for --seal, a file of --keygen
    #[arg(long, value_name = "FILE", requires = "seal")]
    pub(crate) key: Option<PathBuf>,
    /// Write a new private key to FILE, and print its public key
    #[arg(long, value_name = "FILE")]
    pub(crate) keygen: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
