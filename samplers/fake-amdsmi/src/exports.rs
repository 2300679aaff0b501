//! The C functions, with the signatures of AMD's `amdsmi.h`. Only what eco2 calls is there.

use std::ffi::c_void;
use std::time::Duration;

use crate::{Gpu, Script, script};

/// `amdsmi_socket_handle` and `amdsmi_processor_handle`: 1 + index of the script's GPU.
type Handle = *mut c_void;

const SUCCESS: u32 = 0;
const INVALID: u32 = 1;
const NOT_SUPPORTED: u32 = 2;
const NOT_FOUND: u32 = 31;
/// Length of a name in the oldest version.
const NAME_BYTES: usize = 64;

/// Waits as long as the script lets this function hang; returns the script.
fn enter(name: &str) -> Script {
    loop {
        let now = script();
        if now.hang != name {
            return now;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn gpu(script: &Script, handle: Handle) -> Option<&Gpu> {
    script.gpus.get((handle as usize).checked_sub(1)?)
}

/// Starts the library.
#[unsafe(no_mangle)]
extern "C" fn amdsmi_init(_flags: u64) -> u32 {
    enter("amdsmi_init").init
}

/// Its version: numbers of 32 bits.
///
/// # Safety
/// `version` is valid for writing as many numbers as the version has.
#[unsafe(no_mangle)]
unsafe extern "C" fn amdsmi_get_lib_version(version: *mut u32) -> u32 {
    let numbers = enter("amdsmi_get_lib_version").version;
    // SAFETY: by the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(numbers.as_ptr(), version, numbers.len()) };
    SUCCESS
}

/// Sockets: one for each GPU.
///
/// # Safety
/// `count` is valid, and `list` is null or valid for `*count` handles.
#[unsafe(no_mangle)]
unsafe extern "C" fn amdsmi_get_socket_handles(count: *mut u32, list: *mut Handle) -> u32 {
    let gpus = enter("amdsmi_get_socket_handles").gpus.len();
    // SAFETY: by the caller's promise.
    unsafe { put_handles(count, list, (1..=gpus).collect()) }
}

/// The processors of a socket: its GPU.
///
/// # Safety
/// As for [`amdsmi_get_socket_handles`].
#[unsafe(no_mangle)]
unsafe extern "C" fn amdsmi_get_processor_handles(socket: Handle, count: *mut u32, list: *mut Handle) -> u32 {
    if gpu(&enter("amdsmi_get_processor_handles"), socket).is_none() {
        return INVALID;
    }
    // SAFETY: by the caller's promise.
    unsafe { put_handles(count, list, vec![socket as usize]) }
}

unsafe fn put_handles(count: *mut u32, list: *mut Handle, handles: Vec<usize>) -> u32 {
    // SAFETY: by the caller's promise.
    let room = unsafe { *count } as usize;
    if !list.is_null() {
        for (at, handle) in handles.iter().take(room).enumerate() {
            // SAFETY: the list has that much room by the caller's promise.
            unsafe { list.add(at).write(*handle as Handle) };
        }
    }
    // SAFETY: by the caller's promise.
    unsafe { count.write(u32::try_from(handles.len()).unwrap_or(u32::MAX)) };
    SUCCESS
}

/// The PCI address.
///
/// # Safety
/// `address` is valid for writing.
#[unsafe(no_mangle)]
unsafe extern "C" fn amdsmi_get_gpu_device_bdf(handle: Handle, address: *mut u64) -> u32 {
    let script = enter("amdsmi_get_gpu_device_bdf");
    let Some(gpu) = gpu(&script, handle) else { return NOT_FOUND };
    // SAFETY: by the caller's promise.
    unsafe { address.write(gpu.address) };
    SUCCESS
}

/// The description: here only its first field, the name.
///
/// # Safety
/// `description` is valid for writing 64 bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn amdsmi_get_gpu_asic_info(handle: Handle, description: *mut u8) -> u32 {
    let script = enter("amdsmi_get_gpu_asic_info");
    let Some(gpu) = gpu(&script, handle) else { return NOT_FOUND };
    let mut name: Vec<u8> = gpu.name.bytes().take(NAME_BYTES - 1).collect();
    name.push(0);
    // SAFETY: by the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), description, name.len()) };
    SUCCESS
}

/// The energy counter.
///
/// # Safety
/// The three pointers are valid for writing.
#[unsafe(no_mangle)]
unsafe extern "C" fn amdsmi_get_energy_count(
    handle: Handle,
    count: *mut u64,
    resolution_uj: *mut f32,
    stamp_ns: *mut u64,
) -> u32 {
    let script = enter("amdsmi_get_energy_count");
    let Some(gpu) = gpu(&script, handle) else { return NOT_FOUND };
    if gpu.fail != SUCCESS {
        return gpu.fail;
    }
    let now_ns = boottime_ns();
    // Watts times nanoseconds are 10^-3 µJ; a unit is 2^-16 J whatever resolution is stated.
    let counted = (u128::from(gpu.power) * u128::from(now_ns) * 65_536 / 1_000_000_000) as u64;
    // SAFETY: by the caller's promise.
    unsafe {
        count.write(gpu.energy.unwrap_or(counted));
        resolution_uj.write(gpu.resolution_uj);
        stamp_ns.write(now_ns.saturating_add_signed(gpu.stamp_ms * 1_000_000));
    }
    std::thread::sleep(Duration::from_millis(gpu.slow_ms));
    SUCCESS
}

/// The power, in the layout of the script's version.
///
/// # Safety
/// `power` is valid for writing four numbers.
#[unsafe(no_mangle)]
unsafe extern "C" fn amdsmi_get_power_info(handle: Handle, power: *mut u32) -> u32 {
    let script = enter("amdsmi_get_power_info");
    let Some(gpu) = gpu(&script, handle) else { return NOT_FOUND };
    if gpu.fail != SUCCESS {
        return gpu.fail;
    }
    let numbers: &[u32] = match script.version.first() {
        Some(24) => &[gpu.power, gpu.average],
        _ => &[gpu.power, 0, gpu.power, gpu.average],
    };
    // SAFETY: by the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(numbers.as_ptr(), power, numbers.len()) };
    SUCCESS
}

/// The utilisation: percent of the shaders, and nothing of the rest.
///
/// # Safety
/// `usage` is valid for writing three numbers.
#[unsafe(no_mangle)]
unsafe extern "C" fn amdsmi_get_gpu_activity(handle: Handle, usage: *mut u32) -> u32 {
    let script = enter("amdsmi_get_gpu_activity");
    let Some(gpu) = gpu(&script, handle) else { return NOT_FOUND };
    let numbers = [gpu.busy, u32::MAX, u32::MAX];
    // SAFETY: by the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(numbers.as_ptr(), usage, numbers.len()) };
    SUCCESS
}

/// The temperature now, at the place 0 (edge) or 1 (hottest).
///
/// # Safety
/// `celsius` is valid for writing.
#[unsafe(no_mangle)]
unsafe extern "C" fn amdsmi_get_temp_metric(handle: Handle, place: u32, metric: u32, celsius: *mut i64) -> u32 {
    let script = enter("amdsmi_get_temp_metric");
    let Some(gpu) = gpu(&script, handle) else { return NOT_FOUND };
    let value = match (place, metric) {
        (0, 0) => gpu.edge,
        (1, 0) => gpu.hotspot,
        _ => None,
    };
    let Some(value) = value else { return NOT_SUPPORTED };
    // SAFETY: by the caller's promise.
    unsafe { celsius.write(value) };
    SUCCESS
}

/// Memory of kind 0 (on the card) in use: a quarter of all.
///
/// # Safety
/// `bytes` is valid for writing.
#[unsafe(no_mangle)]
unsafe extern "C" fn amdsmi_get_gpu_memory_usage(handle: Handle, kind: u32, bytes: *mut u64) -> u32 {
    // SAFETY: by the caller's promise.
    unsafe { put_memory("amdsmi_get_gpu_memory_usage", handle, kind, 4, bytes) }
}

/// All memory of kind 0 (on the card): 192 GiB.
///
/// # Safety
/// `bytes` is valid for writing.
#[unsafe(no_mangle)]
unsafe extern "C" fn amdsmi_get_gpu_memory_total(handle: Handle, kind: u32, bytes: *mut u64) -> u32 {
    // SAFETY: by the caller's promise.
    unsafe { put_memory("amdsmi_get_gpu_memory_total", handle, kind, 1, bytes) }
}

unsafe fn put_memory(name: &str, handle: Handle, kind: u32, part: u64, bytes: *mut u64) -> u32 {
    if gpu(&enter(name), handle).is_none() || kind != 0 {
        return NOT_FOUND;
    }
    // SAFETY: by the caller's promise.
    unsafe { bytes.write((192 << 30) / part) };
    SUCCESS
}

fn boottime_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable, and the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
