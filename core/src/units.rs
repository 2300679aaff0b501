//! Units: conversion of stored integers to the values that people read.

/// Microjoules in a kilowatt-hour: 3.6e6 J.
pub const UJ_PER_KWH: f64 = 3.6e12;

/// Joules.
///
/// ```
/// assert_eq!(eco2_core::units::joules(1_500_000), 1.5);
/// ```
#[must_use]
pub fn joules(uj: u64) -> f64 {
    uj as f64 / 1e6
}

/// Kilowatt-hours.
///
/// ```
/// assert_eq!(eco2_core::units::kwh(3_600_000_000_000), 1.0); // 3.6 MJ
/// ```
#[must_use]
pub fn kwh(uj: u64) -> f64 {
    uj as f64 / UJ_PER_KWH
}

/// Mean watts of an energy over a time; `None` for no time.
///
/// ```
/// use eco2_core::units::watts;
///
/// assert_eq!(watts(10_000_000, 2_000_000_000), Some(5.0)); // 10 J in 2 s
/// assert_eq!(watts(10_000_000, 0), None);
/// ```
#[must_use]
pub fn watts(uj: u64, ns: u64) -> Option<f64> {
    (ns > 0).then(|| uj as f64 * 1e3 / ns as f64)
}

/// Grams of an energy at an intensity in grams per kilowatt-hour.
///
/// ```
/// assert_eq!(eco2_core::units::grams(3_600_000_000_000, 475.0), 475.0); // 1 kWh at 475 g/kWh
/// ```
#[must_use]
pub fn grams(uj: u64, g_per_kwh: f64) -> f64 {
    kwh(uj) * g_per_kwh
}

/// Microjoules that `uw` microwatts make in `ns` nanoseconds, rounded up; saturates.
///
/// ```
/// assert_eq!(eco2_core::units::uj_at_power(5_000_000, 1_000_000), 5_000); // 5 W for 1 ms
/// ```
#[must_use]
pub fn uj_at_power(uw: u64, ns: u64) -> u64 {
    let product = u128::from(uw) * u128::from(ns);
    u64::try_from(product.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kilowatt_for_an_hour_is_a_kilowatt_hour() {
        let uj = uj_at_power(1_000_000_000, 3_600_000_000_000);
        assert_eq!(uj, 3_600_000_000_000);
        assert!((kwh(uj) - 1.0).abs() < 1e-12);
        assert!((grams(uj, 475.0) - 475.0).abs() < 1e-9);
        assert_eq!(watts(uj, 0), None);
        assert_eq!(watts(2_000_000, 1_000_000_000), Some(2.0));
    }
}
