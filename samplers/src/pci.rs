//! PCI devices as sysfs lists them: class, vendor and device numbers by address.

use std::path::PathBuf;

use crate::{Roots, sysfs};

/// NVIDIA's vendor number.
pub(crate) const NVIDIA: &str = "10de";

/// One function of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PciDevice {
    /// Address, `0000:01:00.0`.
    pub(crate) slot: String,
    /// Six hexadecimal digits: class, subclass, interface.
    pub(crate) class: String,
    /// Four hexadecimal digits.
    pub(crate) vendor: String,
    /// Four hexadecimal digits.
    pub(crate) device: String,
    /// Its folder.
    pub(crate) dir: PathBuf,
}

/// Every function, in the order of addresses; empty where the bus is not shown.
pub(crate) fn devices(roots: &Roots) -> Vec<PciDevice> {
    let bus = roots.sysfs.join("bus/pci/devices");
    let mut slots = sysfs::entries(&bus).unwrap_or_default();
    slots.sort_unstable();
    let device = |slot: String| {
        let dir = bus.join(&slot);
        let number = |file: &str| Some(sysfs::read_text(&dir.join(file)).ok()?.strip_prefix("0x")?.to_lowercase());
        Some(PciDevice { class: number("class")?, vendor: number("vendor")?, device: number("device")?, slot, dir })
    };
    slots.into_iter().filter_map(device).collect()
}

/// Whether the machine has a device of NVIDIA.
pub(crate) fn has_nvidia(roots: &Roots) -> bool {
    devices(roots).iter().any(|device| device.vendor == NVIDIA)
}
