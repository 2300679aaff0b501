//! How busy a part was since it was last asked, in parts per million.

use std::fs;
use std::path::PathBuf;

use eco2_core::Fault;

use super::power::FULL;
use crate::usage::{HostTicks, own_cpu_ns};

/// Where a utilisation comes from.
#[derive(Debug)]
pub(crate) enum Load {
    /// All CPUs, from `<procfs>/stat`. Time that a hypervisor took away is capacity, but not ours.
    Host {
        /// The file.
        stat: PathBuf,
        /// The counts when last asked.
        last: HostTicks,
        /// The answer when last asked; it stands until the clock ticks again.
        ppm: u64,
    },
    /// This process and its waited-for children only: the machine's CPU time is not shown.
    Own {
        /// Hardware threads that the time is spread over.
        threads: u64,
        /// CPU time when last asked, nanoseconds.
        last_ns: u64,
        /// Time that a child brought along at its end, more than fits into the interval: it is spent in later ones.
        backlog_ns: u64,
    },
    /// A file that holds a percentage now (`gpu_busy_percent` of amdgpu).
    Percent(PathBuf),
    /// Nobody knows: half, the middle between idle and busy.
    Unknown,
}

impl Load {
    /// The machine's CPUs, or else this process's share of them.
    #[must_use]
    pub(crate) fn cpus(procfs: &std::path::Path, threads: u32) -> Self {
        let stat = procfs.join("stat");
        match fs::read_to_string(&stat).ok().as_deref().and_then(HostTicks::parse) {
            Some(last) => Self::Host { stat, last, ppm: 0 },
            None => {
                let last_ns = own_cpu_ns().unwrap_or(0);
                Self::Own { threads: u64::from(threads.max(1)), last_ns, backlog_ns: 0 }
            }
        }
    }

    /// Utilisation over the `ns` nanoseconds since it was last asked, in parts per million.
    ///
    /// # Errors
    /// [`Fault::Failed`] when what was readable before is not any more: the next success covers the time between.
    pub(crate) fn since_last(&mut self, ns: u64) -> Result<u64, Fault> {
        match self {
            Self::Host { stat, last, ppm } => {
                let text = fs::read_to_string(stat).map_err(|_| Fault::Failed)?;
                let now = HostTicks::parse(&text).ok_or(Fault::Failed)?;
                let passed = now.since(*last);
                if passed.total() > 0 {
                    *ppm = parts(passed.busy, passed.total());
                    *last = now;
                }
                Ok(*ppm)
            }
            Self::Own { threads, last_ns, backlog_ns } => {
                let now_ns = own_cpu_ns().ok_or(Fault::Failed)?;
                *backlog_ns = backlog_ns.saturating_add(now_ns.saturating_sub(*last_ns));
                *last_ns = now_ns;
                let capacity_ns = ns.saturating_mul(*threads);
                let spent_ns = capacity_ns.min(*backlog_ns);
                *backlog_ns -= spent_ns;
                Ok(parts(spent_ns, capacity_ns))
            }
            Self::Percent(path) => {
                let text = fs::read_to_string(path).map_err(|_| Fault::Failed)?;
                let percent: u64 = text.trim().parse().map_err(|_| Fault::Failed)?;
                Ok(percent.min(100) * (FULL / 100))
            }
            Self::Unknown => Ok(FULL / 2),
        }
    }
}

fn parts(of: u64, whole: u64) -> u64 {
    let ppm = u128::from(of) * u128::from(FULL) / u128::from(whole.max(1));
    u64::try_from(ppm).unwrap_or(FULL).min(FULL)
}
