//! Reads the `power` PMU, the part of the kernel's perf interface that has the RAPL energy counters, from sysfs.
//!
//! It finds the events (counters) and the seats: the CPUs on which to open them, one for each package or die. Where
//! `perf_event_open` refuses, it returns the reason and the one thing to do about it.

use super::event::NAME;
use super::event::{self, Event, Seat};
use crate::found::status;
use crate::{Roots, sysfs, topology};
use eco2_core::schema::{SourceStatus, Status};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The `power` PMU (performance monitoring unit) of this machine.
#[derive(Debug)]
pub(super) struct Pmu {
    /// `perf_event_attr.type`, assigned by the kernel at boot.
    pub(super) kind: u32,
    /// CPUs to open the events on, one for each package or die.
    pub(super) seats: Vec<Seat>,
    /// Events to open on each of them.
    pub(super) events: Vec<Event>,
    /// What was left out, with the reason.
    pub(super) skipped: Vec<String>,
}

/// Returns the directory of the PMU.
pub(super) fn dir(root: &Path) -> PathBuf {
    root.join("bus/event_source/devices/power")
}

/// Reads the CPUs of the PMU's `cpumask` as it is now.
pub(super) fn cpumask(root: &Path) -> Option<Vec<usize>> {
    sysfs::read_cpulist(&dir(root).join("cpumask"))
}

impl Pmu {
    /// Reads the PMU; `None` when there is none.
    ///
    /// # Errors
    /// A text for people: what about the PMU cannot be used.
    pub(super) fn read(root: &Path, amd: bool) -> Option<Result<Self, String>> {
        let dir = dir(root);
        sysfs::entries(&dir).ok()?;
        Some(Self::read_dir(root, &dir, amd))
    }

    fn read_dir(root: &Path, dir: &Path, amd: bool) -> Result<Self, String> {
        let kind = sysfs::read_u64(&dir.join("type")).ok().and_then(|kind| u32::try_from(kind).ok());
        let kind = kind.ok_or_else(|| format!("{} has no readable type", dir.display()))?;
        let cpus = cpumask(root).filter(|cpus| !cpus.is_empty());
        let cpus = cpus.ok_or_else(|| format!("{} has no cpumask, or an empty one", dir.display()))?;
        let (events, mut skipped) = event::events(dir, amd);
        if events.is_empty() {
            return Err(format!("{} has no usable event: {}", dir.display(), skipped.join("; ")));
        }
        if dir.with_file_name("power_core").is_dir() {
            skipped.push("power_core: energy of single cores, which is part of the package".to_owned());
        }
        let (seats, guessed) = seats(root, &cpus);
        if guessed {
            skipped.push("topology: not readable, so packages are numbered in the order of the cpumask".to_owned());
        }
        Ok(Self { kind, seats, events, skipped })
    }
}

/// Returns the seat of each CPU, with package and die from its topology; also `true` when the topology is not readable
/// and the packages were numbered by position.
fn seats(root: &Path, cpus: &[usize]) -> (Vec<Seat>, bool) {
    let places: Option<Vec<_>> = cpus.iter().map(|&cpu| topology::place(root, cpu)).collect();
    let Some(places) = places else { return (numbered(cpus), true) };
    let mut blocks: BTreeMap<u64, usize> = BTreeMap::new();
    for place in &places {
        *blocks.entry(place.package).or_default() += 1;
    }
    let mut placed: Vec<_> = cpus.iter().zip(places).collect();
    placed.sort_by_key(|(cpu, place)| (place.package, place.die, **cpu));
    let mut seats: Vec<Seat> = Vec::new();
    for (&cpu, place) in placed {
        let several = blocks.get(&place.package).is_some_and(|&count| count > 1);
        let mut suffix = topology::suffix(place.package, place.die.filter(|_| several));
        // The kernel promises one CPU a block; if it does not hold, two counters still get two ids.
        if seats.iter().any(|seat| seat.suffix == suffix) {
            suffix = format!("{suffix}@cpu{cpu}");
        }
        seats.push(Seat { cpu, suffix, first: seats.is_empty(), siblings: place.siblings });
    }
    (seats, false)
}

/// Returns seats whose packages are numbered by position.
fn numbered(cpus: &[usize]) -> Vec<Seat> {
    let seat =
        |(index, &cpu): (usize, &usize)| Seat { cpu, suffix: index.to_string(), first: index == 0, siblings: vec![] };
    cpus.iter().enumerate().map(seat).collect()
}

/// Returns the status that an error of opening means.
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

/// Returns the reason that a capability is missing.
fn needs_capability(roots: &Roots) -> String {
    let level = sysfs::read_text(&roots.procfs.join("sys/kernel/perf_event_paranoid"));
    match level {
        Ok(level) => format!("needs CAP_PERFMON, as kernel.perf_event_paranoid is {level}"),
        Err(_) => "needs CAP_PERFMON".to_owned(),
    }
}
