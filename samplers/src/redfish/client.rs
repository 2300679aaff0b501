//! [`Client`] requests resources of a BMC over Redfish: it logs in, keeps the session, and logs in again when the session has
//! expired.
//!
//! A session is preferred to a password in each request (HTTP Basic), because BMCs write every login into their log. A BMC
//! without sessions, or with all of them taken, gets HTTP Basic (DSP0266: services support both).

use std::time::Duration;

use eco2_net::{Auth, Http, Limits, NetError, Secret, ServerTrust};
use serde_json::Value;

use super::bmc::{Bmc, BmcTrust};
use super::wire::{self, ReplyFault};

/// Header that has the token of a session (DSP0266).
const TOKEN: &str = "x-auth-token";
/// Where sessions are made, if the service names no other place.
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
/// One request takes this long at most: slow BMCs need two seconds.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest reply; a `Power` resource has a few kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// Why a request brought nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("the answer of the BMC is not understood: {0}")]
    Reply(#[from] ReplyFault),
}

/// A client of one BMC.
pub(super) struct Client {
    http: Http,
    account: Option<Secret>,
    access: Access,
    sessions: String,
}

/// How requests prove who sends them.
enum Access {
    /// The BMC was not asked for a session yet.
    Undecided,
    /// A session, and the path at which it is ended.
    Session(Secret, Option<String>),
    /// The account with each request.
    Basic,
}

impl Client {
    /// Returns a client that has not sent anything yet.
    pub(super) fn new(bmc: &Bmc) -> Result<Self, NetError> {
        let limits = Limits { timeout: TIMEOUT, max_bytes: MAX_BYTES, retries: 0, ..Limits::default() };
        let trust = match &bmc.trust {
            BmcTrust::Public => ServerTrust::Public,
            BmcTrust::File(path) => ServerTrust::Authority(path.clone()),
            BmcTrust::Unchecked => ServerTrust::Unchecked,
        };
        let http = Http::trusting(&bmc.origin(), limits, &trust)?;
        let account = bmc.account.clone()?;
        Ok(Self { http, account, access: Access::Undecided, sessions: SESSIONS.to_owned() })
    }

    /// Returns a resource that needs no login: the service's root.
    pub(super) fn root(&mut self) -> Result<Value, RequestError> {
        let root = wire::parsed(&self.http.get("/redfish/v1/", &[], Auth::None)?)?;
        self.sessions = wire::path(root.pointer("/Links/Sessions")).unwrap_or_else(|| SESSIONS.to_owned());
        Ok(root)
    }

    /// Returns a resource. An expired session is renewed once.
    pub(super) fn get(&mut self, path: &str) -> Result<Value, RequestError> {
        let had_session = matches!(self.access, Access::Session(..));
        let body = match self.get_once(path) {
            Err(NetError::Refused(401)) if had_session => {
                self.access = Access::Undecided;
                self.get_once(path)
            }
            answer => answer,
        };
        Ok(wire::parsed(&body?)?)
    }

    fn get_once(&mut self, path: &str) -> Result<Vec<u8>, NetError> {
        let Some(account) = &self.account else { return self.http.get(path, &[], Auth::None) };
        if matches!(self.access, Access::Undecided) {
            self.access = match self.http.log_in(&self.sessions, account, ["UserName", "Password"], TOKEN) {
                Ok(login) => Access::Session(login.token, login.location),
                // A wrong password stays wrong, and a second attempt may lock the account.
                Err(error @ (NetError::Refused(401) | NetError::Timeout | NetError::Unreachable | NetError::Tls)) => {
                    return Err(error);
                }
                Err(_) => Access::Basic,
            };
        }
        let auth = match &self.access {
            Access::Session(token, _) => Auth::Header(TOKEN, token),
            Access::Undecided | Access::Basic => Auth::Basic(account),
        };
        self.http.get(path, &[], auth)
    }

    /// Ends the session: a BMC has few of them.
    pub(super) fn log_out(&mut self) {
        if let Access::Session(token, Some(location)) = std::mem::replace(&mut self.access, Access::Undecided) {
            // A whole address is the same service's: only its path is used.
            let path = location.find("/redfish/").map(|at| location[at..].to_owned());
            // If it fails, the BMC ends the session by itself after its time limit.
            path.into_iter().for_each(|path| drop(self.http.delete(&path, Auth::Header(TOKEN, &token))));
        }
    }
}
