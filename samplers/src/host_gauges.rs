//! Source `host`: reads gauges of the machine, values that are not energy: CPU utilisation, memory, disk traffic.
//!
//! It has no domains (sensors of energy or power).

use std::path::PathBuf;

use eco2_core::{Domain, Gauge};

use crate::usage::HostTicks;
use crate::{Batch, Roots, Source, sysfs};

/// Bytes in the unit of `diskstats`, whatever the disk's own sectors are (Documentation/admin-guide/iostats.rst).
const SECTOR: u64 = 512;

/// The source `host`. What cannot be read is left out, not zero.
///
/// ```
/// use eco2_samplers::host_gauges::HostGauges;
/// use eco2_samplers::{Roots, Source};
///
/// let nowhere = Roots { procfs: "/nonexistent".into(), sysfs: "/nonexistent".into(), ..Roots::default() };
/// let mut gauges = Vec::new();
/// HostGauges::new(&nowhere).gauges(&mut gauges);
/// assert!(gauges.is_empty()); // not known, and not 0 % busy
/// ```
#[derive(Debug)]
pub struct HostGauges {
    procfs: PathBuf,
    sysfs: PathBuf,
    last: Option<HostTicks>,
}

impl HostGauges {
    /// Looks at the CPUs once, so that the first gauges cover the time since now.
    #[must_use]
    pub fn new(roots: &Roots) -> Self {
        let mut gauges = Self { procfs: roots.procfs.clone(), sysfs: roots.sysfs.clone(), last: None };
        gauges.last = gauges.ticks();
        gauges
    }

    fn ticks(&self) -> Option<HostTicks> {
        HostTicks::parse(&sysfs::read_long_text(&self.procfs.join("stat")).ok()?)
    }

    /// Returns the busy share of all CPUs' time since the last call; `None` at first and while no clock has ticked.
    fn utilization(&mut self) -> Option<f64> {
        let now = self.ticks()?;
        let passed = now.since(self.last.replace(now)?);
        (passed.total() > 0).then(|| passed.busy as f64 / passed.total() as f64)
    }

    /// Reads the memory in use (what is not available to new programs) and in total, bytes.
    fn memory(&self) -> Option<(u64, u64)> {
        let text = sysfs::read_long_text(&self.procfs.join("meminfo")).ok()?;
        let total = meminfo_bytes(&text, "MemTotal:")?;
        Some((total.saturating_sub(meminfo_bytes(&text, "MemAvailable:")?), total))
    }

    /// Reads the bytes read from and written to all disks since boot.
    fn disks(&self) -> Option<(u64, u64)> {
        let text = sysfs::read_long_text(&self.procfs.join("diskstats")).ok()?;
        let mut seen = false;
        let sum = text.lines().filter_map(|line| self.disk(line)).fold((0u64, 0u64), |sum, disk| {
            seen = true;
            (sum.0.saturating_add(disk.0), sum.1.saturating_add(disk.1))
        });
        seen.then_some(sum)
    }

    /// Returns the bytes read and written of one line of `diskstats` if it is a disk: partitions have no folder of
    /// their own below `block`, and what is stacked on disks or lives in memory (device mapper, RAID, loop, ram) would
    /// count the same bytes again.
    fn disk(&self, line: &str) -> Option<(u64, u64)> {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let name = fields.get(2)?;
        let stacked = ["loop", "ram", "zram", "dm-", "md", "sr", "fd"].iter().any(|prefix| name.starts_with(prefix));
        // The kernel writes `!` for a `/` in a device's name.
        if stacked || !self.sysfs.join("block").join(name.replace('/', "!")).exists() {
            return None;
        }
        let bytes = |field: usize| fields.get(field)?.parse::<u64>().ok()?.checked_mul(SECTOR);
        Some((bytes(5)?, bytes(9)?))
    }
}

impl Source for HostGauges {
    fn name(&self) -> &str {
        "host"
    }

    fn domains(&self) -> &[Domain] {
        &[]
    }

    fn read(&mut self, _batch: &mut Batch) {}

    fn gauges(&mut self, out: &mut Vec<Gauge>) {
        let mut push = |name: &str, unit: &str, value: f64| {
            out.push(Gauge { device: "host".into(), name: name.into(), unit: unit.into(), value });
        };
        if let Some(share) = self.utilization() {
            push("cpu_utilization", "1", share);
        }
        if let Some((used, total)) = self.memory() {
            push("memory_used", "By", used as f64);
            push("memory_total", "By", total as f64);
        }
        if let Some((read, written)) = self.disks() {
            push("disk_read_bytes", "By", read as f64);
            push("disk_written_bytes", "By", written as f64);
        }
    }
}

/// Returns the bytes that a line of `/proc/meminfo` states in kB (1024 bytes); `None` without such a line.
pub(crate) fn meminfo_bytes(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?.trim();
    rest.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}
