//! Parses the kernel's `stat` files: CPU time of the machine (`/proc/stat`) and of one process, in clock ticks.
//!
//! Field meanings: proc_stat(5) and proc_pid_stat(5).

/// Processor time of the whole machine since boot, in clock ticks (1/100 s on Linux for all common builds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct HostTicks {
    /// Spent on this machine's work: user, nice, system, interrupts. Guests are inside user and nice already.
    pub(crate) busy: u64,
    /// Taken by a hypervisor for other guests.
    pub(crate) stolen: u64,
    /// Idle, waiting for disks included: a CPU that waits for input does nothing.
    pub(crate) idle: u64,
}

impl HostTicks {
    /// Reads the `cpu` line of `<procfs>/stat`; `None` when there is none, or when it counts nothing at all
    /// (some sandboxes print zeros).
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let fields: Vec<u64> = line.split_ascii_whitespace().map_while(|field| field.parse().ok()).collect();
        // user nice system idle are there since ever; later kernels added the rest one by one.
        let at = |index: usize| fields.get(index).copied().unwrap_or(0);
        let host = Self {
            busy: [0, 1, 2, 5, 6].iter().fold(0u64, |sum, &index| sum.saturating_add(at(index))),
            stolen: at(7),
            idle: at(3).saturating_add(at(4)),
        };
        (fields.len() >= 4 && host.total() > 0).then_some(host)
    }

    /// Returns the capacity of all CPUs since boot.
    #[must_use]
    pub(crate) fn total(self) -> u64 {
        self.busy.saturating_add(self.stolen).saturating_add(self.idle)
    }

    /// Returns what was added since `earlier`, each part for itself: the kernel lets `iowait` run backwards now and
    /// then (proc_stat(5)), and a part that ran backwards added nothing.
    #[must_use]
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(earlier.busy),
            stolen: self.stolen.saturating_sub(earlier.stolen),
            idle: self.idle.saturating_sub(earlier.idle),
        }
    }
}

/// Returns how many processes and threads were started since boot (`processes` of `<procfs>/stat`); `None` where the file
/// has no such line, or a constant zero as gVisor writes it.
#[must_use]
pub(super) fn started_since_boot(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("processes "))?.trim().parse().ok().filter(|count| *count > 0)
}

/// Which process: a pid alone is reused, a pid with its start time is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ProcessKey {
    /// Process id.
    pub(super) pid: u32,
    /// Start, clock ticks since boot.
    pub(super) started: u64,
}

/// One process as `<procfs>/<pid>/stat` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessStat {
    /// Identity.
    pub(super) key: ProcessKey,
    /// Parent's process id.
    pub(super) parent: u32,
    /// CPU time of all its threads, clock ticks (utime + stime).
    pub(super) own: u64,
    /// CPU time of its children that ended and were waited for, and of theirs, clock ticks (cutime + cstime).
    pub(super) children: u64,
}

impl ProcessStat {
    /// Reads one line; `None` when it is cut short or not such a line.
    #[must_use]
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(" (")?;
        // The name may hold spaces and brackets: it ends at the last bracket.
        let fields: Vec<&str> = rest.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // Numbered from field 3 (state), so field n of the manual is at n - 3.
        let at = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
        let ticks = |field: usize| at(field).map(|value| u64::try_from(value).unwrap_or(0));
        Some(Self {
            key: ProcessKey { pid: pid.trim().parse().ok()?, started: ticks(22)? },
            parent: u32::try_from(at(4)?).ok()?,
            own: ticks(14)?.saturating_add(ticks(15)?),
            children: ticks(16)?.saturating_add(ticks(17)?),
        })
    }

    /// Returns the CPU time of the process and of its waited-for children, clock ticks.
    #[must_use]
    pub(super) fn used(self) -> u64 {
        self.own.saturating_add(self.children)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_time_is_not_counted_twice_and_iowait_is_idle() {
        // user 100 (of it guest 40), nice 20 (guest_nice 5), system 30, idle 500, iowait 50, irq 7, softirq 3, steal
        // 11.
        let host = HostTicks::parse("cpu  100 20 30 500 50 7 3 11 40 5\ncpu0 1 2 3 4\n").unwrap();
        assert_eq!(host, HostTicks { busy: 160, stolen: 11, idle: 550 });
        assert_eq!(host.total(), 721);
    }

    #[test]
    fn a_malformed_stat_is_not_known() {
        for text in ["", "cpu", "cpu  0 0 0 0 0 0 0 0 0 0\n", "cpu0 1 2 3 4\n", "cpu  1 2 x 4\n"] {
            assert_eq!(HostTicks::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn number_of_started_processes_is_known_where_it_counts() {
        assert_eq!(started_since_boot("cpu  1 2 3 4\nctxt 9\nprocesses 812\nprocs_running 1\n"), Some(812));
        assert_eq!(started_since_boot("cpu  1 2 3 4\nprocesses 0\n"), None, "gVisor");
        assert_eq!(started_since_boot("cpu  1 2 3 4\n"), None);
    }

    #[test]
    fn time_that_ran_backwards_added_nothing() {
        let earlier = HostTicks { busy: 10, stolen: 0, idle: 100 };
        let later = HostTicks { busy: 15, stolen: 0, idle: 98 };
        assert_eq!(later.since(earlier), HostTicks { busy: 5, stolen: 0, idle: 0 });
    }

    #[test]
    fn names_with_spaces_and_brackets_do_not_shift_the_fields() {
        let tail = "S 7 1 1 0 -1 0 0 0 0 0 11 22 33 44 20 0 1 0 9876 0 0";
        for name in ["python", "a b", ") (", "x) S 9 (y", ""] {
            let stat = ProcessStat::parse(&format!("42 ({name}) {tail}")).unwrap();
            assert_eq!(stat.key, ProcessKey { pid: 42, started: 9876 }, "{name}");
            assert_eq!((stat.parent, stat.own, stat.children), (7, 33, 77), "{name}");
        }
        assert_eq!(ProcessStat::parse("42 (cut) S 7 1"), None);
    }
}
