//! Computes energy and emissions of many intervals of known mean power, on columns of floating-point numbers:
//! `eco2_batch_powers()` of the C library.
//!
//! It recomputes a history in the caller's buffers in one pass, limited by the speed of memory. For energies and totals
//! as integers see [`impacts`](crate::impacts).

use crate::{MAX_G_PER_KWH, Pue};

/// Largest mean power, watts: 2^64 microwatts.
const MAX_POWER_W: f64 = 18_446_744_073_709.55;
/// Longest interval, seconds: 2^64 nanoseconds, 584 years.
const MAX_DURATION_S: f64 = 18_446_744_073.709_55;

/// Joules in a kilowatt-hour.
const JOULES_PER_KWH: f64 = 3.6e6;
/// Watts × seconds × grams per kilowatt-hour in a kilogram.
const PRODUCT_PER_KG: f64 = 3.6e9;
/// Largest PUE for the fused division, which is exact only while its products are finite. Beyond it a plain division is
/// used.
const MAX_FUSED_PUE: f64 = 1e6;

/// A column, or one value for every row.
#[derive(Debug, Clone, Copy)]
pub enum PowerValues<'a> {
    /// The same for all rows.
    One(f64),
    /// One value per row.
    Each(&'a [f64]),
}

/// Intervals of known mean power. All columns have the same number of rows.
#[derive(Debug, Clone, Copy)]
pub struct PowerRows<'a> {
    /// Mean power, watts: 0 to 1.8e13 (2^64 microwatts).
    pub power_w: &'a [f64],
    /// Duration, seconds: 0 to 1.8e10 (2^64 nanoseconds, 584 years).
    pub duration_s: PowerValues<'a>,
    /// Carbon intensity, grams CO2e per kilowatt-hour: 0 to [`MAX_G_PER_KWH`]; NaN where it is not known.
    pub g_per_kwh: PowerValues<'a>,
    /// Power usage effectiveness; applied to the emissions, not to the energy.
    pub pue: Pue,
}

/// Columns for the results, with as many rows as there are intervals.
#[derive(Debug)]
pub struct PowerImpacts<'a> {
    /// Energy, kilowatt-hours, before PUE.
    pub kwh: &'a mut [f64],
    /// Emissions, kilograms CO2e, PUE included; NaN where the intensity is not known.
    pub kg: &'a mut [f64],
    /// Emissions per second, kilograms; NaN where the intensity is not known and for a duration of 0.
    pub kg_per_s: &'a mut [f64],
}

/// Intervals that were refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PowersError {
    /// A value is out of range. It is the first such row, and the first such column of that row.
    #[error("{column} of row {row} is {value}; allowed: {allowed}")]
    Value {
        /// `power_w`, `duration_s` or `g_per_kwh`.
        column: &'static str,
        /// Counted from 0.
        row: usize,
        /// The value.
        value: f64,
        /// What is allowed there.
        allowed: &'static str,
    },
    /// Columns differ in length.
    #[error("{column} has {found} rows, power_w has {rows}")]
    Length {
        /// Which column.
        column: &'static str,
        /// Its rows.
        found: usize,
        /// The rows of `power_w`.
        rows: usize,
    },
}

/// Computes energy and emissions of every interval in one pass. Returns the number of rows whose emissions per second
/// are unknown.
///
/// `FUSED`: the caller's processor multiplies and adds in one instruction, and the function is compiled for it. The
/// results are the same bit by bit. After an error the output columns are unspecified.
///
/// # Errors
/// [`PowersError`].
#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled into the caller's function, for the instructions that one may use")]
pub fn power_impacts<const FUSED: bool>(rows: PowerRows<'_>, out: &mut PowerImpacts<'_>) -> Result<u64, PowersError> {
    rows.check_lengths(out)?;
    let faults =
        if FUSED && rows.pue.get() <= MAX_FUSED_PUE { pass::<true>(rows, out) } else { pass::<false>(rows, out) };
    // A negative zero raises the suspicion, but is allowed.
    if faults.suspected {
        rows.check_values()?
    }
    Ok(faults.unknown)
}

/// What a pass found in the rows: whether a value may be out of range, and how many rows have an unknown result.
struct Faults {
    suspected: bool,
    unknown: u64,
}

/// Chooses the loop for the inputs: a column or one value for durations, and for intensities.
#[inline(always)]
fn pass<const FUSED: bool>(rows: PowerRows<'_>, out: &mut PowerImpacts<'_>) -> Faults {
    match (rows.duration_s, rows.g_per_kwh) {
        (PowerValues::Each(s), PowerValues::Each(g)) => columns::<FUSED, true, true>(rows, (s, 0.0), (g, 0.0), out),
        (PowerValues::Each(s), PowerValues::One(g)) => columns::<FUSED, true, false>(rows, (s, 0.0), (&[], g), out),
        (PowerValues::One(s), PowerValues::Each(g)) => columns::<FUSED, false, true>(rows, (&[], s), (g, 0.0), out),
        (PowerValues::One(s), PowerValues::One(g)) => columns::<FUSED, false, false>(rows, (&[], s), (&[], g), out),
    }
}

