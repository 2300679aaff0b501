//! Exports `eco2_batch_impact`, which computes energy and emissions of many intervals at once, without a meter.

use eco2_grid::{ImpactColumn, ImpactRow, MAX_G_PER_KWH, Pue, credit_cost, first_fall, impacts};

use crate::failure::Failure;
use crate::guard::guard;
use crate::layout::{self, Growable, assert_layout};
use crate::numbers::{ECO2_BATCH_ENERGIES, ECO2_BATCH_POWERS, ECO2_BATCH_TOTALS};

/// Columns of intervals, and output columns for their energy and emissions. Zero the struct, set struct_size, then the fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct BatchColumns {
    /// sizeof(eco2_batch).
    pub struct_size: u32,
    /// Meaning of `amount`: ECO2_BATCH_...
    pub kind: i32,
    /// Number of rows; each column has as many elements, or is NULL where it may be.
    pub count: u64,
    /// Microjoules or microwatts, depending on `kind`.
    pub amount: *const u64,
    /// Nanoseconds: durations, or instants for ECO2_BATCH_TOTALS.
    pub time_ns: *const u64,
    /// Grams CO2e per kilowatt-hour, 0 to 5000; NaN: not known.
    pub g_per_kwh: *const f64,
    /// Power usage effectiveness, 1 or more; 0: 1.
    pub pue: f64,
    /// Price of carbon per tonne; 0: none.
    pub price_per_tonne: f64,
    /// Kilowatt-hours of each interval, before PUE; NULL: not needed.
    pub kwh: *mut f64,
    /// Mean power of each interval, watts, before PUE; NaN without a duration. NULL: not needed.
    pub watts: *mut f64,
    /// Grams CO2e of each interval, PUE included; NaN: not known. NULL: not needed.
    pub grams: *mut f64,
    /// Grams per second; NaN without a duration. NULL: not needed.
    pub grams_per_s: *mut f64,
    /// Price of the grams in the price's currency; NaN without a price. NULL: not needed.
    pub credit_cost: *mut f64,
}

// SAFETY: repr(C) of numbers and pointers without padding on 64-bit machines (asserted below), the size first;
// zero is NULL.
unsafe impl Growable for BatchColumns {
    const FIRST_SIZE: usize = 96;
}

assert_layout!(BatchColumns is 96: struct_size 0 kind 4 count 8 amount 16 time_ns 24 g_per_kwh 32 pue 40 price_per_tonne 48 kwh 56 watts 64
    grams 72 grams_per_s 80 credit_cost 88);

/// Energy and emissions of many intervals at once. A row that is out of range fails the call, and so does a total or an
/// instant of ECO2_BATCH_TOTALS that is less than the one before; nothing is written then.
///
/// Needs no meter, takes no lock, allocates nothing. Any thread. Since 0.1.
///
/// # Safety
/// `batch` is NULL or as long as its `struct_size`; its columns that are not NULL have `count` elements, the last five writable.
/// Every column is aligned to 8 bytes; no column overlaps another.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_batch_impact(batch: *const BatchColumns) -> i32 {
    guard(|| {
        // SAFETY: as required of the caller.
        let batch = unsafe { layout::read(batch, "batch") }?;
        // SAFETY: as required of the caller.
        unsafe { fill_columns(&batch) }
    })
}

/// # Safety
/// As for [`eco2_batch_impact`].
unsafe fn fill_columns(batch: &BatchColumns) -> Result<(), Failure> {
    let (column, pue) = (column(batch.kind)?, pue(batch.pue)?);
    let price = price(batch.price_per_tonne)?;
    let count = rows(batch.count, "batch: count")?;
    if count == 0 {
        return Ok(());
    }
    for (at, name) in [(batch.amount.is_null(), "batch: amount"), (batch.time_ns.is_null(), "batch: time_ns")] {
        if at {
            return Err(Failure::null(name));
        }
    }
    if batch.g_per_kwh.is_null() {
        return Err(Failure::null("batch: g_per_kwh"));
    }
    // SAFETY: `count` elements, as required of the caller.
    let amounts = unsafe { std::slice::from_raw_parts(batch.amount, count) };
    // SAFETY: as above.
    let times = unsafe { std::slice::from_raw_parts(batch.time_ns, count) };
    // SAFETY: as above.
    let intensities = unsafe { std::slice::from_raw_parts(batch.g_per_kwh, count) };
    check_intensities(intensities)?;
    if column == ImpactColumn::Totals {
        check_rising(amounts, "amount")?;
        check_rising(times, "time_ns")?;
    }
    let rows = amounts.iter().zip(times).zip(intensities).map(|((&amount, &time_ns), &g_per_kwh)| ImpactRow {
        amount,
        time_ns,
        g_per_kwh: (!g_per_kwh.is_nan()).then_some(g_per_kwh),
    });
    for (index, impact) in impacts(column, rows, pue).enumerate() {
        let cost = price.zip(impact.grams).map(|(price, grams)| credit_cost(grams, price));
        // SAFETY: `index` is below `count`; the columns are writable or NULL.
        unsafe {
            put(batch.kwh, index, Some(impact.kwh));
            put(batch.watts, index, impact.watts);
            put(batch.grams, index, impact.grams);
            put(batch.grams_per_s, index, impact.grams_per_s);
            put(batch.credit_cost, index, cost);
        }
    }
    Ok(())
}

