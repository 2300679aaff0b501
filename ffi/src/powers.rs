//! Exports `eco2_batch_powers`, which computes energy and emissions of many intervals of known mean power on the
//! caller's columns of doubles, and `eco2_column_fill`, which fills such a column from a sequence of another language.

use std::ffi::c_void;

use eco2_grid::{PowerImpacts, PowerRows, PowerValues, PowersError, Pue, power_impacts};

use crate::batch::{pue, rows};
use crate::failure::Failure;
use crate::guard::guard;
use crate::layout::{self, Growable, Out, assert_layout};
use crate::numbers::{ECO2_POWERS_ONE_DURATION, ECO2_POWERS_ONE_INTENSITY};

/// Columns of intervals of known mean power, and output columns for their energy and emissions. Zero the struct, set
/// struct_size, then the fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PowerColumns {
    /// sizeof(eco2_powers).
    pub struct_size: u32,
    /// ECO2_POWERS_... or 0.
    pub flags: u32,
    /// Number of rows; each column has as many elements.
    pub count: u64,
    /// Mean power, watts: 0 to 1.8e13.
    pub power_w: *const f64,
    /// Duration, seconds: 0 to 1.8e10. With ECO2_POWERS_ONE_DURATION one element, for all rows.
    pub duration_s: *const f64,
    /// Carbon intensity, grams CO2e per kilowatt-hour, 0 to 5000; NaN: not known. With ECO2_POWERS_ONE_INTENSITY one
    /// element, for all rows.
    pub g_per_kwh: *const f64,
    /// Power usage effectiveness, 1 or more; 0: 1.
    pub pue: f64,
    /// Kilowatt-hours of each interval, before PUE.
    pub kwh: *mut f64,
    /// Kilograms CO2e of each interval, PUE included; NaN: not known.
    pub kg: *mut f64,
    /// Kilograms CO2e per second; NaN: not known, or without a duration.
    pub kg_per_s: *mut f64,
}

// SAFETY: repr(C) of numbers and pointers without padding on 64-bit machines (asserted below), the size first;
// zero is NULL.
unsafe impl Growable for PowerColumns {
    const FIRST_SIZE: usize = 72;
}

assert_layout!(PowerColumns is 72: struct_size 0 flags 4 count 8 power_w 16 duration_s 24 g_per_kwh 32 pue 40 kwh 48 kg 56 kg_per_s 64);

/// Energy and emissions of many intervals of known mean power, in one pass over the caller's columns.
///
/// Sets `*unknown` to the number of rows with a NaN in a result. A row that is out of range fails the call with
/// ECO2_ERR_ARGUMENT, naming the row; the output columns are then undefined. Needs no meter, takes no lock,
/// allocates nothing. Any thread. Since 0.2.
///
/// # Safety
/// `batch` is NULL or as long as its `struct_size`; its columns have `count` elements (or one, with the flag for that
/// column), the last three writable. Every column is aligned to 8 bytes; no output column overlaps another column. `unknown` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_batch_powers(batch: *const PowerColumns, unknown: *mut u64) -> i32 {
    guard(|| {
        // SAFETY: as required of the caller.
        let batch = unsafe { layout::read(batch, "batch") }?;
        // SAFETY: as required of the caller.
        let unknown = unsafe { Out::new(unknown, "unknown") }?;
        // SAFETY: as required of the caller.
        unknown.put(unsafe { fill_columns(&batch) }?);
        Ok(())
    })
}

/// # Safety
/// As for [`eco2_batch_powers`].
unsafe fn fill_columns(batch: &PowerColumns) -> Result<u64, Failure> {
    let known = ECO2_POWERS_ONE_DURATION | ECO2_POWERS_ONE_INTENSITY;
    if batch.flags & !known != 0 {
        return Err(Failure::argument(format!(
            "batch: flags is {}; allowed: ECO2_POWERS_... (0 to {known})",
            batch.flags
        )));
    }
    let (pue, count) = (pue(batch.pue)?, rows(batch.count, "batch: count")?);
    if count == 0 {
        return Ok(0);
    }
    // SAFETY: as required of the caller.
    let power_w = unsafe { column(batch.power_w, count, "batch: power_w") }?;
    // SAFETY: as required of the caller.
    let duration_s = unsafe { values(batch, ECO2_POWERS_ONE_DURATION, batch.duration_s, "batch: duration_s") }?;
    // SAFETY: as required of the caller.
    let g_per_kwh = unsafe { values(batch, ECO2_POWERS_ONE_INTENSITY, batch.g_per_kwh, "batch: g_per_kwh") }?;
    // SAFETY: as required of the caller.
    let kwh = unsafe { output(batch.kwh, count, "batch: kwh") }?;
    // SAFETY: as required of the caller.
    let kg = unsafe { output(batch.kg, count, "batch: kg") }?;
    // SAFETY: as required of the caller.
    let kg_per_s = unsafe { output(batch.kg_per_s, count, "batch: kg_per_s") }?;
    let unknown = impacts(power_w, duration_s, g_per_kwh, pue, PowerImpacts { kwh, kg, kg_per_s });
    unknown.map_err(|error| Failure::argument(format!("batch: {error}")))
}

