//! Source `rapl-sysfs`: reads the energy of CPU packages from RAPL, the CPU's energy counters, through
//! `class/powercap`.
//!
//! Powercap is the kernel's interface to power limits; each zone (package, memory, …) has a file with a counter in
//! microjoules that wraps (starts again at 0). It is the second choice after [`rapl_perf`](crate::rapl_perf), which
//! reads the same registers without wraps: use only one of the two, or a package is counted twice.

mod zones;

use eco2_core::schema::{EventKind, SourceStatus, Status};
use eco2_core::{Domain, Fault};

use crate::cpuinfo::CpuInfo;
use crate::found::{Found, status};
use crate::slot::KernelFile;
use crate::still::{StillGuard, Verdicts};
use crate::{Batch, Roots, Source, SourceEvent, clock};

pub(crate) use zones::NAME;
pub(crate) use zones::{memory_factor, package_limits};

/// Looks for powercap zones.
///
/// A zone that cannot be used does not stop the others: it is named in the status. A zone that may not be read stays a
/// domain as long as another one may: its energy is then known to be missing, and it is tried again.
#[must_use]
pub fn discover(roots: &Roots) -> Found {
    let cpu = CpuInfo::read(&roots.procfs);
    let Some(zones) = zones::scan(roots, &cpu) else { return Found::nothing(absent(roots, &cpu)) };
    let source = RaplSysfs::open(&zones);
    let denied = source.count(Fault::Denied);
    let readable = source.slots.iter().filter(|slot| slot.fault().is_none()).count();
    if readable == 0 {
        return Found::nothing(unreadable(roots, &cpu, &zones, denied));
    }
    let status = readable_status(roots, &cpu, &zones, &source, denied);
    Found::source(source.with_notes(&zones, &cpu), status)
}

/// Returns the status where there is no zone, with the reason that fits this machine.
fn absent(roots: &Roots, cpu: &CpuInfo) -> SourceStatus {
    let class = zones::class(&roots.sysfs);
    let (reason, remedy) = cpu.without(&format!("no RAPL zone under {}", class.display()), "intel_rapl_msr");
    status(NAME, Status::Absent, &reason, &remedy)
}

/// Returns the status where there are zones, but none can be read.
fn unreadable(roots: &Roots, cpu: &CpuInfo, zones: &zones::Zones, denied: usize) -> SourceStatus {
    let class = zones::class(&roots.sysfs);
    if denied > 0 {
        let reason = format!("energy_uj of {denied} zones may be read by root only (since CVE-2020-8694)");
        return status(NAME, Status::Denied, &reason, &grant(roots));
    }
    if zones.masked > 0 {
        let reason = format!("{} is masked, as container runtimes do (GHSA-jq35-85cj-fj4p)", class.display());
        let remedy = "mount the host's /sys (docker run -v /sys:/host/sys:ro ...) and pass --sysfs /host/sys";
        return status(NAME, Status::Denied, &reason, remedy);
    }
    if !zones.refused.is_empty() {
        let reason = format!("every zone refused: {}", zones.refused.join("; "));
        return status(NAME, Status::Denied, &reason, &show_ranges(roots));
    }
    if !zones.listed.is_empty() {
        let reason = format!("no energy_uj under {} can be opened", class.display());
        return status(NAME, Status::Absent, &reason, "sudo modprobe intel_rapl_msr");
    }
    absent(roots, cpu)
}

