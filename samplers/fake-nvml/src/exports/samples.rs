//! Series with the driver's own timestamps: power samples and processes.

use super::{Handle, put};
use crate::curve::MS;
use crate::state::{Fake, call, pid};
use crate::{code, gpu::Gpu};

/// `nvmlSample_t`; the value's union is its 8 bytes.
#[repr(C)]
struct Sample {
    stamp_us: u64,
    value: u64,
}

/// # Safety
/// As in `nvml.h`: `samples` is null (asks for the count) or holds `*count` entries.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSamples(
    device: Handle,
    kind: u32,
    last_seen_us: u64,
    value_type: *mut u32,
    count: *mut u32,
    samples: *mut Sample,
) -> u32 {
    call("nvmlDeviceGetSamples", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        gpu.check("samples", now)?;
        if kind != 0 {
            return Err(code::NOT_SUPPORTED);
        }
        // SAFETY: the caller's promise.
        unsafe { put(value_type, 1) }?;
        let series = power_samples(fake, gpu, now, last_seen_us);
        if samples.is_null() {
            let most = u32::try_from(gpu.samples_ring).unwrap_or(u32::MAX);
            // SAFETY: the caller's promise.
            return unsafe { put(count, most) };
        }
        // SAFETY: the caller's promise.
        unsafe { fill(samples, count, series) }
    })
}

/// The newest samples that the ring holds, oldest first: power at multiples of the period.
fn power_samples(fake: &Fake, gpu: &Gpu, now: u64, last_seen_us: u64) -> Vec<Sample> {
    let newest = now / gpu.samples_period_ns;
    let oldest = (newest + 1).saturating_sub(gpu.samples_ring).max(1);
    let sample = |step: u64| {
        let at_ns = step * gpu.samples_period_ns;
        Sample { stamp_us: fake.stamp_us(at_ns), value: gpu.power.milliwatts(at_ns) }
    };
    (oldest..=newest).map(sample).filter(|sample| sample.stamp_us > last_seen_us).collect()
}

/// `nvmlProcessUtilizationSample_t`.
#[repr(C)]
struct ProcessSample {
    pid: u32,
    stamp_us: u64,
    sm: u32,
    memory: u32,
    encoder: u32,
    decoder: u32,
}

/// # Safety
/// As in `nvml.h`: `samples` is null (asks for the count) or holds `*count` entries.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    device: Handle,
    samples: *mut ProcessSample,
    count: *mut u32,
    last_seen_us: u64,
) -> u32 {
    call("nvmlDeviceGetProcessUtilization", |fake, now| {
        let gpu = fake.gpu(device, now)?;
        gpu.check("processes", now)?;
        if !gpu.mig.is_empty() {
            return Err(code::NOT_SUPPORTED);
        }
        let series = processes(fake, gpu, now, last_seen_us);
        if samples.is_null() {
            let most = u32::try_from(series.len()).unwrap_or(u32::MAX);
            // SAFETY: the caller's promise.
            unsafe { put(count, most) }?;
            return Err(if most == 0 { code::NOT_FOUND } else { code::INSUFFICIENT_SIZE });
        }
        // SAFETY: the caller's promise.
        unsafe { fill(samples, count, series) }
    })
}

/// One sample a process, taken at the last multiple of 200 ms.
fn processes(fake: &Fake, gpu: &Gpu, now: u64, last_seen_us: u64) -> Vec<ProcessSample> {
    let stamp_us = fake.stamp_us(now - now % (200 * MS));
    if stamp_us <= last_seen_us {
        return Vec::new();
    }
    let sample = |(who, sm): &(String, u32)| {
        Some(ProcessSample { pid: pid(who)?, stamp_us, sm: *sm, memory: 0, encoder: 0, decoder: 0 })
    };
    gpu.processes.iter().filter_map(sample).collect()
}

/// Copies as many as fit and returns how many.
///
/// # Safety
/// `out` holds `*count` entries.
unsafe fn fill<T>(out: *mut T, count: *mut u32, series: Vec<T>) -> Result<(), u32> {
    if count.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    if series.is_empty() {
        return Err(code::NOT_FOUND);
    }
    // SAFETY: `count` is not null and readable by the caller's promise.
    let room = unsafe { count.read() } as usize;
    let mut written = 0;
    for (i, value) in series.into_iter().take(room).enumerate() {
        // SAFETY: `i < room`, and `out` holds `room` entries.
        unsafe { out.add(i).write(value) };
        written += 1;
    }
    // SAFETY: as above.
    unsafe { put(count, written) }
}
