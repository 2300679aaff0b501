//! Starts the command of `eco2 run` as a child process, sends it signals, waits for it, and maps how it ended to an
//! exit code. To *reap* a process is to fetch its exit status, after which the kernel frees its number. An *orphan* is
//! a process that the command started and left running.
//!
//! A signal is never sent after the process was reaped: its number may then belong to another process.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, PoisonError};

use anyhow::{Error, anyhow};
use eco2_samplers::clock;
use eco2_samplers::usage::{self, Exited, any_exited, wait_child};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgid, kill_process, waitid};

/// A command that is running, or has ended and is not reaped yet.
pub(super) struct Child {
    pid: Pid,
    /// Whether the process is not reaped yet, so that its number still belongs to this command.
    is_unreaped: Mutex<bool>,
}

/// Where a command's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildOutput {
    /// To the standard output of eco2.
    Inherited,
    /// To the standard error of eco2, whose standard output holds a document.
    StandardError,
}

/// A command that did not start.
pub(super) struct NotStarted {
    pub(super) code: u8,
    pub(super) error: Error,
}

impl Child {
    /// Starts a command with the input, environment and folder of eco2, and with `variables`, by which
    /// records of programs that measure inside the command become part of this run.
    ///
    /// # Errors
    /// If the command cannot be started.
    pub(super) fn start(
        words: &[OsString],
        variables: Vec<(&str, String)>,
        output: ChildOutput,
    ) -> Result<Self, NotStarted> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(NotStarted { code: NOT_FOUND, error: anyhow!("no command to run") });
        };
        let mut command = Command::new(program);
        command.args(arguments).envs(variables);
        if output == ChildOutput::StandardError {
            command.stdout(io::stderr());
        }
        // If the kernel refuses, orphans of the command count as other processes.
        usage::adopt_orphans().ok();
        let started = command.spawn();
        // Dropping a `std::process::Child` neither ends nor reaps it: this file does both, by process number.
        let pid = started.map(|child| i32::try_from(child.id()).ok().and_then(Pid::from_raw));
        match pid {
            Ok(Some(pid)) => Ok(Self { pid, is_unreaped: Mutex::new(true) }),
            Ok(None) => Err(not_started(program, &io::ErrorKind::InvalidData.into())),
            Err(error) => Err(not_started(program, &error)),
        }
    }

    /// Returns the process id.
    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends a signal, unless the command has been reaped.
    pub(super) fn send(&self, signal: Signal) {
        let is_unreaped = self.is_unreaped.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_unreaped {
            // The call fails if the command has just ended, or has changed its user: then the signal is lost.
            kill_process(self.pid, signal).ok();
        }
    }

    /// Whether a signal of the terminal to the process group of eco2 reaches the command too.
    pub(super) fn shares_our_group(&self) -> bool {
        getpgid(Some(self.pid)).is_ok_and(|group| group == rustix::process::getpgrp())
    }

    /// Whether the command is stopped now.
    pub(super) fn is_stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid), options).is_ok_and(|status| status.is_some_and(|status| status.stopped()))
    }

    /// Waits until the command has ended; returns the time, monotonic nanoseconds, and the resources that it used.
    /// Orphans of the command that end meanwhile are reaped too, and passed to `orphan` with the resources that they
    /// used.
    pub(super) fn wait(&self, mut orphan: impl FnMut(u32, &Exited)) -> (u64, io::Result<Exited>) {
        // The first call does not reap: until it is reaped the number cannot belong to another process.
        while let Ok(pid) = any_exited() {
            if pid == self.id() {
                break;
            }
            if let Ok(exited) = wait_child(pid) {
                orphan(pid, &exited);
            }
        }
        let at_ns = clock::monotonic_ns();
        let mut is_unreaped = self.is_unreaped.lock().unwrap_or_else(PoisonError::into_inner);
        *is_unreaped = false;
        (at_ns, wait_child(self.id()))
    }
}

/// Returns why a command did not start, with its exit code and advice.
fn not_started(program: &OsString, error: &io::Error) -> NotStarted {
    let program = program.to_string_lossy();
    let code = start_code(error);
    let advice = match code {
        NOT_FOUND => "check its spelling and PATH",
        _ if error.kind() == io::ErrorKind::PermissionDenied => {
            "make it executable (chmod +x), or name its interpreter: eco2 run -- python train.py"
        }
        _ => start_advice(error),
    };
    NotStarted { code, error: anyhow!("cannot run '{program}': {error}; {advice}") }
}

/// Returns the advice for a command that was found, may be executed, and did not start.
fn start_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ArgumentListTooLong => "make its arguments or the environment shorter",
        io::ErrorKind::OutOfMemory => "free memory, or raise its limit (ulimit -v)",
        // Of processes: fork(2) fails with EAGAIN.
        io::ErrorKind::WouldBlock => "raise the limit on processes (ulimit -u)",
        _ if [ENFILE, EMFILE].map(Some).contains(&error.raw_os_error()) => "raise the limit on open files (ulimit -n)",
        _ => "is it a program for this machine, or a script without a #! line?",
    }
}

/// Error number: the machine has no room for another open file. The standard library has no kind for it.
const ENFILE: i32 = rustix::io::Errno::NFILE.raw_os_error();
/// Error number: this process has no room for another open file.
const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();
/// The command was found and cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
const NOT_FOUND: u8 = 127;
/// Added to the number of the signal that ended a command, as shells do.
const BY_SIGNAL: i32 = 128;

/// Returns the exit code of an ended command, as a shell shows it.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Returns the exit code of a command that did not start, as of `env` and `timeout`.
fn start_code(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_about_the_limit_that_was_reached() {
        use rustix::io::Errno;
        let advice = |errno: Errno| start_advice(&errno.into());
        assert!(advice(Errno::MFILE).contains("ulimit -n") && advice(Errno::NFILE).contains("ulimit -n"));
        assert!(advice(Errno::NOMEM).contains("memory"));
        assert!(advice(Errno::TOOBIG).contains("arguments"));
        assert!(advice(Errno::AGAIN).contains("ulimit -u"));
        assert!(advice(Errno::NOEXEC).contains("#! line"));
    }

    #[test]
    fn codes_are_those_of_a_shell() {
        // wait(2): an exit code is in the second byte, a signal in the first.
        for (raw, expected) in [(0, 0), (3 << 8, 3), (255 << 8, 255), (9, 137), (15, 143), (0x80 | 6, 134)] {
            assert_eq!(exit_code(ExitStatus::from_raw(raw)), expected);
        }
    }
}
