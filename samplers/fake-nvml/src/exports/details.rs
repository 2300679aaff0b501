//! Details that only other tools (peers) read in addition to the energy.

use std::ffi::c_void;

use super::{Handle, put};
use crate::state::call;

/// `nvmlMemory_t`.
#[repr(C)]
struct Memory {
    total: u64,
    free: u64,
    used: u64,
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo(device: Handle, out: *mut Memory) -> u32 {
    call("nvmlDeviceGetMemoryInfo", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let (used, total) = if gpu.check("memory", now)? { (u64::MAX, u64::MAX) } else { gpu.memory };
        // SAFETY: the caller's promise.
        unsafe { put(out, Memory { total, free: total.saturating_sub(used), used }) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeMode(device: Handle, out: *mut u32) -> u32 {
    call("nvmlDeviceGetComputeMode", |fake, now| {
        fake.gpu(device, now)?;
        // SAFETY: the caller's promise.
        unsafe { put(out, 0) }
    })
}

/// # Safety
/// As in `nvml.h`: `count` is writable. No process is ever listed, so that `_infos` is not touched.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: Handle,
    count: *mut u32,
    _infos: *mut c_void,
) -> u32 {
    call("nvmlDeviceGetComputeRunningProcesses_v3", |fake, now| {
        fake.gpu(device, now)?;
        // SAFETY: the caller's promise.
        unsafe { put(count, 0) }
    })
}

/// # Safety
/// As for `nvmlDeviceGetComputeRunningProcesses_v3`.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: Handle,
    count: *mut u32,
    _infos: *mut c_void,
) -> u32 {
    call("nvmlDeviceGetGraphicsRunningProcesses_v3", |fake, now| {
        fake.gpu(device, now)?;
        // SAFETY: the caller's promise.
        unsafe { put(count, 0) }
    })
}