/// Computes the rows in one pass, without a branch in its loop. Each input is a pair of a column (used if `EACH_…` is
/// true) and one value.
#[inline(always)]
fn columns<const FUSED: bool, const EACH_S: bool, const EACH_G: bool>(
    rows: PowerRows<'_>,
    (seconds, one_s): (&[f64], f64),
    (intensities, one_g): (&[f64], f64),
    out: &mut PowerImpacts<'_>,
) -> Faults {
    let count = rows.power_w.len();
    let seconds = if EACH_S { &seconds[..count] } else { seconds };
    let intensities = if EACH_G { &intensities[..count] } else { intensities };
    let (kwh, kg, kg_per_s) = (&mut out.kwh[..count], &mut out.kg[..count], &mut out.kg_per_s[..count]);
    let (mut suspect, mut unknown) = (0, 0);
    for row in 0..count {
        let watts = rows.power_w[row];
        let s = if EACH_S { seconds[row] } else { one_s };
        let g = if EACH_G { intensities[row] } else { one_g };
        suspect |= beyond(watts, MAX_POWER_W) | beyond(s, MAX_DURATION_S);
        suspect |= beyond(if g.is_nan() { 0.0 } else { g }, MAX_G_PER_KWH);
        unknown += u64::from(g.is_nan() | (s == 0.0));
        let (joules, facility_g) = (watts * s, g * rows.pue.get());
        kwh[row] = divided::<FUSED>(joules, JOULES_PER_KWH);
        kg[row] = divided::<FUSED>(joules * facility_g, PRODUCT_PER_KG);
        let per_s = divided::<FUSED>(watts * facility_g, PRODUCT_PER_KG);
        kg_per_s[row] = if s == 0.0 { f64::NAN } else { per_s };
    }
    Faults { suspected: suspect >> 63 != 0, unknown }
}

/// Returns a number whose highest bit is set unless `value` is from 0 to `most`; it is set for -0 too. Numbers of at
/// least 0 have the same order as their bits.
#[inline(always)]
fn beyond(value: f64, most: f64) -> u64 {
    value.to_bits() | most.to_bits().wrapping_sub(value.to_bits())
}

/// `value / by`, correctly rounded. The fused variant multiplies by the reciprocal and corrects with the remainder
/// (Markstein), which is several times as fast as a division.
#[inline(always)]
fn divided<const FUSED: bool>(value: f64, by: f64) -> f64 {
    if !FUSED {
        return value / by;
    }
    let reciprocal = 1.0 / by;
    let near = value * reciprocal;
    (-near).mul_add(by, value).mul_add(reciprocal, near)
}

