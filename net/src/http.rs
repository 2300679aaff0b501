//! Defines [`Http`], a client with limits on time, size and attempts. It follows no redirects, checks certificates, and
//! uses plain HTTP on this machine only. Errors contain neither address nor token. *Jitter* is a random extension of a
//! wait.

use std::sync::Arc;
use std::time::Duration;

use ureq::http::{Response, StatusCode};
use ureq::tls::TlsConfig;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Error, RequestBuilder};

use crate::address::{self, ClientKind, GuardedResolver};
use crate::{Backoff, Clock, Headers, Message, Method, NetError, Retry, Secret, ServerTrust, SystemClock};

/// The longest wait that a service may ask for, seconds. A longer one is shortened to an hour.
const LONGEST_WAIT_S: u64 = 3600;
/// The longest wait between two attempts, without jitter.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// Limits on the time, size and attempts of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest time of one attempt, from the name look-up and the connection to the last byte of the answer.
    pub timeout: Duration,
    /// The longest answer that is read, bytes.
    pub max_bytes: u64,
    /// Number of attempts after the first; only an error that may pass leads to another attempt.
    pub retries: u32,
    /// The wait before the second attempt. It doubles before each further attempt, and has jitter.
    pub first_wait: Duration,
}

impl Default for Limits {
    /// Returns 5 s, 8 MiB, and two retries after 250 and 500 ms.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), max_bytes: 8 << 20, retries: 2, first_wait: Duration::from_millis(250) }
    }
}

impl Limits {
    /// Returns the retries that these limits allow.
    pub(crate) fn retry(&self) -> Retry {
        Retry { backoff: Backoff::new(self.first_wait, LONGEST_BACKOFF), retries: self.retries }
    }
}