/// # Safety
/// `column` is NULL or writable at `index`.
unsafe fn put(column: *mut f64, index: usize, value: Option<f64>) {
    if !column.is_null() {
        // SAFETY: as required of the caller.
        let at = unsafe { column.add(index) };
        // SAFETY: as required of the caller.
        unsafe { at.write(value.unwrap_or(f64::NAN)) };
    }
}

/// Returns the meaning of `amount` by its constant (`ECO2_BATCH_...`).
fn column(kind: i32) -> Result<ImpactColumn, Failure> {
    Ok(match kind {
        ECO2_BATCH_ENERGIES => ImpactColumn::Energies,
        ECO2_BATCH_TOTALS => ImpactColumn::Totals,
        ECO2_BATCH_POWERS => ImpactColumn::Powers,
        other => return Err(Failure::argument(format!("batch: kind is {other}; allowed: ECO2_BATCH_... (0 to 2)"))),
    })
}

/// Checks a number of rows: at most the elements of 8 bytes that fit into the address space.
pub(crate) fn rows(count: u64, argument: &str) -> Result<usize, Failure> {
    let max = isize::MAX.unsigned_abs() / size_of::<u64>();
    usize::try_from(count)
        .ok()
        .filter(|count| *count <= max)
        .ok_or_else(|| Failure::argument(format!("{argument} is {count}; allowed: 0 to {max}")))
}

/// Checks that no value of a column is less than the one before.
fn check_rising(values: &[u64], name: &str) -> Result<(), Failure> {
    let Some(at) = first_fall(values) else { return Ok(()) };
    Err(Failure::argument(format!(
        "batch: {name} of row {at} is {}, less than the {} before; allowed with ECO2_BATCH_TOTALS: values that do not fall",
        values[at],
        values[at - 1]
    )))
}

/// Checks a PUE (power usage effectiveness); 0 means 1.
pub(crate) fn pue(value: f64) -> Result<Pue, Failure> {
    let value = if value == 0.0 { 1.0 } else { value };
    Pue::new(value).map_err(|error| Failure::argument(format!("batch: {error}")))
}

/// Checks a price per tonne; 0 means none.
fn price(value: f64) -> Result<Option<f64>, Failure> {
    if !(0.0..=f64::MAX).contains(&value) {
        return Err(Failure::argument(format!(
            "batch: price_per_tonne is {value}; allowed: a finite amount, 0 or more"
        )));
    }
    Ok((value > 0.0).then_some(value))
}

