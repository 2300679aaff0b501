//! Signals on their way to the command.
//!
//! What a process sends us is forwarded. What the terminal sends goes to its whole foreground group, so the command has
//! it already: forwarding it would make one Ctrl-C two. A signal that we inherited as ignored (`nohup`) is left so, for
//! the command inherits the same.

use std::ffi::c_int;
use std::fs;
use std::io;

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::signal::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP, SIGTSTP, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

use super::child::Child;

const FORWARDED: [c_int; 9] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH];

/// What ends a process that does not listen, besides those and what a fault of its own raises: signal(7).
const DEADLY: [c_int; 10] = [
    SIGALRM,
    SIGVTALRM,
    SIGPROF,
    SIGXCPU,
    SIGXFSZ,
    SIGIO,
    SIGSYS,
    SIGTRAP,
    Signal::POWER.as_raw(),
    Signal::STKFLT.as_raw(),
];

/// Signals as they come in.
pub(crate) type Signals = SignalsInfo<WithOrigin>;

/// Where signals wait to be read.
pub(crate) struct Inbox {
    pub(crate) signals: Signals,
}

/// What the signals so far mean for how the run is closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pressure {
    interrupts: u32,
    terminated: bool,
}

impl Inbox {
    /// Receives from now on what would otherwise end or stop us.
    pub(crate) fn open() -> io::Result<Self> {
        Self::of(&FORWARDED)
    }

    /// The same, and whatever else would end us and can be caught: for who must not go without tidying up.
    pub(crate) fn of_all() -> io::Result<Self> {
        Self::of(&[&FORWARDED[..], &DEADLY[..]].concat())
    }

    /// Receives what asks us to end.
    pub(crate) fn of_endings() -> io::Result<Self> {
        Self::of(&[SIGINT, SIGTERM, SIGHUP])
    }

    fn of(signals: &[c_int]) -> io::Result<Self> {
        let ignored = ignored_mask();
        let wanted = signals.iter().copied().filter(|signal| !is_ignored(ignored, *signal));
        // With SIGCHLD ignored, as some parents leave it, the kernel would reap the command and lose its exit code.
        Ok(Self { signals: Signals::new(wanted.chain([SIGCHLD]))? })
    }
}

impl Pressure {
    /// What one signal means.
    pub(crate) fn of(signal: c_int) -> Self {
        let mut pressure = Self::default();
        pressure.add(signal);
        pressure
    }

    /// Counts a signal in.
    pub(super) fn add(&mut self, signal: c_int) {
        match signal {
            SIGINT => self.interrupts += 1,
            SIGTERM | SIGHUP => self.terminated = true,
            // None comes in but to who asked for all of them; without, it would have ended us.
            signal if DEADLY.contains(&signal) => self.terminated = true,
            _ => {}
        }
    }

    /// Whether somebody wants us gone: one more reading, and no wait for the counters' next updates.
    pub(super) fn is_high(self) -> bool {
        self.terminated || self.interrupts > 1
    }

    /// Whether somebody wants the measuring to end at all.
    pub(crate) fn is_felt(self) -> bool {
        self.terminated || self.interrupts > 0
    }
}

/// Does with signals what the command's user means by them.
#[derive(Debug, Default)]
pub(super) struct Forwarder {
    /// Somebody asked the command to stop, and it has not yet.
    stopping: bool,
}

impl Forwarder {
    /// Does with one signal what the command's user means by it.
    pub(super) fn pass_on(&mut self, origin: &Origin, child: &Child) {
        if is_from_terminal(origin) && child.shares_our_group() {
            self.follow(origin, child);
        } else {
            self.send(origin, child);
        }
    }

    /// Sends the command what was sent to us.
    pub(super) fn send(&mut self, origin: &Origin, child: &Child) {
        if let Some(signal) = Signal::from_named_raw(origin.signal).filter(|_| origin.signal != SIGCHLD) {
            child.send(signal);
        }
        self.follow(origin, child);
    }

    fn follow(&mut self, origin: &Origin, child: &Child) {
        match origin.signal {
            SIGTSTP => self.stopping = true,
            SIGCONT => self.stopping = false,
            _ => {}
        }
        self.stop_with(child);
    }

    /// A shell takes its terminal back when we stop: we do when the command does, and not when it declines to. SIGCHLD
    /// tells of a command that stops later.
    fn stop_with(&mut self, child: &Child) {
        if self.stopping && child.is_stopped() {
            self.stopping = false;
            // SIGCONT wakes us, and is forwarded.
            kill_process(getpid(), Signal::STOP).ok();
        }
    }
}

/// Whether the kernel sent it, which is how a terminal's keys, its new size and its end arrive.
fn is_from_terminal(origin: &Origin) -> bool {
    matches!(origin.cause, Cause::Kernel)
}

/// The signals that this process ignores, bit n - 1 for signal n: proc_pid_status(5).
fn ignored_mask() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_ignored(mask: u64, signal: c_int) -> bool {
    let bit = u32::try_from(signal - 1).ok().and_then(|bit| 1u64.checked_shl(bit));
    bit.is_some_and(|bit| mask & bit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_counts_signals_from_one() {
        // SIGHUP is 1, SIGINT 2, SIGPIPE 13.
        let mask = 0x1001;
        assert!(is_ignored(mask, SIGHUP) && is_ignored(mask, 13) && !is_ignored(mask, SIGINT));
        assert!(!is_ignored(u64::MAX, 0));
    }

    #[test]
    fn one_interrupt_is_no_hurry_and_two_are() {
        assert!(!Pressure::of(SIGWINCH).is_felt());
        let mut pressure = Pressure::of(SIGINT);
        assert!(pressure.is_felt() && !pressure.is_high());
        pressure.add(SIGINT);
        assert!(pressure.is_high());
        assert!(Pressure::of(SIGTERM).is_high());
    }
}
