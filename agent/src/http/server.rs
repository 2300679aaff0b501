//! Listens, and hands requests to the service: one thread, limits on connections, time and size.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eco2_net::Secret;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::access::{Access, Anonymous, Channel};
use super::archive::Archive;
use super::control::JobControl;
use super::dispatch;
use super::error::HttpFault;
use super::job_history::JobHistoryReader;
use super::listen::{self, Inherited, Protection};
use super::peer::{Connections, PeerEnd, Trust};
use super::places::{Activity, Places};
use super::rate::RateLimit;
use super::reply::{Content, Reply};
use super::service::Service;
use super::stall::Stalling;
use super::stream::Stream;
use super::tls::TlsFiles;
use super::token;
use crate::latest::Latest;

/// Where the server listens unless it is set.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9862);

/// Connections by TCP at the same time; a further one ends that which has been idle longest.
const TCP_CONNECTIONS: usize = 256;
/// Time for the head of a request, for the TLS handshake, and between two requests of a connection.
pub(crate) const HEAD_PATIENCE: Duration = Duration::from_secs(5);
/// Time for a client to take a part of an answer.
pub(crate) const WRITE_PATIENCE: Duration = Duration::from_secs(15);
/// Largest head of a request, bytes.
const LARGEST_HEAD: usize = 16 << 10;
/// Largest body of a request, bytes.
const LARGEST_BODY: usize = 48 << 10;
/// Largest number of headers.
const MOST_HEADERS: usize = 64;

/// Settings of a server.
#[derive(Debug, Default)]
pub struct HttpOptions {
    /// TCP address; `None`: none. Port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// Path of the Unix socket; `None`: none.
    pub socket: Option<PathBuf>,
    /// File of the token, mode 0600, which is read again when it changes; `None`: no token.
    pub token_file: Option<PathBuf>,
    /// A token, where it is in no file.
    pub token: Option<Secret>,
    /// A token that is good for one session.
    pub once: Option<Secret>,
    /// Files for TLS; `None`: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Whether to listen beyond loopback without a token or TLS.
    pub insecure: bool,
    /// Names by which browsers and scrapers address the server, in addition to addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Sockets that a service manager opened for this process: they take the place of `listen` and `socket`.
    pub inherited: Vec<OwnedFd>,
    /// What callers without a token see; beyond loopback it is nothing where a token is set.
    pub anonymous: Anonymous,
    /// Requests per minute that each kind of caller may make; `None`: no limit. Probes of `/health` are not counted.
    pub per_minute: Option<u32>,
    /// The options by which stored runs are found and read; `None`: none are shown. They are shown to callers that may see everything,
    /// and over the socket to the owner of their folder.
    pub runs: Option<eco2::Options>,
    /// Folder of the history of jobs; `None`: the server shows the jobs that are listed only.
    pub history: Option<PathBuf>,
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct HttpServer {
    address: Option<SocketAddr>,
    socket: Option<PathBuf>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Starts a server that shows the newest views.
    ///
    /// # Errors
    /// [`HttpFault`] names what is in the way.
    pub fn start(options: &HttpOptions, latest: Latest) -> Result<Self, HttpFault> {
        Self::start_with(options, latest, None)
    }

    /// Starts a server that also begins and ends jobs.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(
        options: &HttpOptions,
        latest: Latest,
        control: Option<Arc<dyn JobControl>>,
    ) -> Result<Self, HttpFault> {
        let token = options.token_file.as_deref().map(read_token).transpose()?;
        let token = token.or(options.token.clone());
        if token.as_ref().is_some_and(|token| !token.is_long_enough()) {
            return Err(HttpFault::ShortToken(options.token_file.clone()));
        }
        let tls = options.tls.as_ref().map(TlsFiles::read).transpose()?;
        let protection = Protection { token: token.is_some(), tls: tls.is_some(), insecure: options.insecure };
        let inherited = Inherited::take(&options.inherited, protection)?;
        let own = options.listen.filter(|_| inherited.tcp.is_none());
        let tcp = own.map(|address| listen::tcp(address, protection)).transpose()?.or(inherited.tcp);
        let socket = options.socket.clone().filter(|_| inherited.unix.is_none());
        let unix = socket.as_deref().map(listen::unix).transpose()?.or(inherited.unix);
        let address = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
        let beyond = address.is_some_and(|address| !address.ip().is_loopback());
        let anonymous = if beyond && token.is_some() { Anonymous::Nothing } else { options.anonymous };
        let mut access = Access::new(token, anonymous, &options.hosts, beyond);
        access.set_port(address.map_or(0, |address| address.port()));
        if let Some(once) = &options.once {
            access.accept_once(once.clone());
        }
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        let stream = Arc::new(Stream::new(epoch));
        // The thread that publishes the views also adds them to the stream, so that this one wakes for clients only.
        latest.listen(&stream);
        let mut service = Service::new(latest, stream, access, eco2_samplers::clock::monotonic_ns);
        service.control = control;
        service.rate = options.per_minute.map(RateLimit::new);
        service.history = options.history.clone().map(JobHistoryReader::new);
        if let Some(runs) = &options.runs {
            // A folder that others may write to is not read; the agent serves without it.
            let folder = eco2::runs::runs_folder(runs).ok();
            let archive = folder.map(|folder| Archive::open(folder, runs.clone()));
            service.archive = archive.transpose().map_err(HttpFault::Thread)?;
        }
        let service = Arc::new(service);
        let token_file = options.token_file.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(HttpFault::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("eco2-http".to_owned()).spawn(move || {
            runtime.block_on(async move {
                if let Some(path) = token_file {
                    tokio::spawn(token::follow(path, Arc::clone(&service)));
                }
                if let Some(tcp) = tcp.and_then(|tcp| tokio::net::TcpListener::from_std(tcp).ok()) {
                    tokio::spawn(accept_tcp(tcp, tls.map(TlsAcceptor::from), Arc::clone(&service)));
                }
                if let Some(unix) = unix.and_then(|unix| tokio::net::UnixListener::from_std(unix).ok()) {
                    tokio::spawn(accept_unix(unix, service));
                }
                // Ends with the server, also where its owner was dropped in a panic.
                let _ = stopped.await;
            });
            runtime.shutdown_background();
        });
        let thread = thread.map_err(HttpFault::Thread)?;
        Ok(Self { address, socket, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the TCP address, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread was reported when it happened.
            let _ = thread.join();
        }
        if let Some(socket) = &self.socket {
            // A socket that stays is replaced by the next agent.
            let _ = std::fs::remove_file(socket);
        }
    }
}

fn read_token(path: &std::path::Path) -> Result<Secret, HttpFault> {
    Secret::read(path).map_err(HttpFault::Token)
}

async fn accept_tcp(listener: tokio::net::TcpListener, tls: Option<TlsAcceptor>, service: Arc<Service>) {
    let places = Places::new(TCP_CONNECTIONS);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            out_of_files().await;
            continue;
        };
        let place = places.enter().await;
        let (service, tls, number) = (Arc::clone(&service), tls.clone(), place.number());
        let task = tokio::spawn(async move {
            // Answers are small and whole: waiting for more to send would only delay them.
            let _ = stream.set_nodelay(true);
            match tls {
                None => serve(stream, Channel::Tcp { tls: false }, service, &place.activity).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(HEAD_PATIENCE, tls.accept(stream)).await {
                        serve(stream, Channel::Tcp { tls: true }, service, &place.activity).await;
                    }
                }
            }
            drop(place);
        });
        places.set_task(number, task.abort_handle());
    }
}

