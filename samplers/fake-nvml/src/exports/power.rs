//! Energy, power and field values of a board, and its power limit (read and set).

use super::{Handle, put};
use crate::gpu::Gpu;
use crate::state::call;
use crate::{Curve, code};

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTotalEnergyConsumption(device: Handle, out: *mut u64) -> u32 {
    call("nvmlDeviceGetTotalEnergyConsumption", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let value = if gpu.check("energy", now)? { u64::MAX } else { gpu.counter_mj(now) };
        // SAFETY: the caller's promise.
        unsafe { put(out, value) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPowerUsage(device: Handle, out: *mut u32) -> u32 {
    call("nvmlDeviceGetPowerUsage", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let not_available = gpu.check("power", now)?;
        let value = if not_available { u32::MAX } else { narrow(gpu.power.mean_milliwatts(now, gpu.average_ns)) };
        // SAFETY: the caller's promise.
        unsafe { put(out, value) }
    })
}

/// # Safety
/// As in `nvml.h`: both outputs are writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPowerManagementLimitConstraints(device: Handle, min: *mut u32, max: *mut u32) -> u32 {
    call("nvmlDeviceGetPowerManagementLimitConstraints", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let not_available = gpu.check("limit", now)?;
        let (low, high) = if not_available { (u32::MAX, u32::MAX) } else { (gpu.limits.1, gpu.limits.2) };
        // SAFETY: the caller's promise.
        unsafe { put(min, low) }?;
        // SAFETY: the caller's promise.
        unsafe { put(max, high) }
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetEnforcedPowerLimit(device: Handle, out: *mut u32) -> u32 {
    call("nvmlDeviceGetEnforcedPowerLimit", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let value = if gpu.check("limit", now)? { u32::MAX } else { fake.limit_mw(gpu) };
        // SAFETY: the caller's promise.
        unsafe { put(out, value) }
    })
}

/// `nvmlFieldValue_t`; the value's union is its 8 bytes.
#[repr(C)]
struct FieldValue {
    field: u32,
    scope: u32,
    timestamp: i64,
    latency_us: i64,
    value_type: u32,
    code: u32,
    value: u64,
}

/// # Safety
/// As in `nvml.h`: `values` holds `count` entries whose field and scope are set.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetFieldValues(device: Handle, count: i32, values: *mut FieldValue) -> u32 {
    call("nvmlDeviceGetFieldValues", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        gpu.check("fields", now)?;
        let count = usize::try_from(count).unwrap_or(0);
        if values.is_null() || count == 0 {
            return Err(code::INVALID_ARGUMENT);
        }
        // SAFETY: `count` entries by the caller's promise.
        let values = unsafe { std::slice::from_raw_parts_mut(values, count) };
        for value in values {
            value.timestamp = i64::try_from(fake.stamp_us(now)).unwrap_or(i64::MAX);
            match field(gpu, value.field, value.scope, now) {
                Ok((kind, raw)) => (value.code, value.value_type, value.value) = (code::SUCCESS, kind, raw),
                Err(code) => value.code = code,
            }
        }
        Ok(())
    })
}

/// `NVML_VALUE_TYPE_UNSIGNED_INT`, `NVML_VALUE_TYPE_UNSIGNED_LONG_LONG`.
const UINT: u32 = 1;
const ULONGLONG: u32 = 3;

/// Fields 83 and 191 (energy), 185 and 186 (average and instant power), by scope.
fn field(gpu: &Gpu, field: u32, scope: u32, now: u64) -> Result<(u32, u64), u32> {
    match field {
        83 => Ok((ULONGLONG, if gpu.check("energy", now)? { u64::MAX } else { gpu.counter_mj(now) })),
        191 if gpu.scoped_energy => {
            gpu.check("energy", now)?;
            Ok((ULONGLONG, gpu.staircase_mj(curve(gpu, scope)?, now)))
        }
        185 => {
            gpu.check("average", now)?;
            Ok((UINT, curve(gpu, scope)?.mean_milliwatts(now, gpu.average_ns)))
        }
        186 => {
            let not_available = gpu.check(if scope == 1 { "module" } else { "instant" }, now)?;
            let power = curve(gpu, scope)?.milliwatts(now);
            Ok((UINT, if not_available { u64::from(u32::MAX) } else { power }))
        }
        _ => Err(code::NOT_SUPPORTED),
    }
}

fn curve(gpu: &Gpu, scope: u32) -> Result<&Curve, u32> {
    let curve = match scope {
        0 => Some(&gpu.power),
        1 => gpu.module.as_ref(),
        2 => gpu.memory_power.as_ref(),
        _ => return Err(code::INVALID_ARGUMENT),
    };
    curve.ok_or(code::NOT_SUPPORTED)
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPowerManagementLimit(device: Handle, out: *mut u32) -> u32 {
    call("nvmlDeviceGetPowerManagementLimit", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        let value = if gpu.check("limit", now)? { u32::MAX } else { fake.limit_mw(gpu) };
        // SAFETY: the caller's promise.
        unsafe { put(out, value) }
    })
}

/// # Safety
/// As in `nvml.h`: takes no pointer but the handle, which is never followed.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceSetPowerManagementLimit(device: Handle, milliwatts: u32) -> u32 {
    call("nvmlDeviceSetPowerManagementLimit", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        gpu.check("set_limit", now)?;
        if !(gpu.limits.1..=gpu.limits.2).contains(&milliwatts) {
            return Err(code::INVALID_ARGUMENT);
        }
        if gpu.deaf_limit != Some(milliwatts) {
            fake.set_limit_mw(gpu, milliwatts);
        }
        Ok(())
    })
}
