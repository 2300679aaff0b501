//! Writes the answers. Everything here is a function of the request and the newest snapshot: no socket, no file, no waiting, so that
//! one thread serves every client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use eco2_report::MetricsFormat;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap};
use hyper::{Method, StatusCode, header::HeaderName};
use tokio::sync::mpsc;

use super::access::{Access, Channel, Refusal, Rights};
use super::archive::{Archive, Runs};
use super::control::{self, JobControl};
use super::job_history::JobHistoryReader;
use super::page;
use super::peer::PeerEnd;
use super::query::Query;
use super::rate::RateLimit;
use super::reply::{Content, Reply};
use super::ring::number_of;
use super::stream::{Stream, visible};
use super::subscribe::{Clients, Start, send};
use crate::health::Health;
use crate::latest::Latest;
use crate::metrics::{legacy_metrics, node_metrics};
use crate::snapshot::Snapshot;

/// The description of the interface for programs.
pub(super) const OPENAPI: &str = include_str!("openapi.json");
/// Reads of `/metrics` after which the series of an ended job are left out: by then a Prometheus has its last values.
const SCRAPES: u8 = 2;

/// One request, without its body.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a Method,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) channel: Channel,
    /// The part of the path in place of `{id}`.
    pub(crate) id: &'a str,
    pub(crate) rights: Rights,
    pub(crate) body: &'a [u8],
    /// The other end of the connection; `None`: whether it is gone is not known.
    pub(crate) peer: Option<&'a PeerEnd>,
}

/// What answers the requests of one server.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) latest: Latest,
    pub(crate) stream: Arc<Stream>,
    pub(crate) access: Access,
    pub(crate) clients: Clients,
    /// Reads the monotonic clock, nanoseconds.
    pub(crate) now_ns: fn() -> u64,
    /// Begins and ends jobs; `None`: this server has none.
    pub(crate) control: Option<Arc<dyn JobControl>>,
    /// The stored runs; `None`: this server has none.
    pub(crate) archive: Option<Archive>,
    /// The jobs that have ended; `None`: this server keeps none.
    pub(crate) history: Option<JobHistoryReader>,
    /// How often callers may ask; `None`: without a limit.
    pub(crate) rate: Option<RateLimit>,
    scrapes: Mutex<HashMap<(String, i64), u8>>,
    /// The newest page of metrics for callers without a token, which they share.
    page: Mutex<Option<(u64, MetricsFormat, Bytes)>>,
}

impl Service {
    /// Returns a service that shows the newest views.
    pub(crate) fn new(latest: Latest, stream: Arc<Stream>, access: Access, now_ns: fn() -> u64) -> Self {
        Self {
            latest,
            stream,
            access,
            clients: Clients::default(),
            now_ns,
            control: None,
            archive: None,
            history: None,
            rate: None,
            scrapes: Mutex::default(),
            page: Mutex::default(),
        }
    }

    /// Returns the answer of `read`, which reads stored runs on another thread.
    pub(super) fn stored(&self, ask: &Ask<'_>, read: impl FnOnce(&Runs) -> Reply + Send + 'static) -> Reply {
        match &self.archive {
            Some(archive) => archive.ask(ask.rights, read),
            None => Reply::error(StatusCode::NOT_FOUND, "this server has no stored runs"),
        }
    }

    /// Returns the newest snapshot as the caller may see it.
    pub(crate) fn snapshot(&self, ask: &Ask<'_>) -> Snapshot {
        visible(&self.latest.views(), ask.rights)
    }

    fn health(&self) -> Health {
        Health::of(&self.latest.views().public, (self.now_ns)())
    }