/// How a request proves who sends it.
#[derive(Debug, Clone, Copy)]
pub enum Auth<'a> {
    /// No proof.
    None,
    /// A token in the header of this name.
    Header(&'static str, &'a Secret),
    /// A token in the header `Authorization: Bearer`.
    Bearer(&'a Secret),
    /// `user:password` in the header `Authorization: Basic`.
    Basic(&'a Secret),
    /// A token in this parameter of the query, for services that accept it nowhere else.
    Query(&'static str, &'a Secret),
    /// A header that is not secret: its name and its value.
    Plain(&'static str, &'static str),
}

/// A client of the service at one base address.
///
/// ```
/// use std::io::{Read as _, Write as _};
/// use eco2_net::{Auth, Http, Limits, NetError};
///
/// // A service on this machine; elsewhere only HTTPS is allowed.
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let base = format!("http://{}", listener.local_addr()?);
/// let service = std::thread::spawn(move || -> std::io::Result<()> {
///     let (mut stream, _) = listener.accept()?;
///     stream.read(&mut [0; 1024])?;
///     stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n42")
/// });
/// let http = Http::new(&base, Limits::default())?;
/// assert_eq!(http.get("/answer", &[("zone", "DE")], Auth::None)?, b"42");
/// service.join().expect("the service ended")?;
///
/// let refused = Http::new("http://example.org", Limits::default()).unwrap_err();
/// assert!(matches!(refused, NetError::Address(_)), "plain HTTP to another machine");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Http {
    agent: Agent,
    base: String,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl Http {
    /// Returns a client of the service at `base`, such as `https://api.example.org/v3`.
    ///
    /// # Errors
    /// [`NetError::Address`] for an address that is neither HTTPS nor on this machine, is link-local, or contains a
    /// user, a query or a fragment.
    pub fn new(base: &str, limits: Limits) -> Result<Self, NetError> {
        Self::open(ClientKind::Service, base, limits, TlsConfig::default())
    }

    /// Returns a client of a server whose identity is checked in this way.
    ///
    /// # Errors
    /// As [`Http::new`], and [`NetError::Certificate`].
    pub fn trusting(base: &str, limits: Limits, trust: &ServerTrust) -> Result<Self, NetError> {
        Self::open(ClientKind::Service, base, limits, trust.tls()?)
    }

    /// Returns a client of a cloud's metadata service, the only one that may use the link-local address
    /// [`crate::METADATA_HOST`].
    ///
    /// # Errors
    /// As [`Http::new`].
    pub fn metadata(base: &str, limits: Limits) -> Result<Self, NetError> {
        Self::open(ClientKind::Metadata, base, limits, TlsConfig::default())
    }

    /// Returns the same client with waits on another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Returns a client after checking its base address.
    fn open(client: ClientKind, base: &str, limits: Limits, tls: TlsConfig) -> Result<Self, NetError> {
        let local = address::check(base, client)?;
        let clock = Arc::new(SystemClock::default());
        Ok(Self {
            agent: agent(&limits, local, client, tls),
            base: base.trim_end_matches('/').to_owned(),
            limits,
            clock,
        })
    }

    /// Returns the body of the answer to a GET of `base` + `path` with this query. HTTP 429 is not retried here, so
    /// that the caller can decide; nor is 503 if the service asks for a wait.
    ///
    /// # Errors
    /// [`NetError`] of the last attempt.
    pub fn get(&self, path: &str, query: &[(&str, &str)], auth: Auth<'_>) -> Result<Vec<u8>, NetError> {
        let again = |error: &NetError| error.is_passing().then_some(Duration::ZERO);
        self.limits.retry().run(&*self.clock, again, || self.get_once(path, query, auth))
    }

    /// Sends one GET and returns the body of the answer.
    fn get_once(&self, path: &str, query: &[(&str, &str)], auth: Auth<'_>) -> Result<Vec<u8>, NetError> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in query {
            request = request.query(name, value);
        }
        self.read(with_auth(request, auth).call().map_err(|error| net_error(&error))?)
    }

    /// Returns the answer to a PUT without a body, which is tried once. The metadata service returns its tokens this
    /// way.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn put(&self, path: &str, header: (&'static str, &'static str)) -> Result<Vec<u8>, NetError> {
        let request = self.agent.put(format!("{}{path}", self.base)).header(header.0, header.1);
        self.read(request.send_empty().map_err(|error| net_error(&error))?)
    }

    /// Logs in with an account, the text `user:password`: sends a POST whose JSON has user and password in these two fields.
    /// It is tried once, as a service may lock an account after a few failures.
    ///
    /// ```no_run
    /// use eco2_net::{Auth, Http, Limits, Secret};
    ///
    /// let http = Http::new("https://bmc.example.org", Limits::default())?;
    /// let account = Secret::new("monitor:not-a-password").expect("printable ASCII");
    /// let login = http.log_in("/redfish/v1/SessionService/Sessions", &account, ["UserName", "Password"], "x-auth-token")?;
    /// http.get("/redfish/v1/Chassis", &[], Auth::Header("x-auth-token", &login.token))?;
    /// # Ok::<(), eco2_net::NetError>(())
    /// ```
    ///
    /// # Errors
    /// [`NetError`]; [`NetError::NoToken`] if the answer has no token in the header `token_header`.
    pub fn log_in(
        &self,
        path: &str,
        account: &Secret,
        [user_field, password_field]: [&str; 2],
        token_header: &'static str,
    ) -> Result<Login, NetError> {
        let (user, password) = account.expose().split_once(':').unwrap_or((account.expose(), ""));
        let body = format!(
            "{{\"{user_field}\":\"{}\",\"{password_field}\":\"{}\"}}",
            json_escaped(user),
            json_escaped(password)
        );
        let request =
            self.agent.post(format!("{}{path}", self.base)).header("content-type", "application/json; charset=utf-8");
        let response = request.send(body).map_err(|error| net_error(&error))?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (token, location) = (header(token_header), header("location"));
        self.read(response)?;
        let token = token.and_then(|token| Secret::new(&token)).ok_or(NetError::NoToken)?;
        Ok(Login { token, location })
    }

    /// Sends a message of an outbox, once. The content of the answer is not read.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn deliver(&self, message: &Message, auth: Auth<'_>) -> Result<(), NetError> {
        self.post(message, auth, &Headers::default()).map(drop)
    }

    /// Sends a message of an outbox as [`Self::deliver`] does, with these headers. Returns the content of the answer; nothing if it is
    /// longer than the limit or breaks off, because the message has been taken.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn deliver_with(&self, message: &Message, auth: Auth<'_>, headers: &Headers) -> Result<Vec<u8>, NetError> {
        let mut response = self.post(message, auth, headers)?;
        Ok(response.body_mut().with_config().limit(self.limits.max_bytes).read_to_vec().unwrap_or_default())
    }

    /// Sends a message once, and returns an answer with the status of a success.
    fn post(&self, message: &Message, auth: Auth<'_>, headers: &Headers) -> Result<Response<Body>, NetError> {
        let address = format!("{}{}", self.base, message.path);
        let mut request = match message.method {
            Method::Post => self.agent.post(address),
            Method::Put => self.agent.put(address),
        };
        for (name, value) in &message.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers.expose() {
            request = request.header(name, value);
        }
        let response = with_auth(request, auth).send(&message.body[..]).map_err(|error| net_error(&error))?;
        check_status(&response)?;
        Ok(response)
    }

    /// Sends a DELETE, which is tried once.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn delete(&self, path: &str, auth: Auth<'_>) -> Result<(), NetError> {
        let request = with_auth(self.agent.delete(format!("{}{path}", self.base)), auth);
        self.read(request.call().map_err(|error| net_error(&error))?).map(drop)
    }

    /// Returns the body of a response; an error if its status is not a success or it is too long.
    fn read(&self, mut response: Response<Body>) -> Result<Vec<u8>, NetError> {
        check_status(&response)?;
        let most = self.limits.max_bytes;
        let body = response.body_mut().with_config().limit(most).read_to_vec();
        body.map_err(|error| match error {
            Error::BodyExceedsLimit(_) => NetError::TooLarge { most },
            error => net_error(&error),
        })
    }
}

