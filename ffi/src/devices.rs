//! Exports the devices of a run. Each device is one measured quantity, such as a CPU package, the memory or a GPU
//! board.

use std::ffi::c_char;

use eco2_core::Component;
use eco2_core::schema::Device;

use crate::failure::Failure;
use crate::handle::{Boxed as _, Handle, OpenMeter, on_meter};
use crate::layout::{Growable, Out, OutStruct, assert_layout};
use crate::numbers::{
    ECO2_COMPONENT_CPU, ECO2_COMPONENT_GPU, ECO2_COMPONENT_MEMORY, ECO2_COMPONENT_OTHER, ECO2_DEVICE_SUMMED,
    ECO2_TEXT_DOMAIN, ECO2_TEXT_ID, ECO2_TEXT_METHOD, ECO2_TEXT_MODEL, ECO2_TEXT_NAME, ECO2_TEXT_SOURCE,
    quality_number, range_number,
};
use crate::status::ECO2_UNKNOWN;
use crate::text::OutText;

/// A device's values until now. Set struct_size before the call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct DeviceInfo {
    /// sizeof(eco2_device).
    pub struct_size: u32,
    /// ECO2_DEVICE_SUMMED, or 0 where it overlaps another device.
    pub flags: u32,
    /// ECO2_COMPONENT_...
    pub component: i32,
    /// ECO2_QUALITY_...
    pub quality: i32,
    /// Microjoules; ECO2_UNKNOWN if nothing is known.
    pub energy_uj: u64,
    /// Lower bound, microjoules; ECO2_UNKNOWN if nothing is known.
    pub low_uj: u64,
    /// Upper bound, microjoules; ECO2_UNKNOWN: none.
    pub high_uj: u64,
    /// Wraps of the counter.
    pub wraps: u64,
    /// Resets of the counter.
    pub resets: u64,
    /// Share of the run's time that readings cover, 0 to 1.
    pub coverage: f64,
    /// Mean power, watts; NaN if not known.
    pub mean_w: f64,
    /// Highest power measured, watts; NaN if not known.
    pub peak_w: f64,
    /// Declared gain error of the sensor, percent of the reading, not part of the bounds; NaN if not known.
    pub gain_percent: f64,
    /// Lower bound without any assumption on power, microjoules; ECO2_UNKNOWN if nothing is known.
    pub free_low_uj: u64,
    /// Upper bound without any assumption on power, microjoules; ECO2_UNKNOWN: none.
    pub free_high_uj: u64,
    /// Coverage of the range from low_uj to high_uj, percent; NaN if nothing is known.
    pub range_percent: f64,
    /// Kind of that range: ECO2_RANGE_...
    pub range_kind: i32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C) of plain numbers without padding (asserted below), the size first.
unsafe impl Growable for DeviceInfo {
    const FIRST_SIZE: usize = 88;
}

assert_layout!(DeviceInfo is 120: struct_size 0 flags 4 component 8 quality 12 energy_uj 16 low_uj 24 high_uj 32 wraps 40 resets 48
    coverage 56 mean_w 64 peak_w 72 gain_percent 80 free_low_uj 88 free_high_uj 96 range_percent 104 range_kind 112
    reserved 116);

/// The number of devices. Indices keep their meaning; devices may be added while the run goes on (hot-plug).
///
/// Takes a lock and allocates. Any thread; in a closed meter too. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_device_count(meter: *const Handle, out: *mut u32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let out = unsafe { Out::new(out, "out") }?;
        out.put(u32::try_from(handle.meter.snapshot().devices.len()).unwrap_or(u32::MAX));
        Ok(())
    })
}

/// The values of a device, by its index below eco2_device_count().
///
/// Takes a lock and allocates. Any thread; in a closed meter too. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_device_get(meter: *const Handle, index: u32, out: *mut DeviceInfo) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutStruct::new(out, "out") }?;
        out.put(values(&device(handle, index)?));
        Ok(())
    })
}

/// A text of a device (ECO2_TEXT_...), by its index below eco2_device_count(). Sizes as for eco2_report().
///
/// Takes a lock and allocates. Any thread; in a closed meter too. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `buffer` is writable for `size` bytes; `needed` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_device_text(
    meter: *const Handle,
    index: u32,
    which: i32,
    buffer: *mut c_char,
    size: usize,
    needed: *mut usize,
) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutText::new(buffer, size, needed) }?;
        let device = device(handle, index)?;
        out.put(match which {
            ECO2_TEXT_ID => &device.id,
            ECO2_TEXT_NAME => &device.name,
            ECO2_TEXT_DOMAIN => &device.domain,
            ECO2_TEXT_SOURCE => &device.source,
            ECO2_TEXT_MODEL => device.model.as_deref().unwrap_or_default(),
            ECO2_TEXT_METHOD => device.method.as_deref().unwrap_or_default(),
            other => return Err(Failure::argument(format!("which is {other}; allowed: ECO2_TEXT_... (0 to 5)"))),
        })
    })
}

fn device(handle: &OpenMeter, index: u32) -> Result<Device, Failure> {
    let mut devices = handle.meter.snapshot().devices;
    let count = devices.len();
    if index as usize >= count {
        return Err(Failure::argument(format!("index is {index}, but there are {count} devices")));
    }
    Ok(devices.swap_remove(index as usize))
}

fn values(device: &Device) -> DeviceInfo {
    let watts = |known: Option<f64>| known.unwrap_or(f64::NAN);
    DeviceInfo {
        struct_size: 0,
        flags: if device.is_summed() { ECO2_DEVICE_SUMMED } else { 0 },
        component: match device.component {
            Component::Cpu => ECO2_COMPONENT_CPU,
            Component::Memory => ECO2_COMPONENT_MEMORY,
            Component::Gpu => ECO2_COMPONENT_GPU,
            Component::Other => ECO2_COMPONENT_OTHER,
        },
        quality: quality_number(device.quality),
        energy_uj: device.energy_uj.unwrap_or(ECO2_UNKNOWN),
        low_uj: device.low_uj.unwrap_or(ECO2_UNKNOWN),
        high_uj: device.high_uj.unwrap_or(ECO2_UNKNOWN),
        wraps: device.wraps,
        resets: device.resets,
        coverage: device.coverage,
        mean_w: watts(device.mean_w),
        peak_w: watts(device.peak_w),
        gain_percent: watts(device.gain_percent),
        free_low_uj: device.free_low_uj.unwrap_or(ECO2_UNKNOWN),
        free_high_uj: device.free_high_uj.unwrap_or(ECO2_UNKNOWN),
        range_percent: watts(device.range_percent),
        range_kind: range_number(device.range_kind),
        reserved: 0,
    }
}
