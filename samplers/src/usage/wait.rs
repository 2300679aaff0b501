//! Waits for a child process and returns exactly what it used.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::host::cpu_ns;

/// A child that has ended, with what it and its waited-for descendants used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exited {
    /// How it ended: exit code or signal.
    pub status: ExitStatus,
    /// User and system CPU time of the child and of every descendant that was waited for, nanoseconds. Counted by the
    /// scheduler, given in microseconds, not in clock ticks.
    pub cpu_ns: u64,
    /// The largest resident set of any one of them, bytes.
    pub max_rss_bytes: u64,
}

/// Waits until any child has ended, and returns its process id; it stays to be waited for ([`wait_child`]).
///
/// # Errors
/// The error of `waitid`: `ECHILD` when there is no child.
pub fn any_exited() -> io::Result<u32> {
    loop {
        // SAFETY: all-zero bytes are a valid `siginfo_t`: it holds integers only.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is writable for the time of the call.
        let waited = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOWAIT) };
        if waited == 0 {
            // SAFETY: waitid filled the fields of a child that has ended, of which the process id is one.
            let pid = unsafe { info.si_pid() };
            return u32::try_from(pid).map_err(|_| io::ErrorKind::InvalidData.into());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Waits until child `pid` ends and takes its resource usage with it (`wait4`); goes on when a signal interrupts.
///
/// ```
/// use eco2_samplers::usage::wait_child;
///
/// let child = std::process::Command::new("true").spawn()?;
/// let ended = wait_child(child.id())?;
/// assert!(ended.status.success() && ended.max_rss_bytes > 0);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The error of `wait4`: `ECHILD` when `pid` is not a child of this process or was waited for already;
/// `EINVAL` when `pid` is no process id (0, or beyond `i32`).
pub fn wait_child(pid: u32) -> io::Result<Exited> {
    // 0 and negative numbers would mean process groups.
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0).ok_or(io::ErrorKind::InvalidInput)?;
    let mut status = 0;
    // SAFETY: all-zero bytes are a valid `rusage`: it holds integers only.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live, writable locals of the types that wait4 fills, for the time of the call.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if waited == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(Exited {
        status: ExitStatus::from_raw(status),
        cpu_ns: cpu_ns(&usage),
        // getrusage(2): kilobytes.
        max_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1_024),
    })
}
