//! Defines why a call failed: a status code, and a text that each thread keeps for `eco2_last_error`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CString, c_char};

use crate::status::{ECO2_ERR_ARGUMENT, ECO2_ERR_NO_DATA, ECO2_ERR_NULL, ECO2_ERR_UTF8};

/// The status that a failed call returns, and the message for `eco2_last_error`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: i32,
    pub(crate) text: Cow<'static, str>,
}

impl Failure {
    pub(crate) fn new(code: i32, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// Returns the failure of an argument that is NULL and must not be.
    #[cold]
    #[inline(never)]
    pub(crate) fn null(argument: &'static str) -> Self {
        Self::new(ECO2_ERR_NULL, format!("{argument} is NULL"))
    }

    /// Returns the failure of a text that is not UTF-8 after its first `valid` bytes.
    pub(crate) fn utf8(argument: &'static str, valid: usize) -> Self {
        Self::new(ECO2_ERR_UTF8, format!("{argument} is not UTF-8 from byte {valid} on"))
    }

    /// Returns the failure of an argument that is not allowed, with the text for `eco2_last_error`.
    pub(crate) fn argument(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ECO2_ERR_ARGUMENT, text)
    }

    /// Returns the failure of a value that is not known yet, or cannot be measured on this machine.
    pub(crate) fn no_data(what: &str) -> Self {
        let text = format!("{what} is not known: no reading yet, or no sensor can be read on this machine");
        Self::new(ECO2_ERR_NO_DATA, text)
    }
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::new(CString::default());
}

/// Stores the failure's text as this thread's last error and returns its code.
#[cold]
#[inline(never)]
pub(crate) fn store(failure: Failure) -> i32 {
    let text = failure.text.replace('\0', "\u{fffd}");
    // While a thread exits its thread-local storage is gone, and no call can read the text any more.
    let _ = LAST_ERROR.try_with(|last| {
        if let (Ok(mut last), Ok(text)) = (last.try_borrow_mut(), CString::new(text)) {
            *last = text;
        }
    });
    failure.code
}

/// This thread's last error: valid until the next [`store`] on this thread.
pub(crate) fn last_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn last() -> String {
        // SAFETY: the text is valid until this thread's next failure.
        unsafe { CStr::from_ptr(last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn each_thread_has_its_own_last_error() {
        assert_eq!(last(), "");
        assert_eq!(store(Failure::null("meter")), ECO2_ERR_NULL);
        std::thread::spawn(|| assert_eq!(last(), "")).join().unwrap();
        assert_eq!(last(), "meter is NULL");
        store(Failure::argument("a\0b"));
        assert_eq!(last(), "a\u{fffd}b");
    }
}
