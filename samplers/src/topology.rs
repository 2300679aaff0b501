//! Reads from sysfs which package and die each CPU belongs to, and which PCI devices the machine has.
//!
//! Any of the files may be absent.

use crate::{Roots, sysfs};
use std::path::Path;
use std::path::PathBuf;

/// Where a CPU is: its package and die.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number of its physical package.
    pub(crate) package: u64,
    /// Number of its die within the package; `None` where the kernel does not show it.
    pub(crate) die: Option<u64>,
    /// CPUs from which the same counters can be read, this one included; empty where the kernel does not show them.
    pub(crate) siblings: Vec<usize>,
}

/// Reads the place of one CPU; `None` when the kernel does not show its package (or the CPU is offline).
pub(crate) fn place(root: &Path, cpu: usize) -> Option<Place> {
    let dir = root.join(format!("devices/system/cpu/cpu{cpu}/topology"));
    let package = sysfs::read_u64(&dir.join("physical_package_id")).ok()?;
    let die = sysfs::read_u64(&dir.join("die_id")).ok();
    // `core_siblings_list` is the name that kernels before 5.3 have for the package's CPUs.
    let lists: &[&str] = match die {
        Some(_) => &["die_cpus_list", "package_cpus_list", "core_siblings_list"],
        None => &["package_cpus_list", "core_siblings_list"],
    };
    let siblings = lists.iter().find_map(|name| sysfs::read_cpulist(&dir.join(name)));
    Some(Place { package, die, siblings: siblings.unwrap_or_default() })
}

/// Reads which CPUs are online; `None` where the kernel does not show them.
pub(crate) fn online(root: &Path) -> Option<Vec<usize>> {
    sysfs::read_cpulist(&root.join("devices/system/cpu/online"))
}

/// Returns the part of an id that names the place: `1`, or `1-die-0` where the package has several dies with counters.
pub(crate) fn suffix(package: u64, die: Option<u64>) -> String {
    match die {
        Some(die) => format!("{package}-die-{die}"),
        None => package.to_string(),
    }
}

/// NVIDIA's vendor number.
pub(crate) const NVIDIA: &str = "10de";
/// Device numbers of AMD's boards with two dies, of which one shows the power of both and the other 0: MI250X, MI250.
pub(crate) const AMD_TWO_DIES: [&str; 2] = ["7408", "740c"];
/// Device number of MI300A, a socket of GPU, CPU and memory.
pub(crate) const AMD_SERVER_APU: &str = "74a0";

/// One PCI function: a device, or one of several parts of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PciDevice {
    /// Address, `0000:01:00.0`.
    pub(crate) slot: String,
    /// Six hexadecimal digits: class, subclass, interface.
    pub(crate) class: String,
    /// Number of its vendor, four hexadecimal digits.
    pub(crate) vendor: String,
    /// Number of its model, four hexadecimal digits.
    pub(crate) device: String,
    /// Its folder in sysfs.
    pub(crate) dir: PathBuf,
}

/// Reads every function, in the order of addresses; empty where the kernel does not show the bus.
pub(crate) fn devices(roots: &Roots) -> Vec<PciDevice> {
    let bus = roots.sysfs.join("bus/pci/devices");
    let mut slots = sysfs::entries(&bus).unwrap_or_default();
    slots.sort_unstable();
    let device = |slot: String| {
        let dir = bus.join(&slot);
        let number = |file: &str| number(&dir, file);
        Some(PciDevice { class: number("class")?, vendor: number("vendor")?, device: number("device")?, slot, dir })
    };
    slots.into_iter().filter_map(device).collect()
}

/// Reads a hexadecimal number of a PCI function, without its `0x`.
fn number(dir: &Path, file: &str) -> Option<String> {
    Some(sysfs::read_text(&dir.join(file)).ok()?.strip_prefix("0x")?.to_lowercase())
}

/// Whether the machine has a device of NVIDIA.
pub(crate) fn has_nvidia(roots: &Roots) -> bool {
    let bus = roots.sysfs.join("bus/pci/devices");
    let is_nvidia = |slot: &String| number(&bus.join(slot), "vendor").is_some_and(|vendor| vendor == NVIDIA);
    sysfs::entries(&bus).unwrap_or_default().iter().any(is_nvidia)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_files_are_unknown() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(place(dir.path(), 0), None);
        assert_eq!(online(dir.path()), None);
        let cpu = dir.path().join("devices/system/cpu/cpu3/topology");
        std::fs::create_dir_all(&cpu).unwrap();
        std::fs::write(cpu.join("physical_package_id"), "1\n").unwrap();
        assert_eq!(place(dir.path(), 3), Some(Place { package: 1, die: None, siblings: vec![] }));
        std::fs::write(cpu.join("core_siblings_list"), "2-3\n").unwrap();
        std::fs::write(cpu.join("die_id"), "0\n").unwrap();
        assert_eq!(place(dir.path(), 3), Some(Place { package: 1, die: Some(0), siblings: vec![2, 3] }));
        std::fs::write(cpu.join("physical_package_id"), "-1\n").unwrap();
        assert_eq!(place(dir.path(), 3), None, "the kernel's word for unknown");
    }
}
