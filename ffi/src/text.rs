//! Texts across the C interface: from the caller as UTF-8 that ends with NUL, to the caller in its own buffer.

use std::ffi::{CStr, c_char};
use std::ptr;

use crate::failure::Failure;
use crate::layout::Out;
use crate::status::ECO2_ERR_BUFFER;

/// Longest name of a span, source or domain, bytes; stated in the header.
const MAX_NAME: usize = 256;

/// Reads a text of the caller.
///
/// # Safety
/// `at` is NULL or ends with NUL and stays unchanged for `'a`.
pub(crate) unsafe fn text<'a>(at: *const c_char, argument: &'static str) -> Result<&'a str, Failure> {
    // SAFETY: as required of the caller.
    let bytes = unsafe { bytes(at) }.ok_or_else(|| Failure::null(argument))?;
    std::str::from_utf8(bytes).map_err(|error| Failure::utf8(argument, error.valid_up_to()))
}

/// Reads the bytes of a text of the caller; `None` for NULL.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn bytes<'a>(at: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: not NULL; ends with NUL, as required of the caller.
    (!at.is_null()).then(|| unsafe { CStr::from_ptr(at) }.to_bytes())
}

/// Reads a name of the caller: 1 to 256 bytes.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn name<'a>(at: *const c_char, argument: &'static str) -> Result<&'a str, Failure> {
    // SAFETY: as required of the caller.
    let name = unsafe { text(at, argument) }?;
    if name.is_empty() || name.len() > MAX_NAME {
        let length = name.len();
        return Err(Failure::argument(format!("{argument} has {length} bytes; allowed: 1 to {MAX_NAME}")));
    }
    Ok(name)
}

/// The caller's buffer for a text, and its output parameter for the size that the text needs.
pub(crate) struct OutText {
    buffer: *mut c_char,
    size: usize,
    needed: Out<usize>,
}

impl OutText {
    /// Checks the buffer; writes nothing.
    ///
    /// # Safety
    /// `buffer` is writable for `size` bytes (NULL only with 0), `needed` is NULL or writable, until [`Self::put`].
    pub(crate) unsafe fn new(buffer: *mut c_char, size: usize, needed: *mut usize) -> Result<Self, Failure> {
        if buffer.is_null() && size > 0 {
            return Err(Failure::null("buffer"));
        }
        // SAFETY: as required of the caller.
        let needed = unsafe { Out::new(needed, "needed") }?;
        Ok(Self { buffer, size, needed })
    }

    /// Writes the needed size, and the whole text with a NUL if the buffer has room.
    pub(crate) fn put(self, text: &str) -> Result<(), Failure> {
        let needed = text.len() + 1;
        self.needed.put(needed);
        if self.size == 0 {
            return Ok(());
        }
        if self.size < needed {
            let text = format!("buffer has {} bytes, {needed} are needed", self.size);
            return Err(Failure::new(ECO2_ERR_BUFFER, text));
        }
        // SAFETY: the buffer has room for the text; it is the caller's and ours is not in it.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr().cast::<c_char>(), self.buffer, text.len()) };
        // SAFETY: the byte behind the text is within the buffer.
        let end = unsafe { self.buffer.add(text.len()) };
        // SAFETY: writable, see above.
        unsafe { end.write(0) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(buffer: &mut [c_char], value: &str) -> (i32, usize) {
        let mut needed = 77;
        // SAFETY: the slice is writable for its length.
        let out = unsafe { OutText::new(buffer.as_mut_ptr(), buffer.len(), &raw mut needed) }.unwrap();
        (out.put(value).map_or_else(|failure| failure.code, |()| 0), needed)
    }

    #[test]
    fn text_is_written_whole_or_not_at_all() {
        let mut buffer = [9; 4];
        assert_eq!(put(&mut buffer, "abc"), (0, 4));
        assert_eq!(buffer, [97, 98, 99, 0]);
        assert_eq!(put(&mut buffer, "abcd"), (ECO2_ERR_BUFFER, 5));
        assert_eq!(buffer, [97, 98, 99, 0]);
        assert_eq!(put(&mut [], "abcd"), (0, 5));
    }

    #[test]
    fn names_are_checked() {
        // SAFETY: literals that end with NUL.
        let check = |text: &'static CStr| unsafe { name(text.as_ptr(), "name") }.map_err(|failure| failure.text);
        assert_eq!(check(c"step"), Ok("step"));
        assert_eq!(check(c"").unwrap_err(), "name has 0 bytes; allowed: 1 to 256");
        assert_eq!(check(c"a\xff").unwrap_err(), "name is not UTF-8 from byte 1 on");
    }
}
