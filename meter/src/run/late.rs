//! Spans whose edges become known after the fact: a device stamps them, and nobody waits for it.

use eco2_core::NameId;
use eco2_samplers::clock;

use crate::Meter;
use crate::live::engine::Engine;

/// Why a span of the past could not be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Late {
    /// The end is before the beginning.
    #[error("end_ns is before begin_ns")]
    Reversed,
    /// The beginning is before the run's.
    #[error("begin_ns is before the run began")]
    BeforeRun,
    /// The end has not come yet.
    #[error("end_ns is in the future; allowed: nanoseconds of the monotonic clock, until now")]
    Future,
    /// The beginning is so long ago that the readings around it are not kept any more (5 s at 100 readings a second).
    #[error("begin_ns is too long ago: the readings around it are not kept any more")]
    Forgotten,
    /// The run is over: its report is written.
    #[error("the run is over")]
    Over,
    /// A forked child, which records nothing.
    #[error("the meter was opened before this process was forked")]
    Forked,
}

impl Meter {
    /// Records a span by its edges, nanoseconds of the monotonic clock, soon after it ended. Takes a lock.
    ///
    /// # Errors
    /// [`Late`] where nothing was recorded.
    pub fn between(&self, name: NameId, begin_ns: u64, end_ns: u64) -> Result<(), Late> {
        let mut engine = self.engine().ok_or(Late::Forked)?;
        // Under the lock that the last report is made under: what would come too late for it is refused.
        if engine.is_ending() {
            return Err(Late::Over);
        }
        let ledger = &mut engine.ledger;
        if end_ns < begin_ns {
            return Err(Late::Reversed);
        }
        if begin_ns < ledger.opened_ns() {
            return Err(Late::BeforeRun);
        }
        if end_ns > clock::monotonic_ns() {
            return Err(Late::Future);
        }
        if !ledger.tracks().iter().all(|track| track.remembers(begin_ns)) {
            return Err(Late::Forgotten);
        }
        let start = ledger.mark(begin_ns);
        let Engine { ledger, own_steps, .. } = &mut *engine;
        if own_steps.id(ledger) == Some(name) {
            ledger.bin_steps(name);
        }
        ledger.close(name, start, end_ns);
        engine.trace(name, begin_ns, end_ns);
        let Engine { ledger, own_steps, spells, .. } = &mut *engine;
        if own_steps.add_late(ledger, name, end_ns) {
            spells.step(end_ns);
        }
        Ok(())
    }
}
