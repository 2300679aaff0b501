//! [`scan`] lists the kernel's powercap zones, each with a RAPL energy counter of the CPU, as domains for `rapl-sysfs`.
//!
//! A domain is one counter: here with its name, the domain that contains it, the range in which it wraps and its
//! greatest power. What was left out is listed with the reason. Zones lie flat in `class/powercap`; the colons in their
//! names show what contains what (`intel-rapl:0:1` is in `intel-rapl:0`). AMD's zones carry Intel's name. A twin is the
//! same counter over another bus. Kernel interface: `Documentation/power/powercap/powercap.rst`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eco2_core::schema::EventKind;
use eco2_core::{Component, Domain, Scale};

use crate::ceiling::Ceilings;
use crate::cpuinfo::CpuInfo;
use crate::{Roots, sysfs};

/// The source's name.
pub(crate) const NAME: &str = "rapl-sysfs";

/// How many times the highest limit a zone may draw: limits hold on average over their window (milliseconds to
/// seconds), and peaks in between go beyond them.
const HEADROOM: u64 = 2;
/// A stated maximum above this is no maximum: registers hold up to 4095.875 W, which firmware writes for "no limit".
const NO_LIMIT_UW: u64 = 2_000_000_000;
/// Control type whose zones are the same counters over another bus; read where the first is missing or may not be read.
pub(super) const TWIN: &str = "intel-rapl-mmio";

/// What the tree holds.
#[derive(Debug, Default)]
pub(super) struct Zones {
    /// Zones to read, packages in numeric order, each before its parts.
    pub(super) listed: Vec<Listed>,
    /// Zones that do not matter, with the reason: unknown names, twins.
    pub(super) skipped: Vec<String>,
    /// Zones that matter and cannot be used, with the reason.
    pub(super) refused: Vec<String>,
    /// Number of links into a directory that is masked, as container runtimes do.
    pub(super) masked: usize,
    /// What is odd about a zone that is read all the same: kind of event, domain, text.
    pub(super) remarks: Vec<Remark>,
}

/// Kind of an event, id of the domain that it is about, and its text.
pub(super) type Remark = (EventKind, String, String);

/// One zone to read.
#[derive(Debug)]
pub(super) struct Listed {
    /// The domain it becomes.
    pub(super) domain: Domain,
    /// Its counter, microjoules, and the same counter over another bus; the first that can be read is.
    pub(super) energy: Vec<PathBuf>,
}

/// A zone as found: directory name, its control type, its numbers and its own name.
struct Zone {
    dir: String,
    control: String,
    numbers: Vec<u32>,
    name: String,
}

/// Reads the tree; `None` when there is no `class/powercap`.
pub(super) fn scan(roots: &Roots, cpu: &CpuInfo) -> Option<Zones> {
    let class = class(&roots.sysfs);
    let mut zones = Zones::default();
    let mut found = Vec::new();
    for dir in sysfs::entries(&class).ok()? {
        match find(&class, &dir) {
            Ok(zone) => found.push(zone),
            Err(Unfit::NoZone) => {}
            Err(Unfit::Masked) => zones.masked += 1,
            Err(Unfit::Odd(reason)) => zones.skipped.push(reason),
        }
    }
    // Real counters before their twins, sockets by number: the first of two equal names keeps the plain id.
    found.sort_by(|a, b| (a.control == TWIN, &a.control, &a.numbers).cmp(&(b.control == TWIN, &b.control, &b.numbers)));
    let ceilings = Ceilings::read(roots);
    for zone in &found {
        zones.add(zone, &found, &class, cpu, ceilings);
    }
    if cpu.sapphire_rapids {
        zones.correct_memory_units();
    }
    Some(zones)
}

/// Returns the power limits of the packages, microwatts by domain id. Every user may read them, also where only root
/// may read the counters.
pub(crate) fn package_limits(roots: &Roots) -> BTreeMap<String, u64> {
    let zones = scan(roots, &CpuInfo::default()).unwrap_or_default();
    zones.listed.into_iter().filter_map(|zone| Some((zone.domain.id, zone.domain.max_uw?))).collect()
}

