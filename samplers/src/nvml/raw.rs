//! Makes the few calls of NVML, NVIDIA's driver's library, that the wrapper crate lacks, and lists the driver's GPUs by
//! UUID, as indices change with hot-plug and mean nothing to CUDA.

use super::fault::{ask, fault, known_u32, known_u64};
use super::library;
use eco2_core::Fault;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{self, nvmlFieldValue_t};

/// What a field (a value that NVML returns by number) is about (`nvml.h`, `NVML_POWER_SCOPE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldScope {
    /// The GPU alone.
    Gpu = bindings::NVML_POWER_SCOPE_GPU as isize,
    /// The module: GPU and CPU (Grace superchips).
    Module = bindings::NVML_POWER_SCOPE_MODULE as isize,
}

/// Instantaneous power, milliwatts.
pub(super) const POWER_INSTANT: u32 = bindings::field_id::NVML_FI_DEV_POWER_INSTANT;
/// Energy since the driver was loaded, millijoules; unlike the plain counter it has a scope.
pub(super) const ENERGY: u32 = bindings::field_id::NVML_FI_DEV_ENERGY;

/// Reads one field, an unsigned integer. The wrapper cannot set the scope.
pub(super) fn field(device: &Device<'static>, id: u32, scope: FieldScope) -> Result<u64, Fault> {
    let value = ask(device, |device| field_value(device, id, scope))?;
    match value.valueType {
        bindings::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT => {
            // SAFETY: the driver states that this member is the one it wrote; any bits are a `u32`.
            known_u32(unsafe { value.value.uiVal })
        }
        bindings::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG
        | bindings::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG => {
            // SAFETY: as above; on Linux `unsigned long` has 64 bits.
            known_u64(unsafe { value.value.ullVal })
        }
        _ => Err(Fault::Failed),
    }
}

fn field_value(device: &Device<'static>, id: u32, scope: FieldScope) -> Result<nvmlFieldValue_t, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetFieldValues.as_ref())?;
    // SAFETY: all-zero is a valid `nvmlFieldValue_t`: integers and a union of numbers.
    let mut value: nvmlFieldValue_t = unsafe { std::mem::zeroed() };
    value.fieldId = id;
    value.scopeId = scope as u32;
    // SAFETY: the handle belongs to a library that is never unloaded.
    let handle = unsafe { device.handle() };
    // SAFETY: one entry, writable during the call.
    let code = unsafe { call(handle, 1, &raw mut value) };
    nvml_try(code)?;
    nvml_try(value.nvmlReturn)?;
    Ok(value)
}

/// What the driver lists.
pub(super) struct List {
    /// Those that report their identity, by UUID.
    pub(super) devices: Vec<Listed>,
    /// How many are counted but lost.
    pub(super) lost: usize,
    /// How many are counted but not for us.
    pub(super) denied: usize,
    /// How many failed to answer otherwise, perhaps only this time.
    pub(super) unclear: usize,
}

/// A GPU that the driver lists.
pub(super) struct Listed {
    /// Its number in the list, in which one that is lost keeps its place.
    pub(super) number: u32,
    pub(super) device: Device<'static>,
    pub(super) uuid: String,
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
                Ok((device, uuid)) => list.devices.push(Listed { number: index, device, uuid }),
                Err(Fault::Lost) => list.lost += 1,
                Err(Fault::Denied) => list.denied += 1,
                Err(_) => list.unclear += 1,
            }
        }
        Ok(list)
    }
}
