//! Versions of the library and of its interface.

use std::ffi::{CStr, c_char};

use crate::guard::guard_or;

/// Version of the interface that this header describes. A program compares it with eco2_abi_version() at start.
pub const ECO2_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

/// The library's version, such as "0.1.0".
///
/// The text is constant. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn eco2_version() -> *const c_char {
    guard_or(VERSION.as_ptr(), || VERSION.as_ptr())
}

/// The version of the interface that the library implements; other than ECO2_ABI_VERSION: do not call anything else.
///
/// Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn eco2_abi_version() -> u32 {
    guard_or(ECO2_ABI_VERSION, || ECO2_ABI_VERSION)
}
