//! The command as a process: started, signalled, waited for. It is never signalled once its number is free again.

use std::ffi::OsString;
use std::io;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Error, anyhow};
use eco2_samplers::clock;
use eco2_samplers::usage::{self, Exited, any_exited, wait_child};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgid, kill_process, waitid};

use super::status;

/// A command that runs, or has ended and waits to be reaped.
pub(super) struct Child {
    pid: Pid,
    /// Whether the number still is this command's: false from the moment it is reaped.
    ours: Mutex<bool>,
}

/// Where a command's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// To ours.
    Ours,
    /// To our standard error: ours has data of our own on it.
    Error,
}

/// What became of starting a command.
pub(super) enum Start {
    Running(Child),
    Refused(Refused),
}

/// A command that did not start.
pub(super) struct Refused {
    pub(super) code: u8,
    pub(super) error: Error,
}

impl Child {
    /// Starts a command with our input, environment and folder; and with variables that make the records of whatever
    /// measures below it known as of this run.
    pub(super) fn start(words: &[OsString], variables: Vec<(&str, String)>, output: Output) -> Start {
        let Some((program, arguments)) = words.split_first() else {
            return Start::Refused(Refused { code: status::NOT_FOUND, error: anyhow!("no command was given") });
        };
        let mut command = Command::new(program);
        command.args(arguments).envs(variables);
        if output == Output::Error {
            command.stdout(io::stderr());
        }
        // Where the kernel refuses, orphans count as other processes'.
        usage::adopt_orphans().ok();
        let started = command.spawn();
        // A std::process::Child that is dropped is neither ended nor waited for: that is done here, by number.
        let pid = started.map(|child| i32::try_from(child.id()).ok().and_then(Pid::from_raw));
        match pid {
            Ok(Some(pid)) => Start::Running(Self { pid, ours: Mutex::new(true) }),
            Ok(None) => Start::Refused(refused(program, &io::ErrorKind::InvalidData.into())),
            Err(error) => Start::Refused(refused(program, &error)),
        }
    }

    /// The process id.
    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends a signal, unless the command has been reaped.
    pub(super) fn send(&self, signal: Signal) {
        let ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        if *ours {
            // It may have ended just now, or have changed its user: then it cannot be told.
            kill_process(self.pid, signal).ok();
        }
    }

    /// Whether what a terminal sends to our process group reaches the command too.
    pub(super) fn shares_our_group(&self) -> bool {
        getpgid(Some(self.pid)).is_ok_and(|group| group == rustix::process::getpgrp())
    }

    /// Whether the command is stopped now.
    pub(super) fn is_stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid), options).is_ok_and(|status| status.is_some_and(|status| status.stopped()))
    }

    /// Waits until the command has ended; returns when that was, in monotonic nanoseconds, and what it used. Orphans of the
    /// command that end meanwhile are waited for, too, and handed to `orphan` with what they used.
    pub(super) fn wait(&self, mut orphan: impl FnMut(u32, &Exited)) -> (u64, io::Result<Exited>) {
        // First without reaping: until then its number cannot become another process's.
        while let Ok(pid) = any_exited() {
            if pid == self.id() {
                break;
            }
            if let Ok(exited) = wait_child(pid) {
                orphan(pid, &exited);
            }
        }
        let at_ns = clock::monotonic_ns();
        let mut ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        *ours = false;
        (at_ns, wait_child(self.id()))
    }
}

fn refused(program: &OsString, error: &io::Error) -> Refused {
    let program = program.to_string_lossy();
    let code = status::of_start(error);
    let advice = match code {
        status::NOT_FOUND => "check its spelling, and PATH",
        _ if error.kind() == io::ErrorKind::PermissionDenied => {
            "make it executable (chmod +x), or name its interpreter: eco2 run -- python train.py"
        }
        _ => "is it a program for this machine, or a script without a #! line?",
    };
    Refused { code, error: anyhow!("cannot run '{program}': {error}; {advice}") }
}
