//! Runs the sweep of `eco2 optimize --sweep-power-limit`: a command is run once per GPU power limit. The old limits are
//! restored at the end, also after an error, a panic or a signal. A *trial* is one run of the command under one limit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{mem, thread};

use anyhow::{Context as _, anyhow};
use eco2::options::{Log, Options};
use eco2_report::advice::sweep::{Sweep, Trial};
use eco2_samplers::Roots;
use eco2_samplers::nvml::{BoardLimit, HeldLimits, Visibility};

use super::table;
use crate::args::OptimizeArgs;
use crate::failure::UsageError;
use crate::run::{self, ChildOutput, Following, Inbox, Pressure, Shown};
use crate::{out, settings};

/// Measures a command under several limits and prints the energy and time of each.
pub(super) fn sweep(args: &OptimizeArgs) -> anyhow::Result<u8> {
    let options = settings::resolve(args.layer()?)?;
    let mut held = HeldLimits::open(&roots(&options), &Visibility::from_env())?;
    let boards: Vec<BoardLimit> = held.boards().into_iter().cloned().collect();
    let limits = chosen(args, &held)?;
    held.probe()?;
    boards.iter().for_each(|board| out::talk(&table::before(board)));
    let guard = Guard::new(held)?;
    let trials = trials(args, &options, &limits, &guard);
    guard.restore()?;
    let swept = Sweep::of(trials?).context("no run under the old limit was measured")?;
    if args.json {
        out::data(&swept.json(&table::boards(&boards)))?
    } else {
        out::page(&table::page(&swept))?
    };
    Ok(0)
}

/// Returns the folders and libraries in which the GPU boards are looked for.
fn roots(options: &Options) -> Roots {
    let (sysfs, procfs) = (options.sysfs.clone(), options.procfs.clone());
    Roots { sysfs, procfs, nvml: options.nvml.clone(), ..Roots::default() }
}

/// Returns the limits to try, milliwatts, highest first.
fn chosen(args: &OptimizeArgs, held: &HeldLimits) -> anyhow::Result<Vec<u32>> {
    let (min_mw, max_mw) = held
        .allowed_mw()
        .context("the GPUs have no power limit in common; choose among them with CUDA_VISIBLE_DEVICES")?;
    let wanted = &args.sweep.limits;
    if let Some(outside) = wanted.iter().find(|limit| !(min_mw..=max_mw).contains(*limit)) {
        let watts = |mw: u32| f64::from(mw) / 1e3;
        let (limit, min, max) = (watts(*outside), watts(min_mw), watts(max_mw));
        return Err(UsageError(format!(
            "--limits: {limit} W is not allowed on this machine; allowed: {min} to {max} W"
        ))
        .into());
    }
    let mut limits = if wanted.is_empty() { spread(min_mw, max_mw, args.sweep.limit_count) } else { wanted.clone() };
    limits.sort_unstable_by(|a, b| b.cmp(a));
    limits.dedup();
    Ok(limits)
}

/// Returns the limits in equal steps from the lowest to the highest, both included.
fn spread(min_mw: u32, max_mw: u32, steps: u32) -> Vec<u32> {
    let part = |step: u32| u64::from(max_mw - min_mw) * u64::from(step) / u64::from(steps.max(2) - 1);
    (0..steps.max(2)).map(|step| min_mw + u32::try_from(part(step)).unwrap_or(0)).collect()
}

/// Runs the command under every limit, `--repeat` times in turn, so that warming up and drift affect all limits alike.
/// Each turn begins with the old limit (`None`).
fn trials(args: &OptimizeArgs, options: &Options, limits: &[u32], guard: &Guard) -> anyhow::Result<Vec<Trial>> {
    let quiet = Options { quiet: true, log: Log::Off, json: None, trace: None, ..options.clone() };
    let output = if args.json { ChildOutput::StandardError } else { ChildOutput::Inherited };
    let mut inbox = inbox()?;
    let mut trials = Vec::new();
    for _ in 0..args.sweep.repeat {
        for limit_mw in std::iter::once(None).chain(limits.iter().copied().map(Some)) {
            guard.set(limit_mw)?;
            // The next inbox is opened before this one is closed, so that no signal between two runs is lost.
            let listening = mem::replace(&mut inbox, self::inbox()?);
            let measured = run::measure(
                &args.command,
                &quiet,
                Following { inbox: Some(listening), output, shown: Shown::default() },
            )?;
            guard.check()?;
            trials.push(trial(limit_mw, &measured)?);
            out::talk(&table::progress(trials.last()));
        }
    }
    Ok(trials)
}

