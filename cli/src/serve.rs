//! Runs `eco2 serve`, the node agent: it samples this machine once, for all its programs and users.

mod environment;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use eco2::NodeSources;
use eco2::options::Layer;
use eco2_agent::{HttpOptions, HttpServer, RunFolder, SOCKET, Service, Settings, group_id};
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::ServeArgs;
use crate::failure::UsageError;
use crate::{out, settings};

/// Folder of the agent that root starts.
const SYSTEM: &str = "/run/eco2";
/// The group whose members see every change.
const GROUP: &str = "eco2";

/// Runs the command until a signal asks it to end.
///
/// # Errors
/// For wrong options, a folder that is not safe or that another agent uses, and where the system refuses a thread.
pub(crate) fn serve(args: &ServeArgs) -> anyhow::Result<u8> {
    let mut layer = Layer::default();
    args.hardware.copy_to(&mut layer)?;
    let options = settings::resolve(layer)?;
    let path = args.dir.clone().or_else(folder);
    let path =
        path.ok_or_else(|| UsageError("no folder for the pages: set XDG_RUNTIME_DIR, or name one with --dir".into()))?;
    let http = environment::http(args, |name| std::env::var(name).ok())?;
    // Before the sensors are looked for, so that a second agent costs nothing.
    let folder = RunFolder::open(&path)?;
    // Before the first thread, so that no signal is missed.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("signals cannot be received")?;
    let NodeSources { found, roots, pace } = eco2::node_sources(&options)?;
    let sensors = found.sources.iter().map(|source| source.domains().len()).sum::<usize>();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let service = Service::start(found, Settings { folder, roots, pace, group: group_id(GROUP), version })?;
    let socket = Some(service.folder().join(SOCKET));
    let http = HttpOptions { socket, runs: Some(options), ..http };
    let server = HttpServer::start_with(&http, service.latest(), Some(Arc::new(service.jobs())))?;
    let address = server.address().unwrap_or(args.listen);
    let scheme = if http.tls.is_some() { "https" } else { "http" };
    let folder = service.folder().display();
    out::talk(&format!(
        "eco2: {sensors} sensors and counters, shown at {scheme}://{address}/ and published in {folder}\n"
    ));
    signals.forever().next();
    drop(server);
    service.stop();
    Ok(0)
}

/// Returns the folder that clients look for: that of the system for root, else the user's own.
fn folder() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(SYSTEM.into());
    }
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| Path::new(folder).is_absolute())?;
    Some(Path::new(&own).join("eco2"))
}
