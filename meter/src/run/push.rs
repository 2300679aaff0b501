//! Pushes metrics to the places that the option `push` names ([`PushTargets`]): at the end of a run, and by the node agent while it
//! works. A request is first stored in an outbox (a folder of requests that wait), so that it is not lost if the server is away; a
//! later push to the same place sends what waits.

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use eco2_core::schema::Report;
use eco2_net::{Clock as _, Message, NetError, Outbox, Sent, SystemClock};
use eco2_report::{
    CounterStart, MetricNames, MetricSet, MetricsFormat, PartialSuccess, PushOrigin, group_path, otlp_metrics,
    otlp_trace, remote_write, report_metrics, write_file,
};

use crate::Error;
use crate::options::{Level, OTEL_ENDPOINT, Options, PushKind, opt};
#[cfg(feature = "providers")]
use crate::run::otel_headers;
use crate::run::runs;

/// Variable with the address of a Pushgateway, which other tools use as well; it applies if the option names none.
const GATEWAY: &str = "PROMETHEUS_PUSHGATEWAY_URL";
/// What the requests that wait for one place may have together, bytes: more than a day of a node of 150 series.
const MOST_BYTES: u64 = 256 << 20;
/// Media type of messages in the wire format of Protocol Buffers.
const PROTOBUF: &str = "application/x-protobuf";
/// The longest time of one request.
#[cfg(feature = "providers")]
const TIMEOUT: Duration = Duration::from_secs(3);

/// Sends a request once. Returns what the server refused of a request that it took.
type Post = Box<dyn FnMut(&Message) -> Result<Option<PartialSuccess>, NetError> + Send>;

/// What is pushed.
#[derive(Debug)]
pub struct Pushed<'a> {
    /// The metrics.
    pub metrics: MetricSet,
    /// Where and when they were measured.
    pub origin: PushOrigin,
    /// Labels of the group at a Pushgateway after `job` and `instance`; `None`: nothing is pushed there.
    pub group: Option<Vec<(&'static str, String)>>,
    /// The report for a trace; `None`: there is no trace.
    pub report: Option<&'a Report>,
}

impl<'a> Pushed<'a> {
    /// Returns what is pushed of a run that has ended.
    #[must_use]
    pub fn of_run(report: &'a Report) -> Self {
        let run = &report.run;
        let ended = run.ended_at.parse().unwrap_or_else(|_| jiff::Timestamp::now());
        let at_ns = u64::try_from(ended.as_nanosecond()).unwrap_or(0);
        let start_ns = Some(at_ns.saturating_sub(run.duration_ns));
        let origin = PushOrigin {
            at_ns,
            start: CounterStart { kept_ns: start_ns, sender_ns: start_ns, ..CounterStart::default() },
            version: run.tool.version.clone(),
            hostname: run.host.hostname.clone(),
            instance: if run.part.is_empty() { run.id.clone() } else { run.part.clone() },
            run: Some(run.id.clone()),
            rank: run.rank,
        };
        let rank = run.rank.map(|rank| ("rank", rank.to_string()));
        let group = [("run_name", run.name.clone())].into_iter().chain(rank).collect();
        Self { metrics: report_metrics(report, MetricNames::Eco2), origin, group: Some(group), report: Some(report) }
    }

    /// Returns the request to a place of this kind; `None`: nothing is sent there.
    fn message(&self, kind: PushKind) -> Option<Message> {
        let Self { metrics, origin, group, report } = self;
        match kind {
            PushKind::Otlp => Some(Message::post("/v1/metrics", PROTOBUF, otlp_metrics(metrics, origin))),
            PushKind::OtlpTraces => Some(Message::post("/v1/traces", PROTOBUF, otlp_trace((*report)?, origin))),
            PushKind::RemoteWrite => {
                let message = Message::post("", PROTOBUF, remote_write(metrics, origin));
                let message = message.header("content-encoding", "snappy");
                Some(message.header("x-prometheus-remote-write-version", "0.1.0"))
            }
            PushKind::Pushgateway => {
                let own = group.as_ref()?.iter().map(|(name, value)| (*name, value.as_str()));
                let first = [("job", "eco2"), ("instance", origin.hostname.as_str())];
                let path = group_path(&first.into_iter().chain(own).collect::<Vec<_>>());
                let format = MetricsFormat::Prometheus;
                Some(Message::put(&path, format.content_type(), metrics.text(format).into_bytes()))
            }
            PushKind::Textfile => None,
        }
    }
}