/// Returns what a memory counter of Sapphire Rapids must be multiplied by; `None` where powercap does not show it.
pub(crate) fn memory_factor(roots: &Roots) -> Option<f64> {
    let zones = scan(roots, &CpuInfo::default())?;
    let dram = zones.listed.iter().find(|zone| zone.domain.domain == "dram")?;
    Some(zones.unit_factor(&dram.domain).unwrap_or(1.0))
}

/// Returns the folder of the zones.
pub(super) fn class(root: &Path) -> PathBuf {
    root.join("class/powercap")
}

/// Why an entry of the folder is not read: it is no zone, it is masked, or it is odd (with the reason).
enum Unfit {
    NoZone,
    Masked,
    Odd(String),
}

fn find(class: &Path, dir: &str) -> Result<Zone, Unfit> {
    let (control, numbers) = dir.split_once(':').ok_or(Unfit::NoZone)?;
    let odd = |why: &str| Unfit::Odd(format!("{dir}: {why}"));
    if !control.contains("rapl") {
        return Err(odd("not a RAPL zone"));
    }
    if sysfs::entries(&class.join(dir)).is_err() {
        return Err(Unfit::Masked);
    }
    let numbers: Option<Vec<u32>> = numbers.split(':').map(|number| number.parse().ok()).collect();
    let numbers = numbers.ok_or_else(|| odd("unknown form of name"))?;
    let name = sysfs::read_text(&class.join(dir).join("name")).map_err(|_| odd("has no readable name"))?;
    Ok(Zone { dir: dir.to_owned(), control: control.to_owned(), numbers, name })
}

impl Zones {
    fn add(&mut self, zone: &Zone, all: &[Zone], class: &Path, cpu: &CpuInfo, ceilings: Ceilings) {
        let parent = zone.parent(all);
        let Some(mut domain) = domain(&zone.name, parent.map(|parent| parent.name.as_str())) else {
            self.skipped.push(format!("{}: unknown name {:?}", zone.dir, zone.name));
            return;
        };
        let is_twin = zone.control == TWIN;
        if let Some(first) = self.listed.iter_mut().find(|other| is_twin && other.domain.id == domain.id) {
            first.energy.push(class.join(&zone.dir).join("energy_uj"));
            return;
        }
        if cpu.amd && domain.domain != "package" {
            self.skipped.push(format!("{}: {} is not trusted on AMD", zone.dir, zone.name));
            return;
        }
        let dir = class.join(&zone.dir);
        domain.name = cpu.label(&domain.name);
        domain.ceiling_uw = ceilings.of(&domain);
        domain.max_uw = limit(&dir, domain.ceiling_uw.unwrap_or(u64::MAX));
        self.rename_duplicate(&mut domain, zone);
        match range(&dir) {
            Ok(range) => domain.range = Some(range),
            Err(why) => return self.refused.push(format!("{} ({}): {why}", domain.id, zone.dir)),
        }
        let energy = dir.join("energy_uj");
        let count = sysfs::read_u64(&energy).ok();
        if let Some((now, range)) = count.zip(domain.range).filter(|(now, range)| now > range) {
            domain.range = None;
            let text = format!(
                "{} is {now}, above max_energy_range_uj ({range}): treated as a counter that does not wrap",
                zone.dir
            );
            self.remarks.push((EventKind::RangeExceeded, domain.id.clone(), text));
        }
        self.listed.push(Listed { domain, energy: vec![energy] });
    }

    /// Corrects the unit of Sapphire Rapids' memory zones.
    ///
    /// That unit is the package's. Linux before 6.1 takes the 15.3 µJ of older servers instead, and so states a quarter
    /// of the energy (Linux commit "Use standard Energy Unit for SPR Dram RAPL domain", 2022).
    fn correct_memory_units(&mut self) {
        let factors: Vec<_> = self.listed.iter().map(|zone| self.unit_factor(&zone.domain)).collect();
        for (zone, factor) in self.listed.iter_mut().zip(factors) {
            let Some((factor, scale)) =
                factor.and_then(|factor| Some((factor, Scale::from_base_per_raw(factor * 1e-6)?)))
            else {
                continue;
            };
            zone.domain.scale = scale;
            let text =
                format!("this kernel counts the memory of Sapphire Rapids in a wrong unit: multiplied by {factor:.3}");
            self.remarks.push((EventKind::UnitCorrected, zone.domain.id.clone(), text));
        }
    }

