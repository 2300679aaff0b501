//! A column of doubles from a sequence of another language.

use std::ffi::c_void;

use crate::batch::rows;
use crate::failure::Failure;
use crate::guard::guard;

/// Gives an element of a sequence; NULL: it has none there. CPython's `PyList_GetItem` is one.
pub type ItemFn = Option<unsafe extern "C" fn(sequence: *mut c_void, index: isize) -> *mut c_void>;
/// Gives an element's number; -1 may mean that it is none. CPython's `PyFloat_AsDouble` is one.
pub type NumberFn = Option<unsafe extern "C" fn(item: *mut c_void) -> f64>;
/// Asked after a -1: not NULL if that was a failure. CPython's `PyErr_Occurred` is one.
pub type FailedFn = Option<unsafe extern "C" fn() -> *mut c_void>;

/// Fills a column with the numbers of a sequence of another language, by that language's own functions.
///
/// Stops with ECO2_ERR_ARGUMENT at the first element that is missing or no number, and names its row; elements before it are
/// written. Calls nothing else, takes no lock, allocates nothing. The caller holds what the functions need. Since 0.2.
///
/// # Safety
/// The functions are fit for `sequence` and its elements; `out` is NULL or writable for `count` elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_column_fill(
    sequence: *mut c_void,
    item: ItemFn,
    number: NumberFn,
    failed: FailedFn,
    out: *mut f64,
    count: u64,
) -> i32 {
    guard(|| {
        let item = item.ok_or_else(|| Failure::null("item"))?;
        let number = number.ok_or_else(|| Failure::null("number"))?;
        let failed = failed.ok_or_else(|| Failure::null("failed"))?;
        let count = rows(count)?;
        if out.is_null() && count > 0 {
            return Err(Failure::null("out"));
        }
        for row in 0..count {
            // SAFETY: as required of the caller.
            let at = unsafe { item(sequence, row.cast_signed()) };
            if at.is_null() {
                return Err(Failure::argument(format!("sequence: there is no row {row}")));
            }
            // SAFETY: an element of the sequence.
            let value = unsafe { number(at) };
            // SAFETY: as required of the caller.
            if value == -1.0 && !unsafe { failed() }.is_null() {
                return Err(Failure::argument(format!("sequence: row {row} is no number")));
            }
            // SAFETY: `row` is below `count`.
            let place = unsafe { out.add(row) };
            // SAFETY: writable, as required of the caller.
            unsafe { place.write(value) };
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{ECO2_ERR_ARGUMENT, ECO2_ERR_NULL, ECO2_OK};

    static VALUES: [f64; 4] = [1.5, -1.0, 3.0, f64::NAN];

    unsafe extern "C" fn item(_: *mut c_void, index: isize) -> *mut c_void {
        VALUES
            .get(index.cast_unsigned())
            .map_or(std::ptr::null_mut(), |value| std::ptr::from_ref(value).cast_mut().cast())
    }

    unsafe extern "C" fn number(at: *mut c_void) -> f64 {
        // SAFETY: one of VALUES.
        unsafe { at.cast::<f64>().read() }
    }

    unsafe extern "C" fn none_failed() -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe extern "C" fn all_failed() -> *mut c_void {
        std::ptr::without_provenance_mut(1)
    }

    fn filled(failed: FailedFn, count: u64) -> (i32, [f64; 4]) {
        let mut out = [0.0; 4];
        // SAFETY: the functions take nothing, or one of VALUES; there is room for four.
        let status = unsafe {
            eco2_column_fill(std::ptr::null_mut(), Some(item), Some(number), failed, out.as_mut_ptr(), count)
        };
        (status, out)
    }

    #[test]
    fn k20_column_is_filled_up_to_what_is_no_number() {
        let (status, out) = filled(Some(none_failed), 4);
        assert!(status == ECO2_OK && out[..3] == [1.5, -1.0, 3.0] && out[3].is_nan());
        assert_eq!(filled(Some(all_failed), 4), (ECO2_ERR_ARGUMENT, [1.5, 0.0, 0.0, 0.0]));
        assert_eq!(filled(Some(none_failed), 3), (ECO2_OK, [1.5, -1.0, 3.0, 0.0]));
        assert_eq!(filled(None, 1).0, ECO2_ERR_NULL);
    }

    #[test]
    fn k20_column_of_a_sequence_that_is_shorter_is_refused() {
        let mut out = [0.0; 9];
        let (sequence, place) = (std::ptr::null_mut(), out.as_mut_ptr());
        // SAFETY: as above; there is room for nine.
        let status = unsafe { eco2_column_fill(sequence, Some(item), Some(number), Some(none_failed), place, 9) };
        assert_eq!(status, ECO2_ERR_ARGUMENT);
    }
}
