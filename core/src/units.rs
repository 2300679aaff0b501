//! Units: how integers become the figures people read.

/// Microjoules in a joule.
pub const UJ_PER_J: u64 = 1_000_000;
/// Microjoules in a kilowatt-hour: 3.6e6 J.
pub const UJ_PER_KWH: f64 = 3.6e12;

/// Joules.
#[must_use]
pub fn joules(uj: u64) -> f64 {
    uj as f64 / 1e6
}

/// Kilowatt-hours.
#[must_use]
pub fn kwh(uj: u64) -> f64 {
    uj as f64 / UJ_PER_KWH
}

/// Mean watts of an energy over a time; `None` for no time.
#[must_use]
pub fn watts(uj: u64, ns: u64) -> Option<f64> {
    (ns > 0).then(|| uj as f64 * 1e3 / ns as f64)
}

/// Grams of an energy at an intensity in grams per kilowatt-hour.
#[must_use]
pub fn grams(uj: u64, g_per_kwh: f64) -> f64 {
    kwh(uj) * g_per_kwh
}

/// Microjoules that `uw` microwatts make in `ns` nanoseconds, rounded up; saturates.
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