/// The places that metrics are pushed to.
///
/// ```
/// use std::time::Duration;
/// use eco2::{Options, PushTargets, Pushed};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let file = folder.path().join("eco2.prom").display().to_string();
/// let options = Options { push: [("textfile".to_owned(), file)].into(), ..Options::default() };
/// let mut targets = PushTargets::open(&options, None)?;
/// let report = eco2::schema::Report::empty(eco2::schema::Run::default());
/// assert!(targets.put_for_all(&Pushed::of_run(&report)).is_empty());
/// assert!(targets.put(&Pushed::of_run(&report)).is_empty() && targets.send(Duration::from_secs(3)).is_empty());
/// # Ok::<(), eco2::Error>(())
/// ```
#[derive(Default)]
pub struct PushTargets {
    textfile: Option<PathBuf>,
    services: Vec<PushService>,
    clock: SystemClock,
    /// Texts about places that a build without network leaves out.
    pub(crate) left_out: Vec<String>,
}

/// A server that metrics are pushed to.
struct PushService {
    kind: PushKind,
    folder: PathBuf,
    outbox: Outbox,
    post: Post,
}

impl fmt::Debug for PushTargets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<&str> = self.services.iter().map(|service| service.kind.name()).collect();
        out.debug_struct("PushTargets").field("textfile", &self.textfile).field("services", &kinds).finish()
    }
}

impl PushTargets {
    /// Returns the places that the options name. What waits for them is in a folder below `state`; `None`: below the state folder
    /// of the options. The address of a Pushgateway is also taken from `PROMETHEUS_PUSHGATEWAY_URL`.
    ///
    /// # Errors
    /// [`Error::Push`] for an address that is not allowed, unless it is from the environment; [`Error::SharedFolder`] as
    /// [`runs_folder`](crate::runs::runs_folder).
    pub fn open(options: &Options, state: Option<&Path>) -> Result<Self, Error> {
        Self::open_with(options, state, |variable| std::env::var(variable).ok().filter(|text| !text.is_empty()))
    }

    fn open_with(
        options: &Options,
        state: Option<&Path>,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let mut targets = options.push.clone();
        let gateway = PushKind::Pushgateway;
        let of_others = lookup(GATEWAY).filter(|_| !targets.contains_key(gateway.name()));
        let is_of_others = of_others.is_some();
        targets.extend(of_others.map(|address| (gateway.name().to_owned(), address)));
        let is_variable = options.origin(&opt::PUSH).level() == Level::Environment;
        let mut opened = Self::default();
        for (name, target) in targets {
            let Some(kind) = PushKind::named(&name) else { continue };
            if kind == PushKind::Textfile {
                opened.textfile = Some(target.into());
                continue;
            }
            let is_variable = is_variable || target == OTEL_ENDPOINT || (is_of_others && kind == gateway);
            let address = if target == OTEL_ENDPOINT { lookup(OTEL_ENDPOINT).unwrap_or_default() } else { target };
            match poster(kind, &address, &lookup) {
                Ok(post) => {
                    let state = state.map_or_else(|| runs::state_folder(options), |path| Ok(path.to_owned()))?;
                    let folder = state.join("push").join(format!("{name}-{:08x}", crc32fast::hash(address.as_bytes())));
                    let outbox = Outbox::new(&folder, MOST_BYTES);
                    opened.services.push(PushService { kind, folder, outbox, post });
                }
                // No variable keeps a run from its start.
                Err(fault) if is_variable || matches!(fault, NetError::NotBuilt | NetError::Secret(_)) => {
                    opened.left_out.push(format!("push {name}: {fault}"));
                }
                Err(fault) => return Err(Error::Push { kind: kind.name(), fault }),
            }
        }
        Ok(opened)
    }

