//! Rounds numbers for people, and groups their digits. What is around a number (units, spaces, signs) is that of the medium: `figures`
//! has it for terminals, `numbers` for pages and tables.

/// The direction in which a value is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    /// To the nearest: a value.
    Nearest,
    /// Down: a lower bound.
    Down,
    /// Up: an upper bound.
    Up,
}

/// A bound may be off by this part of its last digit, because binary fractions are: 1.2 / 0.1 is slightly less than 12.
const TOLERANCE: f64 = 1e-9;
/// Digits before the point from which they are written in groups of three.
const GROUPED_DIGITS: usize = 5;

/// Returns the power of ten of the first digit; 0 for 0 and for what is not finite.
pub(super) fn magnitude(value: f64) -> i32 {
    let value = value.abs();
    if value > 0.0 && value.is_finite() { (value.log10() + 1e-12).floor() as i32 } else { 0 }
}

/// Returns a value rounded to a decimal place: -1 is the first after the point.
pub(super) fn round_at(value: f64, place: i32, rounding: Rounding) -> f64 {
    let steps = value / 10_f64.powi(place);
    let whole = match rounding {
        Rounding::Nearest => steps.round(),
        Rounding::Down => (steps + TOLERANCE).floor(),
        Rounding::Up => (steps - TOLERANCE).ceil(),
    };
    // No negative zero.
    whole * 10_f64.powi(place) + 0.0
}

/// Writes a value with the decimals of a place. From five digits on, those before the point are in groups of three.
pub(super) fn written(value: f64, place: i32, minus: char, between: char) -> String {
    let decimals = usize::try_from(-place).unwrap_or(0);
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let is_long = whole.len() >= GROUPED_DIGITS;
    let mut out = if value < 0.0 { String::from(minus) } else { String::new() };
    for (at, digit) in whole.chars().enumerate() {
        if is_long && at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(between);
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_rounded_outwards_and_signs_are_kept() {
        let text = |value, place, rounding| written(round_at(value, place, rounding), place, '-', ' ');
        assert_eq!(text(1.2, -1, Rounding::Down), "1.2", "1.2 / 0.1 is slightly less than 12");
        assert_eq!((text(1.201, -1, Rounding::Up), text(1.299, -1, Rounding::Down)), ("1.3".into(), "1.2".into()));
        assert_eq!(
            (text(-1_234_567.0, 1, Rounding::Nearest), text(-0.01, 0, Rounding::Nearest)),
            ("-1 234 570".into(), "0".into())
        );
        assert_eq!((written(1234.0, 0, '-', ' '), written(12345.0, 0, '-', ' ')), ("1234".into(), "12 345".into()));
        assert_eq!([999.9, 1000.0, 0.001, 0.0, f64::NAN, -20.0].map(magnitude), [2, 3, -3, 0, 0, 1]);
    }
}
