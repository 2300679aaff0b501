//! From the start of a command to its end: the meter beside it, its signals, and its exit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::Context as _;
use eco2::options::Options;
use eco2::{Error, Meter};
use eco2_samplers::usage::Exited;
use signal_hook::low_level::siginfo::Origin;

use super::child::Child;
use super::signals::{self, Inbox, Pressure, Signals};
use super::Measuring;
use crate::{failure, out};

/// How a command ended.
pub(super) struct Watched {
    /// When, in monotonic nanoseconds.
    pub(super) at_ns: u64,
    pub(super) exited: Exited,
    /// Whether somebody is waiting for us to be gone.
    pub(super) hurried: bool,
}

/// What comes in while a command runs.
enum Happening {
    Signal(Origin),
    Ended(u64, std::io::Result<Exited>),
}

/// Opens the meter. A wrong option is an error; whatever else fails is said, and the command runs without.
pub(super) fn open(options: &Options, words: Vec<String>) -> anyhow::Result<Measuring> {
    let opened = guarded(|| Meter::open_for(options.clone(), Vec::new(), words.clone()));
    let error = match opened {
        Some(Ok(meter)) => return Ok(Measuring(Some(meter))),
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

/// Forwards signals until the command has ended.
pub(super) fn until_ended(child: Child, mut inbox: Inbox) -> anyhow::Result<Watched> {
    let child = Arc::new(child);
    let (happenings, happened) = channel();
    let mut pressure = Pressure::default();
    // What came before the command was there has not reached it by any way.
    for origin in inbox.signals.pending() {
        pressure.add(origin.signal);
        if let Some(signal) = rustix::process::Signal::from_named_raw(origin.signal) {
            child.send(signal);
        }
    }
    listen(inbox.signals, happenings.clone())?;
    wait(Arc::clone(&child), happenings)?;
    for happening in happened {
        match happening {
            Happening::Signal(origin) => {
                pressure.add(origin.signal);
                signals::pass_on(&origin, &child);
            }
            Happening::Ended(at_ns, exited) => {
                let exited = exited.context("the command's exit code is lost")?;
                return Ok(Watched { at_ns, exited, hurried: pressure.is_high() });
            }
        }
    }
    anyhow::bail!("the command's end was not noticed")
}

fn listen(mut signals: Signals, happenings: Sender<Happening>) -> anyhow::Result<()> {
    named("eco2-signals", move || {
        for origin in signals.forever() {
            if happenings.send(Happening::Signal(origin)).is_err() {
                return;
            }
        }
    })
}

fn wait(child: Arc<Child>, happenings: Sender<Happening>) -> anyhow::Result<()> {
    named("eco2-wait", move || {
        let (at_ns, exited) = child.wait();
        // Nobody listens any more when the run was given up: then there is nobody to tell.
        happenings.send(Happening::Ended(at_ns, exited)).ok();
    })
}

fn named(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map(|_| ()).with_context(|| format!("the thread {name} cannot be started; raise the limit (ulimit -u)"))
}

/// Runs a part of measuring; a panic in it is `None`, already told on standard error, and costs the measurement only.
pub(super) fn guarded<T>(measure: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(measure)).ok()
}
