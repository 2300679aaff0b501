//! Why a call failed: a code, and a text that the thread can ask for.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CString, c_char};

use crate::guard::guard_or;
use crate::status::{ECO2_ERR_ARGUMENT, ECO2_ERR_NULL, ECO2_ERR_UTF8};

/// What a failed call returns and says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: i32,
    pub(crate) text: Cow<'static, str>,
}

impl Failure {
    pub(crate) fn new(code: i32, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn null(argument: &'static str) -> Self {
        Self::new(ECO2_ERR_NULL, format!("{argument} is NULL"))
    }

    pub(crate) fn utf8(argument: &'static str, valid: usize) -> Self {
        Self::new(ECO2_ERR_UTF8, format!("{argument} is not UTF-8 from byte {valid} on"))
    }

    pub(crate) fn argument(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ECO2_ERR_ARGUMENT, text)
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::new(CString::default());
}

/// Keeps the text for this thread and returns the code.
#[cold]
#[inline(never)]
pub(crate) fn told(failure: Failure) -> i32 {
    let text = failure.text.replace('\0', "\u{fffd}");
    // While the thread ends there is nobody left to ask for the text.
    let _ = LAST.try_with(|last| {
        if let (Ok(mut last), Ok(text)) = (last.try_borrow_mut(), CString::new(text)) {
            *last = text;
        }
    });
    failure.code
}

/// Says why the last call that failed on this thread failed; an empty text if none did. Never NULL.
///
/// Valid until the next call that fails on this thread, or until the thread ends. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn eco2_last_error() -> *const c_char {
    guard_or(c"".as_ptr(), || LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn last() -> String {
        // SAFETY: the text is valid until this thread's next failure.
        unsafe { CStr::from_ptr(eco2_last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn each_thread_has_its_own_text() {
        assert_eq!(last(), "");
        assert_eq!(told(Failure::null("meter")), ECO2_ERR_NULL);
        std::thread::spawn(|| assert_eq!(last(), "")).join().unwrap();
        assert_eq!(last(), "meter is NULL");
        told(Failure::argument("a\0b"));
        assert_eq!(last(), "a\u{fffd}b");
    }
}