impl PowerRows<'_> {
    fn check_lengths(&self, out: &PowerImpacts<'_>) -> Result<(), PowersError> {
        let rows = self.power_w.len();
        let of = |values: PowerValues<'_>| match values {
            PowerValues::One(_) => rows,
            PowerValues::Each(column) => column.len(),
        };
        let found = [
            ("duration_s", of(self.duration_s)),
            ("g_per_kwh", of(self.g_per_kwh)),
            ("kwh", out.kwh.len()),
            ("kg", out.kg.len()),
            ("kg_per_s", out.kg_per_s.len()),
        ];
        match found.into_iter().find(|(_, found)| *found != rows) {
            Some((column, found)) => Err(PowersError::Length { column, found, rows }),
            None => Ok(()),
        }
    }

    /// Returns an error that names the first row with a value out of range.
    #[cold]
    fn check_values(&self) -> Result<(), PowersError> {
        let at = |values: PowerValues<'_>, row: usize| match values {
            PowerValues::One(value) => value,
            PowerValues::Each(column) => column[row],
        };
        for (row, &watts) in self.power_w.iter().enumerate() {
            let (s, g) = (at(self.duration_s, row), at(self.g_per_kwh, row));
            let values = [
                ("power_w", watts, (0.0..=MAX_POWER_W).contains(&watts), "0 to 1.8e13 watts"),
                ("duration_s", s, (0.0..=MAX_DURATION_S).contains(&s), "0 to 1.8e10 seconds"),
                ("g_per_kwh", g, g.is_nan() || (0.0..=MAX_G_PER_KWH).contains(&g), "0 to 5000, or NaN if not known"),
            ];
            if let Some(&(column, value, _, allowed)) = values.iter().find(|(_, _, fits, _)| !fits) {
                return Err(PowersError::Value { column, row, value, allowed });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Results {
        kwh: Vec<f64>,
        kg: Vec<f64>,
        kg_per_s: Vec<f64>,
        unknown: Result<u64, PowersError>,
    }

    fn of<const FUSED: bool>(
        power_w: &[f64],
        duration_s: PowerValues<'_>,
        g_per_kwh: PowerValues<'_>,
        pue: f64,
    ) -> Results {
        let count = power_w.len();
        let (mut kwh, mut kg, mut kg_per_s) = (vec![-1.0; count], vec![-1.0; count], vec![-1.0; count]);
        let rows = PowerRows { power_w, duration_s, g_per_kwh, pue: Pue::new(pue).unwrap() };
        let mut out = PowerImpacts { kwh: &mut kwh, kg: &mut kg, kg_per_s: &mut kg_per_s };
        let unknown = power_impacts::<FUSED>(rows, &mut out);
        Results { kwh, kg, kg_per_s, unknown }
    }

    #[test]
    fn k20_kilowatt_for_an_hour_is_a_kilowatt_hour_in_columns() {
        let found = of::<false>(
            &[1000.0, 1.0, 0.0],
            PowerValues::One(3600.0),
            PowerValues::Each(&[360.0, f64::NAN, 5000.0]),
            1.5,
        );
        assert_eq!((found.kwh, found.unknown), (vec![1.0, 0.001, 0.0], Ok(1)));
        assert!(found.kg[0] == 0.54 && found.kg[1].is_nan() && found.kg[2] == 0.0);
        assert!((found.kg_per_s[0] - 0.54 / 3600.0).abs() < 1e-19 && found.kg_per_s[1].is_nan());
        let no_time = of::<false>(&[5.0], PowerValues::One(0.0), PowerValues::One(100.0), 1.0);
        assert!(
            no_time.kwh == [0.0] && no_time.kg == [0.0] && no_time.kg_per_s[0].is_nan() && no_time.unknown == Ok(1)
        );
    }

    #[test]
    fn k20_fused_columns_equal_plain_division_bit_by_bit() {
        let mut state = 1u64;
        let mut next = |most: f64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64 * most
        };
        let count = 20_000;
        let power: Vec<f64> = (0..count).map(|row| next([700.0, 1e13, 1e-9][row % 3])).collect();
        let seconds: Vec<f64> = (0..count).map(|row| next([60.0, 1e10, 1e-6][row % 3])).collect();
        let g: Vec<f64> = (0..count).map(|_| next(MAX_G_PER_KWH)).collect();
        for (s, g) in
            [(PowerValues::Each(&seconds), PowerValues::Each(&g)), (PowerValues::One(30.0), PowerValues::One(473.25))]
        {
            let (plain, fused) = (of::<false>(&power, s, g, 1.23), of::<true>(&power, s, g, 1.23));
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&plain.kwh), bits(&fused.kwh));
            assert_eq!(bits(&plain.kg), bits(&fused.kg));
            assert_eq!(bits(&plain.kg_per_s), bits(&fused.kg_per_s));
        }
    }

    #[test]
    fn k20_value_out_of_range_is_named_with_its_row() {
        let refused = |power: f64, s: f64, g: f64| {
            let found = of::<true>(&[1.0, power], PowerValues::Each(&[1.0, s]), PowerValues::Each(&[1.0, g]), 1.0);
            found.unknown.map_err(|error| error.to_string())
        };
        for power in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300, 1e300, -f64::NAN, 2e13] {
            assert!(refused(power, 1.0, 1.0).unwrap_err().starts_with("power_w of row 1 is"), "{power}");
        }
        for s in [-1e-300, f64::NAN, 1e11] {
            assert!(refused(1.0, s, 1.0).unwrap_err().starts_with("duration_s of row 1 is"), "{s}");
        }
        for g in [-0.5, 5001.0, f64::INFINITY] {
            assert!(refused(1.0, 1.0, g).unwrap_err().starts_with("g_per_kwh of row 1 is"), "{g}");
        }
        assert_eq!(refused(-0.0, 1.0, -0.0), Ok(0));
        assert_eq!(refused(MAX_POWER_W, MAX_DURATION_S, MAX_G_PER_KWH), Ok(0));
    }

    #[test]
    fn k20_columns_of_different_lengths_are_refused() {
        let found = of::<false>(&[1.0, 2.0], PowerValues::Each(&[1.0]), PowerValues::One(1.0), 1.0);
        assert_eq!(found.unknown.unwrap_err().to_string(), "duration_s has 1 rows, power_w has 2");
        assert_eq!(of::<false>(&[], PowerValues::One(1.0), PowerValues::One(1.0), 1.0).unknown, Ok(0));
    }
}
