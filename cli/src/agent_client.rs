//! Asks the node agent ([`AgentClient`]) over its Unix socket, or over TCP: HTTP/1.1 with a JSON document in each direction.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use eco2::options::opt;
use eco2_samplers::agent::{SOCKET, folders};
use eco2_samplers::page::folder_owner;
use serde_json::Value;

use crate::failure::UsageError;

/// Time for each part of an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer, bytes: a history of 20,000 jobs with some labels.
const MOST_BYTES: u64 = 64 << 20;
/// Longest line of the head of an answer, bytes, and most lines.
const MOST_LINE: u64 = 8 << 10;
const MOST_LINES: usize = 64;

/// Where an agent answers.
#[derive(Debug, Clone)]
pub(crate) enum AgentPlace {
    /// The socket in its folder; `None`: that of `ECO2_AGENT`, or the first that exists. The kernel states who asks.
    Folder(Option<PathBuf>),
    /// Its address as `HOST:PORT`, and the token that it requires.
    Address(String, Option<String>),
}

impl AgentPlace {
    /// Returns the place of an address such as `http://127.0.0.1:9862`, with the token in a file.
    ///
    /// # Errors
    /// For an address of another form, and for a file that others can read or that has no token.
    pub(crate) fn at_url(url: &str, token_file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else {
            let fault = format!(
                "{url}: expected http://HOST:PORT; reach an agent with TLS by ssh -L 9862:localhost:9862 HOST, or on its own machine"
            );
            return Err(UsageError(fault).into());
        };
        let authority = rest.trim_end_matches('/');
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if !has_port || authority.contains(['/', '@', '?', '#', ' ']) {
            return Err(UsageError(format!("{url}: expected http://HOST:PORT, such as http://127.0.0.1:9862")).into());
        }
        Ok(Self::Address(authority.to_owned(), token_file.map(token).transpose()?))
    }
}

/// Returns the token in a file that only its owner can read, as the server requires.
///
/// # Errors
/// For a file that others can read, and one without a token.
fn token(path: &Path) -> anyhow::Result<String> {
    eco2_agent::Secret::read(path)?;
    let text = fs::read_to_string(path).context("the token cannot be read")?;
    Ok(text.trim().to_owned())
}

/// A connection to the agent.
pub(crate) struct AgentClient {
    /// Where it leads, for messages.
    shown: String,
    /// Headers that each request has.
    headers: String,
    /// Of the last answer: since when it has every job that ended, where older ones are gone.
    complete_since: Option<String>,
    stream: BufReader<Box<dyn Stream>>,
}

trait Stream: Read + Write {}
impl Stream for UnixStream {}
impl Stream for TcpStream {}

/// An answer that is no success: the status, and the reason that the agent gave.
#[derive(Debug)]
pub(crate) struct RefusedByAgent {
    pub(crate) status: u16,
    reason: String,
}

impl std::fmt::Display for RefusedByAgent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.reason)
    }
}

impl std::error::Error for RefusedByAgent {}

impl AgentClient {
    /// Connects to an agent.
    ///
    /// # Errors
    /// Where there is none, it has ended, or its socket may not be used; with the remedy.
    pub(crate) fn connect(place: &AgentPlace) -> anyhow::Result<Self> {
        match place {
            AgentPlace::Folder(folder) => Self::to_socket(folder.as_deref()),
            AgentPlace::Address(authority, token) => Self::to_address(authority, token.as_deref()),
        }
    }

