//! Which package and die a CPU belongs to, as the kernel shows it. Any of the files may be absent.

use std::path::Path;

use crate::sysfs;

/// Where a CPU sits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Physical package.
    pub(crate) package: u64,
    /// Die within the package, where the kernel shows it.
    pub(crate) die: Option<u64>,
    /// CPUs from which the same counters can be read, this one included; empty where the kernel does not show them.
    pub(crate) siblings: Vec<usize>,
}

/// The place of one CPU; `None` when the kernel does not show its package (or the CPU is offline).
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

/// CPUs that are online; `None` where the kernel does not show them.
pub(crate) fn online(root: &Path) -> Option<Vec<usize>> {
    sysfs::read_cpulist(&root.join("devices/system/cpu/online"))
}

/// The part of an id that names the place: `1`, or `1-die-0` where the package has several dies with counters.
pub(crate) fn suffix(package: u64, die: Option<u64>) -> String {
    match die {
        Some(die) => format!("{package}-die-{die}"),
        None => package.to_string(),
    }
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