    /// Leaves out jobs that ended and were read often enough, and counts this read.
    fn without_read_jobs(&self, mut snapshot: Snapshot) -> Snapshot {
        let mut scrapes = self.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |id: &str, began: i64| (id.to_owned(), began);
        let ended = snapshot.consumers.iter().filter(|job| job.ended_wall_ns.is_some());
        let counts: HashMap<(String, i64), u8> = ended
            .map(|job| key(&job.id, job.began_wall_ns))
            .map(|key| (scrapes.get(&key).copied().unwrap_or(0).saturating_add(1), key))
            .map(|(count, key)| (key, count))
            .collect();
        let is_read = |count: &u8| *count > SCRAPES;
        let left_out = |job: &crate::Consumer| counts.get(&key(&job.id, job.began_wall_ns)).is_some_and(is_read);
        let hidden = snapshot.consumers.iter().filter(|job| left_out(job)).map(|job| job.energy_uj);
        snapshot.forgotten_uj = hidden.fold(snapshot.forgotten_uj, u64::saturating_add);
        snapshot.consumers.retain(|job| !left_out(job));
        *scrapes = counts;
        snapshot
    }
}

/// Returns the answer to a request that was refused.
pub(super) fn refused(refusal: Refusal) -> Reply {
    let reply = Reply::error(refusal.status, refusal.text);
    if refusal.status == StatusCode::UNAUTHORIZED {
        reply.with(header::WWW_AUTHENTICATE, "Bearer realm=\"eco2\"")
    } else {
        reply
    }
}

/// `GET /`: the live page.
pub(super) fn page(service: &Service, ask: &Ask<'_>) -> Reply {
    let document = if ask.rights == Rights::Nothing { None } else { service.stream.document(ask.rights) };
    let (html, policy) = page::document(document.as_ref());
    Reply::text("text/html; charset=utf-8", html).with(header::CONTENT_SECURITY_POLICY, policy)
}

/// `POST /session`: begins a session for the bearer of a token.
pub(super) fn session(service: &Service, ask: &Ask<'_>) -> Reply {
    let tls = ask.channel == Channel::Tcp { tls: true };
    match service.access.open_session(ask.headers, tls) {
        Some(cookie) => {
            let reply = Reply::text("application/json", "{}\n".to_owned());
            Reply { status: StatusCode::CREATED, ..reply }.with(header::SET_COOKIE, cookie)
        }
        None => {
            refused(Refusal { status: StatusCode::UNAUTHORIZED, text: "the token is not valid, or was used before" })
        }
    }
}

/// `GET /metrics`: in the format that the reader prefers.
pub(super) fn metrics(service: &Service, ask: &Ask<'_>) -> Reply {
    let mut snapshot = service.snapshot(ask);
    if ask.method == Method::GET && ask.rights == Rights::All {
        snapshot = service.without_read_jobs(snapshot);
    }
    if value_of(ask.query, "names") == Some("hf_training") {
        return Reply::text(MetricsFormat::OpenMetrics.content_type(), legacy_metrics(&snapshot));
    }
    let format = metrics_format(ask.headers);
    if ask.rights != Rights::Coarse {
        return Reply::text(format.content_type(), node_metrics(&snapshot, format));
    }
    let mut page = service.page.lock().unwrap_or_else(PoisonError::into_inner);
    let shared = match &*page {
        Some((sequence, of, bytes)) if *sequence == snapshot.sequence && *of == format => bytes.clone(),
        _ => Bytes::from(node_metrics(&snapshot, format)),
    };
    *page = Some((snapshot.sequence, format, shared.clone()));
    Reply { body: Content::Whole(shared), ..Reply::text(format.content_type(), String::new()) }
}

/// Returns the format for the `Accept` header: OpenMetrics if it is named, as Prometheus does.
fn metrics_format(headers: &HeaderMap) -> MetricsFormat {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let named =
        accepted.flat_map(|line| line.split(',')).any(|part| part.trim().starts_with("application/openmetrics-text"));
    if named { MetricsFormat::OpenMetrics } else { MetricsFormat::Prometheus }
}

/// `GET /health` and `GET /ready`: 503 if what is served is not true or not up to date.
pub(super) fn health(service: &Service, ask: &Ask<'_>) -> Reply {
    probe(service, ask, Health::is_ready)
}

