//! Initialisation, the list of devices and their identity.

use std::ffi::{CStr, c_char};

use super::{Handle, MIG_BASE, put, put_text};
use crate::state::{call, init};
use crate::{code, gpu::Gpu};

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> u32 {
    init("nvmlInit_v2")
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit() -> u32 {
    init("nvmlInit")
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: u32) -> u32 {
    init("nvmlInitWithFlags")
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> u32 {
    call("nvmlShutdown", |fake, _| {
        fake.shutdown();
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(_code: u32) -> *const c_char {
    c"scripted".as_ptr()
}

/// # Safety
/// As in `nvml.h`: `out` holds `size` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(out: *mut c_char, size: u32) -> u32 {
    call("nvmlSystemGetDriverVersion", |fake, _| {
        // SAFETY: the caller's promise.
        unsafe { put_text(out, size, &fake.script.driver) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(out: *mut u32) -> u32 {
    call("nvmlDeviceGetCount_v2", |fake, now| {
        let count = u32::try_from(fake.present(now).len()).unwrap_or(u32::MAX);
        // SAFETY: the caller's promise.
        unsafe { put(out, count) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: u32, out: *mut Handle) -> u32 {
    call("nvmlDeviceGetHandleByIndex_v2", |fake, now| {
        let present = fake.present(now);
        let gpu = *present.get(index as usize).ok_or(code::INVALID_ARGUMENT)?;
        if let Some(gpu) = fake.script.gpus.get(gpu) {
            gpu.check("handle", now)?;
        }
        // SAFETY: the caller's promise.
        unsafe { put(out, handle(gpu)) }
    })
}

/// # Safety
/// As in `nvml.h`: `uuid` is a C string, `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, out: *mut Handle) -> u32 {
    call("nvmlDeviceGetHandleByUUID", |fake, now| {
        if uuid.is_null() {
            return Err(code::INVALID_ARGUMENT);
        }
        // SAFETY: a C string by the caller's promise.
        let uuid = unsafe { CStr::from_ptr(uuid) }.to_str().map_err(|_| code::INVALID_ARGUMENT)?;
        let is = |gpu: &usize| fake.script.gpus.get(*gpu).is_some_and(|gpu| gpu.uuid == uuid);
        let gpu = fake.present(now).into_iter().find(is).ok_or(code::NOT_FOUND)?;
        // SAFETY: the caller's promise.
        unsafe { put(out, handle(gpu)) }
    })
}

fn handle(gpu: usize) -> Handle {
    std::ptr::without_provenance_mut(gpu + 1)
}

/// # Safety
/// As in `nvml.h`: `out` holds `size` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetName(device: Handle, out: *mut c_char, size: u32) -> u32 {
    call("nvmlDeviceGetName", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        gpu.check("name", now)?;
        // SAFETY: the caller's promise.
        unsafe { put_text(out, size, &gpu.name) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` holds `size` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUUID(device: Handle, out: *mut c_char, size: u32) -> u32 {
    call("nvmlDeviceGetUUID", |fake, now| {
        let uuid = match mig_of(device) {
            Some((gpu, index)) => {
                fake.script.gpus.get(gpu).and_then(|gpu| gpu.mig.get(index)).ok_or(code::NOT_FOUND)?
            }
            None => {
                let gpu = fake.gpu(device, now)?;
                gpu.check("uuid", now)?;
                &gpu.uuid
            }
        };
        // SAFETY: the caller's promise.
        unsafe { put_text(out, size, uuid) }
    })
}

/// `nvmlPciInfo_t`.
#[repr(C)]
struct PciInfo {
    bus_id_legacy: [u8; 16],
    domain: u32,
    bus: u32,
    device: u32,
    device_id: u32,
    subsystem_id: u32,
    bus_id: [u8; 32],
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(device: Handle, out: *mut PciInfo) -> u32 {
    call("nvmlDeviceGetPciInfo_v3", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        gpu.check("pci", now)?;
        // SAFETY: the caller's promise.
        unsafe { put(out, pci(gpu)) }
    })
}

fn pci(gpu: &Gpu) -> PciInfo {
    let text = format!("00000000:{:02X}:00.0", gpu.bus);
    let mut bus_id = [0; 32];
    bus_id.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    PciInfo { bus_id_legacy: [0; 16], domain: 0, bus: gpu.bus, device: 0, device_id: 0, subsystem_id: 0, bus_id }
}

pub(super) fn mig_of(device: Handle) -> Option<(usize, usize)> {
    let offset = (device as usize).checked_sub(MIG_BASE)?;
    Some((offset / 256, offset % 256))
}

/// # Safety
/// As in `nvml.h`: both outputs are writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigMode(device: Handle, current: *mut u32, pending: *mut u32) -> u32 {
    call("nvmlDeviceGetMigMode", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        gpu.check("mig", now)?;
        let on = u32::from(!gpu.mig.is_empty());
        // SAFETY: the caller's promise.
        unsafe { put(current, on) }?;
        // SAFETY: the caller's promise.
        unsafe { put(pending, on) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMaxMigDeviceCount(device: Handle, out: *mut u32) -> u32 {
    call("nvmlDeviceGetMaxMigDeviceCount", |fake, now| {
        fake.gpu(device, now)?.check("mig", now)?;
        // SAFETY: the caller's promise.
        unsafe { put(out, 7) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(device: Handle, index: u32, out: *mut Handle) -> u32 {
    call("nvmlDeviceGetMigDeviceHandleByIndex", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        gpu.check("mig", now)?;
        gpu.mig.get(index as usize).ok_or(code::NOT_FOUND)?;
        let handle = MIG_BASE + 256 * (device as usize - 1) + index as usize;
        // SAFETY: the caller's promise.
        unsafe { put(out, std::ptr::without_provenance_mut(handle)) }
    })
}
