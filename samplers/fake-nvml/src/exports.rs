//! The C functions, with the signatures of NVIDIA's `nvml.h`. Only what eco2 and its peers call is there.

mod device;
mod events;
mod power;
mod processes;
mod samples;
mod system;

use std::ffi::{c_char, c_void};

use crate::code;

/// `nvmlDevice_t`: 1 + index of the script's GPU; MIG devices from [`MIG_BASE`].
type Handle = *mut c_void;

/// MIG device handles are this plus 256 times the GPU's index plus the device's.
const MIG_BASE: usize = 0x10_0000;

/// Writes through a caller's pointer.
///
/// # Safety
/// `out` is null or valid for writing a `T`.
unsafe fn put<T>(out: *mut T, value: T) -> Result<(), u32> {
    if out.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, and valid by the caller's promise.
    unsafe { out.write(value) };
    Ok(())
}

/// Writes a NUL-terminated string into a caller's buffer of `size` bytes.
///
/// # Safety
/// `out` is null or valid for writing `size` bytes.
unsafe fn put_text(out: *mut c_char, size: u32, text: &str) -> Result<(), u32> {
    if out.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    if text.len() >= size as usize {
        return Err(code::INSUFFICIENT_SIZE);
    }
    // SAFETY: the buffer holds `size` bytes, more than the text's.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr().cast(), out, text.len()) };
    // SAFETY: `text.len() < size`.
    unsafe { out.add(text.len()).write(0) };
    Ok(())
}
