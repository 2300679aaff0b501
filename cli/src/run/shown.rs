//! What is served of a run while its command runs: `--ui` and `--listen` of `eco2 run`.

use std::net::SocketAddr;

use crate::failure::UsageError;

/// What is served of a run while its command runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shown {
    /// Whether the live page shows everything to the bearer of a token that is printed.
    pub(super) page: bool,
    /// Address at which the metrics and the page are for everyone on this machine, without names; `None`: a free port, and nothing
    /// without the token.
    pub(super) listen: Option<SocketAddr>,
}

impl Shown {
    /// Whether anything is served.
    pub(super) fn is_any(self) -> bool {
        self.page || self.listen.is_some()
    }

    /// Checks the address.
    ///
    /// # Errors
    /// For one that other machines can reach.
    pub(super) fn check(self) -> Result<(), UsageError> {
        match self.listen.filter(|address| !address.ip().is_loopback()) {
            Some(address) => Err(UsageError(format!(
                "--listen {address}: a run is shown on this machine only, such as at 127.0.0.1:9863; `eco2 serve` has tokens and TLS"
            ))),
            None => Ok(()),
        }
    }
}
