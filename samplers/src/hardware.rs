//! [`Hardware`] describes what decides how much power a machine draws at a given load: its processor, the number of its
//! CPUs and its firmware.

use crate::Roots;
use crate::cpuinfo::CpuInfo;
use crate::model::identity::CpuFacts;
use crate::sysfs::read_head;

/// Longest text that is kept of the firmware's description, characters.
const MAX_FIRMWARE: usize = 120;

/// What a measurement of a machine's power belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hardware {
    /// The processor's name; empty where it is not known.
    pub processor: String,
    /// CPUs (hardware threads) that are on, at least 1.
    pub cpus: u32,
    /// Vendor, version and date of the boot firmware (SMBIOS); empty where the kernel does not show them.
    pub firmware: String,
    /// Whether this is a virtual machine.
    pub is_guest: bool,
}

impl Hardware {
    /// Reads `<procfs>/cpuinfo` and `<sysfs>/class/dmi/id`. What cannot be read is empty.
    ///
    /// ```
    /// use eco2_samplers::Roots;
    /// use eco2_samplers::hardware::Hardware;
    ///
    /// assert!(Hardware::read(&Roots::default()).cpus >= 1);
    /// ```
    #[must_use]
    pub fn read(roots: &Roots) -> Self {
        let cpu = CpuInfo::read(&roots.procfs);
        let folder = roots.sysfs.join("class/dmi/id");
        let parts = ["bios_vendor", "bios_version", "bios_date"].map(|file| read_head(&folder.join(file)));
        let parts: Vec<String> = parts.into_iter().flatten().map(|text| text.trim().to_owned()).collect();
        Self {
            processor: cpu.model.unwrap_or_default(),
            cpus: CpuFacts::read(&roots.procfs).threads,
            firmware: parts.join(" ").trim().chars().take(MAX_FIRMWARE).collect(),
            is_guest: cpu.hypervisor,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn hardware_is_read_from_its_files_or_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots { procfs: folder.path().join("proc"), sysfs: folder.path().join("sys"), ..Roots::default() };
        let nothing = Hardware::read(&roots);
        assert_eq!((nothing.processor.as_str(), nothing.firmware.as_str(), nothing.is_guest), ("", "", false));
        assert!(nothing.cpus >= 1);
        for (file, text) in [
            ("proc/cpuinfo", "processor\t: 0\nmodel name\t: Test CPU\nflags\t\t: fpu\n\nprocessor\t: 1\n"),
            ("sys/class/dmi/id/bios_vendor", "Maker\n"),
            ("sys/class/dmi/id/bios_version", " 2.1\n"),
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let found = Hardware::read(&roots);
        assert_eq!((found.processor.as_str(), found.cpus, found.firmware.as_str()), ("Test CPU", 2, "Maker 2.1"));
        fs::write(folder.path().join("sys/class/dmi/id/bios_date"), "x".repeat(500)).unwrap();
        assert_eq!(Hardware::read(&roots).firmware.chars().count(), MAX_FIRMWARE);
    }
}