/// `GET /live`: 503 if nothing is read or accounted for any more, which a new process would mend. Kubernetes starts the agent again then.
pub(super) fn live(service: &Service, ask: &Ask<'_>) -> Reply {
    probe(service, ask, Health::is_live)
}

fn probe(service: &Service, ask: &Ask<'_>, is_well: impl Fn(&Health) -> bool) -> Reply {
    let mut health = service.health();
    if ask.rights == Rights::Nothing {
        // A probe learns the level; which sensors there are is for those that may see the node.
        (health.reasons, health.sources) = (Vec::new(), Vec::new());
    }
    let status = if is_well(&health) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Reply { status, ..Reply::json(&health) }
}

/// `GET /api/v1/state`: the document of the live page.
pub(super) fn state(service: &Service, ask: &Ask<'_>) -> Reply {
    match service.stream.document(ask.rights) {
        Some(document) => Reply::json(&document),
        None => Reply::error(StatusCode::SERVICE_UNAVAILABLE, "no values yet").with(header::RETRY_AFTER, "1"),
    }
}

/// `GET /api/v1/node`: the newest snapshot, with integer microjoules, and what its energy emits.
pub(super) fn node(service: &Service, ask: &Ask<'_>) -> Reply {
    Reply::json(&service.snapshot(ask))
}

/// `GET /api/v1/devices`.
pub(super) fn devices(service: &Service, ask: &Ask<'_>) -> Reply {
    Reply::json(&service.snapshot(ask).devices)
}

/// `GET /api/v1/sources`.
pub(super) fn sources(service: &Service, ask: &Ask<'_>) -> Reply {
    Reply::json(&service.snapshot(ask).sources)
}

/// `GET /api/v1/jobs`: the jobs that the caller may see; `?status=running` or `ended`, or those of the history since `?since=`.
pub(super) fn jobs(service: &Service, ask: &Ask<'_>) -> Reply {
    // Other names are ignored here, as they always were.
    let since = value_of(ask.query, "since").map_or_else(String::new, |since| format!("since={since}"));
    let since_ms = Query::read(&since, &["since"]).and_then(|query| query.moment_ms("since", jiff::Timestamp::now()));
    let since_ms = match since_ms {
        Ok(since_ms) => since_ms,
        Err(fault) => return fault,
    };
    let status = value_of(ask.query, "status");
    let Snapshot { consumers, past, .. } = service.snapshot(ask);
    let mut jobs: Vec<_> = past.into_iter().chain(consumers).collect();
    if let Some(since_ns) = since_ms.map(|ms| ms.saturating_mul(1_000_000)) {
        jobs.retain(|job| job.ended_wall_ns.is_none_or(|ended_ns| ended_ns >= since_ns));
    }
    match status {
        None => {}
        Some("running") => jobs.retain(|job| job.ended_wall_ns.is_none()),
        Some("ended") => jobs.retain(|job| job.ended_wall_ns.is_some()),
        Some(_) => return Reply::error(StatusCode::BAD_REQUEST, "status is running or ended"),
    }
    match (since_ms, &service.history) {
        (Some(since_ms), Some(history)) if status != Some("running") => {
            history.answer(ask.rights, since_ms.saturating_mul(1_000_000), jobs)
        }
        _ => Reply::json(&jobs),
    }
}

/// `GET /api/v1/jobs/{id}`: the newest job with this id.
pub(super) fn job(service: &Service, ask: &Ask<'_>) -> Reply {
    let Snapshot { consumers, past, .. } = service.snapshot(ask);
    let newest = past.iter().chain(&consumers).filter(|job| job.id == ask.id).max_by_key(|job| job.key);
    newest.map_or_else(no_job, Reply::json)
}

fn no_job() -> Reply {
    Reply::error(StatusCode::NOT_FOUND, "no such job, or not yours")
}

