//! Source `rapl-perf`: reads the energy of CPU packages from RAPL, the CPU's energy counters, through the kernel's
//! perf.
//!
//! Perf lists the counters as events of the `power` PMU (performance monitoring unit): 64-bit counts that do not wrap,
//! and all counters of a package read at one instant. It is the first choice for CPU energy; [`rapl_sysfs`] reads the
//! same registers: use only one of the two, or a package is counted twice. A block is the set of counters of one
//! package or die.

mod block;
mod event;
mod group;
mod pmu;

use std::path::PathBuf;

use eco2_core::schema::{EventKind, SourceStatus, Status};
use eco2_core::{Domain, Scale};

use crate::ceiling::Ceilings;
use crate::cpuinfo::CpuInfo;
use crate::found::{Found, status};
use crate::still::Verdicts;
use crate::{Batch, Roots, Source, SourceEvent, clock, rapl_sysfs, sysfs};
use block::{Block, Site};
pub(crate) use event::NAME;
use pmu::Pmu;

/// Looks for the PMU and opens its events.
///
/// A package whose events cannot be
/// opened while another's can stays in the list: its energy is then known to be missing, and it is tried again.
///
/// ```
/// use eco2_samplers::{Roots, rapl_perf};
///
/// let found = rapl_perf::discover(&Roots::default());
/// if found.source.is_none() {
///     println!("{}; {}", found.statuses[0].reason, found.statuses[0].remedy);
/// }
/// ```
#[must_use]
pub fn discover(roots: &Roots) -> Found {
    let cpu = CpuInfo::read(&roots.procfs);
    let pmu = match Pmu::read(&roots.sysfs, cpu.amd) {
        None => return Found::nothing(absent(roots, &cpu)),
        Some(Err(reason)) => {
            let remedy = "use the powercap source: sudo modprobe intel_rapl_msr";
            return Found::nothing(status(NAME, Status::Absent, &reason, remedy));
        }
        Some(Ok(pmu)) => pmu,
    };
    open(roots, &cpu, &pmu)
}

/// Returns the CPUs from which a read interrupts no other CPU, one for each package or die; empty where there is no
/// PMU.
///
/// A read from elsewhere costs ten to thirty times as much: docs/measured/perf-group-read.md.
#[must_use]
pub fn local_cpus(roots: &Roots) -> Vec<usize> {
    pmu::cpumask(&roots.sysfs).unwrap_or_default()
}

/// Returns the status where there is no PMU.
fn absent(roots: &Roots, cpu: &CpuInfo) -> SourceStatus {
    let what = format!("no power PMU at {}", pmu::dir(&roots.sysfs).display());
    let (reason, remedy) = cpu.without(&what, "rapl");
    status(NAME, Status::Absent, &reason, &remedy)
}

/// Opens the events of every block.
fn open(roots: &Roots, cpu: &CpuInfo, pmu: &Pmu) -> Found {
    let now_ns = clock::monotonic_ns();
    let mut source = RaplPerf::new(roots, cpu, pmu);
    let mut failed = Vec::new();
    let mut error = None;
    for block in &mut source.blocks {
        if let Err(refused) = block.open(now_ns) {
            failed.push(format!("package {} (CPU {}): {refused}", block.seat().suffix, block.seat().cpu));
            error.get_or_insert(refused);
        }
    }
    match error {
        Some(error) if failed.len() == source.blocks.len() => Found::nothing(pmu::refusal(&error, roots)),
        error => {
            let status = open_status(roots, cpu, pmu, &source, &failed, error.as_ref());
            source.first_notes(cpu, pmu);
            Found::source(source, status)
        }
    }
}

/// Returns the status of a source of which at least one block is open.
fn open_status(
    roots: &Roots,
    cpu: &CpuInfo,
    pmu: &Pmu,
    source: &RaplPerf,
    failed: &[String],
    error: Option<&std::io::Error>,
) -> SourceStatus {
    let ids: Vec<&str> = source.domains.iter().map(|domain| domain.id.as_str()).collect();
    let mut reason = vec![format!("reads {}", ids.join(", "))];
    reason.extend(cpu.filtering().map(str::to_owned));
    reason.extend((!failed.is_empty()).then(|| format!("not open: {}", failed.join("; "))));
    let missing: Vec<&str> = source.blocks.iter().flat_map(Block::missing).collect();
    reason.extend((!missing.is_empty()).then(|| format!("refused by the PMU: {}", missing.join(", "))));
    reason.extend((!pmu.skipped.is_empty()).then(|| format!("skipped {}", pmu.skipped.join("; "))));
    let single = source.blocks.iter().any(|block| block.groups() > 1);
    reason.extend(single.then(|| "the PMU does not group its events: domains are read one by one".to_owned()));
    let whole = failed.is_empty() && missing.is_empty();
    let state = if whole { Status::Ok } else { Status::Degraded };
    let remedy = error.map(|error| pmu::refusal(error, roots).remedy).unwrap_or_default();
    status(NAME, state, &reason.join("; "), &remedy)
}

