//! Energy and emissions of many intervals of known mean power, on the caller's columns of doubles.

use eco2_grid::{PowerImpacts, PowerRows as Rows, PowerValues, PowersError, Pue, power_impacts};

use crate::batch::{pue, rows};
use crate::failure::Failure;
use crate::guard::guard;
use crate::layout::{self, Growable, Out};
use crate::numbers::{ECO2_POWERS_ONE_DURATION, ECO2_POWERS_ONE_INTENSITY};

/// Columns of intervals of known mean power, and where their impact goes. Zero the struct, set struct_size, then the
/// fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Powers {
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

// SAFETY: repr(C) of numbers and pointers without holes on 64-bit machines (asserted in layout_checks), the size first;
// zero is NULL.
unsafe impl Growable for Powers {
    const FIRST: usize = 72;
}

/// Energy and emissions of many intervals of known mean power, in one pass over the caller's columns.
///
/// Sets `*unknown` to the number of rows with a NaN in a result. A row that is out of range fails the call with
/// ECO2_ERR_ARGUMENT, naming the row; the output columns then hold nothing of use. Needs no meter, takes no lock,
/// allocates nothing. Any thread. Since 0.2.
///
/// # Safety
/// `batch` is NULL or as long as it says; its columns have `count` elements (one where its flags say so), the last three
/// writable. Every column is aligned to 8 bytes; no output column overlaps another column. `unknown` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_batch_powers(batch: *const Powers, unknown: *mut u64) -> i32 {
    guard(|| {
        // SAFETY: as required of the caller.
        let batch = unsafe { layout::read(batch, "batch") }?;
        // SAFETY: as required of the caller.
        let unknown = unsafe { Out::new(unknown, "unknown") }?;
        // SAFETY: as required of the caller.
        unknown.put(unsafe { filled(&batch) }?);
        Ok(())
    })
}

/// # Safety
/// As for [`eco2_batch_powers`].
unsafe fn filled(batch: &Powers) -> Result<u64, Failure> {
    let known = ECO2_POWERS_ONE_DURATION | ECO2_POWERS_ONE_INTENSITY;
    if batch.flags & !known != 0 {
        return Err(Failure::argument(format!(
            "batch: flags is {}; allowed: ECO2_POWERS_... (0 to {known})",
            batch.flags
        )));
    }
    let (pue, count) = (pue(batch.pue)?, rows(batch.count)?);
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
    let kwh = unsafe { place(batch.kwh, count, "batch: kwh") }?;
    // SAFETY: as required of the caller.
    let kg = unsafe { place(batch.kg, count, "batch: kg") }?;
    // SAFETY: as required of the caller.
    let kg_per_s = unsafe { place(batch.kg_per_s, count, "batch: kg_per_s") }?;
    let found = impacts(power_w, duration_s, g_per_kwh, pue, PowerImpacts { kwh, kg, kg_per_s });
    found.map_err(|error| Failure::argument(format!("batch: {error}")))
}

fn impacts(
    power_w: &[f64],
    duration_s: PowerValues<'_>,
    g_per_kwh: PowerValues<'_>,
    pue: Pue,
    mut out: PowerImpacts<'_>,
) -> Result<u64, PowersError> {
    let rows = Rows { power_w, duration_s, g_per_kwh, pue };
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { wide(rows, &mut out) };
    }
    // On aarch64 every processor fuses.
    power_impacts::<{ cfg!(target_arch = "aarch64") }>(rows, &mut out)
}

/// The pass, compiled for four rows at once.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn wide(rows: Rows<'_>, out: &mut PowerImpacts<'_>) -> Result<u64, PowersError> {
    power_impacts::<true>(rows, out)
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
/// `at` is NULL or has as many elements as the batch says.
unsafe fn values<'a>(batch: &Powers, one: u32, at: *const f64, name: &'static str) -> Result<PowerValues<'a>, Failure> {
    let is_one = batch.flags & one != 0;
    // SAFETY: as required of the caller.
    let column = unsafe { column(at, if is_one { 1 } else { rows(batch.count)? }, name) }?;
    Ok(if is_one { PowerValues::One(column[0]) } else { PowerValues::Each(column) })
}

/// # Safety
/// `at` is NULL or writable for `count` elements, which overlap nothing else.
unsafe fn place<'a>(at: *mut f64, count: usize, name: &'static str) -> Result<&'a mut [f64], Failure> {
    if at.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: not NULL, and `count` elements of the caller's own, as required.
    Ok(unsafe { std::slice::from_raw_parts_mut(at, count) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{ECO2_ERR_ARGUMENT, ECO2_ERR_NULL, ECO2_OK};

    fn table(power: &[f64], seconds: &[f64], g: &[f64], out: &mut [[f64; 2]; 3]) -> Powers {
        let mut batch = Powers::zeroed();
        batch.struct_size = size_of::<Powers>() as u32;
        batch.count = power.len() as u64;
        (batch.power_w, batch.duration_s, batch.g_per_kwh) = (power.as_ptr(), seconds.as_ptr(), g.as_ptr());
        let [kwh, kg, kg_per_s] = out;
        (batch.kwh, batch.kg, batch.kg_per_s) = (kwh.as_mut_ptr(), kg.as_mut_ptr(), kg_per_s.as_mut_ptr());
        batch
    }

    #[test]
    fn k20_columns_of_the_caller_are_filled_in_place() {
        let (mut out, mut unknown) = ([[-1.0; 2]; 3], 9);
        let mut batch = table(&[1000.0, 500.0], &[3600.0], &[360.0, f64::NAN], &mut out);
        batch.flags = ECO2_POWERS_ONE_DURATION;
        // SAFETY: the columns have two elements, the duration has the one that its flag says.
        assert_eq!(unsafe { eco2_batch_powers(&raw const batch, &raw mut unknown) }, ECO2_OK);
        assert_eq!((out[0], out[1][0], unknown), ([1.0, 0.5], 0.36, 1));
        assert!(out[1][1].is_nan() && out[2][1].is_nan() && (out[2][0] - 1e-4).abs() < 1e-18);
    }

    #[test]
    fn k20_what_is_wrong_with_columns_is_named() {
        let (mut out, mut unknown) = ([[-1.0; 2]; 3], 9);
        let mut status = |change: fn(&mut Powers), power: f64| {
            let mut batch = table(&[1.0, power], &[1.0; 2], &[1.0; 2], &mut out);
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
}
