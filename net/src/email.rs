//! Sends e-mail: plain-text messages handed to one SMTP server, always over TLS.
//!
//! `smtps://` and port 465 use TLS from the first byte (RFC 8314, "implicit TLS"). Otherwise the connection is upgraded
//! with `STARTTLS`, and closed if the server does not offer it. No password and no message is ever sent unencrypted.

use std::error::Error as _;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::{Mailbox, Message, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, SmtpTransport};
use lettre::{Address, Transport as _};

use crate::http::Limits;
use crate::{Clock, NetError, Secret, SystemClock, address};

/// Port of message submission with `STARTTLS` (RFC 6409).
const SUBMISSION: u16 = 587;
/// Port of message submission with implicit TLS (RFC 8314).
const SUBMISSIONS: u16 = 465;

/// First line of a certificate in PEM form (RFC 7468).
const PEM_HEAD: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// A mail server, the account on it, and the recipients.
#[derive(Debug, Clone, Default)]
pub struct MailAccount {
    /// Name of the server, with scheme and port or without: `smtp.example.org` (port 587), `smtps://smtp.example.org`
    /// (465), `smtp.example.org:2525`.
    pub server: String,
    /// User name; without one, no password is sent.
    pub user: Option<String>,
    /// Password of the user.
    pub password: Option<Secret>,
    /// Address of the sender [default: the user if it is an address, else the first recipient].
    pub from: Option<String>,
    /// Addresses of the recipients, at least one.
    pub to: Vec<String>,
    /// A root certificate in PEM form to trust in addition to the public ones, for a server with a private authority.
    pub root_pem: Option<Vec<u8>>,
}

/// Sends messages to the recipients of a [`MailAccount`]. Each message opens a connection of its own.
///
/// ```
/// use eco2_net::{Limits, MailAccount, Mailer, NetError};
///
/// let account = MailAccount { server: "smtp.example.org".into(), to: vec!["ops@example.org".into()], ..Default::default() };
/// assert!(Mailer::new(account.clone(), Limits::default()).is_ok());
///
/// let nobody = MailAccount { to: Vec::new(), ..account };
/// assert!(matches!(Mailer::new(nobody, Limits::default()), Err(NetError::Mail(_))));
/// ```
#[derive(Debug)]
pub struct Mailer {
    transport: SmtpTransport,
    from: Mailbox,
    to: Vec<Mailbox>,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl Mailer {
    /// Returns a mailer that is not connected yet. `limits.timeout` limits the connection and each answer of the
    /// server.
    ///
    /// # Errors
    /// [`NetError::Mail`] for a server, an address or a certificate that cannot be used.
    pub fn new(account: MailAccount, limits: Limits) -> Result<Self, NetError> {
        let Server { host, port, is_implicit } = server(&account.server)?;
        let tls = tls(host, account.root_pem.as_deref())?;
        let tls = if is_implicit { Tls::Wrapper(tls) } else { Tls::Required(tls) };
        let mut transport = SmtpTransport::builder_dangerous(host).port(port).tls(tls).timeout(Some(limits.timeout));
        if let Some((user, password)) = account.user.clone().zip(account.password.as_ref()) {
            transport = transport.credentials(Credentials::new(user, password.expose().to_owned()));
        }
        let to = account.to.iter().map(|text| mailbox(text)).collect::<Result<Vec<_>, _>>()?;
        let user = account.user.as_deref().filter(|user| user.contains('@'));
        let first = to.first().ok_or(NetError::Mail("name no recipient"))?;
        let from = match account.from.as_deref().or(user) {
            Some(text) => mailbox(text)?,
            None => first.clone(),
        };
        Ok(Self { transport: transport.build(), from, to, limits, clock: Arc::new(SystemClock::default()) })
    }

    /// Returns the same mailer with waits on another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Sends a message, and sends it again after an error that may pass. `left` returns the remaining time (`None`: no
    /// limit), which may shrink during a wait. A wait longer than that is not started, or is abandoned.
    ///
    /// # Errors
    /// [`NetError`] of the last attempt.
    pub fn send_within(&self, subject: &str, text: &str, left: &dyn Fn() -> Option<Duration>) -> Result<(), NetError> {
        let message = self.message(subject, text)?;
        let attempt = || self.transport.send(&message).map(drop).map_err(|error| net_error(&error));
        self.limits.retry().run_within(&*self.clock, left, NetError::retry_after, attempt)
    }

    /// Returns the message with sender, recipients, subject and text.
    fn message(&self, subject: &str, text: &str) -> Result<Message, NetError> {
        let to = |message: lettre::message::MessageBuilder, mailbox: &Mailbox| message.to(mailbox.clone());
        let head = self.to.iter().fold(Message::builder().from(self.from.clone()).subject(subject), to);
        head.header(ContentType::TEXT_PLAIN).body(text.to_owned()).map_err(|_| NetError::Mail("make no message"))
    }
}

/// The parts of a server's name such as `smtps://smtp.example.org:8465`.
struct Server<'a> {
    host: &'a str,
    port: u16,
    /// Whether TLS starts with the first byte.
    is_implicit: bool,
}

/// Returns the parts of a server's name.
fn server(text: &str) -> Result<Server<'_>, NetError> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("smtp", text));
    let default = if scheme == "smtps" { SUBMISSIONS } else { SUBMISSION };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)),
        None => (rest, Some(default)),
    };
    let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    match port {
        Some(_) if address::is_link_local_host(host) => Err(NetError::Mail("name a link-local server")),
        Some(port) if is_name && matches!(scheme, "smtp" | "smtps") => {
            Ok(Server { host, port, is_implicit: scheme == "smtps" || port == SUBMISSIONS })
        }
        _ => Err(NetError::Mail("name no server such as smtp.example.org or smtps://smtp.example.org:465")),
    }
}

/// Returns a mail address; an error if the text is none.
fn mailbox(text: &str) -> Result<Mailbox, NetError> {
    let address = text.trim().parse::<Address>();
    address.map(|address| Mailbox::new(None, address)).map_err(|_| NetError::Mail("hold something that is no address"))
}

/// Returns the TLS settings for a server, with the additional root certificate if there is one.
fn tls(host: &str, root_pem: Option<&[u8]>) -> Result<TlsParameters, NetError> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(pem) = root_pem {
        const NO_PEM: NetError = NetError::Mail("name a certificate that is no PEM");
        // A PEM file without any certificate is read as an empty list, without an error.
        let has_one = pem.windows(PEM_HEAD.len()).any(|part| part == PEM_HEAD);
        let root = Certificate::from_pem(pem).ok().filter(|_| has_one).ok_or(NO_PEM)?;
        parameters = parameters.add_root_certificate(root);
    }
    parameters.build_rustls().map_err(|_| NetError::Mail("name a certificate that cannot be trusted"))
}

/// Returns the error of the client without its text, which may contain text from the server.
fn net_error(error: &smtp::Error) -> NetError {
    if let Some(code) = error.status() {
        return NetError::Smtp(u16::from(code));
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return match error.kind() {
                ErrorKind::TimedOut | ErrorKind::WouldBlock => NetError::Timeout,
                ErrorKind::InvalidData => NetError::Tls,
                _ => NetError::Unreachable,
            };
        }
        cause = error.source();
    }
    match error {
        error if error.is_tls() => NetError::Tls,
        error if error.is_response() => NetError::NotSmtp,
        // The client cannot use this server: it cannot log in, or not upgrade to TLS.
        error if error.is_client() => NetError::Mail("need what the server does not offer: STARTTLS, or this login"),
        _ => NetError::Unreachable,
    }
}