    /// Whether there is no place.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.textfile.is_none() && self.services.is_empty()
    }

    /// Replaces the textfile as a whole, so that a collector never reads a part; it keeps its mode. Waits for the disk. Returns
    /// texts about what failed.
    pub fn put_for_all(&mut self, pushed: &Pushed<'_>) -> Vec<String> {
        let Some(path) = &self.textfile else { return Vec::new() };
        let text = pushed.metrics.text(MetricsFormat::Prometheus);
        let problem = |error| format!("push textfile: {}: {error}", path.display());
        write_file(path, text.as_bytes()).err().map(problem).into_iter().collect()
    }

    /// Stores a request for each server. Waits for the disk. Returns texts about what failed.
    pub fn put(&mut self, pushed: &Pushed<'_>) -> Vec<String> {
        let mut problems = Vec::new();
        for PushService { kind, folder, outbox, .. } in &mut self.services {
            let Some(message) = pushed.message(*kind) else { continue };
            let (name, stored) = (kind.name(), outbox.put(message));
            if stored.dropped > 0 {
                let dropped = stored.dropped;
                problems.push(format!("push {name}: {dropped} old requests were dropped: too many bytes wait"));
            }
            if let Some(fault) = stored.fault {
                let folder = folder.display();
                problems.push(format!("push {name}: {folder}: cannot be written ({fault}); requests wait in memory"));
            }
        }
        problems
    }

    /// Sends what waits, to all servers at the same time. Begins no request after `patience`. Returns texts about what failed.
    pub fn send(&mut self, patience: Duration) -> Vec<String> {
        let (clock, until) = (&self.clock, self.clock.now() + patience);
        let send = |PushService { kind, outbox, post, .. }: &mut PushService| {
            let mut refused = Vec::new();
            let sent = outbox.send(clock, until, |message| post(message).map(|partial| refused.extend(partial)));
            let mut problems = not_sent(*kind, &sent);
            problems.extend(refused_in_part(*kind, &refused));
            problems
        };
        thread::scope(|scope| {
            let start = |service| {
                let named = thread::Builder::new().name("eco2-push".to_owned());
                named.spawn_scoped(scope, move || send(service)).ok()
            };
            let threads: Vec<_> = self.services.iter_mut().filter_map(start).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        })
    }
}

/// Returns texts about what did not reach a server. What another process is sending is no problem.
fn not_sent(kind: PushKind, sent: &Sent) -> Vec<String> {
    let fault = sent.fault.as_ref().map_or_else(String::new, |fault| format!(": {fault}"));
    let waiting = if sent.is_busy { 0 } else { sent.waiting };
    let counts = [
        (sent.refused, "refused and dropped", fault.as_str()),
        (sent.damaged, "damaged and dropped", ""),
        (waiting, "not sent yet, to be sent by the next push", fault.as_str()),
    ];
    let text = |(count, what, why): &(u64, &str, &str)| {
        let requests = if *count == 1 { "request" } else { "requests" };
        format!("push {}: {count} {requests} {what}{why}", kind.name())
    };
    counts.iter().filter(|(count, ..)| *count > 0).map(text).collect()
}

/// Returns a text about what a server refused of requests that it took.
fn refused_in_part(kind: PushKind, refused: &[PartialSuccess]) -> Option<String> {
    let last = refused.last()?;
    let count = refused.iter().fold(0_u64, |sum, partial| sum.saturating_add(partial.rejected));
    let what = if kind == PushKind::OtlpTraces { "span" } else { "data point" };
    let plural = if count == 1 { "" } else { "s" };
    let reason = if last.reason.is_empty() { "no reason" } else { &last.reason };
    Some(format!("push {}: the server refused {count} {what}{plural} of requests that it took: {reason}", kind.name()))
}

