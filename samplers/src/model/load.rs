//! [`Load`] measures how busy a part (CPUs, a GPU) was since it was last asked, in parts per million.

use std::path::PathBuf;

use eco2_core::Fault;

use super::options::UPDATE_NS;
use super::power::FULL;
use crate::host::own_cpu_ns;
use crate::sysfs;
use crate::usage::HostTicks;

/// Where a utilisation comes from.
#[derive(Debug)]
pub(crate) enum Load {
    /// All CPUs, from `<procfs>/stat`. Time that a hypervisor took away is capacity, but not ours.
    Host {
        /// The file.
        stat: PathBuf,
        /// The counts when last answered from.
        last: HostTicks,
        /// The last answer; it is used until the clock has ticked often enough for another.
        ppm: Option<u64>,
        /// Answers for a run that is over before that.
        own: Own,
    },
    /// The machine's CPU time is not shown.
    Own(Own),
    /// A file that holds a percentage now (`gpu_busy_percent` of amdgpu).
    Percent(PathBuf),
    /// Not known: half, the middle between idle and busy.
    Unknown,
}

/// CPU time of this process and its waited-for children only: exact, and all that is known over a moment.
#[derive(Debug)]
pub(crate) struct Own {
    /// Hardware threads that the time is spread over.
    threads: u64,
    /// CPU time when last asked, nanoseconds.
    last_ns: u64,
    /// Time that a child brought along at its end, more than fits into the interval: it is spent in later ones.
    backlog_ns: u64,
}

/// Fewest clock ticks of all CPUs together that give a utilisation over less than an update: each CPU's may be off by
/// one.
const ENOUGH_TICKS: u64 = 10;

impl Own {
    fn new(threads: u32) -> Self {
        Self { threads: u64::from(threads.max(1)), last_ns: own_cpu_ns(), backlog_ns: 0 }
    }

    fn since_last(&mut self, ns: u64) -> u64 {
        let now_ns = own_cpu_ns();
        self.backlog_ns = self.backlog_ns.saturating_add(now_ns.saturating_sub(self.last_ns));
        self.last_ns = now_ns;
        let capacity_ns = ns.saturating_mul(self.threads);
        let spent_ns = capacity_ns.min(self.backlog_ns);
        self.backlog_ns -= spent_ns;
        parts(spent_ns, capacity_ns)
    }
}

impl Load {
    /// Returns the load of the machine's CPUs, or else this process's share of them.
    #[must_use]
    pub(crate) fn cpus(procfs: &std::path::Path, threads: u32) -> Self {
        let stat = procfs.join("stat");
        match sysfs::read_long_text(&stat).ok().as_deref().and_then(HostTicks::parse) {
            Some(last) => Self::Host { stat, last, ppm: None, own: Own::new(threads) },
            None => Self::Own(Own::new(threads)),
        }
    }

    /// Starts the estimate now: CPU time used before, by discovery, does not count.
    pub(crate) fn begin(&mut self) {
        if let Self::Host { own, .. } | Self::Own(own) = self {
            own.last_ns = own_cpu_ns();
        }
    }

    /// Utilisation over the `ns` nanoseconds since it was last asked, in parts per million.
    ///
    /// # Errors
    /// [`Fault::Failed`] when what was readable before is not any more: the next success covers the time between.
    pub(crate) fn since_last(&mut self, ns: u64) -> Result<u64, Fault> {
        match self {
            Self::Host { stat, last, ppm, own } => {
                let text = sysfs::read_long_text(stat).map_err(|_| Fault::Failed)?;
                let now = HostTicks::parse(&text).ok_or(Fault::Failed)?;
                let passed = now.since(*last);
                let (brief, ticks) = (ns < UPDATE_NS, passed.total());
                if ticks >= ENOUGH_TICKS || (ticks > 0 && !brief) {
                    *ppm = Some(parts(passed.busy, ticks));
                    *last = now;
                }
                match *ppm {
                    Some(ppm) => Ok(ppm),
                    None if brief => Ok(own.since_last(ns)),
                    None => Ok(0),
                }
            }
            Self::Own(own) => Ok(own.since_last(ns)),
            Self::Percent(path) => {
                let text = sysfs::read_long_text(path).map_err(|_| Fault::Failed)?;
                let percent: u64 = text.trim().parse().map_err(|_| Fault::Failed)?;
                Ok(percent.min(100) * (FULL / 100))
            }
            Self::Unknown => Ok(FULL / 2),
        }
    }
}

/// Returns the share that `of` is of `whole`, parts per million.
fn parts(of: u64, whole: u64) -> u64 {
    let ppm = u128::from(of) * u128::from(FULL) / u128::from(whole.max(1));
    u64::try_from(ppm).unwrap_or(FULL).min(FULL)
}
