//! Asks the agent to read its sensors often, while this process reads the fine page often ([`Lease`]).
//!
//! Without a lease the agent reads about once a second. A lease holds for five seconds. It is asked for by a request to the agent's
//! Unix socket, which is neither waited for nor read: the page shows what came of it. The thread that reads the page makes the
//! request, so that no other thread is needed, and callers of the meter notice nothing.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with};

/// Name of the agent's Unix socket in its folder.
pub const SOCKET: &str = "eco2.sock";
/// Time between two requests: a lease holds for five seconds, so that one request may be lost.
const RENEW_NS: u64 = 2_000_000_000;
/// Readings at longer intervals than this need no lease: the page changes once a second in any case.
const SELDOM_NS: u64 = 500_000_000;
/// The request. The agent closes the connection after its answer.
const REQUEST: &[u8] = b"POST /api/v1/lease HTTP/1.1\r\nhost: eco2\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The lease of one reader of a fine page.
#[derive(Debug)]
pub(super) struct Lease {
    socket: PathBuf,
    /// The connection of the last request. It stays open, because the agent may not answer one that was closed.
    connection: Option<OwnedFd>,
    /// When the page was read last, monotonic nanoseconds; `None`: never.
    read_ns: Option<u64>,
    /// When the next request is due.
    due_ns: u64,
}

impl Lease {
    /// Returns a lease that was not asked for yet, of the agent with this folder.
    pub(super) fn new(folder: &Path) -> Self {
        Self { socket: folder.join(SOCKET), connection: None, read_ns: None, due_ns: 0 }
    }

    /// Takes note of a reading at `now_ns`, and asks for the lease where readings are close together, where this is the first one,
    /// and where it is `urgent`: the end of a run.
    pub(super) fn read(&mut self, now_ns: u64, urgent: bool) {
        let before_ns = self.read_ns.replace(now_ns);
        let is_often = before_ns.is_none_or(|before_ns| now_ns.saturating_sub(before_ns) < SELDOM_NS);
        if (is_often && now_ns >= self.due_ns) || (urgent && now_ns >= self.due_ns.saturating_sub(RENEW_NS / 2)) {
            self.due_ns = now_ns.saturating_add(RENEW_NS);
            // Without a lease the page is read as it is.
            self.connection = ask(&self.socket).ok();
        }
    }
}

/// Sends the request. No call in it waits.
fn ask(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    // The measured program need not survive the signal of a connection that the agent has closed.
    send(&socket, REQUEST, SendFlags::NOSIGNAL)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    const MS: u64 = 1_000_000;

    /// Returns whether a request arrived at the agent.
    fn arrived(agent: &UnixListener) -> bool {
        let Ok((mut connection, _)) = agent.accept() else { return false };
        let mut bytes = [0; 512];
        let count = connection.read(&mut bytes).unwrap();
        assert_eq!(&bytes[..count], REQUEST);
        true
    }

    #[test]
    fn lease_is_asked_for_at_the_first_reading_and_while_readings_are_close_together() {
        let folder = tempfile::tempdir().unwrap();
        let agent = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        agent.set_nonblocking(true).unwrap();
        let mut lease = Lease::new(folder.path());
        let mut asked = |now_ms: u64, urgent| {
            lease.read(now_ms * MS, urgent);
            arrived(&agent)
        };
        assert!(asked(1_000, false), "a run begins");
        let often: Vec<u64> = (1..=500).map(|n| 1_000 + n * 10).filter(|ms| asked(*ms, false)).collect();
        assert_eq!(often, [3_000, 5_000], "five seconds at 100 Hz");
        let seldom = (1..=20).filter(|second| asked(6_000 + second * 1_000, false)).count();
        assert_eq!(seldom, 0, "the page changes once a second without a lease");
        assert!(asked(26_500, true), "a run ends");
        assert!(!asked(26_501, true), "it was asked for just now");
    }

    #[test]
    fn agent_that_is_gone_stopped_or_full_holds_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut lease = Lease::new(folder.path());
        lease.read(0, false);
        assert!(lease.connection.is_none(), "there is no socket");
        let stopped = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        // It accepts nothing, so that its queue is full after some hundred connections.
        let mut held = Vec::new();
        while let Ok(connection) = ask(&folder.path().join(SOCKET)) {
            held.push(connection);
        }
        lease.read(10_000 * MS, true);
        assert!(lease.connection.is_none());
        drop(stopped);
        drop(held);
        lease.read(20_000 * MS, true);
        assert!(lease.connection.is_none(), "its socket is closed");
    }
}
