//! Why `perf_event_open` refused, and the one thing to do about it.

use std::io;

use eco2_core::schema::{SourceStatus, Status};

use super::event::NAME;
use crate::found::status;
use crate::{Roots, sysfs};

/// The status that an error of opening means.
///
/// The kernel refuses with `EACCES` (`perf_event_paranoid`, no `CAP_PERFMON`); container runtimes' seccomp profiles
/// refuse with `EPERM`, or `ENOSYS` where they do not know the call.
pub(super) fn refusal(error: &io::Error, roots: &Roots) -> SourceStatus {
    let errno = error.raw_os_error().unwrap_or(0);
    let (state, why, remedy) = match errno {
        libc::EACCES => (Status::Denied, needs_capability(roots), "sudo setcap cap_perfmon+ep $(command -v eco2)"),
        libc::EPERM => (
            Status::Denied,
            format!("{}, or a seccomp profile forbids it", needs_capability(roots)),
            "start the container with --cap-add PERFMON",
        ),
        libc::EMFILE | libc::ENFILE => (Status::Denied, "too many open files".to_owned(), "ulimit -n 4096"),
        libc::ENOSYS => (
            Status::Absent,
            "the kernel, or a seccomp profile, has no perf_event_open".to_owned(),
            "start the container with --cap-add PERFMON",
        ),
        libc::ENOENT | libc::ENODEV | libc::ENXIO => {
            (Status::Absent, "the kernel lists the PMU but does not offer its events".to_owned(), "sudo modprobe rapl")
        }
        _ => (
            Status::Denied,
            "the PMU refuses its own events".to_owned(),
            "use the powercap source: sudo modprobe intel_rapl_msr",
        ),
    };
    status(NAME, state, &format!("perf_event_open: {error}: {why}"), remedy)
}

fn needs_capability(roots: &Roots) -> String {
    let level = sysfs::read_text(&roots.procfs.join("sys/kernel/perf_event_paranoid"));
    match level {
        Ok(level) => format!("needs CAP_PERFMON, as kernel.perf_event_paranoid is {level}"),
        Err(_) => "needs CAP_PERFMON".to_owned(),
    }
}
