//! Flags of `eco2 serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, ValueEnum};
use eco2_agent::{ConsumerKind, DEFAULT_LISTEN};

use super::flags::{FlagValues, NodePriceFlags, PushFlags, SensorFlags};

const SERVE: &str = "\
Programs read the pages in the folder, people the live page at the address, monitoring its /metrics.
Members of the group eco2 see every change and all jobs, other users steps of 0.1 J and their own jobs.

The file of --config has these flags as keys, with _ for -. A flag wins over the file:

  # /etc/eco2/serve.toml: owned by root, and no other user may write to it
  listen = \"127.0.0.1:9862\"
  token_file = \"/etc/eco2/token\"
  source = [\"rapl-perf\", \"nvml\"]
  push = [\"remote-write=https://prometheus.example.org/api/v1/write\"]

Examples:
  sudo eco2 serve                                 for all users of this machine
  eco2 serve --dir ~/eco2-agent                   for programs with ECO2_AGENT=~/eco2-agent
  sudo systemctl enable --now eco2                as a service, which starts again by itself
  eco2 top                                        what the agent shows, in a terminal";

/// The flags of `eco2 serve` as they were typed; those of its file are added by the command.
#[derive(Debug, Clone)]
pub(crate) struct ServeFlags(pub(crate) ArgMatches);

impl FromArgMatches for ServeFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self(matches.clone()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self(matches.clone());
        Ok(())
    }
}

impl Args for ServeFlags {
    fn augment_args(command: Command) -> Command {
        ServeArgs::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        ServeArgs::augment_args(command)
    }
}

/// Flags of `eco2 serve`. What one of them requires of another is checked once the file is read: the other may be there.
#[derive(Debug, Args)]
#[command(after_long_help = SERVE)]
pub(crate) struct ServeArgs {
    /// File with these settings, TOML [default: /etc/eco2/serve.toml, if the folder is /run/eco2]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the pages [default: /run/eco2 for root, else eco2 in $XDG_RUNTIME_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Folder of the log of jobs, which survives the machine [default: $STATE_DIRECTORY, else that of --dir; without it /var/lib/eco2 for root]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Also count the energy of these consumers, found by their control groups and processes: container, pod, user
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KINDS", hide_possible_values = true)]
    pub(crate) by: Vec<ConsumersBy>,
    /// Folder of the files by which DCGM's exporter knows the jobs of each GPU: jobs in them are counted, and jobs begun here added
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) hpc_job_mapping_dir: Option<PathBuf>,
    /// Address of the page, the metrics and the REST interface
    #[arg(long, value_name = "ADDR:PORT", default_value_t = DEFAULT_LISTEN)]
    pub(crate) listen: SocketAddr,
    /// File with the token that shows everything, mode 0600
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// File with the server's certificates for TLS, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// File with the private key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
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
    pub(crate) push: FlagValues<PushFlags>,
    #[command(flatten)]
    pub(crate) price: FlagValues<NodePriceFlags>,
    #[command(flatten)]
    pub(crate) hardware: FlagValues<SensorFlags>,
}

/// Consumers that are found without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConsumersBy {
    Container,
    Pod,
    User,
}

impl From<ConsumersBy> for ConsumerKind {
    fn from(by: ConsumersBy) -> Self {
        match by {
            ConsumersBy::Container => Self::Container,
            ConsumersBy::Pod => Self::Pod,
            ConsumersBy::User => Self::User,
        }
    }
}
