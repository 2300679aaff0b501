//! Measures a command of `eco2 run` from its start to its end: opens the meter, forwards signals, waits, closes the
//! meter.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use eco2::options::{Options, PARENT_PART, opt};
use eco2::{Error, Meter, Patience};
use eco2_core::schema::Report;
use eco2_report::Scope;
use eco2_samplers::usage::Exited;

use super::child::Child;
use super::live_line::LiveLine;
use super::signals::{Forwarder, Inbox, Pressure};
use crate::{failure, out};

/// How a command ended.
pub(super) struct CommandEnd {
    /// Time of the end, monotonic nanoseconds.
    pub(super) at_ns: u64,
    pub(super) exited: Exited,
    /// Whether the report waits for the last readings; signals may ask eco2 to end without delay.
    pub(super) patience: Patience,
    /// Whether the user has sent an interrupt.
    pub(super) was_interrupted: bool,
}

/// Opens the meter. A wrong option is an error; any other failure is printed, and the command runs without a meter.
pub(super) fn open(options: &Options, command_line: Vec<String>) -> anyhow::Result<OptionalMeter> {
    let opened = guarded(|| Meter::builder().options(options.clone()).command(command_line.clone()).open());
    let error = match opened {
        Some(Ok(meter)) => {
            print_budget_events(&meter, options);
            return Ok(OptionalMeter(Some(meter)));
        }
        Some(Err(error)) => anyhow::Error::from(error),
        None => anyhow::anyhow!("internal error in eco2"),
    };
    if failure::is_usage(&error) {
        return Err(error);
    }
    if options.trace.is_some() && matches!(error.downcast_ref(), Some(Error::Write { .. })) {
        failure::print_error(&error.context("no trace will be written"));
        return open(&Options { trace: None, ..options.clone() }, command_line);
    }
    out::talk(&format!(
        "eco2: WARNING: nothing is measured: {}; the command runs without measuring\n",
        failure::in_one_line(&error)
    ));
    Ok(OptionalMeter(None))
}

/// Prints events while the command runs, if it has a budget.
fn print_budget_events(meter: &Meter, options: &Options) {
    let budget = &options.budget;
    let totals = [budget.max_co2_kg, budget.max_energy_kwh, budget.max_cost];
    let per_hour = [budget.max_co2_kg_per_hour, budget.max_energy_kwh_per_hour, budget.max_cost_per_hour];
    let has_limit = totals.iter().chain(&per_hour).any(Option::is_some);
    if has_limit && !options.quiet {
        meter.on_event(|event| out::talk(&format!("eco2: {}\n", event.text)));
        if options.scope == Scope::Command {
            out::talk("eco2: limits count the command's part of the energy, by CPU and GPU time\n");
        }
    }
}

/// Forwards signals until the command has ended. The live line is hidden before eco2 stops with the command (Ctrl-Z).
pub(super) fn until_ended(
    child: Child,
    mut inbox: Inbox,
    live: &Arc<LiveLine>,
    orphan: impl FnMut(u32, &Exited),
) -> anyhow::Result<CommandEnd> {
    let (child, pressure) = (Arc::new(child), Arc::new(Mutex::new(Pressure::default())));
    let mut forwarder = Forwarder::new(Arc::clone(live));
    // Signals that arrived before the command started have not reached it.
    for origin in inbox.signals.pending() {
        lock(&pressure).add(origin.signal);
        forwarder.send(&origin, &child);
    }
    let handle = inbox.signals.handle();
    let listener = listen((inbox, forwarder), Arc::clone(&child), Arc::clone(&pressure));
    let (at_ns, exited) = child.wait(orphan);
    // A caller that measures many commands would otherwise keep a thread and a pipe of each.
    handle.close();
    if let Some(thread) = listener {
        thread.join().ok();
    }
    let exited = exited.context("the command's exit code is lost")?;
    let pressure = *lock(&pressure);
    let patience = if pressure.is_urgent() { Patience::OneReading } else { Patience::LastReadings };
    Ok(CommandEnd { at_ns, exited, patience, was_interrupted: pressure.was_interrupted() })
}

/// Forwards signals from a separate thread until the inbox is closed.
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

/// Runs a part of measuring. A panic in it is `None`: the panic hook has printed it, and only the measurement is lost.
pub(super) fn guarded<T>(measure: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(measure)).ok()
}

/// A meter; `None`: it could not be opened, and the command runs unmeasured.
pub(super) struct OptionalMeter(pub(super) Option<Meter>);

impl OptionalMeter {
    /// Attributes the use of a process and its children to the run.
    pub(super) fn follow(&self, pid: u32) {
        if let Some(meter) = &self.0 {
            meter.follow(pid);
        }
    }

    /// Attributes the use of a process and its children to the run, and that of children that outlive their parents.
    pub(super) fn follow_with_orphans(&self, pid: u32) {
        if let Some(meter) = &self.0 {
            meter.follow_with_orphans(pid);
        }
    }

    /// Records the resources that an orphan of the command has used until its end.
    pub(super) fn orphan_exited(&self, pid: u32, exited: &Exited) {
        if let Some(meter) = &self.0 {
            meter.orphan_exited(pid, exited);
        }
    }

    /// Returns the environment variables for the command: the run's id and the id of this record, for programs that
    /// measure inside it.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let variables = |meter: &Meter| vec![(opt::RUN_ID.variable, meter.run_id()), (PARENT_PART, meter.part_id())];
        self.0.as_ref().map(variables).unwrap_or_default()
    }

    /// Returns the path of the run's log.
    pub(super) fn log_path(&self) -> Option<std::path::PathBuf> {
        self.0.as_ref().and_then(Meter::log_path).map(Path::to_owned)
    }

    /// Closes the meter after the command has ended.
    pub(super) fn close(self, end: &CommandEnd, code: u8) -> Option<Report> {
        let meter = self.0?;
        guarded(|| {
            meter.exited(&end.exited);
            meter.finish(end.at_ns, Some(code.into()), end.patience)
        })
    }

    /// Closes the meter of a command that did not start, and removes its log.
    pub(super) fn discard(self) {
        let log = self.log_path();
        if let Some(meter) = self.0 {
            guarded(|| drop(meter));
        }
        if let Some(log) = log {
            // If it cannot be removed, a log without a command stays: harmless.
            std::fs::remove_file(log).ok();
        }
    }
}
