//! Decides what a request may see: by token, by session cookie, or by the user at the other end of a Unix socket.
//!
//! A browser on this machine can be made to send requests by any page that it shows. So the host that a request names has to be
//! one of ours (against DNS rebinding), and its origin, if it states one, has to be this server (against cross-site requests).
//! There are no CORS headers at all.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use eco2_net::Secret;
use hyper::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::{Method, StatusCode};
use ring::digest::{Digest, SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use super::ring::Detail;

/// Name of the session's cookie. The server's port follows: browsers keep one list of cookies for all ports of a host.
const SESSION: &str = "eco2_session_";
/// Largest number of sessions; the oldest ends when another begins.
const MOST_SESSIONS: usize = 64;

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// By TCP, with TLS or without.
    Tcp {
        /// Whether the connection is encrypted.
        tls: bool,
    },
    /// By the Unix socket, from a process of this user, as the kernel states it.
    Unix {
        /// User of the process.
        uid: u32,
        /// Whether it is root, the agent's own user, or a member of the group that may see everything.
        trusted: bool,
    },
}

/// What a caller may see and do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rights {
    /// Only whether the server is alive, and the page that asks for a token.
    Nothing,
    /// The node's values in steps of 1 s and 0.1 J, no jobs, no names.
    Coarse,
    /// The same, and the jobs of one user.
    Own(u32),
    /// Everything.
    All,
}

impl Rights {
    /// Returns the detail of values that go with these rights.
    pub(crate) fn detail(self) -> Detail {
        if self == Self::All { Detail::Exact } else { Detail::Coarse }
    }
}

/// Reasons why a request is refused before any handler sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: &'static str,
}

const fn refusal(status: StatusCode, text: &'static str) -> Refusal {
    Refusal { status, text }
}

const NO_HOST: Refusal = refusal(StatusCode::BAD_REQUEST, "one Host header is required");
const OTHER_HOST: Refusal = refusal(
    StatusCode::MISDIRECTED_REQUEST,
    "this server does not answer for that host name; use its address, localhost, or a name given with --host",
);
const OTHER_SITE: Refusal = refusal(StatusCode::FORBIDDEN, "requests from pages of other sites are refused");
const BAD_TOKEN: Refusal = refusal(StatusCode::UNAUTHORIZED, "the token is not valid");
const TWO_TOKENS: Refusal = refusal(StatusCode::BAD_REQUEST, "more than one Authorization header");

/// What callers without a token may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anonymous {
    /// The node's values in coarse steps, without jobs and names: for a server on loopback.
    #[default]
    Coarse,
    /// Nothing: a token is required.
    Nothing,
}

/// The rules of access of one server.
#[derive(Debug)]
pub(crate) struct Access {
    cookie: String,
    token: Mutex<Option<Secret>>,
    /// A token that is good for one session.
    once: Mutex<Option<Secret>>,
    anonymous: Anonymous,
    /// Names by which this server may be addressed, lower case, in addition to addresses and `localhost`.
    hosts: Vec<String>,
    /// Whether any IP address is a valid host: beyond loopback the server does not know all its addresses.
    any_address: bool,
    sessions: Mutex<VecDeque<Digest>>,
}

impl Access {
    /// Returns the rules of a server.
    pub(crate) fn new(token: Option<Secret>, anonymous: Anonymous, hosts: &[String], any_address: bool) -> Self {
        Self {
            cookie: SESSION.to_owned(),
            token: Mutex::new(token),
            once: Mutex::new(None),
            anonymous,
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            any_address,
            sessions: Mutex::default(),
        }
    }

    /// Sets the port of the server.
    pub(crate) fn set_port(&mut self, port: u16) {
        self.cookie = format!("{SESSION}{port}");
    }

