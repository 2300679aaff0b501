//! The sweep: one command under one power limit after another, and the old limits back however it ends.

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
use crate::failure::Usage;
use crate::run::{self, Inbox, Output, Pressure};
use crate::{out, settings};

/// Measures a command under several limits and prints what each is worth.
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

fn roots(options: &Options) -> Roots {
    Roots { sysfs: options.sysfs.clone(), procfs: options.procfs.clone(), nvml: options.nvml.clone() }
}

/// The limits to try, milliwatts, the highest first; the old one comes before them all.
fn chosen(args: &OptimizeArgs, held: &HeldLimits) -> anyhow::Result<Vec<u32>> {
    let (min_mw, max_mw) = held
        .allowed_mw()
        .context("the GPUs have no power limit in common; choose among them with CUDA_VISIBLE_DEVICES")?;
    let given = &args.sweep.limits;
    if let Some(outside) = given.iter().find(|limit| !(min_mw..=max_mw).contains(*limit)) {
        let watts = |mw: u32| f64::from(mw) / 1e3;
        let (limit, min, max) = (watts(*outside), watts(min_mw), watts(max_mw));
        return Err(Usage(format!("--limits: {limit} W is not allowed here: {min} to {max} W")).into());
    }
    let mut limits = if given.is_empty() { spread(min_mw, max_mw, args.sweep.limit_count) } else { given.clone() };
    limits.sort_unstable_by(|a, b| b.cmp(a));
    limits.dedup();
    Ok(limits)
}

/// Equal steps from the least to the most, ends included.
fn spread(min_mw: u32, max_mw: u32, steps: u32) -> Vec<u32> {
    let part = |step: u32| u64::from(max_mw - min_mw) * u64::from(step) / u64::from(steps.max(2) - 1);
    (0..steps.max(2)).map(|step| min_mw + u32::try_from(part(step)).unwrap_or(0)).collect()
}

/// Runs the command under every limit, in rounds, so that what warms up or drifts meets all of them.
fn trials(args: &OptimizeArgs, options: &Options, limits: &[u32], guard: &Guard) -> anyhow::Result<Vec<Trial>> {
    let quiet = Options { quiet: true, log: Log::Off, json: None, trace: None, ..options.clone() };
    let output = if args.json { Output::Error } else { Output::Ours };
    let mut inbox = inbox()?;
    let mut trials = Vec::new();
    for _ in 0..args.sweep.repeat {
        for limit_mw in std::iter::once(None).chain(limits.iter().copied().map(Some)) {
            guard.set(limit_mw)?;
            // The next one listens before this one is used up: no signal falls between two runs.
            let listening = mem::replace(&mut inbox, self::inbox()?);
            let outcome = run::measure(&args.command, &quiet, Some(listening), output)?;
            guard.check()?;
            trials.push(trial(limit_mw, &outcome)?);
            out::talk(&table::progress(trials.last()));
        }
    }
    Ok(trials)
}

fn inbox() -> anyhow::Result<Inbox> {
    Inbox::of_all().context("signals cannot be received, so limits could not be restored at one")
}

fn trial(limit_mw: Option<u32>, outcome: &run::Outcome) -> anyhow::Result<Trial> {
    if outcome.code != 0 || !outcome.started {
        return Err(anyhow!("the command ended with code {}; nothing can be compared", outcome.code));
    }
    let found = outcome.report.as_ref().and_then(|report| Some((report, report.energy.total_uj.filter(|uj| *uj > 0)?)));
    let (report, energy_uj) = found.context("nothing was measured; eco2 doctor says why")?;
    let energy = &report.energy;
    let (low_uj, high_uj) = (energy.low_uj, energy.high_uj);
    let (duration_ns, estimated_uj) = (report.run.duration_ns, energy.estimated_uj);
    Ok(Trial { limit_mw, duration_ns, energy_uj, low_uj, high_uj, estimated_uj })
}

/// Keeps the old limits, and puts them back at its own end, a panic's included, and at every signal that asks us to end.
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
            // At once, not when the command has ended: it may take its time, or not mind the signal at all.
            for origin in inbox.signals.forever().filter(|origin| Pressure::of(origin.signal).is_felt()) {
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

    fn set(&self, limit_mw: Option<u32>) -> anyhow::Result<()> {
        self.check()?;
        let mut held = lock(&self.held);
        match limit_mw {
            Some(limit_mw) => Ok(held.set(limit_mw)?),
            None => Ok(held.set_old()?),
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        // Pairs with the store in `new`.
        if self.stopped.load(Ordering::Acquire) {
            return Err(anyhow!("interrupted; the old power limits are restored"));
        }
        Ok(())
    }

    fn restore(&self) -> anyhow::Result<()> {
        let hint = "the old power limits are NOT restored; set them with nvidia-smi as shown above";
        lock(&self.held).restore().context(hint)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The thread that listens holds the limits, too, and never ends: their own drop does not come.
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
    fn a_panic_in_the_middle_of_a_sweep_puts_the_old_limit_back() {
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
    fn limits_are_spread_over_all_that_is_allowed() {
        assert_eq!(spread(200_000, 700_000, 3), [200_000, 450_000, 700_000]);
        assert_eq!(spread(5, 5, 2), [5, 5]);
    }
}
