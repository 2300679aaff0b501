//! Asking over HTTP within limits: time, length, attempts; no redirects, certificates checked, plain HTTP to this machine
//! only. What comes back as an error holds neither address nor token.

use std::time::Duration;

use backon::{BlockingRetryable as _, ExponentialBuilder};
use ureq::http::{Response, StatusCode};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Error};

use super::reach::{self, Client, Guarded};
use super::{Fault, Secret};

/// Waits that a service asks for are believed up to so many seconds.
const LONGEST_WAIT_S: u64 = 3600;

/// What a request may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one attempt: name, connection, handshake, answer to its last byte.
    pub timeout: Duration,
    /// The longest answer, bytes.
    pub max_bytes: u64,
    /// Attempts after the first, where a fault is passing.
    pub retries: usize,
    /// The wait before the second attempt; it doubles, with jitter.
    pub first_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), max_bytes: 8 << 20, retries: 2, first_wait: Duration::from_millis(250) }
    }
}

/// How a request says who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Auth<'a> {
    /// It does not.
    Nobody,
    /// A token in this header.
    Header(&'static str, &'a Secret),
    /// `Authorization: Bearer`.
    Bearer(&'a Secret),
    /// `Authorization: Basic`, of `user:password`.
    Basic(&'a Secret),
    /// A token in this parameter of the query, for services that take it nowhere else.
    Query(&'static str, &'a Secret),
    /// A header that is no secret.
    Plain(&'static str, &'static str),
}

/// A service at a base address.
#[derive(Debug, Clone)]
pub struct Http {
    agent: Agent,
    base: String,
    limits: Limits,
}

impl Http {
    /// A client of the service at `base`, such as `https://api.example.org/v3`.
    ///
    /// # Errors
    /// [`Fault::Address`] for what is neither HTTPS nor on this machine, is link-local, or holds a user, a query or a
    /// fragment.
    pub fn new(base: &str, limits: Limits) -> Result<Self, Fault> {
        Self::of(Client::Service, base, limits)
    }

    /// The same for the cloud's metadata service, which has a link-local address.
    ///
    /// # Errors
    /// As [`Http::new`].
    pub(crate) fn metadata(base: &str, limits: Limits) -> Result<Self, Fault> {
        Self::of(Client::Metadata, base, limits)
    }

    fn of(client: Client, base: &str, limits: Limits) -> Result<Self, Fault> {
        let local = reach::check(base, client)?;
        Ok(Self { agent: agent(&limits, local, client), base: base.trim_end_matches('/').to_owned(), limits })
    }

    /// The body of `base` + `path` with the given query.
    ///
    /// # Errors
    /// [`Fault`] after the last attempt.
    pub(crate) fn get(&self, path: &str, query: &[(&str, &str)], auth: Auth<'_>) -> Result<Vec<u8>, Fault> {
        again(&self.limits, Fault::is_passing, || self.once(path, query, auth))
    }

    fn once(&self, path: &str, query: &[(&str, &str)], auth: Auth<'_>) -> Result<Vec<u8>, Fault> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in query {
            request = request.query(name, value);
        }
        request = match auth {
            Auth::Nobody => request,
            Auth::Header(name, secret) => request.header(name, secret.expose()),
            Auth::Bearer(secret) => request.header("authorization", format!("Bearer {}", secret.expose())),
            Auth::Basic(secret) => request.header("authorization", format!("Basic {}", base64(secret.expose()))),
            Auth::Query(name, secret) => request.query(name, secret.expose()),
            Auth::Plain(name, value) => request.header(name, value),
        };
        self.read(request.call().map_err(|error| fault(&error))?)
    }

    /// The body of a PUT without one, for the metadata service that asks for it.
    pub(crate) fn put(&self, path: &str, header: (&'static str, &'static str)) -> Result<Vec<u8>, Fault> {
        let request = self.agent.put(format!("{}{path}", self.base)).header(header.0, header.1);
        self.read(request.send_empty().map_err(|error| fault(&error))?)
    }

    fn read(&self, mut response: Response<Body>) -> Result<Vec<u8>, Fault> {
        refusal(&response)?;
        let most = self.limits.max_bytes;
        let body = response.body_mut().with_config().limit(most).read_to_vec();
        body.map_err(|error| match error {
            Error::BodyExceedsLimit(_) => Fault::TooLarge { most },
            error => fault(&error),
        })
    }
}

/// A client that goes nowhere but to the address it is given; `local`: on this machine.
pub(super) fn agent(limits: &Limits, local: bool, client: Client) -> Agent {
    let mut config = Agent::config_builder()
        .timeout_global(Some(limits.timeout))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .https_only(!local)
        .user_agent(concat!("eco2/", env!("CARGO_PKG_VERSION")));
    if local {
        config = config.proxy(None);
    }
    Agent::with_parts(config.build(), DefaultConnector::default(), Guarded::new(client))
}

/// The waits between attempts: doubling, with jitter.
pub(super) fn waits(limits: &Limits) -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(limits.first_wait).with_max_times(limits.retries).with_jitter()
}

/// Attempts with doubling waits in between, while a fault may pass.
pub(super) fn again<T>(
    limits: &Limits,
    may_pass: fn(&Fault) -> bool,
    attempt: impl FnMut() -> Result<T, Fault>,
) -> Result<T, Fault> {
    attempt.retry(waits(limits)).sleep(std::thread::sleep).when(may_pass).call()
}

pub(super) fn refusal(response: &Response<Body>) -> Result<(), Fault> {
    let status = response.status();
    match status {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => Err(Fault::Redirect),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Fault::Refused(status.as_u16())),
        StatusCode::TOO_MANY_REQUESTS => {
            let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            let seconds = header.and_then(|text| text.trim().parse::<u64>().ok());
            Err(Fault::TooOften { retry_after_s: seconds.map(|seconds| seconds.min(LONGEST_WAIT_S)) })
        }
        status => Err(Fault::Status(status.as_u16())),
    }
}

/// What went wrong, without the texts of the client, which may hold the address.
pub(super) fn fault(error: &Error) -> Fault {
    match error {
        Error::Timeout(_) => Fault::Timeout,
        Error::Tls(_) | Error::Pem(_) | Error::Rustls(_) => Fault::Tls,
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => Fault::Tls,
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Fault::Timeout,
        Error::Protocol(_) | Error::Http(_) => Fault::Garbage("it is no HTTP"),
        error => reach::refusal(error).unwrap_or(Fault::Unreachable),
    }
}

fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::with_capacity(text.len().div_ceil(3) * 4);
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63] as char;
            encoded.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_rfc_4648_has_it() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text), encoded);
        }
    }
}
