//! Speaks with systemd: states that the agent is ready and still samples ([`Notifier`], sd_notify(3)), and takes the sockets that were
//! opened for it ([`inherited_sockets`], sd_listen_fds(3)). Both are a few lines of a documented protocol, so that no library is needed.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::Snapshot;

/// First file descriptor that systemd passes.
const FIRST: i32 = 3;
/// Most sockets that are taken: a Unix socket and a TCP address.
const MOST: i32 = 2;
/// Least time without a reading after which the sampling loop counts as stuck: it reads at least once a second.
const LEAST: Duration = Duration::from_secs(3);

/// Where systemd is notified; nothing is sent where no service manager asked for it.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Returns the notifier that the environment asks for: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    #[must_use]
    pub fn from_env() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|path| {
            let address = match path.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
                _ => SocketAddr::from_pathname(&path),
            };
            Some((UnixDatagram::unbound().ok()?, address.ok()?))
        });
        let number = |name: &str| variable(name)?.to_str()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| is_ours && *usec > 0).map(Duration::from_micros);
        Self { watchdog: watchdog.filter(|_| socket.is_some()), socket }
    }

    /// Returns how often [`Self::alive`] is due; `None`: no one waits for it.
    #[must_use]
    pub fn every(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 4)
    }

    /// States that the agent is ready.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// States that the agent ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// States that the agent lives, if its newest snapshot shows that the sampling loop and the account go on: `now_ns` is the monotonic
    /// clock. That of a stuck loop is not sent, so that systemd restarts the agent. How well sensors answer does not matter: each that
    /// can hang has a thread of its own.
    pub fn alive(&self, snapshot: &Snapshot, now_ns: u64) {
        let Some(limit) = self.watchdog else { return };
        let limit_ns = u64::try_from((limit / 2).max(LEAST).as_nanos()).unwrap_or(u64::MAX);
        let is_recent = |at_ns: u64| now_ns.saturating_sub(at_ns) <= limit_ns;
        if is_recent(snapshot.at_ns) && is_recent(snapshot.sampled_ns.unwrap_or(snapshot.began_ns)) {
            let power = snapshot.power_w().map_or_else(|| "no power read".to_owned(), |watts| format!("{watts:.0} W"));
            let jobs = snapshot.consumers.iter().filter(|one| one.ended_wall_ns.is_none()).count();
            self.send(&format!("WATCHDOG=1\nSTATUS={power}, {jobs} running jobs"));
        }
    }

    fn send(&self, text: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that is gone needs no notice.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

/// Takes the sockets that systemd opened for this process (`LISTEN_FDS`); none where it opened none.
///
/// A descriptor is duplicated through the kernel's handle of this process, so that no number of a descriptor is trusted.
///
/// # Errors
/// If the kernel, older than Linux 5.6, or a filter of system calls refuses it.
pub fn inherited_sockets() -> io::Result<Vec<OwnedFd>> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<i32>().ok();
    let own = getpid();
    if number("LISTEN_PID") != Some(Pid::as_raw(Some(own))) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS").unwrap_or(0).clamp(0, MOST);
    let process = pidfd_open(own, PidfdFlags::empty())?;
    (FIRST..FIRST + count).map(|fd| Ok(pidfd_getfd(&process, fd, PidfdGetfdFlags::empty())?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{SECOND_NS, snapshot};
    use crate::snapshot::Resolution;

    /// A notifier, and the end at which its messages arrive.
    fn pair(variables: &[(&str, &str)]) -> (Notifier, UnixDatagram, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let notifier = Notifier::of(|name| match name {
            "NOTIFY_SOCKET" => Some(path.clone().into()),
            _ => variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()),
        });
        (notifier, manager, folder)
    }

    fn received(manager: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[test]
    fn watchdog_is_fed_only_while_sampling_and_account_go_on() {
        let (notifier, manager, _folder) = pair(&[("WATCHDOG_USEC", "30000000")]);
        assert_eq!(notifier.every(), Some(Duration::from_millis(7_500)));
        notifier.ready();
        assert_eq!(received(&manager).as_deref(), Some("READY=1"));
        let now = snapshot(60, Resolution::PUBLIC);
        notifier.alive(&now, now.at_ns + SECOND_NS);
        let text = received(&manager).unwrap();
        assert!(text.starts_with("WATCHDOG=1\nSTATUS=") && text.contains(" W, "), "{text}");
        // The account goes on, and has had no reading of the sampling loop for 20 s.
        let stuck = Snapshot { sampled_ns: Some(now.at_ns - 20 * SECOND_NS), ..now.clone() };
        notifier.alive(&stuck, now.at_ns);
        assert_eq!(received(&manager), None, "a stuck sampling loop");
        notifier.alive(&now, now.at_ns + 20 * SECOND_NS);
        assert_eq!(received(&manager), None, "a stuck account");
    }

    #[test]
    fn watchdog_of_another_process_and_no_manager_at_all_are_not_fed() {
        let (other, manager, _folder) = pair(&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "1")]);
        let now = snapshot(60, Resolution::PUBLIC);
        other.alive(&now, now.at_ns);
        assert_eq!((received(&manager), other.every()), (None, None));
        let none = Notifier::of(|_| None);
        none.ready();
        none.alive(&now, now.at_ns);
        assert_eq!(none.every(), None);
    }

    #[test]
    fn sockets_for_another_process_are_not_taken() {
        // The variables of this test's own process name no sockets.
        assert!(inherited_sockets().unwrap().is_empty());
    }
}
