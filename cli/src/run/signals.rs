//! Receives the signals that `eco2 run` forwards to the command.
//!
//! A signal that a process sends to eco2 is forwarded. A signal of the terminal goes to the whole foreground group, so
//! that the command has it already: forwarding it would turn one Ctrl-C into two. A signal that eco2 inherited as
//! ignored (`nohup`) stays ignored, because the command inherits the same.

use std::ffi::c_int;
use std::fs;
use std::io;
use std::sync::Arc;

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::signal::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP, SIGTSTP, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGWINCH, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

use super::child::Child;
use super::live_line::LiveLine;

const FORWARDED: [c_int; 9] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH];

/// Other signals that end a process by default and are not raised by its own faults: signal(7).
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

/// Received signals with their origin.
pub(crate) type Signals = SignalsInfo<WithOrigin>;

/// Queue of received signals.
pub(crate) struct Inbox {
    pub(crate) signals: Signals,
}

/// How urgently the received signals ask eco2 to end the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pressure {
    interrupts: u32,
    terminated: bool,
}

impl Inbox {
    /// Receives from now on the signals that are forwarded.
    pub(crate) fn open() -> io::Result<Self> {
        Self::of(&FORWARDED)
    }

    /// Also receives all other signals that would end eco2 and can be caught: for callers that must clean up.
    pub(crate) fn of_all() -> io::Result<Self> {
        Self::of(&[&FORWARDED[..], &DEADLY[..]].concat())
    }

    /// Receives the signals that ask eco2 to end.
    pub(crate) fn of_endings() -> io::Result<Self> {
        Self::of(&[SIGINT, SIGTERM, SIGHUP])
    }

    /// Receives the given signals from now on, except for those that eco2 inherited as ignored.
    fn of(signals: &[c_int]) -> io::Result<Self> {
        let ignored = ignored_mask();
        let wanted = signals.iter().copied().filter(|signal| !is_ignored(ignored, *signal));
        // With SIGCHLD ignored, as some parents leave it, the kernel would reap the command and lose its exit code.
        Ok(Self { signals: Signals::new(wanted.chain([SIGCHLD]))? })
    }
}

impl Pressure {
    /// Returns the urgency of one signal.
    pub(crate) fn of(signal: c_int) -> Self {
        let mut pressure = Self::default();
        pressure.add(signal);
        pressure
    }

    /// Adds a signal.
    pub(super) fn add(&mut self, signal: c_int) {
        match signal {
            SIGINT => self.interrupts += 1,
            SIGTERM | SIGHUP => self.terminated = true,
            // Received only with `of_all`; otherwise it would have ended this process.
            signal if DEADLY.contains(&signal) => self.terminated = true,
            _ => {}
        }
    }

    /// Whether to close without delay: one more reading, and no wait for the counters' next updates.
    pub(super) fn is_urgent(self) -> bool {
        self.terminated || self.interrupts > 1
    }

    /// Whether an interrupt (Ctrl-C) was received.
    pub(super) fn was_interrupted(self) -> bool {
        self.interrupts > 0
    }

    /// Whether measuring should end.
    pub(crate) fn asks_to_end(self) -> bool {
        self.terminated || self.interrupts > 0
    }
}

/// Forwards signals to the command as its user expects.
#[derive(Debug)]
pub(super) struct Forwarder {
    /// Whether the command was asked to stop (SIGTSTP) and has not stopped yet.
    stopping: bool,
    live: Arc<LiveLine>,
}

impl Forwarder {
    /// Returns a forwarder that hides the live line before eco2 stops.
    pub(super) fn new(live: Arc<LiveLine>) -> Self {
        Self { stopping: false, live }
    }

    /// Forwards a signal, unless the terminal has sent it to the command already.
    pub(super) fn pass_on(&mut self, origin: &Origin, child: &Child) {
        if is_from_terminal(origin) && child.shares_our_group() {
            self.follow(origin, child);
        } else {
            self.send(origin, child);
        }
    }

    /// Sends the command a signal that eco2 received.
    pub(super) fn send(&mut self, origin: &Origin, child: &Child) {
        if let Some(signal) = Signal::from_named_raw(origin.signal).filter(|_| origin.signal != SIGCHLD) {
            child.send(signal);
        }
        self.follow(origin, child);
    }

    /// Notes whether the terminal stops or resumes the command, and stops eco2 with it.
    fn follow(&mut self, origin: &Origin, child: &Child) {
        match origin.signal {
            SIGTSTP => self.stopping = true,
            SIGCONT => self.stopping = false,
            _ => {}
        }
        self.stop_with(child);
    }

    /// Stops eco2 when the command has stopped, so that the shell takes its terminal back; not if the command goes on.
    /// SIGCHLD reports a command that stops later.
    fn stop_with(&mut self, child: &Child) {
        if self.stopping && child.is_stopped() {
            self.stopping = false;
            self.live.hide();
            // SIGCONT resumes this process, and is forwarded.
            kill_process(getpid(), Signal::STOP).ok();
        }
    }
}

/// Whether the kernel sent the signal: keys, a new size and the end of a terminal arrive this way.
fn is_from_terminal(origin: &Origin) -> bool {
    matches!(origin.cause, Cause::Kernel)
}

/// Returns the signals that this process ignores: bit n - 1 for signal n, proc_pid_status(5).
fn ignored_mask() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Whether a signal is ignored by the mask of [`ignored_mask`].
fn is_ignored(mask: u64, signal: c_int) -> bool {
    let bit = u32::try_from(signal - 1).ok().and_then(|bit| 1u64.checked_shl(bit));
    bit.is_some_and(|bit| mask & bit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_the_mask_begin_with_signal_one() {
        // SIGHUP is 1, SIGINT 2, SIGPIPE 13.
        let mask = 0x1001;
        assert!(is_ignored(mask, SIGHUP) && is_ignored(mask, 13) && !is_ignored(mask, SIGINT));
        assert!(!is_ignored(u64::MAX, 0));
    }

    #[test]
    fn two_interrupts_are_urgent_and_one_is_not() {
        assert!(!Pressure::of(SIGWINCH).asks_to_end());
        let mut pressure = Pressure::of(SIGINT);
        assert!(pressure.asks_to_end() && !pressure.is_urgent());
        pressure.add(SIGINT);
        assert!(pressure.is_urgent());
        assert!(Pressure::of(SIGTERM).is_urgent());
    }
}