    /// Returns how many times smaller the unit of a memory zone is than a package's; `None` where it is the same.
    fn unit_factor(&self, domain: &Domain) -> Option<f64> {
        let package = self.listed.iter().find(|zone| zone.domain.domain == "package")?.domain.range?;
        let own = domain.range.filter(|own| domain.domain == "dram" && *own > 0 && *own < package / 2)?;
        Some(package as f64 / own as f64)
    }

    /// Keeps ids unique: where two zones have one name, the later one's id gets the kernel's name for it.
    fn rename_duplicate(&self, domain: &mut Domain, zone: &Zone) {
        if self.listed.iter().any(|other| other.domain.id == domain.id) {
            domain.id = format!("{}@{}", domain.id, zone.dir);
        }
    }
}

impl Zone {
    /// Returns the zone that contains this one.
    fn parent<'a>(&self, all: &'a [Zone]) -> Option<&'a Zone> {
        let (_, above) = self.numbers.split_last()?;
        all.iter().find(|other| other.control == self.control && other.numbers == above)
    }
}

/// Returns the domain of a zone's name; `None` for a name that is not known.
///
/// Cores and uncore are part of the package's counter, DRAM is not; psys covers all of them and more.
fn domain(name: &str, parent: Option<&str>) -> Option<Domain> {
    let package = |name: &str| name.strip_prefix("package-").map(str::to_owned);
    let make = |id: String, component, kind: &str| Domain::counter(&id, component, kind, NAME);
    if let Some(place) = package(name) {
        let mut domain = make(format!("package-{place}"), Component::Cpu, "package");
        domain.name = format!("package {place}");
        return Some(domain);
    }
    // One a socket on some machines: `psys-1` is the second's.
    if name == "psys" || name.strip_prefix("psys-").is_some_and(|number| number.parse::<u32>().is_ok()) {
        let mut domain = make(name.to_owned(), Component::Other, "psys");
        domain.name = "platform (psys)".to_owned();
        return Some(domain);
    }
    let component = match name {
        "dram" => Component::Memory,
        "core" | "uncore" => Component::Cpu,
        _ => return None,
    };
    let place = parent.and_then(package);
    let mut domain = make(place.as_ref().map_or(name.to_owned(), |place| format!("{name}-{place}")), component, name);
    domain.name = place.as_ref().map_or(name.to_owned(), |place| format!("{name} {place}"));
    domain.parent = place.filter(|_| component == Component::Cpu).map(|place| format!("package-{place}"));
    Some(domain)
}

/// Returns the number of microjoules after which the counter wraps: its highest value plus one unit of the register,
/// which counts 2^32 of them.
fn range(dir: &Path) -> Result<u64, String> {
    let file = "max_energy_range_uj";
    let max =
        sysfs::read_u64(&dir.join(file)).map_err(|fault| format!("{file} is missing or no number ({fault:?})"))?;
    let unit = (max / u64::from(u32::MAX)).max(1);
    match max.checked_add(unit) {
        Some(range) if max > 0 => Ok(range),
        _ => Err(format!("{file} is {max}")),
    }
}

/// Returns the most that the zone can draw, microwatts: its highest limit times [`HEADROOM`]; `None` unless the
/// hardware states a maximum. Limits in force count too, as firmware sets short-term ones above the stated long-term
/// maximum, but only up to `ceiling_uw`: they may be set to what no part can draw.
fn limit(dir: &Path, ceiling_uw: u64) -> Option<u64> {
    let read = |number: u32, what: &str| {
        sysfs::read_u64(&dir.join(format!("constraint_{number}_{what}"))).ok().filter(|&uw| uw > 0)
    };
    let stated = (0..4).filter_map(|number| read(number, "max_power_uw")).filter(|&uw| uw <= NO_LIMIT_UW).max()?;
    let set = (0..4).filter_map(|number| read(number, "power_limit_uw")).max().unwrap_or(0);
    Some(stated.saturating_mul(HEADROOM).max(set.saturating_mul(HEADROOM).min(ceiling_uw)))
}
