//! The driver's list of GPUs, by UUID: indices change with hot-plug and mean nothing to CUDA.

use eco2_core::Fault;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::fault::{ask, fault};
use super::library;

/// What the driver lists.
pub(super) struct List {
    /// Those that report their identity, by UUID.
    pub(super) devices: Vec<(Device<'static>, String)>,
    /// How many are counted but lost.
    pub(super) lost: usize,
    /// How many are counted but not for us.
    pub(super) denied: usize,
    /// How many failed to answer otherwise, perhaps only this time.
    pub(super) unclear: usize,
}

impl List {
    /// # Errors
    /// When the driver does not list at all.
    pub(super) fn ask(nvml: &'static Nvml) -> Result<Self, NvmlError> {
        let count = match nvml.device_count() {
            Err(NvmlError::Uninitialized) => library::init(nvml).and_then(|()| nvml.device_count())?,
            count => count?,
        };
        let mut list = Self { devices: Vec::new(), lost: 0, denied: 0, unclear: 0 };
        for index in 0..count {
            let device = nvml.device_by_index(index).map_err(|error| fault(&error));
            match device.and_then(|device| ask(&device, Device::uuid).map(|uuid| (device, uuid))) {
                Ok(found) => list.devices.push(found),
                Err(Fault::Lost) => list.lost += 1,
                Err(Fault::Denied) => list.denied += 1,
                Err(_) => list.unclear += 1,
            }
        }
        Ok(list)
    }
}
