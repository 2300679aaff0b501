//! Serves the node over HTTP: metrics, health, a REST interface, a live stream and a page, to scrapers, programs and people.
//!
//! Data flow: the newest [`Views`](crate::Views) → `stream` (messages of the live stream, history of the page) → `service` (answers) ←
//! `routes` (the table of addresses) ← `dispatch` (with `access`: who may see what) ← `server` (sockets and limits).
//!
//! One thread serves every client. A request costs at most a fixed amount of memory and time: 16 KiB of head, 64 headers, 48 KiB of
//! body, five seconds for each. A client that does not read is cut off.

mod access;
mod archive;
mod control;
mod dispatch;
mod error;
mod history;
mod job_history;
mod listen;
mod live;
mod page;
mod peer;
mod places;
mod power;
mod query;
mod rate;
mod reply;
mod reports;
mod ring;
mod routes;
mod samples;
mod server;
mod service;
mod stall;
mod stream;
mod subscribe;
mod tls;
mod token;

pub use access::{Anonymous, new_token};
pub use control::{Caller, JobControl, JobDone, JobEnd, JobFault, JobRequest};
pub use error::HttpFault;
pub use server::{DEFAULT_LISTEN, HttpOptions, HttpServer};
pub use tls::TlsFiles;

/// What the fuzz target's server consists of.
#[cfg(fuzzing)]
pub(crate) mod fuzzed {
    pub(crate) use super::access::{Access, Channel};
    pub(crate) use super::archive::Archive;
    pub(crate) use super::routes::{Need, ROUTES};
    pub(crate) use super::server::serve;
    pub(crate) use super::service::Service;
    pub(crate) use super::stream::Stream;
}