    fn to_socket(folder: Option<&Path>) -> anyhow::Result<Self> {
        let variable = || std::env::var_os(opt::AGENT.variable).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let named = folder.map(Path::to_owned).or_else(variable);
        let folders = named.map_or_else(folders, |folder| vec![folder]);
        let sockets: Vec<PathBuf> = folders.iter().map(|folder| folder.join(SOCKET)).collect();
        let Some(socket) = sockets.iter().find(|socket| fs::symlink_metadata(socket).is_ok()) else {
            let tried: Vec<String> = sockets.iter().map(|socket| socket.display().to_string()).collect();
            bail!("no agent: there is no {}; start one as root: eco2 serve", tried.join(" and no "));
        };
        let shown = socket.display();
        let about = fs::symlink_metadata(socket).with_context(|| format!("cannot look at {shown}"))?;
        if !about.file_type().is_socket() {
            bail!("{shown} is not a socket: remove it, and start the agent again: eco2 serve");
        }
        let owner =
            folder_owner(socket.parent().unwrap_or(Path::new("/"))).with_context(|| format!("{shown} is not used"))?;
        let trusted = [0, rustix::process::geteuid().as_raw(), owner];
        if !trusted.contains(&about.uid()) {
            bail!("{shown} belongs to user {}: only an agent of root or of your own is used", about.uid());
        }
        let stream = UnixStream::connect(socket).map_err(|error| {
            let remedy = match error.kind() {
                io::ErrorKind::ConnectionRefused => "its agent has ended: start it again: eco2 serve".to_owned(),
                io::ErrorKind::PermissionDenied => {
                    format!("it has mode {:o} and needs 666: start the agent again: eco2 serve", about.mode() & 0o777)
                }
                _ => "start the agent again: eco2 serve".to_owned(),
            };
            anyhow::Error::new(error).context(format!("cannot connect to {shown}: {remedy}"))
        })?;
        stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)))?;
        Ok(Self::over(Box::new(stream), shown.to_string(), "Host: localhost\r\n".to_owned()))
    }

    fn to_address(authority: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let address = authority.to_socket_addrs().ok().and_then(|mut found| found.next());
        let address = address.with_context(|| format!("{authority}: no such host"))?;
        if token.is_some() && !address.ip().is_loopback() {
            let fault =
                format!("the token is not sent to {authority} without TLS: use ssh -L 9862:localhost:9862 HOST");
            return Err(UsageError(fault).into());
        }
        let unanswered = || format!("no agent answers at {authority}; start one as root: eco2 serve");
        let stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(unanswered)?;
        stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)))?;
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        Ok(Self::over(Box::new(stream), authority.to_owned(), format!("Host: {authority}\r\n{token}")))
    }

    fn over(stream: Box<dyn Stream>, shown: String, headers: String) -> Self {
        Self { shown, headers, complete_since: None, stream: BufReader::new(stream) }
    }

    /// Returns the time since which the last answer has every job that ended (RFC 3339); `None`: it has all.
    pub(crate) fn complete_since(&self) -> Option<&str> {
        self.complete_since.as_deref()
    }

    /// Sends a request and returns the document of the answer.
    ///
    /// # Errors
    /// [`RefusedByAgent`] for an answer that is no success; others where there was no answer.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = self.exchange(method, path, &body);
        let (status, document) = answer.with_context(|| format!("the agent at {} does not answer", self.shown))?;
        if (200..300).contains(&status) {
            return Ok(document);
        }
        let reason = document.get("error").and_then(Value::as_str).unwrap_or("the agent refused the request");
        let remedy = if status == 401 { ": name the file of its token with --token-file" } else { "" };
        Err(RefusedByAgent { status, reason: format!("{reason}{remedy}") }.into())
    }

    fn exchange(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, Value)> {
        let (length, headers) = (body.len(), &self.headers);
        let head = format!("{method} {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n");
        self.stream.get_mut().write_all((head + body).as_bytes())?;
        let status = self.line()?;
        let status: u16 = status.split(' ').nth(1).and_then(|code| code.parse().ok()).context("not HTTP")?;
        let mut length: u64 = 0;
        self.complete_since = None;
        for _ in 0..MOST_LINES {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().context("the length of the answer")?;
            } else if name.eq_ignore_ascii_case("eco2-complete-since") {
                self.complete_since = Some(value.trim().to_owned());
            }
        }
        if length > MOST_BYTES {
            bail!("an answer of {length} bytes");
        }
        let mut bytes = Vec::new();
        (&mut self.stream).take(length).read_to_end(&mut bytes)?;
        Ok((status, serde_json::from_slice(&bytes).context("the answer is no JSON")?))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut self.stream).take(MOST_LINE).read_line(&mut line)?;
        if line.ends_with('\n') { Ok(line) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn answered(answer: &str) -> Result<Value, String> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(answer.as_bytes()).unwrap();
        drop(theirs.shutdown(std::net::Shutdown::Write));
        let mut client = AgentClient::over(Box::new(ours), "here".to_owned(), String::new());
        client.ask("GET", "/", None).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn answers_are_read_and_refusals_have_their_reason() {
        let answer = |status: &str, body: &str| {
            answered(&format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
        };
        assert_eq!(answer("200 OK", "{\"a\":1}").unwrap()["a"], 1);
        assert!(answer("401 Unauthorized", "{\"error\":\"a token\"}").unwrap_err().contains("--token-file"));
        assert_eq!(answer("503 Busy", "{\"error\":\"no values yet\"}").unwrap_err(), "no values yet");
        for broken in ["", "nothing", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"", "HTTP/1.1 x y\r\n\r\n"] {
            assert!(answered(broken).unwrap_err().starts_with("the agent at here does not answer"), "{broken}");
        }
        assert!(answered("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").unwrap_err().contains("bytes"));
    }

    #[test]
    fn token_goes_to_this_machine_only_and_from_a_file_that_others_cannot_read() {
        let at = |url: &str| AgentPlace::at_url(url, None).map_err(|error| error.to_string());
        assert!(
            matches!(at("http://127.0.0.1:9862/"), Ok(AgentPlace::Address(place, None)) if place == "127.0.0.1:9862")
        );
        assert!(at("http://[::1]:9862").is_ok());
        for url in ["https://a:1", "http://a", "http://a:1/x", "http://u@a:1", "a:1", "http://a:1\r\nx"] {
            assert!(at(url).is_err(), "{url}");
        }
        assert!(at("https://a:1").unwrap_err().contains("ssh -L"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "not-a-secret-0123456789\n").unwrap();
        let set = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        set(0o644);
        assert!(AgentPlace::at_url("http://127.0.0.1:1", Some(&file)).is_err(), "others can read the token");
        set(0o600);
        let place = AgentPlace::at_url("http://192.0.2.1:1", Some(&file)).unwrap();
        let Err(beyond) = AgentClient::connect(&place) else { panic!("connected") };
        assert!(beyond.to_string().contains("is not sent"), "{beyond}");
    }
}