/// Returns the status where at least one zone can be read.
fn readable_status(
    roots: &Roots,
    cpu: &CpuInfo,
    zones: &zones::Zones,
    source: &RaplSysfs,
    denied: usize,
) -> SourceStatus {
    let ids: Vec<&str> = source.domains.iter().map(|domain| domain.id.as_str()).collect();
    let mut reason = vec![format!("reads {}", ids.join(", "))];
    reason.extend(cpu.filtering().map(str::to_owned));
    let mut remedy = String::new();
    if !zones.refused.is_empty() {
        reason.push(format!("refused {}", zones.refused.join("; ")));
        remedy = show_ranges(roots);
    }
    let twins = source.slots.iter().map(KernelFile::path).filter(|path| path.to_string_lossy().contains(zones::TWIN));
    let twins: Vec<String> = twins.map(|path| path.display().to_string()).collect();
    if !twins.is_empty() {
        reason.push(format!("through the second bus, as the first may not be read: {}", twins.join(", ")));
    }
    reason.extend(zones.remarks.iter().map(|(.., text)| text.clone()));
    if denied > 0 {
        reason.push(format!("{denied} of them may be read by root only"));
        remedy = grant(roots);
    }
    if !zones.skipped.is_empty() {
        reason.push(format!("skipped {}", zones.skipped.join("; ")));
    }
    let all = zones.refused.is_empty() && source.slots.iter().all(|slot| slot.fault().is_none());
    let state = if all { Status::Ok } else { Status::Degraded };
    status(NAME, state, &reason.join("; "), &remedy)
}

/// Returns the command that lets the caller's group, and no one else, read the counters until the next boot.
fn grant(roots: &Roots) -> String {
    let files = zones::class(&roots.sysfs).join("*/energy_uj");
    let files = files.display();
    format!("sudo sh -c \"chgrp $(id -g) {files} && chmod 0440 {files}\"")
}

/// Returns the command that shows the ranges of all counters.
fn show_ranges(roots: &Roots) -> String {
    format!("grep . {}", zones::class(&roots.sysfs).join("*/max_energy_range_uj").display())
}

/// The source. Its first three lists have one entry for each zone, in the same order.
struct RaplSysfs {
    domains: Vec<Domain>,
    /// The zones' files, kept open.
    slots: Vec<KernelFile>,
    /// Find out whether the counters count.
    guards: Vec<StillGuard>,
    /// Counters found not to count, until one note reports them.
    verdicts: Verdicts,
    notes: Vec<SourceEvent>,
}

impl RaplSysfs {
    fn open(zones: &zones::Zones) -> Self {
        let now_ns = clock::monotonic_ns();
        let open = |zone: &zones::Listed| KernelFile::open(zone.energy.clone(), &zone.domain.id, now_ns);
        Self {
            domains: zones.listed.iter().map(|zone| zone.domain.clone()).collect(),
            slots: zones.listed.iter().map(open).collect(),
            guards: zones.listed.iter().map(|zone| StillGuard::of(&zone.domain.domain)).collect(),
            verdicts: Verdicts::default(),
            notes: Vec::new(),
        }
    }

    /// Returns the number of zones whose file is not open because of `fault`.
    fn count(&self, fault: Fault) -> usize {
        self.slots.iter().filter(|slot| slot.fault() == Some(fault)).count()
    }

    /// Adds notes on zones that are left out or odd, and on filtered readings.
    fn with_notes(mut self, zones: &zones::Zones, cpu: &CpuInfo) -> Self {
        let at_ns = clock::monotonic_ns();
        let note = |kind, text: &str| SourceEvent { at_ns, kind, device: NAME.to_owned(), text: text.to_owned() };
        self.notes.extend(zones.skipped.iter().map(|text| note(EventKind::RaplZoneSkipped, text)));
        let remark = |(kind, device, text): &zones::Remark| SourceEvent {
            at_ns,
            kind: *kind,
            device: device.clone(),
            text: text.clone(),
        };
        self.notes.extend(zones.remarks.iter().map(remark));
        self.notes.extend(zones.refused.iter().map(|text| note(EventKind::RaplZoneRefused, text)));
        self.notes.extend(cpu.filtering().map(|text| note(EventKind::EnergyFiltering, text)));
        self
    }
}

impl Source for RaplSysfs {
    fn name(&self) -> &str {
        NAME
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let mut dead = Vec::new();
        for (index, (slot, guard)) in self.slots.iter_mut().zip(&mut self.guards).enumerate() {
            let reading = slot.reading(batch, &mut self.notes);
            if guard.admit(index, reading, batch) {
                dead.push(&self.domains[index]);
            }
        }
        self.notes.extend(self.verdicts.take(NAME, &dead, batch));
    }

    fn notes(&mut self, out: &mut Vec<SourceEvent>) {
        out.append(&mut self.notes);
    }
}
