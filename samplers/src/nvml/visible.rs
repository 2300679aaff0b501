//! Finds out which of the machine's GPUs a CUDA program would see, by its environment variable `CUDA_VISIBLE_DEVICES`.
//!
//! Entries are indices, UUIDs (`GPU-…`, a unique prefix is enough) or MIG devices (`MIG-…`: parts of a divided GPU), as
//! the CUDA programming guide's table of environment variables has it; what follows the first invalid entry is ignored.
//! Indices count the order of PCI addresses. CUDA itself does so only with `CUDA_DEVICE_ORDER=PCI_BUS_ID`; its default
//! puts the fastest GPU first, which is the same only where all boards are alike, so on mixed boards an index is
//! remarked on.

use crate::visible::entries;

pub use crate::visible::CudaMask as Visibility;

/// Identity of a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uuid: String,
    pub(super) name: String,
    /// PCI domain, bus, device.
    pub(super) pci: (u32, u32, u32),
    /// UUIDs of its MIG devices.
    pub(super) mig: Vec<String>,
}

/// The GPUs that are measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum VisibleGpus {
    All,
    /// These UUIDs.
    Only(Vec<String>),
}

impl VisibleGpus {
    pub(super) fn includes(&self, uuid: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(uuids) => uuids.iter().any(|selected| selected == uuid),
        }
    }
}

/// Returns which of `gpus` are visible, and remarks for people.
pub(super) fn select(visibility: &Visibility, gpus: &[Identity]) -> (VisibleGpus, Vec<String>) {
    let Some(devices) = &visibility.devices else { return (VisibleGpus::All, Vec::new()) };
    let mut by_address: Vec<&Identity> = gpus.iter().collect();
    by_address.sort_by_key(|gpu| gpu.pci);
    let mut uuids: Vec<String> = Vec::new();
    let mut remarks = Vec::new();
    let mut by_index = false;
    for entry in entries(devices) {
        by_index |= entry.parse::<usize>().is_ok();
        let Some(gpu) = find(entry, &by_address) else {
            remarks.push(format!("CUDA_VISIBLE_DEVICES: no GPU is {entry:?}; this entry and what follows are ignored"));
            break;
        };
        if !uuids.contains(&gpu.uuid) {
            uuids.push(gpu.uuid.clone());
        }
    }
    if by_index && !visibility.pci_order && gpus.windows(2).any(|pair| pair[0].name != pair[1].name) {
        remarks.push(
            "CUDA_VISIBLE_DEVICES has indices and the boards differ: CUDA may count them in another order".into(),
        );
    }
    (VisibleGpus::Only(uuids), remarks)
}

/// Returns the GPU that an entry names.
fn find<'a>(entry: &str, gpus: &[&'a Identity]) -> Option<&'a Identity> {
    if let Ok(index) = entry.parse::<usize>() {
        return gpus.get(index).copied();
    }
    if let Some(parent) = entry.strip_prefix("MIG-GPU-") {
        // The form of drivers before 470: MIG-GPU-<uuid>/<GPU instance>/<compute instance>.
        let uuid = format!("GPU-{}", parent.split('/').next().unwrap_or_default());
        return only(gpus, |gpu| gpu.uuid == uuid);
    }
    if entry.starts_with("MIG-") {
        return only(gpus, |gpu| gpu.mig.iter().any(|mig| mig.starts_with(entry)));
    }
    entry.strip_prefix("GPU-").filter(|rest| !rest.is_empty())?;
    only(gpus, |gpu| gpu.uuid.starts_with(entry))
}

/// Returns the GPU that fits, if exactly one does.
fn only<'a>(gpus: &[&'a Identity], fits: impl Fn(&Identity) -> bool) -> Option<&'a Identity> {
    let mut fitting = gpus.iter().copied().filter(|gpu| fits(gpu));
    let first = fitting.next()?;
    fitting.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus() -> Vec<Identity> {
        let gpu = |uuid: &str, bus, mig: &[&str]| Identity {
            uuid: uuid.into(),
            name: "NVIDIA H100".into(),
            pci: (0, bus, 0),
            mig: mig.iter().map(|&mig| mig.into()).collect(),
        };
        vec![gpu("GPU-aa11", 0x40, &[]), gpu("GPU-aa22", 0x10, &["MIG-77"]), gpu("GPU-bb33", 0x20, &[])]
    }

    fn selected(devices: &str) -> Vec<String> {
        let visibility = Visibility { devices: Some(devices.into()), pci_order: true };
        match select(&visibility, &gpus()).0 {
            VisibleGpus::Only(uuids) => uuids,
            VisibleGpus::All => panic!("a list selects"),
        }
    }

    #[test]
    fn m26_visible_devices_by_index_uuid_prefix_and_mig() {
        assert_eq!(select(&Visibility::default(), &gpus()).0, VisibleGpus::All);
        assert_eq!(selected("0"), ["GPU-aa22"], "indices count PCI addresses, not the driver's order");
        assert_eq!(selected("2, 1"), ["GPU-aa11", "GPU-bb33"]);
        assert_eq!(selected("GPU-bb"), ["GPU-bb33"]);
        assert_eq!(selected("GPU-aa22,GPU-aa11"), ["GPU-aa22", "GPU-aa11"]);
        assert_eq!(selected("MIG-77"), ["GPU-aa22"]);
        assert_eq!(selected("MIG-GPU-aa22/3/0"), ["GPU-aa22"]);
    }

    #[test]
    fn m26_nothing_visible_is_nothing_measured() {
        for none in ["", " ", "-1", "NoDevFiles", "GPU-", "GPU-aa", "MIG-9", "7"] {
            assert!(selected(none).is_empty(), "{none:?}");
        }
        assert_eq!(selected("1,-1,0"), ["GPU-bb33"], "what follows an invalid entry is ignored");
    }

    #[test]
    fn m26_an_index_among_unlike_boards_earns_a_remark() {
        let mut unlike = gpus();
        unlike[0].name = "NVIDIA A30".into();
        let mut visibility = Visibility { devices: Some("0".into()), pci_order: false };
        assert_eq!(select(&visibility, &unlike).1.len(), 1);
        visibility.pci_order = true;
        assert!(select(&visibility, &unlike).1.is_empty());
    }
}
