//! Opens the two places where the server listens: a TCP address and a Unix socket. A service manager may have opened them already.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::error::HttpFault;

/// Mode of the socket: the kernel states who connects, so everyone may.
const SOCKET_MODE: u32 = 0o666;

/// What protects a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Protection {
    pub(crate) token: bool,
    pub(crate) tls: bool,
    /// Whether to listen without them.
    pub(crate) insecure: bool,
}

/// Opens a TCP address.
///
/// # Errors
/// An address beyond loopback requires a token and TLS.
pub(crate) fn tcp(address: SocketAddr, protection: Protection) -> Result<TcpListener, HttpFault> {
    check_protection(address, protection)?;
    let listener = TcpListener::bind(address).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AddrInUse => HttpFault::InUse(address),
        _ => HttpFault::Listen { address, cause },
    })?;
    listener.set_nonblocking(true).map_err(|cause| HttpFault::Listen { address, cause })?;
    Ok(listener)
}

/// Checks that an address beyond loopback has a token and TLS.
fn check_protection(address: SocketAddr, protection: Protection) -> Result<(), HttpFault> {
    let missing = match (protection.token, protection.tls) {
        (true, true) => None,
        (true, false) => Some("TLS (--tls-cert and --tls-key)"),
        (false, true) => Some("a token (--token-file)"),
        (false, false) => Some("a token (--token-file) and TLS (--tls-cert and --tls-key)"),
    };
    let exposed = missing.filter(|_| !address.ip().is_loopback() && !protection.insecure);
    exposed.map_or(Ok(()), |missing| Err(HttpFault::Exposed(address, missing)))
}

/// The sockets that a service manager opened for this process, at most one of each kind.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    pub(crate) tcp: Option<TcpListener>,
    pub(crate) unix: Option<UnixListener>,
}

impl Inherited {
    /// Takes the sockets.
    ///
    /// # Errors
    /// One that does not listen, that is neither TCP nor Unix, or the second of a kind; an address that requires a token and TLS.
    pub(crate) fn take(sockets: &[OwnedFd], protection: Protection) -> Result<Self, HttpFault> {
        use rustix::net::{AddressFamily, sockopt};
        let mut taken = Self::default();
        for socket in sockets {
            let refused = HttpFault::Inherited;
            if !sockopt::socket_acceptconn(socket).unwrap_or(false) {
                return Err(refused("does not listen"));
            }
            let own = socket.try_clone().map_err(|_| refused("cannot be duplicated"))?;
            let family = sockopt::socket_domain(socket).map_err(|_| refused("is no socket"))?;
            if family == AddressFamily::UNIX && taken.unix.is_none() {
                let listener = UnixListener::from(own);
                listener.set_nonblocking(true).map_err(|_| refused("cannot be used without waiting"))?;
                taken.unix = Some(listener);
            } else if [AddressFamily::INET, AddressFamily::INET6].contains(&family) && taken.tcp.is_none() {
                let listener = TcpListener::from(own);
                check_protection(listener.local_addr().map_err(|_| refused("has no address"))?, protection)?;
                listener.set_nonblocking(true).map_err(|_| refused("cannot be used without waiting"))?;
                taken.tcp = Some(listener);
            } else {
                return Err(refused("is neither the only TCP address nor the only Unix socket"));
            }
        }
        Ok(taken)
    }
}