/// Checks that every intensity is in range or NaN.
fn check_intensities(intensities: &[f64]) -> Result<(), Failure> {
    let fits = |g: &f64| g.is_nan() || (0.0..=MAX_G_PER_KWH).contains(g);
    match intensities.iter().position(|g| !fits(g)) {
        None => Ok(()),
        Some(at) => Err(Failure::argument(format!(
            "batch: g_per_kwh of row {at} is {}; allowed: 0 to 5000, or NaN where it is not known",
            intensities[at]
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{ECO2_ERR_ARGUMENT, ECO2_ERR_NULL, ECO2_OK};

    const HOUR_NS: u64 = 3_600_000_000_000;

    fn batch_of(amount: &[u64], time_ns: &[u64], g_per_kwh: &[f64]) -> BatchColumns {
        let mut batch = BatchColumns::zeroed();
        batch.struct_size = size_of::<BatchColumns>() as u32;
        batch.count = amount.len() as u64;
        (batch.amount, batch.time_ns, batch.g_per_kwh) = (amount.as_ptr(), time_ns.as_ptr(), g_per_kwh.as_ptr());
        batch
    }

    #[test]
    fn kilowatt_hour_has_its_emissions_and_cost() {
        let mut batch = batch_of(&[1_000_000_000, 0], &[HOUR_NS, 0], &[1000.0, f64::NAN]);
        let (mut kwh, mut grams, mut rate, mut cost) = ([-1.0; 2], [-1.0; 2], [-1.0; 2], [-1.0; 2]);
        (batch.kind, batch.price_per_tonne) = (ECO2_BATCH_POWERS, 15.0);
        (batch.kwh, batch.grams) = (kwh.as_mut_ptr(), grams.as_mut_ptr());
        (batch.grams_per_s, batch.credit_cost) = (rate.as_mut_ptr(), cost.as_mut_ptr());
        // SAFETY: the columns have two elements each.
        assert_eq!(unsafe { eco2_batch_impact(&raw const batch) }, ECO2_OK);
        assert_eq!((kwh[0], grams[0], cost[0]), (1.0, 1000.0, 0.015));
        assert!((rate[0] - 1000.0 / 3600.0).abs() < 1e-12);
        assert!(kwh[1] == 0.0 && grams[1].is_nan() && rate[1].is_nan() && cost[1].is_nan());
    }

    #[test]
    fn m41_falling_totals_are_refused_with_their_row_and_nothing_is_written() {
        let mut kwh = [-1.0; 3];
        let mut status = |kind: i32, amounts: [u64; 3], times: [u64; 3]| {
            let mut batch = batch_of(&amounts, &times, &[1.0; 3]);
            (batch.kind, batch.kwh) = (kind, kwh.as_mut_ptr());
            // SAFETY: the columns have three elements each.
            let status = unsafe { eco2_batch_impact(&raw const batch) };
            (status, kwh[2] != -1.0)
        };
        assert_eq!(status(ECO2_BATCH_TOTALS, [1, 5, 4], [1, 2, 3]), (ECO2_ERR_ARGUMENT, false));
        assert!(last().contains("amount of row 2 is 4, less than the 5 before"), "{}", last());
        assert_eq!(status(ECO2_BATCH_TOTALS, [1, 5, 5], [3, 2, 3]), (ECO2_ERR_ARGUMENT, false));
        assert!(last().contains("time_ns of row 1 is 2"), "{}", last());
        assert_eq!(status(ECO2_BATCH_TOTALS, [1, 5, 5], [1, 1, 3]), (ECO2_OK, true));
        assert_eq!(status(ECO2_BATCH_ENERGIES, [3, 2, 1], [3, 2, 1]), (ECO2_OK, true));
    }

    #[test]
    fn m41_count_beyond_the_address_space_is_refused_before_a_column_is_read() {
        let mut batch = batch_of(&[1], &[1], &[1.0]);
        for count in [u64::MAX, (isize::MAX as u64) / 8 + 1] {
            batch.count = count;
            // SAFETY: the count is refused before any column is read.
            assert_eq!(unsafe { eco2_batch_impact(&raw const batch) }, ECO2_ERR_ARGUMENT);
            assert!(last().contains(&format!("count is {count}")), "{}", last());
        }
    }

    fn last() -> String {
        // SAFETY: the text lives until this thread's next failing call.
        unsafe { std::ffi::CStr::from_ptr(crate::failure::last_error()) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn wrong_argument_is_named_and_nothing_is_written() {
        let mut kwh = [-1.0];
        let mut status = |change: fn(&mut BatchColumns), g: f64| {
            let intensities = [g];
            let mut batch = batch_of(&[1], &[1], &intensities);
            batch.kwh = kwh.as_mut_ptr();
            change(&mut batch);
            // SAFETY: the columns have one element each, or are NULL.
            unsafe { eco2_batch_impact(&raw const batch) }
        };
        assert_eq!(status(|batch| batch.kind = 9, 1.0), ECO2_ERR_ARGUMENT);
        assert_eq!(status(|batch| batch.pue = 0.9, 1.0), ECO2_ERR_ARGUMENT);
        assert_eq!(status(|batch| batch.price_per_tonne = f64::NAN, 1.0), ECO2_ERR_ARGUMENT);
        assert_eq!(status(|_| (), 5001.0), ECO2_ERR_ARGUMENT);
        assert_eq!(status(|batch| batch.amount = std::ptr::null(), 1.0), ECO2_ERR_NULL);
        assert_eq!(kwh, [-1.0]);
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { eco2_batch_impact(std::ptr::null()) }, ECO2_ERR_NULL);
    }
}