async fn accept_unix(listener: tokio::net::UnixListener, service: Arc<Service>) {
    let trust = Trust::of_agent();
    let connections = Connections::default();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            out_of_files().await;
            continue;
        };
        let Ok(peer) = stream.peer_cred() else { continue };
        let (uid, trusted) = trust.of(&peer);
        // A user with too many connections is refused at once, and keeps no other user out.
        let Some(place) = connections.enter(uid, trusted) else { continue };
        let channel = Channel::Unix { uid, trusted };
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let peer = PeerEnd::of(&stream);
            serve_peer(stream, peer, channel, service, &Arc::default()).await;
            drop(place);
        });
    }
}

/// Waits after a failed `accept`: of too many open files some are closed after a while.
async fn out_of_files() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Answers the requests of one connection. Whether its other end is gone is not known: by TCP, that looks like a half that is closed.
pub(crate) async fn serve<Io>(io: Io, channel: Channel, service: Arc<Service>, activity: &Arc<Activity>)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    serve_peer(io, None, channel, service, activity).await;
}

/// Answers the requests of one connection.
async fn serve_peer<Io>(
    io: Io,
    peer: Option<PeerEnd>,
    channel: Channel,
    service: Arc<Service>,
    activity: &Arc<Activity>,
) where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(|mut request: Request<Incoming>| {
        peer.iter().for_each(|peer| drop(request.extensions_mut().insert(peer.clone())));
        answer(request, channel, Arc::clone(&service), Arc::clone(activity))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        // A client may close its half after the request: it gets its answer all the same.
        .half_close(true)
        .serve_connection(TokioIo::new(Stalling::new(io, WRITE_PATIENCE)), answer);
    // A client that is gone, or that does not speak HTTP, is no fault of the server.
    let _ = connection.await;
}

async fn answer(
    request: Request<Incoming>,
    channel: Channel,
    service: Arc<Service>,
    activity: Arc<Activity>,
) -> Result<Response<Content>, Infallible> {
    let (head, body) = request.into_parts();
    let reply = match timeout(HEAD_PATIENCE, read(body)).await {
        Ok(Some(body)) => {
            activity.begin();
            let reply = dispatch::answer(&service, &head, channel, &body).settled().await;
            // A live stream keeps its connection busy to its end; its clients have a limit of their own.
            if !matches!(reply.body, Content::Stream(_)) {
                activity.end();
            }
            reply
        }
        Ok(None) => Reply::error(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")
            .with(hyper::header::CONNECTION, "close"),
        Err(_) => Reply::error(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
            .with(hyper::header::CONNECTION, "close"),
    };
    Ok(reply.into_response())
}

/// Reads a body to its end; `None` if it is too large, or breaks off.
async fn read(mut body: Incoming) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await {
        bytes.extend_from_slice(frame.ok()?.data_ref().map_or(&[], |part| &part[..]));
        if bytes.len() > LARGEST_BODY {
            return None;
        }
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "hostile_tests.rs"]
mod hostile_tests;

#[cfg(test)]
#[path = "socket_tests.rs"]
mod socket_tests;
