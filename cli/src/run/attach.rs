//! Measures a running process until it ends, or until a signal ends eco2 (`eco2 run --pid PID`).

use std::os::fd::OwnedFd;
use std::thread;

use anyhow::Context as _;
use eco2::Patience;
use eco2::options::{Options, opt};
use eco2_samplers::clock;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::live_line::LiveLine;
use super::signals::{Inbox, Pressure};
use super::{output, watch};
use crate::failure::UsageError;

/// Measures until process `pid` ends, or a signal asks eco2 to end.
pub(super) fn attach(pid: u32, options: &Options) -> anyhow::Result<u8> {
    let process = open(pid)?;
    let command_line = vec![opt::PID.flag_name().to_owned(), pid.to_string()];
    let named = Options { name: options.name.clone().or_else(|| Some(format!("pid-{pid}"))), ..options.clone() };
    let measuring = watch::open(&named, command_line)?;
    output::header(&measuring, options);
    measuring.follow(pid);
    let mut inbox = Inbox::of_endings().context("signals cannot be received")?;
    let handle = inbox.signals.handle();
    let wait = move || {
        until_ended(&process);
        handle.close();
    };
    thread::Builder::new().name("eco2-wait".to_owned()).spawn(wait).context("a thread cannot be started")?;
    // Ends at a signal, or when the inbox is closed because the process has ended.
    let mut signals = inbox.signals.forever().map(|origin| Pressure::of(origin.signal));
    let wait = || signals.find(|pressure| pressure.asks_to_end());
    let pressure = LiveLine::default().during(measuring.0.as_ref(), options, wait).unwrap_or_default();
    let patience = if pressure.is_urgent() { Patience::OneReading } else { Patience::LastReadings };
    let end_ns = clock::monotonic_ns();
    let log = measuring.log_path();
    let report = measuring.0.and_then(|meter| watch::guarded(|| meter.finish(end_ns, None, patience)));
    output::finish(report, log.as_deref(), options, pressure.was_interrupted());
    Ok(0)
}

fn open(pid: u32) -> anyhow::Result<OwnedFd> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let opened = number.map(|pid| pidfd_open(pid, PidfdFlags::empty()));
    match opened {
        Some(Ok(process)) => Ok(process),
        Some(Err(rustix::io::Errno::SRCH)) | None => Err(UsageError(format!("no process with PID {pid}")).into()),
        Some(Err(error)) => Err(error).with_context(|| format!("process {pid} cannot be watched")),
    }
}

/// Waits until a process has ended: its descriptor then becomes readable, pidfd_open(2).
fn until_ended(process: &OwnedFd) {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    while matches!(poll(&mut fds, None), Err(rustix::io::Errno::INTR)) {}
}
