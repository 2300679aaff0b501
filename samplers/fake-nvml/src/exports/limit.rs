//! The power limit: asked for, and set.

use super::{Handle, put};
use crate::code;
use crate::state::call;

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
