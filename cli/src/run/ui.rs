//! Serves a live page of the run while its command runs: with `--ui` for the bearer of a token that is good for one session, and with
//! `--listen` the metrics and the page, without names, for everyone on this machine. Both end with the run.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use eco2::Meter;
use eco2_agent::{
    Anonymous, HttpOptions, HttpServer, Instant, Latest, Secret, Views, new_token, run_views, run_views_for_all,
};
use eco2_core::schema::Report;

use super::shown::Shown;
use crate::{failure, live, out};

/// Time between two states of the page.
const EVERY: Duration = Duration::from_secs(1);

/// The page of one run.
pub(super) struct Ui<'a> {
    meter: &'a Meter,
    latest: Latest,
    /// Ends with this value.
    _server: HttpServer,
}

impl<'a> Ui<'a> {
    /// Starts the page and prints its address. An error is printed, and the command runs without it.
    pub(super) fn open(meter: &'a Meter, shown: Shown) -> Option<Self> {
        let opened =
            Self::start(meter, shown).inspect_err(|_| out::talk("eco2: the command runs without its live page\n"));
        opened.inspect_err(failure::print_error).ok()
    }

    fn start(meter: &'a Meter, shown: Shown) -> anyhow::Result<Self> {
        let token = new_token().context("the system has no random numbers")?;
        let report = meter.snapshot();
        let latest = Latest::new(run_views_for_all(&views(&report, None)));
        let options = HttpOptions {
            listen: Some(shown.listen.unwrap_or(([127, 0, 0, 1], 0).into())),
            once: Secret::new(&token).filter(|_| shown.page),
            anonymous: if shown.listen.is_some() { Anonymous::Coarse } else { Anonymous::Nothing },
            ..HttpOptions::default()
        };
        let server = HttpServer::start(&options, latest.clone())?;
        let address = server.address().context("the server has no address")?;
        let place = if shown.page { format!("#token={token}") } else { "metrics".to_owned() };
        let what = if shown.page { "live page" } else { "metrics" };
        out::talk(&format!("eco2: {what}, until the command ends: http://{address}/{place}\n"));
        Ok(Self { meter, latest, _server: server })
    }

    /// Runs `wait`, and keeps the page current meanwhile.
    pub(super) fn during<T>(&self, wait: impl FnOnce() -> T) -> T {
        let (stop, stopped) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let started = thread::Builder::new().name("eco2-ui".to_owned()).spawn_scoped(scope, move || {
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    let report = self.meter.snapshot();
                    self.latest.publish(run_views_for_all(&views(&report, Some(&self.latest.views()))));
                }
            });
            let result = wait();
            drop(stop);
            if let Ok(thread) = started {
                // A panic of that thread has been printed; the run does not depend on it.
                thread.join().ok();
            }
            result
        })
    }
}

/// Returns the run so far as the page shows it.
fn views(report: &Report, before: Option<&Views>) -> Views {
    let at = Instant { ns: eco2::monotonic_ns(), wall_ns: live::now_ns() };
    run_views(report, at, before.map(|before| &*before.full))
}