/// Opens a Unix socket. A socket that a dead agent left is replaced.
///
/// # Errors
/// Another agent that lives, a path that is not a socket, and a directory in which others may write are refused.
pub(crate) fn unix(path: &Path) -> Result<UnixListener, HttpFault> {
    let failed = |cause| HttpFault::Socket { path: path.to_owned(), cause };
    check_directory(path)?;
    if let Ok(about) = path.symlink_metadata() {
        if !about.file_type().is_socket() {
            return Err(HttpFault::NotASocket(path.to_owned()));
        }
        if is_answered(path) {
            return Err(HttpFault::SocketInUse(path.to_owned()));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(SOCKET_MODE)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Whether a process listens at a socket. A process that is stopped, and whose queue of connections is full, does: the call does not
/// wait for it.
fn is_answered(path: &Path) -> bool {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let Ok(address) = SocketAddrUnix::new(path) else { return false };
    let Ok(socket) = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None) else { return true };
    match connect(&socket, &address) {
        Ok(()) => true,
        Err(error) => error != rustix::io::Errno::CONNREFUSED && error != rustix::io::Errno::NOENT,
    }
}

/// Checks that only this user or root can put something in the socket's directory.
fn check_directory(path: &Path) -> Result<(), HttpFault> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let unsafe_folder = || HttpFault::RunDirectory(folder.to_owned());
    let about = folder.symlink_metadata().map_err(|cause| HttpFault::Socket { path: path.to_owned(), cause })?;
    let own = rustix::process::geteuid().as_raw();
    let is_ours = about.uid() == own || about.uid() == 0;
    if about.is_dir() && is_ours && about.mode() & 0o022 == 0 { Ok(()) } else { Err(unsafe_folder()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Protection = Protection { token: false, tls: false, insecure: false };

    #[test]
    fn beyond_loopback_needs_token_and_tls() {
        let any: SocketAddr = "0.0.0.0:0".parse().unwrap();
        for (token, tls) in [(false, false), (true, false), (false, true)] {
            let fault = tcp(any, Protection { token, tls, insecure: false }).unwrap_err();
            assert!(matches!(fault, HttpFault::Exposed(..)), "{fault}");
            assert_eq!(fault.to_string().contains("--token-file"), !token, "{fault}");
            assert_eq!(fault.to_string().contains("--tls-cert"), !tls, "{fault}");
        }
        assert!(tcp(any, Protection { token: true, tls: true, insecure: false }).is_ok());
        assert!(tcp(any, Protection { insecure: true, ..OPEN }).is_ok());
        assert!(tcp("[::1]:0".parse().unwrap(), OPEN).is_ok() || !Path::new("/proc/net/if_inet6").exists());
    }

    #[test]
    fn f46_port_in_use_is_named_and_no_other_is_taken() {
        let first = tcp("127.0.0.1:0".parse().unwrap(), OPEN).unwrap();
        let address = first.local_addr().unwrap();
        let fault = tcp(address, OPEN).unwrap_err();
        assert!(fault.to_string().contains(&address.to_string()) && fault.to_string().contains("--listen"), "{fault}");
    }

    #[test]
    fn sockets_of_a_service_manager_are_taken_and_checked_as_own_ones() {
        let folder = tempfile::tempdir().unwrap();
        let unix = UnixListener::bind(folder.path().join("s")).unwrap();
        let local = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = local.local_addr().unwrap();
        let taken = Inherited::take(&[unix.into(), local.into()], OPEN).unwrap();
        assert!(taken.unix.is_some() && taken.tcp.unwrap().local_addr().unwrap() == address);
        let any = TcpListener::bind("0.0.0.0:0").unwrap();
        assert!(matches!(Inherited::take(&[any.into()], OPEN), Err(HttpFault::Exposed(..))));
        let two = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().into());
        assert!(matches!(Inherited::take(&two, OPEN), Err(HttpFault::Inherited(_))));
        let client = std::os::unix::net::UnixStream::pair().unwrap().0;
        let fault = Inherited::take(&[client.into()], OPEN).unwrap_err();
        assert!(fault.to_string().contains("does not listen"), "{fault}");
    }

    #[test]
    fn f46_socket_of_a_dead_agent_is_replaced_and_that_of_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eco2.sock");
        let live = unix(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, SOCKET_MODE);
        assert!(matches!(unix(&path), Err(HttpFault::SocketInUse(_))));
        drop(live);
        assert!(unix(&path).is_ok());
    }

    #[test]
    fn f46_agent_that_is_stopped_is_found_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eco2.sock");
        let stopped = unix(&path).unwrap();
        // Its queue is full, because it accepts nothing.
        let mut waiting = Vec::new();
        while let Some(socket) = queued(&path) {
            waiting.push(socket);
        }
        assert!(matches!(unix(&path), Err(HttpFault::SocketInUse(_))));
        drop((stopped, waiting));
    }

    fn queued(path: &Path) -> Option<rustix::fd::OwnedFd> {
        use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
        connect(&socket, &SocketAddrUnix::new(path).unwrap()).ok().map(|()| socket)
    }

    #[test]
    fn f46_unsafe_places_of_the_socket_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(unix(&file), Err(HttpFault::NotASocket(_))));
        assert!(file.exists());
        let real = folder.path().join("real");
        std::fs::create_dir(&real).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(matches!(unix(&link.join("s")), Err(HttpFault::RunDirectory(_))), "a link instead of the directory");
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(matches!(unix(&real.join("s")), Err(HttpFault::RunDirectory(_))), "others may write");
        assert!(matches!(unix(&folder.path().join("absent/s")), Err(HttpFault::Socket { .. })));
    }
}
