//! Values of flags that are quantities and no options: a number, or a number with a unit such as `4h` and `0.7kW`.

use eco2_core::quantity::in_unit;
use eco2_grid::plan::duration_ns;

/// Parses a time above 0, in hours where it has no unit; returns nanoseconds.
pub(super) fn hours(text: &str) -> Result<i64, String> {
    let hours = in_unit(text, "h").and_then(duration_ns);
    hours.ok_or_else(|| "a time above 0, in hours or with a unit (min, h, d), such as 4, 4h or 90min".to_owned())
}

/// Parses watts of at least 0.
pub(super) fn watts(text: &str) -> Result<f64, String> {
    at_least_0(text, "W").ok_or_else(|| "watts or a number with a unit (W, kW), such as 700 or 0.7kW".to_owned())
}

/// Parses the power limit of a GPU; returns milliwatts.
pub(super) fn milliwatts(text: &str) -> Result<u32, String> {
    let watts = in_unit(text, "W").filter(|watts| (1.0..=100_000.0).contains(watts));
    watts.map(|watts| (watts * 1e3).round() as u32).ok_or_else(|| "watts, such as 300, 300W or 300,400".to_owned())
}

/// Parses watt-hours of at least 0.
pub(super) fn watt_hours(text: &str) -> Result<f64, String> {
    at_least_0(text, "Wh").ok_or_else(|| "watt-hours or a number with a unit (Wh, kWh, J), such as 50".to_owned())
}

/// Parses kilowatt-hours of at least 0.
pub(super) fn kilowatt_hours(text: &str) -> Result<f64, String> {
    at_least_0(text, "kWh").ok_or_else(|| "kilowatt-hours or a number with a unit (Wh, kWh), such as 2".to_owned())
}

/// Parses kilograms of at least 0.
pub(super) fn kilograms(text: &str) -> Result<f64, String> {
    at_least_0(text, "kg")
        .ok_or_else(|| "kilograms, 0 or more, or a number with a unit (g, kg, t), such as 5 or 200g".to_owned())
}

fn at_least_0(text: &str, unit: &str) -> Option<f64> {
    in_unit(text, unit).filter(|number| number.is_finite() && *number >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_default_units_and_limits() {
        assert_eq!(
            [hours("4"), hours("4h"), hours("240min")],
            [14_400_000_000_000, 14_400_000_000_000, 14_400_000_000_000].map(Ok)
        );
        assert!(hours("0").is_err() && hours("4kg").is_err() && hours("inf").is_err());
        assert_eq!((watts("0.7kW"), milliwatts("300W")), (Ok(700.0), Ok(300_000)));
        assert!(watts("nan").is_err() && milliwatts("0").is_err());
        assert_eq!((watt_hours("1kWh"), kilowatt_hours("500Wh"), kilograms("200g")), (Ok(1_000.0), Ok(0.5), Ok(0.2)));
        assert!(kilograms("-1").is_err());
    }
}
