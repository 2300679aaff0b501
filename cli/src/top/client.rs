//! Asks the node agent over its Unix socket, or over TCP: one request of HTTP/1.1 per connection.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use eco2_samplers::agent::SOCKET;
use serde_json::Value;

use crate::failure::UsageError;

/// Variable that names the agent's folder.
const FOLDER: &str = "ECO2_AGENT";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Largest answer, bytes.
const MOST_BYTES: u64 = 16 << 20;

/// Where an agent answers.
#[derive(Debug, Clone)]
pub(crate) enum Agent {
    /// Its Unix socket: the kernel states who asks.
    Socket(PathBuf),
    /// Its address, as `HOST:PORT`, and the token that it requires.
    Tcp(String, Option<String>),
}

impl Agent {
    /// Returns the agent of a folder: the one that is named, that of `ECO2_AGENT`, or the first that has a socket.
    ///
    /// # Errors
    /// If no agent runs, with the remedy.
    pub(crate) fn in_folder(named: Option<&Path>) -> anyhow::Result<Self> {
        let variable = std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let folders = match named.map(Path::to_owned).or(variable) {
            Some(folder) => vec![folder],
            None => eco2_samplers::agent::folders(),
        };
        let sockets: Vec<PathBuf> = folders.iter().map(|folder| folder.join(SOCKET)).collect();
        if let Some(socket) = sockets.iter().find(|socket| socket.exists()) {
            return Ok(Self::Socket(socket.clone()));
        }
        let looked: Vec<String> = sockets.iter().map(|socket| socket.display().to_string()).collect();
        bail!("no agent runs here: there is no {}; start one with `sudo eco2 serve`", looked.join(" and no "))
    }

    /// Returns the agent at an address such as `http://127.0.0.1:9862`, and the token in a file.
    ///
    /// # Errors
    /// For an address of another form, and a file that cannot be read.
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
        let token = token_file.map(token).transpose()?;
        Ok(Self::Tcp(authority.to_owned(), token))
    }

    /// Returns the document at a path.
    ///
    /// # Errors
    /// If the agent does not answer, or refuses; the error has the remedy.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        let head = |host: &str, token: Option<&str>| {
            let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
            format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n{token}Connection: close\r\n\r\n"
            )
        };
        let answer = match self {
            Self::Socket(socket) => {
                let stream = UnixStream::connect(socket).with_context(|| self.remedy())?;
                stream.set_read_timeout(Some(PATIENCE)).and(stream.set_write_timeout(Some(PATIENCE)))?;
                exchange(stream, &head("localhost", None))
            }
            Self::Tcp(authority, token) => {
                let address = authority.to_socket_addrs().ok().and_then(|mut found| found.next());
                let address = address.with_context(|| format!("{authority}: no such host"))?;
                if token.is_some() && !address.ip().is_loopback() {
                    let fault = format!(
                        "the token is not sent to {authority} without TLS: use ssh -L 9862:localhost:9862 HOST"
                    );
                    return Err(UsageError(fault).into());
                }
                let stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(|| self.remedy())?;
                stream.set_read_timeout(Some(PATIENCE)).and(stream.set_write_timeout(Some(PATIENCE)))?;
                exchange(stream, &head(authority, token.as_deref()))
            }
        };
        document(&answer.with_context(|| self.remedy())?)
    }

    /// Returns what an error means and what to do.
    fn remedy(&self) -> String {
        match self {
            Self::Socket(path) => {
                format!(
                    "the agent at {} does not answer; see \"The agent does not answer\" in docs/runbooks.md",
                    path.display()
                )
            }
            Self::Tcp(authority, _) => format!("no agent answers at {authority}; start one with `sudo eco2 serve`"),
        }
    }
}

/// Returns the token in a file that only its owner can read, as the server requires.
///
/// # Errors
/// For a file that others can read, and one without a token.
fn token(path: &Path) -> anyhow::Result<String> {
    eco2_agent::Secret::read(path)?;
    let text = std::fs::read_to_string(path).context("the token cannot be read")?;
    Ok(text.trim().to_owned())
}

/// Sends a request and returns the whole answer.
fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

/// Returns the document of an answer.
fn document(answer: &[u8]) -> anyhow::Result<Value> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").context("the agent's answer is not complete")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    let document: Option<Value> = serde_json::from_str(body).ok();
    match (status, document) {
        ("200" | "201", Some(document)) => Ok(document),
        ("401", _) => bail!("the agent requires its token: name its file with --token-file"),
        (_, document) => {
            let reason = document.as_ref().and_then(|one| one.get("error")?.as_str().map(str::to_owned));
            bail!("the agent refuses: {}", reason.unwrap_or_else(|| format!("status {status}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_refusals_have_their_reason() {
        let answer = |text: &str| document(text.as_bytes());
        assert_eq!(answer("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{\"a\":1}").unwrap()["a"], 1);
        let refused = |text: &str| answer(text).unwrap_err().to_string();
        assert!(refused("HTTP/1.1 401 Unauthorized\r\n\r\n{}").contains("--token-file"));
        assert!(refused("HTTP/1.1 503 Busy\r\n\r\n{\"error\":\"no values yet\"}").ends_with("no values yet"));
        assert!(refused("HTTP/1.1 500 X\r\n\r\nplain").ends_with("status 500"));
        assert!(refused("HTTP/1.1 200 OK\r\n\r\n{\"a\":").ends_with("status 200"));
        assert!(refused("nothing").contains("not complete"));
    }

    #[test]
    fn addresses_are_checked_before_a_token_is_sent() {
        let at = |url: &str| Agent::at_url(url, None).map_err(|error| error.to_string());
        assert!(
            matches!(at("http://127.0.0.1:9862/"), Ok(Agent::Tcp(authority, None)) if authority == "127.0.0.1:9862")
        );
        assert!(at("http://[::1]:9862").is_ok());
        for url in ["https://a:1", "http://a", "http://a:1/x", "http://u@a:1", "a:1", "http://a:1\r\nx"] {
            assert!(at(url).is_err(), "{url}");
        }
        assert!(at("https://a:1").unwrap_err().contains("ssh -L"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "not-a-secret-0123456789\n").unwrap();
        let set = |mode| std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        set(0o644);
        assert!(Agent::at_url("http://127.0.0.1:1", Some(&file)).is_err(), "others can read the token");
        set(0o600);
        let beyond = Agent::at_url("http://192.0.2.1:1", Some(&file)).unwrap().get("/").unwrap_err();
        assert!(beyond.to_string().contains("is not sent"), "{beyond}");
    }
}
