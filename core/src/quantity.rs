//! Numbers with a unit as users type them, such as `10ms`, `4h`, `200g` or `0.5 kWh` ([`in_unit`]). Every option and flag that takes
//! a time, a mass, an energy or a power reads its value here.

/// Units of one dimension, each with its size in the smallest of them: whole numbers, so that a conversion is rounded once.
type Dimension = &'static [(&'static str, f64)];

const TIME: Dimension = &[
    ("us", 1.0),
    ("µs", 1.0),
    ("μs", 1.0),
    ("ms", 1e3),
    ("s", 1e6),
    ("m", 6e7),
    ("min", 6e7),
    ("h", 3.6e9),
    ("d", 8.64e10),
    ("w", 6.048e11),
];
const MASS: Dimension = &[("mg", 1.0), ("g", 1e3), ("kg", 1e6), ("t", 1e9)];
const ENERGY: Dimension =
    &[("J", 1.0), ("kJ", 1e3), ("MJ", 1e6), ("Wh", 3.6e3), ("kWh", 3.6e6), ("kwh", 3.6e6), ("MWh", 3.6e9)];
const POWER: Dimension = &[("W", 1.0), ("kW", 1e3), ("MW", 1e6)];

/// Returns a number in `unit`, which is also the unit of a text that has none; `None` if the text is no number, or has a unit of another
/// dimension.
///
/// ```
/// use eco2_core::quantity::in_unit;
///
/// assert_eq!(in_unit("200g", "kg"), Some(0.2));
/// assert_eq!(in_unit("4 h", "h"), Some(4.0));
/// assert_eq!(in_unit("4", "h"), Some(4.0), "a number without a unit");
/// assert_eq!(in_unit("4kg", "h"), None);
/// ```
#[must_use]
pub fn in_unit(text: &str, unit: &str) -> Option<f64> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let units = [TIME, MASS, ENERGY, POWER].into_iter().find(|units| units.iter().any(|(name, _)| *name == unit))?;
    let target = units.iter().find(|(name, _)| *name == unit)?.1;
    units.iter().find_map(|(name, size)| {
        let number: f64 = text.strip_suffix(name)?.trim_end().parse().ok()?;
        Some(number * size / target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_converted_between_units_of_a_dimension() {
        for (text, unit, expected) in [
            ("0.1ms", "s", 0.000_1),
            ("100us", "s", 0.000_1),
            ("100 µs", "s", 0.000_1),
            ("90d", "s", 7_776_000.0),
            ("90min", "h", 1.5),
            ("30m", "s", 1_800.0),
            ("2w", "d", 14.0),
            ("1t", "kg", 1_000.0),
            ("1e3g", "kg", 1.0),
            ("500Wh", "kWh", 0.5),
            ("3.6MJ", "kWh", 1.0),
            ("0.7kW", "W", 700.0),
            ("-1", "kg", -1.0),
        ] {
            assert_eq!(in_unit(text, unit), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "h", "4x", "4kg", "4 kWh", "h4", "4hh", "4e", "four", "é"] {
            assert_eq!(in_unit(text, "h"), None, "{text}");
        }
        assert_eq!(in_unit("4x", "parsec"), None, "a unit of no dimension");
    }
}
