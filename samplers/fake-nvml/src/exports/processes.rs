//! The processes that a GPU, or a MIG device of it, lists, and the size of a MIG device.

use super::system::mig_of;
use super::{Handle, put};
use crate::code;
use crate::state::{Fake, call, pid};

/// `nvmlProcessInfo_t`.
#[repr(C)]
struct ProcessInfo {
    pid: u32,
    memory: u64,
    gpu_instance: u32,
    compute_instance: u32,
}

/// # Safety
/// As in `nvml.h`: `infos` is null (asks for the count) or holds `*count` entries.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: Handle,
    count: *mut u32,
    infos: *mut ProcessInfo,
) -> u32 {
    call("nvmlDeviceGetComputeRunningProcesses_v3", |fake, now| {
        let listed = match mig_of(device) {
            Some((gpu, index)) => {
                let gpu = fake.script.gpus.get(gpu).ok_or(code::NOT_FOUND)?;
                gpu.check("mig_present", now)?;
                let own = gpu.mig_present.iter().filter(|(_, instance)| *instance as usize == index);
                own.map(|(who, _)| who.clone()).collect()
            }
            None => {
                let gpu = fake.gpu(device, now)?;
                gpu.check("present", now)?;
                gpu.present.clone()
            }
        };
        // SAFETY: the caller's promise.
        unsafe { list(&listed, count, infos) }
    })
}

/// # Safety
/// As for `nvmlDeviceGetComputeRunningProcesses_v3`.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMPSComputeRunningProcesses_v3(
    device: Handle,
    count: *mut u32,
    infos: *mut ProcessInfo,
) -> u32 {
    call("nvmlDeviceGetMPSComputeRunningProcesses_v3", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        // SAFETY: the caller's promise.
        unsafe { list(&gpu.mps, count, infos) }
    })
}

/// # Safety
/// As for `nvmlDeviceGetComputeRunningProcesses_v3`. No process is ever listed.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: Handle,
    count: *mut u32,
    _infos: *mut ProcessInfo,
) -> u32 {
    call("nvmlDeviceGetGraphicsRunningProcesses_v3", |fake, now| {
        fake.gpu(device, now)?;
        // SAFETY: the caller's promise.
        unsafe { put(count, 0) }
    })
}

/// Writes the listed processes, or asks for more room.
///
/// # Safety
/// `infos` is null or holds `*count` entries.
unsafe fn list(listed: &[String], count: *mut u32, infos: *mut ProcessInfo) -> Result<(), u32> {
    if count.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    let pids: Vec<u32> = listed.iter().filter_map(|who| pid(who)).collect();
    // SAFETY: `count` is not null and readable by the caller's promise.
    let room = if infos.is_null() { 0 } else { (unsafe { count.read() }) as usize };
    // SAFETY: the caller's promise.
    unsafe { put(count, pids.len() as u32) }?;
    if room < pids.len() {
        return Err(code::INSUFFICIENT_SIZE);
    }
    for (at, pid) in pids.into_iter().enumerate() {
        let info = ProcessInfo { pid, memory: 0, gpu_instance: u32::MAX, compute_instance: u32::MAX };
        // SAFETY: `at < room`, and `infos` holds `room` entries.
        unsafe { infos.add(at).write(info) };
    }
    Ok(())
}

/// `nvmlDeviceAttributes_t`.
#[repr(C)]
struct Attributes {
    multiprocessors: u32,
    engines: [u32; 5],
    gpu_slices: u32,
    compute_slices: u32,
    memory_mb: u64,
}

/// # Safety
/// As in `nvml.h`: `out` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAttributes_v2(device: Handle, out: *mut Attributes) -> u32 {
    call("nvmlDeviceGetAttributes_v2", |fake, now| {
        // Only MIG devices have them.
        let slices = slices(fake, device, now).ok_or(code::NOT_SUPPORTED)?;
        let sizes = Attributes {
            multiprocessors: 16 * slices,
            engines: [0; 5],
            gpu_slices: slices,
            compute_slices: slices,
            memory_mb: 0,
        };
        // SAFETY: the caller's promise.
        unsafe { put(out, sizes) }
    })
}

/// Slices of a MIG device: those of the script, else 1.
fn slices(fake: &Fake, device: Handle, now: u64) -> Option<u32> {
    let (gpu, index) = mig_of(device)?;
    let gpu = fake.script.gpus.get(gpu)?;
    gpu.check("mig", now).ok()?;
    Some(gpu.mig_slices.get(index).copied().unwrap_or(1))
}
