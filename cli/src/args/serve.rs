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
    /// File with the token that shows everything, mode 0600
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// File with the server's certificates for TLS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// File with the private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Require a client certificate that a certificate in this file has signed
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,
    /// Name by which clients address the server, in addition to addresses and localhost
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    /// Listen beyond this machine without a token or TLS
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Requests per minute that each kind of caller may make [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate_limit: Option<u32>,
    #[command(flatten)]
    pub(crate) hardware: FlagValues<SensorFlags>,
}
