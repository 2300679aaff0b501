//! Event sets, for XID errors.

use std::ffi::c_void;
use std::sync::PoisonError;
use std::time::Duration;

use super::{Handle, put};
use crate::code;
use crate::state::{Fake, Watch, call};

/// `nvmlEventTypeXidCriticalError`.
const XID: u64 = 8;

/// `nvmlEventData_t`.
#[repr(C)]
struct EventData {
    device: Handle,
    kind: u64,
    data: u64,
    gpu_instance: u32,
    compute_instance: u32,
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetCreate(out: *mut *mut c_void) -> u32 {
    call("nvmlEventSetCreate", |fake, _| {
        let mut sets = fake.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.push(Watch::new());
        // SAFETY: the caller's promise.
        unsafe { put(out, std::ptr::without_provenance_mut(sets.len())) }
    })
}

/// # Safety
/// As in `nvml.h`: `set` is a set.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetFree(set: *mut c_void) -> u32 {
    call("nvmlEventSetFree", |fake, _| {
        with(fake, set, |watch| {
            watch.clear();
            Ok(())
        })
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSupportedEventTypes(device: Handle, out: *mut u64) -> u32 {
    call("nvmlDeviceGetSupportedEventTypes", |fake, now| {
        fake.gpu(device, now)?.check("events", now)?;
        // SAFETY: the caller's promise.
        unsafe { put(out, XID) }
    })
}

/// # Safety
/// As in `nvml.h`: `set` is a set.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceRegisterEvents(device: Handle, _kinds: u64, set: *mut c_void) -> u32 {
    call("nvmlDeviceRegisterEvents", |fake, now| {
        fake.gpu(device, now)?.check("events", now)?;
        with(fake, set, |watch| {
            watch.push((device as usize - 1, now));
            Ok(())
        })
    })
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(set: *mut c_void, out: *mut EventData, timeout_ms: u32) -> u32 {
    call("nvmlEventSetWait_v2", |fake, now| {
        if let Some((gpu, xid)) = with(fake, set, |watch| Ok(next(fake, watch, now)))? {
            let device = std::ptr::without_provenance_mut(gpu + 1);
            let all = u32::MAX;
            let event = EventData { device, kind: XID, data: xid, gpu_instance: all, compute_instance: all };
            // SAFETY: the caller's promise.
            return unsafe { put(out, event) };
        }
        std::thread::sleep(Duration::from_millis(timeout_ms.into()));
        Err(code::TIMEOUT)
    })
}

/// The next XID that a set has not reported yet.
fn next(fake: &Fake, watch: &mut Watch, now: u64) -> Option<(usize, u64)> {
    for (gpu, told_ns) in watch {
        let xids = &fake.script.gpus.get(*gpu)?.xids;
        let due = xids.iter().find(|(_, when)| when.from_ns > *told_ns && when.from_ns <= now);
        if let Some((xid, when)) = due {
            *told_ns = when.from_ns;
            return Some((*gpu, *xid));
        }
    }
    None
}

fn with<T>(fake: &Fake, set: *mut c_void, body: impl FnOnce(&mut Watch) -> Result<T, u32>) -> Result<T, u32> {
    let mut sets = fake.sets.lock().unwrap_or_else(PoisonError::into_inner);
    let watch = (set as usize).checked_sub(1).and_then(|index| sets.get_mut(index));
    watch.map_or(Err(code::INVALID_ARGUMENT), body)
}