fn impacts(
    power_w: &[f64],
    duration_s: PowerValues<'_>,
    g_per_kwh: PowerValues<'_>,
    pue: Pue,
    mut out: PowerImpacts<'_>,
) -> Result<u64, PowersError> {
    let powers = PowerRows { power_w, duration_s, g_per_kwh, pue };
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has the features that the function is compiled for.
        return unsafe { wide(powers, &mut out) };
    }
    // Every aarch64 processor has fused multiply-add.
    power_impacts::<{ cfg!(target_arch = "aarch64") }>(powers, &mut out)
}

/// Does the same calculation, compiled for four rows per instruction.
///
/// # Safety
/// The processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn wide(powers: PowerRows<'_>, out: &mut PowerImpacts<'_>) -> Result<u64, PowersError> {
    power_impacts::<true>(powers, out)
}

/// # Safety
/// `at` is NULL or has `count` elements.
unsafe fn column<'a>(at: *const f64, count: usize, name: &'static str) -> Result<&'a [f64], Failure> {
    if at.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: not NULL, and `count` elements as required of the caller.
    Ok(unsafe { std::slice::from_raw_parts(at, count) })
}

/// # Safety
/// `at` is NULL or has `count` elements of the batch, or one with the flag `one`.
unsafe fn values<'a>(
    batch: &PowerColumns,
    one: u32,
    at: *const f64,
    name: &'static str,
) -> Result<PowerValues<'a>, Failure> {
    let is_one = batch.flags & one != 0;
    // SAFETY: as required of the caller.
    let column = unsafe { column(at, if is_one { 1 } else { rows(batch.count, "batch: count")? }, name) }?;
    Ok(if is_one { PowerValues::One(column[0]) } else { PowerValues::Each(column) })
}

/// # Safety
/// `at` is NULL or writable for `count` elements, which overlap nothing else.
unsafe fn output<'a>(at: *mut f64, count: usize, name: &'static str) -> Result<&'a mut [f64], Failure> {
    if at.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: not NULL, and `count` elements of the caller's own, as required.
    Ok(unsafe { std::slice::from_raw_parts_mut(at, count) })
}

/// Returns an element of a sequence; NULL: no such element. CPython's `PyList_GetItem` is one.
pub type ItemFn = Option<unsafe extern "C" fn(sequence: *mut c_void, index: isize) -> *mut c_void>;
/// Returns an element's number; -1 may mean that it is not a number. CPython's `PyFloat_AsDouble` is one.
pub type NumberFn = Option<unsafe extern "C" fn(item: *mut c_void) -> f64>;
/// Called after a -1: not NULL if that was a failure. CPython's `PyErr_Occurred` is one.
pub type FailedFn = Option<unsafe extern "C" fn() -> *mut c_void>;