/// A login that the service accepted.
#[derive(Debug, Clone)]
pub struct Login {
    /// The token for the requests that follow.
    pub token: Secret,
    /// Where the session can be ended, as the service states it; a path or a whole address.
    pub location: Option<String>,
}

/// Returns a request with its proof of who sends it.
fn with_auth<Body>(request: RequestBuilder<Body>, auth: Auth<'_>) -> RequestBuilder<Body> {
    match auth {
        Auth::None => request,
        Auth::Header(name, secret) => request.header(name, secret.expose()),
        Auth::Bearer(secret) => request.header("authorization", format!("Bearer {}", secret.expose())),
        Auth::Basic(secret) => request.header("authorization", format!("Basic {}", base64(secret.expose()))),
        Auth::Query(name, secret) => request.query(name, secret.expose()),
        Auth::Plain(name, value) => request.header(name, value),
    }
}

/// Returns printable ASCII for use within a JSON string.
fn json_escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Returns a client that connects only to the address that it is given; `local`: the address is on this machine.
pub(crate) fn agent(limits: &Limits, local: bool, client: ClientKind, tls: TlsConfig) -> Agent {
    let mut config = Agent::config_builder()
        .timeout_global(Some(limits.timeout))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .https_only(!local)
        .tls_config(tls)
        .user_agent(concat!("eco2/", env!("CARGO_PKG_VERSION")));
    if local {
        config = config.proxy(None);
    }
    Agent::with_parts(config.build(), DefaultConnector::default(), GuardedResolver::new(client))
}

/// Checks the status of a response; returns the error for one that is not a success.
pub(crate) fn check_status(response: &Response<Body>) -> Result<(), NetError> {
    let status = response.status();
    match status {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => Err(NetError::Redirect),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(NetError::Refused(status.as_u16())),
        StatusCode::TOO_MANY_REQUESTS => Err(NetError::TooOften { retry_after_s: retry_after_s(response) }),
        StatusCode::SERVICE_UNAVAILABLE => Err(retry_after_s(response)
            .map_or(NetError::Status(503), |retry_after_s| NetError::NotAvailable { retry_after_s })),
        status => Err(NetError::Status(status.as_u16())),
    }
}

/// Returns the wait that the service asks for, seconds; `None` if it asks for none, or names a date.
fn retry_after_s(response: &Response<Body>) -> Option<u64> {
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let seconds = header.and_then(|text| text.trim().parse::<u64>().ok());
    seconds.map(|seconds| seconds.min(LONGEST_WAIT_S))
}

/// Returns the error of the client without its text, which may contain the address.
pub(crate) fn net_error(error: &Error) -> NetError {
    match error {
        Error::Timeout(_) => NetError::Timeout,
        Error::Tls(_) | Error::Pem(_) | Error::Rustls(_) => NetError::Tls,
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => NetError::Tls,
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => NetError::Timeout,
        Error::Protocol(_) | Error::Http(_) => NetError::NotHttp,
        error => address::refusal(error).unwrap_or(NetError::Unreachable),
    }
}

/// Returns a text in Base64 (RFC 4648), as `Authorization: Basic` requires it.
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
    fn base64_follows_rfc_4648() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text), encoded);
        }
    }
}
