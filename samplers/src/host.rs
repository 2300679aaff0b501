//! Reads what the machine is called, and what measuring costs this process.

use std::fs;
use std::path::Path;

use eco2_core::schema::Host;

use crate::cpuinfo::CpuInfo;
use crate::{Roots, sysfs};

/// Reads boot id, host name and kernel release under `roots`; what cannot be read stays empty.
///
/// ```
/// use eco2_samplers::{Roots, host};
///
/// let host = host::read(&Roots::default());
/// println!("{} ({})", host.hostname, host.kernel);
/// ```
#[must_use]
pub fn read(roots: &Roots) -> Host {
    let line = |path: &str| {
        let text = fs::read_to_string(roots.procfs.join("sys/kernel").join(path)).unwrap_or_default();
        text.trim().to_owned()
    };
    Host { boot_id: line("random/boot_id"), hostname: line("hostname"), kernel: line("osrelease") }
}

/// Reads what distinguishes this machine from others over restarts: its machine-id(5), host name and processor, one per
/// line. Copies of a virtual machine may share the first, so no part is used alone. Parts that cannot be read are
/// empty.
#[must_use]
pub fn machine(roots: &Roots) -> String {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let processor = CpuInfo::read(&roots.procfs).model.unwrap_or_default();
    // Another tree of files (of a container's host, of a test) shows other counters.
    let tree = format!("{}\n{}", roots.procfs.display(), roots.sysfs.display());
    format!("{}\n{}\n{processor}\n{tree}\n", id.trim(), read(roots).hostname)
}

/// What this process has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time of all its threads, nanoseconds.
    pub cpu_ns: u64,
    /// CPU time of its waited-for children, nanoseconds.
    pub children_cpu_ns: u64,
    /// Peak resident memory, bytes.
    pub max_rss_bytes: u64,
}

impl Usage {
    /// Asks the kernel: `getrusage`, and for the memory `/proc/self/status`, as a process inherits the peak that
    /// `getrusage` distinguishes from the process that started it.
    #[must_use]
    pub fn now() -> Self {
        let (own, children) = (rusage(libc::RUSAGE_SELF), rusage(libc::RUSAGE_CHILDREN));
        // Linux counts ru_maxrss in kilobytes of 1024 bytes: getrusage(2).
        let max_rss_bytes = peak_bytes().unwrap_or(own.ru_maxrss.unsigned_abs() * 1024);
        Self { cpu_ns: cpu_ns(&own), children_cpu_ns: cpu_ns(&children), max_rss_bytes }
    }
}

/// Returns the CPU time of this process and of its waited-for children, nanoseconds.
pub(crate) fn own_cpu_ns() -> u64 {
    cpu_ns(&rusage(libc::RUSAGE_SELF)).saturating_add(cpu_ns(&rusage(libc::RUSAGE_CHILDREN)))
}

/// Reads `VmHWM` of proc_pid_status(5): the peak of resident memory since this program was executed, bytes.
fn peak_bytes() -> Option<u64> {
    let status = sysfs::read_long_text(Path::new("/proc/self/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

fn rusage(who: libc::c_int) -> libc::rusage {
    // SAFETY: `rusage` is a plain structure of integers, for which all bytes zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live structure of the type that the call fills in; on failure it stays zero.
    unsafe { libc::getrusage(who, &raw mut usage) };
    usage
}

/// Returns user and system time of one `rusage`, nanoseconds.
pub(crate) fn cpu_ns(usage: &libc::rusage) -> u64 {
    let ns = |t: &libc::timeval| t.tv_sec.unsigned_abs() * 1_000_000_000 + t.tv_usec.unsigned_abs() * 1_000;
    ns(&usage.ru_utime) + ns(&usage.ru_stime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_tree_of_files_is_another_machine() {
        let there = Roots { sysfs: "/host/sys".into(), ..Roots::default() };
        assert_eq!(machine(&Roots::default()), machine(&Roots::default()));
        assert_ne!(machine(&Roots::default()), machine(&there));
    }
}