/// The source: one block of events a package or die.
struct RaplPerf {
    root: PathBuf,
    domains: Vec<Domain>,
    blocks: Vec<Block>,
    verdicts: Verdicts,
    notes: Vec<SourceEvent>,
}

impl RaplPerf {
    fn new(roots: &Roots, cpu: &CpuInfo, pmu: &Pmu) -> Self {
        let (limits, ceilings) = (rapl_sysfs::package_limits(roots), Ceilings::read(roots));
        let (mut domains, mut blocks) = (Vec::new(), Vec::new());
        for seat in &pmu.seats {
            blocks.push(Block::new(pmu.kind, seat.clone(), &pmu.events, domains.len()));
            for event in &pmu.events {
                let mut domain = event.domain_at(seat, |part| cpu.label(part));
                domain.max_uw = limits.get(&domain.id).copied();
                domain.ceiling_uw = ceilings.of(&domain);
                domains.push(domain);
            }
        }
        let mut source =
            Self { root: roots.sysfs.clone(), domains, blocks, verdicts: Verdicts::default(), notes: Vec::new() };
        if cpu.sapphire_rapids {
            source.correct_memory_units(roots);
        }
        source
    }

    /// Corrects the unit of Sapphire Rapids' memory events: it is that of the packages, and Linux before 6.1 takes a
    /// quarter of it.
    ///
    /// Every event has one unit, so the mistake shows only in what powercap states; without that, the release
    /// of the kernel decides whether it can be there.
    fn correct_memory_units(&mut self, roots: &Roots) {
        let factor = rapl_sysfs::memory_factor(roots);
        let uncertain = factor.is_none() && kernel_is_before(roots, (6, 1));
        let at_ns = clock::monotonic_ns();
        for domain in self.domains.iter_mut().filter(|domain| domain.domain == "dram") {
            let (kind, text) = if factor.is_some_and(|factor| factor > 1.0) {
                domain.scale = times_four(domain.scale);
                (
                    EventKind::UnitCorrected,
                    "this kernel counts the memory of Sapphire Rapids in a wrong unit: multiplied by 4",
                )
            } else if uncertain {
                domain.gain_percent = Some(300.0);
                (
                    EventKind::UnitUncertain,
                    "kernels before 6.1 may show a quarter of the memory energy of Sapphire Rapids",
                )
            } else {
                continue;
            };
            self.notes.push(SourceEvent { at_ns, kind, device: domain.id.clone(), text: text.to_owned() });
        }
    }

    /// Adds notes on events that are not read and on filtered readings.
    fn first_notes(&mut self, cpu: &CpuInfo, pmu: &Pmu) {
        let at_ns = clock::monotonic_ns();
        let note = |kind, text: &str| SourceEvent { at_ns, kind, device: NAME.to_owned(), text: text.to_owned() };
        self.notes.extend(pmu.skipped.iter().map(|text| note(EventKind::EventSkipped, text)));
        self.notes.extend(cpu.filtering().map(|text| note(EventKind::EnergyFiltering, text)));
    }
}

/// Returns a scale of four times as many microjoules a count.
fn times_four(scale: Scale) -> Scale {
    // Exact for the powers of two that perf's units are.
    let sample = 1_u64 << 40;
    Scale::from_base_per_raw(scale.micro(sample) as f64 * 4e-6 / sample as f64).unwrap_or(scale)
}

/// Whether `<procfs>/sys/kernel/osrelease` is that of an older kernel; an unknown one is not.
fn kernel_is_before(roots: &Roots, version: (u32, u32)) -> bool {
    let release = sysfs::read_text(&roots.procfs.join("sys/kernel/osrelease")).unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) < version)
}

impl Source for RaplPerf {
    fn name(&self) -> &str {
        NAME
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let mut site = Site { root: &self.root, domains: &self.domains, notes: &mut self.notes, dead: Vec::new() };
        for block in &mut self.blocks {
            block.read(&mut site, batch);
        }
        let dead: Vec<&Domain> = site.dead.iter().filter_map(|&index| self.domains.get(index)).collect();
        self.notes.extend(self.verdicts.take(NAME, &dead, batch));
    }

    fn notes(&mut self, out: &mut Vec<SourceEvent>) {
        out.append(&mut self.notes);
    }
}
