//! Runs `eco2 serve`, the node agent: it samples this machine once, for all its programs and users.

mod environment;
mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use anyhow::Context as _;
use eco2::options::Layer;
use eco2::{NodeRates, NodeSources, PushTargets};
use eco2_agent::{
    HttpOptions, HttpServer, Latest, Notifier, PUSH_EVERY, Pusher, Rates, RunFolder, SOCKET, Service, Settings,
    SiteSettings, group_id, inherited_sockets,
};
use eco2_grid::ZoneSource;
use eco2_grid::pricing::IntensitySources;
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::{ServeArgs, ServeFlags};
use crate::failure::UsageError;
use crate::{out, settings};

/// Folder of the log of jobs of the agent that root starts.
const STATE: &str = "/var/lib/eco2";
/// The group whose members see every change.
const GROUP: &str = "eco2";

/// Runs the command until a signal asks it to end.
///
/// # Errors
/// For wrong options, a folder that is not safe or that another agent uses, and where the system refuses a thread.
pub(crate) fn serve(flags: &ServeFlags) -> anyhow::Result<u8> {
    let args = &file::with_file(&flags.0)?;
    let mut layer = Layer::default();
    args.push.copy_to(&mut layer)?;
    args.price.copy_to(&mut layer)?;
    args.hardware.copy_to(&mut layer)?;
    let options = settings::resolve(layer)?;
    let path = args.dir.clone().or_else(folder);
    let path =
        path.ok_or_else(|| UsageError("no folder for the pages: set XDG_RUNTIME_DIR, or name one with --dir".into()))?;
    let http = environment::http(args, |name| std::env::var(name).ok())?;
    // Before the sensors are looked for, so that a second agent costs nothing.
    let folder = RunFolder::open(&path)?;
    let state = state_folder(args)?;
    let outboxes = state.as_ref().unwrap_or(&folder).path().to_owned();
    let targets = PushTargets::open(&options, Some(&outboxes))?;
    // Before the first thread, so that no signal is missed.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("signals cannot be received")?;
    let NodeSources { found, roots, pace, rates } = eco2::node_sources(&options)?;
    let sensors = found.sources.iter().map(|source| source.domains().len()).sum::<usize>();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let by = args.by.iter().map(|by| (*by).into()).collect();
    let group = group_id(GROUP);
    let (rates, intensities) = priced(rates);
    let rates = Some(rates);
    let site = SiteSettings {
        job_files: args.hpc_job_mapping_dir.clone(),
        intensities,
        on_warning: Some(|text| out::talk(&format!("eco2: {text}\n"))),
    };
    let service = Service::start_at(found, Settings { folder, roots, pace, group, state, by, rates, version }, site)?;
    let socket = Some(service.folder().join(SOCKET));
    let inherited =
        inherited_sockets().context("the sockets that systemd opened cannot be taken: disable eco2.socket")?;
    let http = HttpOptions {
        socket,
        inherited,
        runs: Some(options),
        history: Some(service.state_folder().to_owned()),
        ..http
    };
    let server = HttpServer::start_with(&http, service.latest(), Some(Arc::new(service.jobs())))?;
    let address = server.address().unwrap_or(args.listen);
    let scheme = if http.tls.is_some() { "https" } else { "http" };
    let folder = service.folder().display();
    out::talk(&format!(
        "eco2: {sensors} sensors and counters, shown at {scheme}://{address}/ and published in {folder}\n"
    ));
    let warn = |text: &str| out::talk(&format!("eco2: {text}\n"));
    let pusher = match targets.is_empty() {
        true => None,
        false => Some(Pusher::start(targets, service.latest(), PUSH_EVERY, warn).context("cannot push metrics")?),
    };
    let notifier = Notifier::from_env();
    notifier.ready();
    feeding(&notifier, &service.latest(), || signals.forever().next());
    notifier.stopping();
    drop(server);
    service.stop();
    // After the journal: a server may be slow.
    drop(pusher);
    Ok(0)
}

/// Runs `wait`, and notifies systemd's watchdog meanwhile while the agent samples.
fn feeding<T>(notifier: &Notifier, latest: &Latest, wait: impl FnOnce() -> T) -> T {
    let Some(every) = notifier.every() else { return wait() };
    let (stop, stopped) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watching = thread::Builder::new().name("eco2-watchdog".to_owned()).spawn_scoped(scope, move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                notifier.alive(&latest.views().public, eco2::monotonic_ns());
            }
        });
        let result = wait();
        drop(stop);
        if let Ok(watching) = watching {
            // A panic of that thread was printed; systemd restarts the agent.
            watching.join().ok();
        }
        result
    })
}

/// Opens the folder of the log of jobs; `None`: that of the pages. systemd names one in `STATE_DIRECTORY`.
///
/// # Errors
/// For a folder of `--state` that cannot be used. Without one, as in a container with a file system that is only read, the log is
/// kept until the machine ends.
fn state_folder(args: &ServeArgs) -> anyhow::Result<Option<RunFolder>> {
    if let Some(path) = &args.state {
        return Ok(Some(RunFolder::open(path)?));
    }
    // With a dynamic user, systemd gives the name of a link that it made.
    let of_systemd = || std::env::var_os("STATE_DIRECTORY").and_then(|path| PathBuf::from(path).canonicalize().ok());
    let is_system = args.dir.is_none() && rustix::process::geteuid().is_root();
    let of_root = || is_system.then(|| PathBuf::from(STATE));
    let default = of_systemd().or_else(of_root);
    let opened = default.map(|path| RunFolder::open(&path)).transpose();
    Ok(opened.unwrap_or_else(|fault| {
        out::talk(&format!("eco2: jobs are forgotten when the machine ends: {fault}\n"));
        None
    }))
}

/// Returns the folder that clients look for: that of the system for root, else the user's own.
fn folder() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(file::SYSTEM_FOLDER.into());
    }
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| Path::new(folder).is_absolute())?;
    Some(Path::new(&own).join("eco2"))
}

/// Returns what the agent's energy emits and costs, and the sources of intensities over time.
fn priced(rates: NodeRates) -> (Rates, Option<IntensitySources>) {
    let NodeRates { intensity, sources, pue, price_per_kwh, currency } = rates;
    let is_marginal = intensity.kind.is_some_and(|kind| kind.as_str().contains("marginal"));
    // A zone that the yearly table does not know is one that a provider may know.
    let is_asked =
        sources.as_ref().filter(|_| matches!(intensity.zone_source, ZoneSource::Country | ZoneSource::Unknown));
    let (zone, zone_source) = match is_asked {
        Some(sources) => (sources.zone.clone(), ZoneSource::Given),
        None => (intensity.zone, intensity.zone_source),
    };
    let rates = Rates {
        g_per_kwh: intensity.g_per_kwh,
        zone,
        zone_source: zone_source.as_str().to_owned(),
        signal: if is_marginal { "marginal" } else { "average" }.to_owned(),
        kind: intensity.kind,
        provider: intensity.source,
        pue: pue.get(),
        price_per_kwh,
        currency,
    };
    (rates, sources)
}