/// Returns the function that sends a request to a server of this kind. Its token, if there is one, is in `ECO2_TOKEN_OTLP`,
/// `ECO2_TOKEN_REMOTE_WRITE` or `ECO2_TOKEN_PUSHGATEWAY`, or in the file that the variable with `_FILE` names.
#[cfg(feature = "providers")]
fn poster(kind: PushKind, address: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Post, NetError> {
    use eco2_net::{Auth, Headers, Http, Limits, Secret, SecretFault};
    use eco2_report::otlp_partial_success;

    let http = Http::new(address, Limits { retries: 0, timeout: TIMEOUT, ..Limits::default() })?;
    let variable = match kind {
        PushKind::Otlp | PushKind::OtlpTraces => "ECO2_TOKEN_OTLP",
        PushKind::RemoteWrite => "ECO2_TOKEN_REMOTE_WRITE",
        _ => "ECO2_TOKEN_PUSHGATEWAY",
    };
    let token = match Secret::find(variable, &lookup) {
        Err(SecretFault::Missing { .. }) => None,
        found => Some(found?),
    };
    let is_otlp = matches!(kind, PushKind::Otlp | PushKind::OtlpTraces);
    let taken: &[&str] = if token.is_some() { &["authorization"] } else { &[] };
    let signal = if kind == PushKind::OtlpTraces { otel_headers::TRACES } else { otel_headers::METRICS };
    let found = is_otlp.then(|| otel_headers::variable_for(signal, address, &lookup)).flatten();
    let headers = found.map(|(name, text)| Headers::parse(name, &text, taken)).transpose()?.unwrap_or_default();
    Ok(Box::new(move |message| {
        let auth = match &token {
            None => Auth::None,
            Some(token) if token.is_account() => Auth::Basic(token),
            Some(token) => Auth::Bearer(token),
        };
        if is_otlp {
            return http.deliver_with(message, auth, &headers).map(|answer| otlp_partial_success(&answer));
        }
        http.deliver(message, auth).map(|()| None)
    }))
}

#[cfg(not(feature = "providers"))]
fn poster(_: PushKind, _: &str, _: impl Fn(&str) -> Option<String>) -> Result<Post, NetError> {
    Err(NetError::NotBuilt)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn options(push: &[(&str, &str)]) -> Options {
        let push = push.iter().map(|(kind, target)| ((*kind).to_owned(), (*target).to_owned())).collect();
        Options { push, ..Options::default() }
    }

    #[test]
    fn textfile_is_replaced_as_a_whole_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eco2.prom");
        let mut targets =
            PushTargets::open_with(&options(&[("textfile", path.to_str().unwrap())]), None, |_| None).unwrap();
        let report = Report::empty(eco2_core::schema::Run::default());
        assert_eq!(targets.put_for_all(&Pushed::of_run(&report)), Vec::<String>::new());
        assert_eq!(targets.send(Duration::ZERO), Vec::<String>::new());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("# TYPE eco2_run_duration_seconds_total counter\n"), "{text}");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600, "a new file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(targets.put_for_all(&Pushed::of_run(&report)).is_empty());
        assert_eq!(mode(), 0o644);
        let missing = options(&[("textfile", "/nonexistent/x.prom")]);
        let mut missing = PushTargets::open_with(&missing, None, |_| None).unwrap();
        let problems = missing.put_for_all(&Pushed::of_run(&report));
        assert!(
            problems[0].starts_with("push textfile: ") && problems[0].contains("/nonexistent/x.prom"),
            "{problems:?}"
        );
    }

    #[cfg(feature = "providers")]
    #[test]
    fn unsafe_address_or_token_is_an_error_that_shows_neither() {
        let secret = format!("https://{}@gateway.example.org", "user:s3cr3t");
        let state = Some(Path::new("/nonexistent"));
        let gateway = |variable: &str| (variable == GATEWAY).then(|| secret.clone());
        let opened = PushTargets::open_with(&options(&[]), state, gateway).unwrap();
        let error = &opened.left_out[0];
        assert!(error.starts_with("push pushgateway: the base address") && !error.contains("s3cr3t"), "{error}");
        for address in ["http://pushgateway.monitoring:9091", "pushgateway:9091"] {
            let gateway = |variable: &str| (variable == GATEWAY).then(|| address.to_owned());
            let opened = PushTargets::open_with(&options(&[]), state, gateway).unwrap();
            assert_eq!((opened.services.len(), opened.left_out.len()), (0, 1), "{address}: the run starts");
            let named = options(&[("pushgateway", address)]);
            assert!(PushTargets::open_with(&named, state, gateway).is_err(), "the option names it");
        }
        let plain = options(&[("otlp", "http://collector.example.org:4318")]);
        assert!(PushTargets::open_with(&plain, state, |_| None).is_err(), "plain HTTP to another machine");
        let collector = options(&[("otlp", OTEL_ENDPOINT)]);
        let opened = PushTargets::open_with(&collector, state, |_| None).unwrap();
        assert_eq!((opened.services.len(), opened.left_out.len()), (0, 1), "the variable is not set");
        let endpoint = |variable: &str| (variable == OTEL_ENDPOINT).then(|| "http://127.0.0.1:4318".to_owned());
        assert!(!PushTargets::open_with(&collector, state, endpoint).unwrap().is_empty());
    }
}