    /// Takes another token in place of the last one. The sessions that began with that one end.
    pub(crate) fn replace_token(&self, token: Secret) {
        let mut own = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if own.as_ref() != Some(&token) {
            *own = Some(token);
            self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn is_token(&self, given: &[u8]) -> bool {
        let own = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        own.as_ref().is_some_and(|own| own.matches(given))
    }

    /// Accepts a token once, for one session.
    pub(crate) fn accept_once(&self, token: Secret) {
        *self.once.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    /// Returns what a request may see.
    ///
    /// # Errors
    /// A request for another host, from a page of another site, or with a wrong token is refused.
    pub(crate) fn admit(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        channel: Channel,
    ) -> Result<Rights, Refusal> {
        if let Channel::Tcp { tls } = channel {
            let host = self.host(headers)?;
            check_site(method, path, headers, host, tls)?;
        }
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let authorization = given.next();
        if given.next().is_some() {
            return Err(TWO_TOKENS);
        }
        if let Some(given) = authorization {
            let valid = bearer(given.as_bytes()).is_some_and(|given| self.is_token(given));
            // A token for one session is checked where sessions begin.
            return if valid || path == "/session" { Ok(self.by_channel(channel, valid)) } else { Err(BAD_TOKEN) };
        }
        Ok(self.by_channel(channel, self.has_session(headers)))
    }

    /// Begins a session for the bearer of a token and returns the value of `Set-Cookie`; `None` if the token is not valid.
    ///
    /// A session does what a token does, for browsers, whose event streams cannot send tokens. The token for one session is
    /// used up, also if the answer does not arrive.
    pub(crate) fn open_session(&self, headers: &HeaderMap, tls: bool) -> Option<String> {
        let given = bearer(headers.get(AUTHORIZATION)?.as_bytes())?;
        if !self.is_token(given) {
            let mut once = self.once.lock().unwrap_or_else(PoisonError::into_inner);
            once.take_if(|own| own.matches(given))?;
        }
        let id = new_token()?;
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= MOST_SESSIONS {
            sessions.pop_front();
        }
        sessions.push_back(digest(&SHA256, id.as_bytes()));
        let secure = if tls { "; Secure" } else { "" };
        Some(format!("{}={id}; Path=/; HttpOnly; SameSite=Strict{secure}", self.cookie))
    }

    fn by_channel(&self, channel: Channel, has_token: bool) -> Rights {
        match channel {
            _ if has_token => Rights::All,
            Channel::Unix { trusted: true, .. } => Rights::All,
            Channel::Unix { uid, .. } => Rights::Own(uid),
            Channel::Tcp { .. } if self.anonymous == Anonymous::Coarse => Rights::Coarse,
            Channel::Tcp { .. } => Rights::Nothing,
        }
    }

    /// Whether a request has the cookie of a session. Sessions are compared by their digests, so the time that a comparison
    /// takes reveals nothing about an id.
    fn has_session(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let ids = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let digests: Vec<Digest> = ids
            .filter(|(name, _)| *name == self.cookie)
            .map(|(_, id)| digest(&SHA256, id.as_bytes()))
            .take(4)
            .collect();
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().any(|own| digests.iter().any(|given| given.as_ref() == own.as_ref()))
    }

    /// Returns the `Host` header if it names this server.
    fn host<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, Refusal> {
        let mut all = headers.get_all(HOST).iter();
        let host = all.next().and_then(|host| host.to_str().ok()).ok_or(NO_HOST)?;
        if all.next().is_some() {
            return Err(NO_HOST);
        }
        let name = host_name(host).to_ascii_lowercase();
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let is_ours = match address {
            Some(address) => self.any_address || address.is_loopback(),
            None => name == "localhost" || self.hosts.contains(&name),
        };
        if is_ours { Ok(host) } else { Err(OTHER_HOST) }
    }
}

/// Refuses a request that a page of another site caused. A link to the start page is allowed: it shows nothing to that site.
///
/// Source: W3C, "Fetch Metadata Request Headers"; browsers that do not send them send `Origin` with all but plain reads.
fn check_site(method: &Method, path: &str, headers: &HeaderMap, host: &str, tls: bool) -> Result<(), Refusal> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let fetched = |name: &'static str| text(HeaderName::from_static(name));
    let is_link = method == Method::GET && path == "/" && fetched("sec-fetch-mode") == Some("navigate");
    let foreign = fetched("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    if foreign && !is_link {
        return Err(OTHER_SITE);
    }
    let own = format!("{}://{host}", if tls { "https" } else { "http" });
    match text(ORIGIN) {
        Some(origin) if !origin.eq_ignore_ascii_case(&own) => Err(OTHER_SITE),
        _ => Ok(()),
    }
}

/// Returns the name in a `Host` header, without the port.
fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(at) if !host.ends_with(']') => &host[..at],
        _ => host,
    }
}

/// Returns a new random token of 256 bits; `None` if the system has no random numbers.
#[must_use]
pub fn new_token() -> Option<String> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns the token of an `Authorization` header.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
