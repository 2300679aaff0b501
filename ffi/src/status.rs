//! Status codes and other numbers of the interface. A number is never used again for something else.

use std::ffi::{CStr, c_char};

use crate::guard::guard_or;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $value:literal;)*) => {
        /// The name of a code.
        fn name_of(code: i32) -> Option<&'static CStr> {
            Some(match code {
                $($value => const {
                    match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                        Ok(name) => name,
                        Err(_) => c"?",
                    }
                },)*
                _ => return None,
            })
        }

        #[cfg(test)]
        pub(crate) const CODES: &[(&str, i32)] = &[$((stringify!($name), $name)),*];
    };
}

/// Success.
pub const ECO2_OK: i32 = 0;
/// A required argument is NULL.
pub const ECO2_ERR_NULL: i32 = 1;
/// A text is not UTF-8.
pub const ECO2_ERR_UTF8: i32 = 2;
/// An argument is out of range, or names nothing that exists.
pub const ECO2_ERR_ARGUMENT: i32 = 3;
/// The struct_size of a struct is wrong, or its unknown tail is not zero.
pub const ECO2_ERR_STRUCT_SIZE: i32 = 4;
/// The buffer is too small; the size that is needed was stored.
pub const ECO2_ERR_BUFFER: i32 = 5;
/// An option is wrong: unknown, of a wrong type or out of range.
pub const ECO2_ERR_OPTIONS: i32 = 10;
/// The meter could not be opened.
pub const ECO2_ERR_OPEN: i32 = 11;
/// A file could not be written.
pub const ECO2_ERR_WRITE: i32 = 12;
/// A report could not be rendered.
pub const ECO2_ERR_RENDER: i32 = 13;
/// The meter is closed.
pub const ECO2_ERR_CLOSED: i32 = 20;
/// No span of that name is open on this thread.
pub const ECO2_ERR_NOT_OPEN: i32 = 21;
/// There was no room to record the span; it is counted in the report.
pub const ECO2_ERR_DROPPED: i32 = 22;
/// Nothing is known yet, or nothing can be measured.
pub const ECO2_ERR_NO_DATA: i32 = 23;
/// The meter was opened in the process that forked this one; open another.
pub const ECO2_ERR_FORKED: i32 = 30;
/// A fault inside the library was caught; the meter is dead and can only be freed.
pub const ECO2_ERR_PANIC: i32 = 31;
/// The library has another version than the header; returned by wrappers.
pub const ECO2_ERR_VERSION: i32 = 40;

codes! {
    ECO2_OK = 0;
    ECO2_ERR_NULL = 1;
    ECO2_ERR_UTF8 = 2;
    ECO2_ERR_ARGUMENT = 3;
    ECO2_ERR_STRUCT_SIZE = 4;
    ECO2_ERR_BUFFER = 5;
    ECO2_ERR_OPTIONS = 10;
    ECO2_ERR_OPEN = 11;
    ECO2_ERR_WRITE = 12;
    ECO2_ERR_RENDER = 13;
    ECO2_ERR_CLOSED = 20;
    ECO2_ERR_NOT_OPEN = 21;
    ECO2_ERR_DROPPED = 22;
    ECO2_ERR_NO_DATA = 23;
    ECO2_ERR_FORKED = 30;
    ECO2_ERR_PANIC = 31;
    ECO2_ERR_VERSION = 40;
}

/// Not known, or without an upper bound; stands where an unsigned 64-bit figure is missing. Never 0.
pub const ECO2_UNKNOWN: u64 = u64::MAX;

/// The name of a status code, such as "ECO2_ERR_NULL"; "unknown status" for any other number.
///
/// The text is constant. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn eco2_status_name(status: i32) -> *const c_char {
    guard_or(c"unknown status".as_ptr(), || name_of(status).unwrap_or(c"unknown status").as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_name_and_one_number() {
        for (place, (name, code)) in CODES.iter().enumerate() {
            assert_eq!(name_of(*code).unwrap().to_str().unwrap(), *name);
            assert!(CODES[..place].iter().all(|(_, other)| other != code), "{name}");
        }
        assert_eq!(name_of(-7), None);
    }
}
