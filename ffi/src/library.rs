//! Exports what concerns the library itself: its version, the names of status codes, and this thread's last error.

use std::ffi::{CStr, c_char};

use crate::failure;
use crate::guard::guard_or;
use crate::status::name_of;

/// Version of the interface that this header describes. A program compares it with eco2_abi_version() at start.
pub const ECO2_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

/// The name of a status code, such as "ECO2_ERR_NULL"; "unknown status" for any other number.
///
/// The text is constant. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn eco2_status_name(status: i32) -> *const c_char {
    guard_or(c"unknown status".as_ptr(), || name_of(status).unwrap_or(c"unknown status").as_ptr())
}

/// The library's version, such as "0.2.0".
///
/// The text is constant. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn eco2_version() -> *const c_char {
    guard_or(VERSION.as_ptr(), || VERSION.as_ptr())
}

/// The version of the interface that the library implements. If it differs from ECO2_ABI_VERSION, call nothing else.
///
/// Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn eco2_abi_version() -> u32 {
    guard_or(ECO2_ABI_VERSION, || ECO2_ABI_VERSION)
}

/// The reason why the last failed call on this thread failed; an empty text if none failed. Never NULL.
///
/// Valid until the next call that fails on this thread, or until the thread ends. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn eco2_last_error() -> *const c_char {
    guard_or(c"".as_ptr(), failure::last_error)
}
