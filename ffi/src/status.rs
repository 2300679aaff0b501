//! Defines the status codes that the exports return, with their names. A number is never reused for another meaning.

use std::ffi::CStr;

/// Defines the codes and the table of their names. cbindgen does not expand macros: tests/header.rs does it for this one.
macro_rules! status_codes {
    ($($(#[doc = $doc:literal])* $name:ident = $value:literal;)*) => {
        $($(#[doc = $doc])* pub const $name: i32 = $value;)*

        /// Returns the name of a status code; `None` for any other number.
        pub(crate) fn name_of(code: i32) -> Option<&'static CStr> {
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
    };
}

status_codes! {
    /// Success.
    ECO2_OK = 0;
    /// A required argument is NULL.
    ECO2_ERR_NULL = 1;
    /// A text is not UTF-8.
    ECO2_ERR_UTF8 = 2;
    /// An argument is out of range, or names something that does not exist.
    ECO2_ERR_ARGUMENT = 3;
    /// The struct_size of a struct is wrong, or fields that this version does not know are not zero.
    ECO2_ERR_STRUCT_SIZE = 4;
    /// The buffer is too small; the size that is needed was stored.
    ECO2_ERR_BUFFER = 5;
    /// An option is wrong: unknown, of a wrong type or out of range.
    ECO2_ERR_OPTIONS = 10;
    /// The meter could not be opened.
    ECO2_ERR_OPEN = 11;
    /// A file could not be written.
    ECO2_ERR_WRITE = 12;
    /// A report could not be rendered.
    ECO2_ERR_RENDER = 13;
    /// The meter is closed.
    ECO2_ERR_CLOSED = 20;
    /// No span of that name is open on this thread.
    ECO2_ERR_NOT_OPEN = 21;
    /// There was no room to record the span; it is counted in the report.
    ECO2_ERR_DROPPED = 22;
    /// Nothing is known yet, or nothing can be measured.
    ECO2_ERR_NO_DATA = 23;
    /// The meter was opened in the process that forked this one; open another.
    ECO2_ERR_FORKED = 30;
    /// A fault inside the library was caught; the meter is dead and can only be freed.
    ECO2_ERR_PANIC = 31;
    /// The library has another version than the header; returned by wrappers.
    ECO2_ERR_VERSION = 40;
}

/// Value of an unsigned 64-bit field that is not known, or of an upper bound that does not exist. Never 0.
pub const ECO2_UNKNOWN: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names() {
        assert_eq!(name_of(ECO2_OK), Some(c"ECO2_OK"));
        assert_eq!(name_of(ECO2_ERR_VERSION), Some(c"ECO2_ERR_VERSION"));
        assert_eq!(name_of(-7), None);
    }
}
