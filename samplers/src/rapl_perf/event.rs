//! Reads how the kernel describes one RAPL energy counter of its perf interface: code, scale and unit, from sysfs.
//!
//! The kernel's `power` PMU (performance monitoring unit) has the RAPL counters as events. Only their names are
//! hard-coded here. A seat is the CPU on which the events of one package or die are opened.

use std::path::Path;

use eco2_core::{Component, Domain, Scale};

use crate::sysfs;

/// The source's name.
pub(crate) const NAME: &str = "rapl-perf";

/// The kernel's RAPL events (`arch/x86/events/rapl.c`): name, what it counts, and the component that is. The package is
/// first, as it leads a group (events that one system call reads).
const KNOWN: [(&str, &str, Component); 5] = [
    ("energy-pkg", "package", Component::Cpu),
    ("energy-ram", "dram", Component::Memory),
    ("energy-cores", "core", Component::Cpu),
    ("energy-gpu", "uncore", Component::Cpu),
    ("energy-psys", "psys", Component::Other),
];

/// The CPU on which the events of one package or die are opened: one entry of the PMU's `cpumask`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seat {
    /// CPU to open the events on.
    pub(super) cpu: usize,
    /// Part of the domains' ids: `0`, or `0-die-1` where a package has several blocks.
    pub(super) suffix: String,
    /// Whether it is the first of the machine.
    pub(super) first: bool,
    /// CPUs that replace this one when it goes offline.
    pub(super) siblings: Vec<usize>,
}

/// An event that can be opened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// Its name in sysfs.
    pub(super) name: &'static str,
    /// What it counts: `package`, `dram`, `core`, `uncore` or `psys`.
    pub(super) domain: &'static str,
    /// The part it belongs to.
    pub(super) component: Component,
    /// What `perf_event_attr.config` must be.
    pub(super) config: u64,
    /// Microjoules per count.
    pub(super) scale: Scale,
}

/// Returns the events of the PMU in folder `pmu`, in the order of [`KNOWN`], and what was left out, with the reason.
pub(super) fn events(pmu: &Path, amd: bool) -> (Vec<Event>, Vec<String>) {
    let mut skipped = Vec::new();
    let names = sysfs::entries(&pmu.join("events")).unwrap_or_default();
    let unknown = |name: &&String| !name.contains('.') && KNOWN.iter().all(|(known, ..)| known != *name);
    skipped.extend(names.iter().filter(unknown).map(|name| format!("{name}: unknown event")));
    let mut events = Vec::new();
    for (name, domain, component) in KNOWN {
        if !names.iter().any(|listed| listed == name) {
            continue;
        }
        // AMD's counters have no such domains; older kernels list them all the same.
        if amd && domain != "package" {
            skipped.push(format!("{name}: only the package is trusted on AMD"));
            continue;
        }
        match describe(pmu, name) {
            Ok((config, scale)) => events.push(Event { name, domain, component, config, scale }),
            Err(why) => skipped.push(format!("{name}: {why}")),
        }
    }
    (events, skipped)
}

/// Reads the config word and the scale of event `name`; the error is for people.
fn describe(pmu: &Path, name: &str) -> Result<(u64, Scale), String> {
    let dir = pmu.join("events");
    let read = |file: String| sysfs::read_text(&dir.join(&file)).map_err(|error| format!("{file}: {error}"));
    let terms = read(name.to_owned())?;
    let config = config(&terms, &pmu.join("format")).ok_or_else(|| format!("{terms:?} does not fit the format"))?;
    let (scale, unit) = (read(format!("{name}.scale"))?, read(format!("{name}.unit"))?);
    let joules = unit_joules(&unit).ok_or_else(|| format!("unknown unit {unit:?}"))?;
    let factor = scale.parse::<f64>().ok().and_then(|factor| Scale::from_base_per_raw(factor * joules));
    Ok((config, factor.ok_or_else(|| format!("scale {scale:?} cannot be"))?))
}

/// Returns the joules in a unit. The kernel uses `Joules`; the others are accepted as well.
fn unit_joules(unit: &str) -> Option<f64> {
    match unit {
        "Joules" | "J" => Some(1.0),
        "mJ" => Some(1e-3),
        "uJ" => Some(1e-6),
        _ => None,
    }
}

/// Returns the config word of `event=0x02[,term=value…]`; the file `format/<term>` states the bits of each value
/// (`config:0-7,32-35`).
///
/// Grammar: `Documentation/ABI/testing/sysfs-bus-event_source-devices-{events,format}`.
fn config(terms: &str, format: &Path) -> Option<u64> {
    let mut config = 0;
    for term in terms.trim().split(',') {
        let (key, value) = term.split_once('=').unwrap_or((term, "1"));
        let value = match value.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok()?,
            None => value.parse().ok()?,
        };
        let bits = match sysfs::read_text(&format.join(key)) {
            Ok(text) => text,
            Err(_) if matches!(key, "event" | "config") => "config:0-63".to_owned(),
            Err(_) => return None,
        };
        config |= place(value, bits.strip_prefix("config:")?)?;
    }
    Some(config)
}

/// Spreads a value over ranges of bits, lowest bits first; `None` when it does not fit.
fn place(mut value: u64, ranges: &str) -> Option<u64> {
    let mut word = 0;
    for range in ranges.split(',') {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
        if high < low || high > 63 {
            return None;
        }
        let mask = u64::MAX >> (63 - (high - low));
        word |= (value & mask) << low;
        value = value.checked_shr(high - low + 1).unwrap_or(0);
    }
    (value == 0).then_some(word)
}

impl Event {
    /// Returns the domain of this event at a seat, with the id that the kernel's other interface (powercap) has for it.
    pub(super) fn domain_at(&self, seat: &Seat, label: impl Fn(&str) -> String) -> Domain {
        let suffix = &seat.suffix;
        let id = match self.domain {
            // One for the machine, read at its first package.
            "psys" if seat.first => "psys".to_owned(),
            name => format!("{name}-{suffix}"),
        };
        let mut domain = Domain::counter(&id, self.component, self.domain, NAME);
        domain.name = label(&format!("{} {suffix}", self.domain));
        domain.scale = self.scale;
        // Cores and uncore are part of the package's counter, DRAM is not; psys covers all of them and more.
        domain.parent = matches!(self.domain, "core" | "uncore").then(|| format!("package-{suffix}"));
        domain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_placed_by_the_format() {
        assert_eq!(place(0x02, "0-7"), Some(2));
        assert_eq!(place(0x1ff, "0-7"), None, "does not fit");
        assert_eq!(place(0xabc, "0-7,32-35"), Some(0xa_0000_00bc));
        assert_eq!(place(1, "63"), Some(1 << 63));
        assert_eq!(place(u64::MAX, "0-63"), Some(u64::MAX));
        assert_eq!(place(1, "7-0"), None);
        assert_eq!(place(1, "0-64"), None);
    }

    #[test]
    fn terms_are_read_as_perf_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("event"), "config:0-7\n").unwrap();
        std::fs::write(dir.path().join("umask"), "config:8-15\n").unwrap();
        std::fs::write(dir.path().join("other"), "config1:0-7\n").unwrap();
        assert_eq!(config("event=0x02\n", dir.path()), Some(2));
        assert_eq!(config("event=10,umask=0x3", dir.path()), Some(0x030a), "decimal without 0x");
        for odd in ["event=", "event=0xzz", "nosuch=1", "other=1", ""] {
            assert_eq!(config(odd, dir.path()), None, "{odd:?}");
        }
        assert_eq!(config("event=0x100", Path::new("/nonexistent")), Some(0x100), "no format directory");
    }
}
