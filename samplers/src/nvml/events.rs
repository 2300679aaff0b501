//! Reads XIDs of NVIDIA GPUs: the error codes that NVIDIA's driver reports, such as 79 for a GPU that fell off the bus.
//!
//! NVML, the driver's library, collects them in an event set, which is asked here without waiting.

use std::mem::ManuallyDrop;

use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::{Device, EventSet};

/// Most codes that one poll reports; the others follow at the next poll, so that a storm of errors delays nothing.
const AT_ONCE: usize = 16;

/// The XIDs of one GPU. Each GPU has a set of its own, because registering frees the set where it fails.
///
/// Never freed: `Drop` of the wrapper's set panics where the library lacks the symbol, and may hang where it has it.
pub(super) struct Xids(ManuallyDrop<EventSet<'static>>);

impl Xids {
    /// Starts to watch a GPU; `None` if it does not report XIDs.
    pub(super) fn watch(device: &Device<'static>) -> Option<Self> {
        let xid = EventTypes::CRITICAL_XID_ERROR;
        if !device.supported_event_types().is_ok_and(|types| types.contains(xid)) {
            return None;
        }
        // A library that can make a set but not free it would panic in the wrapper when registering fails.
        device.nvml().lib().nvmlEventSetFree.as_ref().ok()?;
        let set = device.nvml().create_event_set().ok()?;
        device.register_events(xid, set).ok().map(|set| Self(ManuallyDrop::new(set)))
    }

    /// Returns the codes since the last call, oldest first; 999, no code of the driver's, where it does not know the
    /// code.
    pub(super) fn since_last(&self) -> Vec<u64> {
        let next = || {
            let event = self.0.wait(0).ok()?;
            Some(match event.event_data? {
                XidError::Value(code) => code,
                XidError::Unknown => 999,
            })
        };
        std::iter::from_fn(next).take(AT_ONCE).collect()
    }
}

/// Returns what a XID means, for those that end trainings (NVIDIA, "XID Errors", table of common XIDs).
pub(super) fn meaning(code: u64) -> &'static str {
    match code {
        13 => "graphics engine exception",
        31 => "GPU memory page fault",
        43 => "GPU stopped processing",
        45 => "preemptive cleanup after earlier errors",
        48 => "double-bit ECC error",
        63 => "row remapping or page retirement recorded",
        64 => "row remapping or page retirement failed",
        74 => "NVLink error",
        79 => "GPU has fallen off the bus",
        94 => "contained ECC error",
        95 => "uncontained ECC error",
        119 => "GSP firmware timeout",
        _ => "see NVIDIA's list of XID errors",
    }
}
