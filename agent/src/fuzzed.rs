//! A server for the fuzz target `http` ([`FuzzedServer`]): the parser, rules of access and handlers of the agent, over memory instead of
//! sockets, with a node, jobs and stored runs whose names the target chooses. Compiled with `--cfg fuzzing` only.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eco2::options::{Log, opt};
use eco2_net::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::fixture::{SECOND_NS, snapshot};
use crate::http::fuzzed::{Access, Archive, Channel, Need, ROUTES, Service, Stream, serve};
use crate::http::{Anonymous, Caller, JobControl, JobDone, JobEnd, JobFault, JobRequest};
use crate::latest::{Latest, Views};
use crate::snapshot::{Resolution, Snapshot};

/// User of the first job of the node; no user of a machine has this number.
pub const OWN_UID: u32 = 4_000_000_001;
/// User of the second job.
pub const OTHER_UID: u32 = 4_000_000_002;
/// Largest body that the server takes, bytes.
pub const LARGEST_BODY: usize = 48 << 10;
/// Id of a job that goes on, for requests to begin it again.
const RUNNING: &str = "running";
/// Time for the next message of a live stream, which has no end.
const STREAM_PATIENCE: Duration = Duration::from_millis(5);

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FuzzedCaller {
    /// By TCP.
    Tcp,
    /// By the Unix socket, the user of the first job.
    Owner,
    /// By the Unix socket, root.
    Root,
}

/// Names that answers may have for some callers only. No request can contain them if they are random.
#[derive(Debug, Clone)]
pub struct FuzzedNames {
    /// The job of [`OWN_UID`].
    pub own_job: String,
    /// The job of [`OTHER_UID`].
    pub other_job: String,
    /// The run in the folder of runs.
    pub run: String,
    /// A run in the folder above it, which no answer may have.
    pub outside: String,
}

/// One address of the server.
#[derive(Debug, Clone, Copy)]
pub struct FuzzedRoute {
    /// Method.
    pub method: &'static str,
    /// Path; `{id}` is one part of it.
    pub path: &'static str,
    /// Whether callers without any rights are refused.
    pub is_protected: bool,
}

/// The server.
#[derive(Debug)]
pub struct FuzzedServer {
    service: Arc<Service>,
    runtime: Runtime,
}

impl FuzzedServer {
    /// Returns a server that keeps runs in `folder`, which is empty.
    ///
    /// # Panics
    /// If the folder cannot be written to.
    #[must_use]
    pub fn new(folder: &Path, token: Secret, anonymous: Anonymous, names: &FuzzedNames) -> Self {
        let runs = folder.join("runs");
        store_run(&runs, &names.run);
        store_run(folder, &names.outside);
        let stream = Arc::new(Stream::new(0xab));
        (1..=12).for_each(|second| stream.record(views(second, names)));
        let access = Access::new(Some(token), anonymous, &[], false);
        let mut service =
            Service::new(Latest::new(views(12, names)), stream, access, || 1_000_000_000_000 + 12 * SECOND_NS);
        let options = eco2::Options { log: Log::Folder(runs.clone()), ..eco2::Options::default() };
        service.archive = Some(Archive::open(runs, options).expect("a thread"));
        service.control = Some(Arc::new(OneJob));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self { service: Arc::new(service), runtime }
    }

    /// Returns the addresses of the server.
    #[must_use]
    pub fn routes() -> Vec<FuzzedRoute> {
        let all = ROUTES.iter();
        all.map(|route| FuzzedRoute {
            method: route.method.as_str(),
            path: route.path,
            is_protected: route.need == Need::Reader,
        })
        .collect()
    }

    /// Sends the bytes of a connection, and returns what the server sends until it closes. If it sends nothing for `patience`, the
    /// client ends its direction, upon which the server closes, unless it sends the live stream.
    #[must_use]
    pub fn exchanged(&self, caller: FuzzedCaller, bytes: &[u8], mut patience: Duration) -> Vec<u8> {
        let channel = match caller {
            FuzzedCaller::Tcp => Channel::Tcp { tls: false },
            FuzzedCaller::Owner => Channel::Unix { uid: OWN_UID, trusted: false },
            FuzzedCaller::Root => Channel::Unix { uid: 0, trusted: true },
        };
        let (client, server) = tokio::io::duplex(1 << 16);
        let (mut from_server, mut to_server) = tokio::io::split(client);
        let (service, bytes) = (Arc::clone(&self.service), bytes.to_vec());
        self.runtime.block_on(async {
            let serving = tokio::spawn(async move { serve(server, channel, service, &Arc::default()).await });
            let sending = tokio::spawn(async move {
                // A server that has refused the request reads no further.
                let _ = to_server.write_all(&bytes).await;
                to_server
            });
            let mut answer = received(&mut from_server, &mut patience).await;
            sending.abort();
            if let Ok(mut to_server) = sending.await {
                let _ = to_server.shutdown().await;
                answer.extend(received(&mut from_server, &mut patience).await);
            }
            serving.abort();
            // A panic of the server is one of the target: a task that was aborted is none.
            assert!(serving.await.err().is_none_or(|error| error.is_cancelled()));
            // A task that sends the live stream notices that its client has gone.
            tokio::task::yield_now().await;
            answer
        })
    }
}

/// Reads until the server closes the connection, or sends nothing for `patience`, which is short from the live stream on.
async fn received(from_server: &mut ReadHalf<DuplexStream>, patience: &mut Duration) -> Vec<u8> {
    let (mut answer, mut part) = (Vec::new(), [0_u8; 4096]);
    loop {
        let Ok(Ok(length @ 1..)) = timeout(*patience, from_server.read(&mut part)).await else { return answer };
        if part[..length].windows(17).any(|found| found == b"text/event-stream") {
            *patience = STREAM_PATIENCE;
        }
        answer.extend_from_slice(&part[..length]);
    }
}

/// Stores a run with generated values.
fn store_run(folder: &Path, name: &str) {
    let builder = eco2::Meter::builder().set(&opt::SOURCES, "synthetic").log(Log::Folder(folder.to_owned()));
    drop(builder.name(name).open().expect("a run").close());
}

fn views(second: u64, names: &FuzzedNames) -> Views {
    let named = |mut snapshot: Snapshot| {
        let owners = [(OWN_UID, &names.own_job), (OTHER_UID, &names.other_job)];
        for (job, (uid, name)) in snapshot.consumers.iter_mut().zip(owners) {
            (job.uid, job.name) = (uid, name.clone());
        }
        Arc::new(snapshot)
    };
    Views { full: named(snapshot(second, Resolution::FULL)), public: named(snapshot(second, Resolution::PUBLIC)) }
}

/// Jobs of which one goes on.
#[derive(Debug)]
struct OneJob;

impl JobControl for OneJob {
    fn begin(&self, job: JobRequest, _caller: Caller, done: JobDone) {
        done(if job.id == RUNNING { Err(JobFault::Exists) } else { Ok(1) });
    }

    fn end(&self, id: &str, _end: JobEnd, _caller: Caller, done: JobDone) {
        done(if id == RUNNING { Ok(1) } else { Err(JobFault::Unknown) });
    }
}
