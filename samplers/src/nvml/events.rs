//! XID errors, through an event set that is polled without waiting.

use std::mem::ManuallyDrop;

use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::{Device, EventSet};

/// More than this many in one poll is a storm; the rest is reported at the next.
const AT_ONCE: usize = 16;

/// The XIDs of one GPU. A set each, because registering frees the set where it fails.
///
/// Never freed: `Drop` of the wrapper's set panics where the library lacks the symbol, and may hang where it has it.
pub(super) struct Xids(ManuallyDrop<EventSet<'static>>);

impl Xids {
    /// Watches a GPU, if it reports its XIDs.
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

    /// Codes since the last call; 999 where the driver does not know.
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

/// What a XID means, for those that end trainings (NVIDIA, "XID Errors", table of common XIDs).
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
