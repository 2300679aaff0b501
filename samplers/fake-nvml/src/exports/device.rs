//! What a GPU reports in addition to energy: gauges, and details that only other tools (peers) read.

use super::{Handle, put};
use crate::code;
use crate::state::call;

/// `nvmlUtilization_t`.
#[repr(C)]
struct Utilization {
    gpu: u32,
    memory: u32,
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUtilizationRates(device: Handle, out: *mut Utilization) -> u32 {
    call("nvmlDeviceGetUtilizationRates", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let not_available = gpu.check("utilization", now)?;
        let percent = u32::try_from(gpu.utilization.milliwatts(now) / 1_000).unwrap_or(u32::MAX);
        let busy = if not_available { u32::MAX } else { percent };
        // SAFETY: the caller's promise.
        unsafe { put(out, Utilization { gpu: busy, memory: busy / 2 }) }
    })
}

/// `nvmlMemory_v2_t`.
#[repr(C)]
struct MemoryV2 {
    version: u32,
    total: u64,
    reserved: u64,
    free: u64,
    used: u64,
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: Handle, out: *mut MemoryV2) -> u32 {
    call("nvmlDeviceGetMemoryInfo_v2", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let not_available = gpu.check("memory", now)?;
        let (used, total) = if not_available { (u64::MAX, u64::MAX) } else { gpu.memory };
        let free = total.saturating_sub(used);
        // SAFETY: the caller's promise.
        unsafe { put(out, MemoryV2 { version: 0x0200_0028, total, reserved: 0, free, used }) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperature(device: Handle, _sensor: u32, out: *mut u32) -> u32 {
    call("nvmlDeviceGetTemperature", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let value = if gpu.check("temperature", now)? { u32::MAX } else { gpu.temperature };
        // SAFETY: the caller's promise.
        unsafe { put(out, value) }
    })
}

/// `NVML_TEMPERATURE_THRESHOLD_GPU_MAX`.
const GPU_MAX: u32 = 3;

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperatureThreshold(device: Handle, kind: u32, out: *mut u32) -> u32 {
    call("nvmlDeviceGetTemperatureThreshold", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let not_available = gpu.check("temperature_max", now)?;
        if kind != GPU_MAX {
            return Err(code::NOT_SUPPORTED);
        }
        let value = if not_available { u32::MAX } else { gpu.temperature_max };
        // SAFETY: the caller's promise.
        unsafe { put(out, value) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetClockInfo(device: Handle, _kind: u32, out: *mut u32) -> u32 {
    call("nvmlDeviceGetClockInfo", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let value = if gpu.check("clock", now)? { u32::MAX } else { gpu.sm_clock };
        // SAFETY: the caller's promise.
        unsafe { put(out, value) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCurrentClocksThrottleReasons(device: Handle, out: *mut u64) -> u32 {
    call("nvmlDeviceGetCurrentClocksThrottleReasons", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let value = if gpu.check("throttle", now)? { u64::MAX } else { gpu.throttle };
        // SAFETY: the caller's promise.
        unsafe { put(out, value) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetArchitecture(device: Handle, out: *mut u32) -> u32 {
    call("nvmlDeviceGetArchitecture", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        gpu.check("arch", now)?;
        // SAFETY: the caller's promise.
        unsafe { put(out, gpu.arch) }
    })
}

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
