//! Reasons why the server cannot start ([`HttpFault`]).

use std::net::SocketAddr;
use std::path::PathBuf;

use eco2_net::SecretFault;

/// The reason why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpFault {
    /// Another program listens at the address.
    #[error("{0} is in use; stop the other program or choose another address with --listen")]
    InUse(SocketAddr),
    /// The address cannot be listened at.
    #[error("cannot listen at {address}; use an address of this machine with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system reports.
        #[source]
        cause: std::io::Error,
    },
    /// Beyond loopback, others on the network could read or change everything.
    #[error("{0} can be reached from other machines, which requires {missing}; --insecure listens without", missing = .1)]
    Exposed(SocketAddr, &'static str),
    /// The token's file is not safe, or holds no token.
    #[error("the token of the server")]
    Token(#[source] SecretFault),
    /// The token can be guessed.
    #[error("{}the token is shorter than {} characters; make one with `openssl rand -hex 32`", place(.0.as_ref()), eco2_net::Secret::SHORTEST)]
    ShortToken(Option<PathBuf>),
    /// A file of the TLS settings does not hold what it should.
    #[error("{path}: {what}", path = path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Another agent listens at the socket.
    #[error("{path}: another agent listens here; stop it first", path = .0.display())]
    SocketInUse(PathBuf),
    /// The socket cannot be made.
    #[error("{path}: cannot make a socket here", path = path.display())]
    Socket {
        /// Path of the socket.
        path: PathBuf,
        /// What the system reports.
        #[source]
        cause: std::io::Error,
    },
    /// The path of the socket holds something that is not a socket.
    #[error("{path}: is not a socket; remove it, or choose another run directory", path = .0.display())]
    NotASocket(PathBuf),
    /// Others could replace the socket.
    #[error("{path}: the run directory must be a directory of this user or root that others cannot write to", path = .0.display())]
    RunDirectory(PathBuf),
    /// A socket that the service manager passed cannot be used.
    #[error("a socket that was opened for the agent {0}; see ListenStream in the .socket unit")]
    Inherited(&'static str),
    /// The server's thread cannot be started.
    #[error("cannot start the server's thread")]
    Thread(#[source] std::io::Error),
}

/// Returns a path as the beginning of a message.
fn place(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| format!("{}: ", path.display()))
}