/// Fills a column with the numbers of a sequence of another language, through that language's own functions.
///
/// Stops with ECO2_ERR_ARGUMENT at the first element that is missing or not a number, and names its row; elements before it are
/// written. Calls nothing else, takes no lock, allocates nothing. The caller holds the locks that the functions need. Since 0.2.
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
        let count = rows(count, "batch: count")?;
        if out.is_null() && count > 0 {
            return Err(Failure::null("out"));
        }
        for row in 0..count {
            // SAFETY: as required of the caller.
            let at = unsafe { item(sequence, row as isize) };
            if at.is_null() {
                return Err(Failure::argument(format!("sequence: there is no row {row}")));
            }
            // SAFETY: an element of the sequence.
            let value = unsafe { number(at) };
            // SAFETY: as required of the caller.
            if value == -1.0 && !unsafe { failed() }.is_null() {
                return Err(Failure::argument(format!("sequence: row {row} is not a number")));
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

    fn batch_of(power: &[f64], seconds: &[f64], g: &[f64], out: &mut [[f64; 2]; 3]) -> PowerColumns {
        let mut batch = PowerColumns::zeroed();
        batch.struct_size = size_of::<PowerColumns>() as u32;
        batch.count = power.len() as u64;
        (batch.power_w, batch.duration_s, batch.g_per_kwh) = (power.as_ptr(), seconds.as_ptr(), g.as_ptr());
        let [kwh, kg, kg_per_s] = out;
        (batch.kwh, batch.kg, batch.kg_per_s) = (kwh.as_mut_ptr(), kg.as_mut_ptr(), kg_per_s.as_mut_ptr());
        batch
    }

    #[test]
    fn k20_columns_of_the_caller_are_filled_in_place() {
        let (mut out, mut unknown) = ([[-1.0; 2]; 3], 9);
        let mut batch = batch_of(&[1000.0, 500.0], &[3600.0], &[360.0, f64::NAN], &mut out);
        batch.flags = ECO2_POWERS_ONE_DURATION;
        // SAFETY: the columns have two elements; the duration has one, as its flag states.
        assert_eq!(unsafe { eco2_batch_powers(&raw const batch, &raw mut unknown) }, ECO2_OK);
        assert_eq!((out[0], out[1][0], unknown), ([1.0, 0.5], 0.36, 1));
        assert!(out[1][1].is_nan() && out[2][1].is_nan() && (out[2][0] - 1e-4).abs() < 1e-18);
    }

    #[test]
    fn k20_wrong_column_is_named() {
        let (mut out, mut unknown) = ([[-1.0; 2]; 3], 9);
        let mut status = |change: fn(&mut PowerColumns), power: f64| {
            let mut batch = batch_of(&[1.0, power], &[1.0; 2], &[1.0; 2], &mut out);
            change(&mut batch);
            // SAFETY: the columns have two elements each, or are NULL.
            unsafe { eco2_batch_powers(&raw const batch, &raw mut unknown) }
        };
        assert_eq!(status(|_| (), 1.0), ECO2_OK);
        assert_eq!(status(|_| (), -1.0), ECO2_ERR_ARGUMENT);
        assert_eq!(status(|batch| batch.flags = 4, 1.0), ECO2_ERR_ARGUMENT);
        assert_eq!(status(|batch| batch.pue = 0.5, 1.0), ECO2_ERR_ARGUMENT);
        assert_eq!(status(|batch| batch.count = u64::MAX, 1.0), ECO2_ERR_ARGUMENT);
        assert_eq!(status(|batch| batch.kg = std::ptr::null_mut(), 1.0), ECO2_ERR_NULL);
        assert_eq!(status(|batch| batch.power_w = std::ptr::null(), 1.0), ECO2_ERR_NULL);
        assert_eq!(status(|batch| batch.count = 0, 1.0), ECO2_OK);
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { eco2_batch_powers(std::ptr::null(), std::ptr::null_mut()) }, ECO2_ERR_NULL);
    }

    static VALUES: [f64; 4] = [1.5, -1.0, 3.0, f64::NAN];

    unsafe extern "C" fn item(_: *mut c_void, index: isize) -> *mut c_void {
        VALUES
            .get(index.cast_unsigned())
            .map_or(std::ptr::null_mut(), |value| std::ptr::from_ref(value).cast_mut().cast())
    }

    unsafe extern "C" fn number(at: *mut c_void) -> f64 {
        // SAFETY: an element of VALUES.
        unsafe { at.cast::<f64>().read() }
    }

    unsafe extern "C" fn none_failed() -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe extern "C" fn all_failed() -> *mut c_void {
        std::ptr::without_provenance_mut(1)
    }

    fn fill(failed: FailedFn, count: u64) -> (i32, [f64; 4]) {
        let mut out = [0.0; 4];
        // SAFETY: the functions take nothing, or an element of VALUES; there is room for four.
        let status = unsafe {
            eco2_column_fill(std::ptr::null_mut(), Some(item), Some(number), failed, out.as_mut_ptr(), count)
        };
        (status, out)
    }

    #[test]
    fn k20_column_is_filled_up_to_the_first_element_that_is_not_a_number() {
        let (status, out) = fill(Some(none_failed), 4);
        assert!(status == ECO2_OK && out[..3] == [1.5, -1.0, 3.0] && out[3].is_nan());
        assert_eq!(fill(Some(all_failed), 4), (ECO2_ERR_ARGUMENT, [1.5, 0.0, 0.0, 0.0]));
        assert_eq!(fill(Some(none_failed), 3), (ECO2_OK, [1.5, -1.0, 3.0, 0.0]));
        assert_eq!(fill(None, 1).0, ECO2_ERR_NULL);
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