/// `GET /api/v1/jobs/{id}/samples`: how the energy of the newest job with this id has grown.
pub(super) fn job_samples(service: &Service, ask: &Ask<'_>) -> Reply {
    let query = match Query::read(ask.query, &["start_time", "end_time", "limit"]) {
        Ok(query) => query,
        Err(fault) => return fault,
    };
    let now = jiff::Timestamp::now();
    let times =
        (query.moment_ms("start_time", now), query.moment_ms("end_time", now), query.count("limit", 1_000, 1_000));
    let (from, to, limit) = match times {
        (Ok(from), Ok(to), Ok(limit)) => (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX), limit),
        (Err(fault), ..) | (_, Err(fault), _) | (.., Err(fault)) => return fault,
    };
    let is_wanted = |ms: i64| (from..=to).contains(&ms);
    service.stream.job_samples(ask.id, ask.rights, is_wanted, limit).map_or_else(no_job, |found| Reply::json(&found))
}

/// `GET /power`: the power tracks of the Firefox Profiler; see [`super::power`].
pub(super) fn power(service: &Service, ask: &Ask<'_>) -> Reply {
    let query = match Query::read(ask.query, &["start", "end"]) {
        Ok(query) => query,
        Err(fault) => return fault,
    };
    let ms = |name, default: f64| match query.get(name) {
        None => Some(default),
        Some(text) => text.parse().ok().filter(|ms: &f64| ms.is_finite()),
    };
    let Some((start, end)) = ms("start", 0.0).zip(ms("end", f64::MAX)) else {
        return Reply::error(StatusCode::BAD_REQUEST, "start and end are milliseconds since 1970");
    };
    Reply::json(&service.stream.power(start, end))
}

/// `POST /api/v1/jobs`: begins a job.
pub(super) fn begin_job(service: &Service, ask: &Ask<'_>) -> Reply {
    match &service.control {
        Some(jobs) => control::begin(jobs.as_ref(), ask.rights, ask.body, ask.peer.cloned()),
        None => no_jobs(),
    }
}

/// `POST /api/v1/jobs/{id}/end`: ends a job.
pub(super) fn end_job(service: &Service, ask: &Ask<'_>) -> Reply {
    match &service.control {
        Some(jobs) => control::end(jobs.as_ref(), ask.rights, ask.id, ask.body),
        None => no_jobs(),
    }
}

/// `POST /api/v1/lease`: sensors are read often for five seconds.
pub(super) fn lease(service: &Service, ask: &Ask<'_>) -> Reply {
    match &service.control {
        Some(agent) => control::lease(agent.as_ref(), ask.rights),
        None => no_jobs(),
    }
}

fn no_jobs() -> Reply {
    Reply::error(StatusCode::NOT_FOUND, "this server has no jobs: it shows one run")
}

/// `GET /api/v1/openapi.json`: the description of this interface.
pub(super) fn openapi(_service: &Service, _ask: &Ask<'_>) -> Reply {
    Reply::text("application/json", OPENAPI.to_owned())
}

/// `GET /events`: the live stream, from the message after `Last-Event-ID` or `?after=`.
pub(super) fn events(service: &Service, ask: &Ask<'_>) -> Reply {
    let Some(place) = service.clients.enter(ask.rights) else {
        let text = "too many clients read the stream already";
        return Reply::error(StatusCode::SERVICE_UNAVAILABLE, text).with(header::RETRY_AFTER, "5");
    };
    let last = ask.headers.get(HeaderName::from_static("last-event-id")).and_then(|id| id.to_str().ok());
    let start = match last.or_else(|| value_of(ask.query, "after")) {
        None | Some("") => Start::Now,
        Some(id) => number_of(id, service.stream.epoch).map_or(Start::Lost, |number| Start::At(number.wrapping_add(1))),
    };
    let reply = Reply::text("text/event-stream", String::new());
    if ask.method == Method::HEAD {
        return reply;
    }
    let (out, frames) = mpsc::channel(1);
    tokio::spawn(send(Arc::clone(&service.stream), start, ask.rights, out, place));
    Reply { body: Content::Stream(frames), ..reply }
}

/// Returns the value of a name in a query. Values are ids and words, so nothing is decoded.
fn value_of<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}