/// Receives all signals that would end eco2, so that the limits can be restored first.
fn inbox() -> anyhow::Result<Inbox> {
    Inbox::of_all().context("signals cannot be received, so the limits could not be restored after a signal")
}

/// Returns the energy and time of a run under a limit; an error if the command failed or nothing was measured.
fn trial(limit_mw: Option<u32>, measured: &run::MeasuredCommand) -> anyhow::Result<Trial> {
    if measured.code != 0 || !measured.started {
        return Err(anyhow!("the command ended with code {}; nothing can be compared", measured.code));
    }
    let found =
        measured.report.as_ref().and_then(|report| Some((report, report.energy.total_uj.filter(|uj| *uj > 0)?)));
    let (report, energy_uj) = found.context("nothing was measured; eco2 doctor shows why")?;
    let energy = &report.energy;
    let (low_uj, high_uj) = (energy.low_uj, energy.high_uj);
    let (duration_ns, estimated_uj) = (report.run.duration_ns, energy.estimated_uj);
    Ok(Trial { limit_mw, duration_ns, energy_uj, low_uj, high_uj, estimated_uj })
}

/// Holds the old limits; restores them when it is dropped (also by a panic), and at every signal that ends this
/// process.
struct Guard {
    held: Arc<Mutex<HeldLimits>>,
    stopped: Arc<AtomicBool>,
}

impl Guard {
    fn new(held: HeldLimits) -> anyhow::Result<Self> {
        let guard = Self { held: Arc::new(Mutex::new(held)), stopped: Arc::default() };
        let mut inbox = inbox()?;
        let (held, stopped) = (Arc::clone(&guard.held), Arc::clone(&guard.stopped));
        let listen = move || {
            // Without waiting for the command: it may end late, or ignore the signal.
            for origin in inbox.signals.forever().filter(|origin| Pressure::of(origin.signal).asks_to_end()) {
                // Pairs with the load in `check`; the lock orders the rest.
                stopped.store(true, Ordering::Release);
                if let Err(error) = lock(&held).restore() {
                    out::talk(&format!("eco2: {error} (signal {})\n", origin.signal));
                }
            }
        };
        thread::Builder::new().name("eco2-limits".to_owned()).spawn(listen).context("a thread cannot be started")?;
        Ok(guard)
    }

    /// Sets a limit, milliwatts; `None` sets the old ones. An error after a signal, so that no limit is set again.
    fn set(&self, limit_mw: Option<u32>) -> anyhow::Result<()> {
        self.check()?;
        let mut held = lock(&self.held);
        match limit_mw {
            Some(limit_mw) => Ok(held.set(limit_mw)?),
            None => Ok(held.set_old()?),
        }
    }

    /// Returns an error if a signal has ended the sweep.
    fn check(&self) -> anyhow::Result<()> {
        // Pairs with the store in `new`.
        if self.stopped.load(Ordering::Acquire) {
            return Err(anyhow!("interrupted; the old power limits are restored"));
        }
        Ok(())
    }

    /// Sets the old limits.
    fn restore(&self) -> anyhow::Result<()> {
        let hint = "the old power limits are NOT restored; set them with nvidia-smi as shown above";
        lock(&self.held).restore().context(hint)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The listening thread shares the limits and never ends, so that they are not dropped themselves.
        if let Err(error) = lock(&self.held).restore() {
            out::talk(&format!("eco2: {error}\n"));
        }
    }
}

fn lock(held: &Mutex<HeldLimits>) -> MutexGuard<'_, HeldLimits> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_sweep_restores_the_old_limit() {
        let folder = tempfile::tempdir().unwrap();
        let limits = folder.path().join("limits");
        let script = format!("limits={}\n[gpu 0]\nuuid=GPU-a\nlimit=650", limits.display());
        let nvml = Some(nvidia_ml_fake::install(folder.path(), &script).unwrap());
        let held = HeldLimits::open(&Roots { nvml, ..Roots::default() }, &Visibility::default()).unwrap();
        let guard = Guard::new(held).unwrap();
        let swept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            guard.set(Some(300_000)).unwrap();
            panic!("a fault in the middle of a sweep");
        }));
        assert!(swept.is_err());
        assert_eq!(std::fs::read_to_string(limits).unwrap(), "GPU-a 300000\nGPU-a 650000\n");
    }

    #[test]
    fn limits_are_spread_over_the_allowed_range() {
        assert_eq!(spread(200_000, 700_000, 3), [200_000, 450_000, 700_000]);
        assert_eq!(spread(5, 5, 2), [5, 5]);
    }
}
