//! From the start of a command to its end: the meter beside it, its signals, and its exit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use eco2::options::{Options, env, opt};
use eco2::{Error, Meter};
use eco2_core::schema::Report;
use eco2_samplers::usage::Exited;

use super::child::Child;
use super::signals::{Forwarder, Inbox, Pressure};
use crate::{failure, out};

/// How a command ended.
pub(super) struct Watched {
    /// When, in monotonic nanoseconds.
    pub(super) at_ns: u64,
    pub(super) exited: Exited,
    /// Whether somebody is waiting for us to be gone.
    pub(super) hurried: bool,
}

/// Opens the meter. A wrong option is an error; whatever else fails is said, and the command runs without.
pub(super) fn open(options: &Options, words: Vec<String>) -> anyhow::Result<Measuring> {
    let opened = guarded(|| Meter::open_for(options.clone(), Vec::new(), words.clone()));
    let error = match opened {
        Some(Ok(meter)) => {
            say_what_happens(&meter, options);
            return Ok(Measuring(Some(meter)));
        }
        Some(Err(error)) => anyhow::Error::from(error),
        None => anyhow::anyhow!("a fault in eco2"),
    };
    if failure::is_usage(&error) {
        return Err(error);
    }
    if options.trace.is_some() && matches!(error.downcast_ref(), Some(Error::Write { .. })) {
        failure::say(&error.context("no trace will be written"));
        return open(&Options { trace: None, ..options.clone() }, words);
    }
    out::talk(&format!("eco2: WARNING: nothing is measured: {}; the command runs without\n", failure::told(&error)));
    Ok(Measuring(None))
}

/// Says while the command runs what its budget comes to.
fn say_what_happens(meter: &Meter, options: &Options) {
    let budget = &options.budget;
    let limited = [budget.max_co2_kg, budget.max_energy_kwh, budget.max_cost].iter().any(Option::is_some);
    if limited && !options.quiet {
        meter.on_event(|event| out::talk(&format!("eco2: {}\n", event.text)));
    }
}

/// Forwards signals until the command has ended.
pub(super) fn until_ended(child: Child, mut inbox: Inbox, orphan: impl FnMut(u32, &Exited)) -> anyhow::Result<Watched> {
    let (child, pressure) = (Arc::new(child), Arc::new(Mutex::new(Pressure::default())));
    let mut forwarder = Forwarder::default();
    // What came before the command was there has not reached it by any way.
    for origin in inbox.signals.pending() {
        lock(&pressure).add(origin.signal);
        forwarder.send(&origin, &child);
    }
    let handle = inbox.signals.handle();
    let listening = listen((inbox, forwarder), Arc::clone(&child), Arc::clone(&pressure));
    let (at_ns, exited) = child.wait(orphan);
    // Who measures many commands would have a thread and its pipe left of each.
    handle.close();
    if let Some(thread) = listening {
        thread.join().ok();
    }
    let exited = exited.context("the command's exit code is lost")?;
    let hurried = lock(&pressure).is_high();
    Ok(Watched { at_ns, exited, hurried })
}

/// Passes signals on from a thread of its own, until its inbox is closed.
fn listen(
    (mut inbox, mut forwarder): (Inbox, Forwarder),
    child: Arc<Child>,
    pressure: Arc<Mutex<Pressure>>,
) -> Option<JoinHandle<()>> {
    let forward = move || {
        for origin in inbox.signals.forever() {
            lock(&pressure).add(origin.signal);
            forwarder.pass_on(&origin, &child);
        }
    };
    let started = thread::Builder::new().name("eco2-signals".to_owned()).spawn(forward);
    started
        .inspect_err(|error| {
            out::talk(&format!("eco2: WARNING: signals are not forwarded: {error}; raise the limit (ulimit -u)\n"));
        })
        .ok()
}

fn lock(pressure: &Mutex<Pressure>) -> MutexGuard<'_, Pressure> {
    pressure.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a part of measuring; a panic in it is `None`, already told on standard error, and costs the measurement only.
pub(super) fn guarded<T>(measure: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(measure)).ok()
}

/// A meter, or none where measuring failed before it began.
pub(super) struct Measuring(pub(super) Option<Meter>);

impl Measuring {
    pub(super) fn follow(&self, pid: u32) {
        if let Some(meter) = &self.0 {
            meter.follow(pid);
        }
    }

    pub(super) fn follow_with_orphans(&self, pid: u32) {
        if let Some(meter) = &self.0 {
            meter.follow_with_orphans(pid);
        }
    }

    pub(super) fn orphan_exited(&self, pid: u32, exited: &Exited) {
        if let Some(meter) = &self.0 {
            meter.orphan_exited(pid, exited);
        }
    }

    /// Variables for the command: the run's id, which what measures below it shares, and which record is around that.
    pub(super) fn handed_down(&self) -> Vec<(&'static str, String)> {
        let of = |meter: &Meter| vec![(opt::RUN_ID.variable, meter.run_id()), (env::PARENT_PART, meter.part_id())];
        self.0.as_ref().map(of).unwrap_or_default()
    }

    /// The log that will be left.
    pub(super) fn closing(&self) -> Option<std::path::PathBuf> {
        self.0.as_ref().and_then(Meter::log_path).map(Path::to_owned)
    }

    /// Closes a run that is over.
    pub(super) fn close(self, end: &Watched, code: u8) -> Option<Report> {
        let meter = self.0?;
        guarded(|| {
            meter.exited(&end.exited);
            meter.close_at(end.at_ns, Some(code.into()), end.hurried)
        })
    }

    /// Closes a run that never was, and leaves nothing of it behind.
    pub(super) fn discard(self) {
        let log = self.closing();
        if let Some(meter) = self.0 {
            guarded(|| drop(meter));
        }
        if let Some(log) = log {
            // What cannot be removed is a log without a command: harmless.
            std::fs::remove_file(log).ok();
        }
    }
}
