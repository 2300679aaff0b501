//! Asks the node agent over its Unix socket ([`AgentClient`]): HTTP/1.1 with a JSON document in each direction.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use eco2_samplers::agent;
use serde_json::Value;

/// Name of the socket in the agent's folder.
const SOCKET: &str = "eco2.sock";
/// Time for each part of an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer, bytes: 1,600 jobs with all their labels.
const MOST_BYTES: u64 = 16 << 20;
/// Longest line of the head of an answer, bytes, and most lines.
const MOST_LINE: u64 = 8 << 10;
const MOST_LINES: usize = 64;

/// A connection to the agent.
#[derive(Debug)]
pub(super) struct AgentClient {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
}

/// An answer that is no success: the status, and the reason that the agent gave.
#[derive(Debug)]
pub(super) struct RefusedByAgent {
    pub(super) status: u16,
    reason: String,
}

impl std::fmt::Display for RefusedByAgent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.reason)
    }
}

impl std::error::Error for RefusedByAgent {}

impl AgentClient {
    /// Connects to the agent of a folder, or to the one that is found.
    ///
    /// # Errors
    /// Where there is none, it has ended, or its socket may not be used; with the remedy.
    pub(super) fn connect(folder: Option<&Path>) -> anyhow::Result<Self> {
        let named = folder.map(Path::to_owned).or_else(|| std::env::var_os("ECO2_AGENT").map(PathBuf::from));
        let folders = named.map_or_else(agent::folders, |folder| vec![folder]);
        let sockets: Vec<PathBuf> = folders.iter().map(|folder| folder.join(SOCKET)).collect();
        let Some(socket) = sockets.iter().find(|socket| fs::symlink_metadata(socket).is_ok()).cloned() else {
            let tried: Vec<String> = sockets.iter().map(|socket| socket.display().to_string()).collect();
            bail!("no agent: there is no {}; start one as root: eco2 serve", tried.join(" and no "));
        };
        let shown = socket.display();
        let about = fs::symlink_metadata(&socket).with_context(|| format!("cannot look at {shown}"))?;
        if !about.file_type().is_socket() {
            bail!("{shown} is not a socket: remove it, and start the agent again: eco2 serve");
        }
        let own = rustix::process::geteuid().as_raw();
        if about.uid() != 0 && about.uid() != own {
            bail!("{shown} belongs to user {}: only an agent of root or of your own is used", about.uid());
        }
        let stream = UnixStream::connect(&socket).map_err(|error| {
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
        Ok(Self { socket, stream: BufReader::new(stream) })
    }

    /// Sends a request and returns the document of the answer.
    ///
    /// # Errors
    /// [`RefusedByAgent`] for an answer that is no success; others where there was no answer.
    pub(super) fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let (status, document) = self
            .exchange(method, path, &body)
            .with_context(|| format!("the agent at {} does not answer", self.socket.display()))?;
        if (200..300).contains(&status) {
            return Ok(document);
        }
        let reason = document.get("error").and_then(Value::as_str).unwrap_or("the agent refused the request");
        Err(RefusedByAgent { status, reason: reason.to_owned() }.into())
    }

    fn exchange(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, Value)> {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        self.stream.get_mut().write_all((head + body).as_bytes())?;
        let status = self.line()?;
        let status: u16 = status.split(' ').nth(1).and_then(|code| code.parse().ok()).context("not HTTP")?;
        let mut length: u64 = 0;
        for _ in 0..MOST_LINES {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().context("the length of the answer")?;
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
