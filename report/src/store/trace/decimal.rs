//! Decimal text to integers, without a float in between.

use super::fault::{LineFault, NumberFault};

/// The most decimals kept; further digits are cut off.
pub(super) const MAX_PLACES: u8 = 9;

/// `mantissa / 10^places`, as few places as the text needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    mantissa: u64,
    places: u8,
}

impl Decimal {
    /// Parses digits with at most one point: `12`, `12.5`, `.5`, `5.`.
    pub(super) fn parse(text: &str) -> Result<Self, NumberFault> {
        let mut decimal = Self { mantissa: 0, places: 0 };
        let (mut point, mut digits) = (false, 0);
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' => {
                    digits += 1;
                    decimal.push(byte - b'0', point)?;
                }
                b'.' if !point => point = true,
                _ => return Err(diagnose(text)),
            }
        }
        if digits == 0 { Err(diagnose(text)) } else { Ok(decimal.trimmed()) }
    }

    fn push(&mut self, digit: u8, after_point: bool) -> Result<(), NumberFault> {
        if after_point && self.places == MAX_PLACES {
            return Ok(());
        }
        let next = self.mantissa.checked_mul(10).and_then(|m| m.checked_add(u64::from(digit)));
        self.mantissa = next.ok_or(NumberFault::TooLarge)?;
        self.places += u8::from(after_point);
        Ok(())
    }

    fn trimmed(mut self) -> Self {
        while self.places > 0 && self.mantissa.is_multiple_of(10) {
            self.mantissa /= 10;
            self.places -= 1;
        }
        self
    }

    /// Decimals that the value has.
    pub(super) fn places(self) -> u8 {
        self.places
    }

    /// The value in units of 10^-`places`, further digits cut off; `None` when it does not fit.
    pub(super) fn at(self, places: u8) -> Option<u64> {
        if places >= self.places {
            self.mantissa.checked_mul(10_u64.checked_pow(u32::from(places - self.places))?)
        } else {
            Some(self.mantissa / 10_u64.checked_pow(u32::from(self.places - places))?)
        }
    }
}

/// Parses a whole number of at most 64 bits.
pub(super) fn whole(field: &'static str, text: &str) -> Result<u64, LineFault> {
    parse_whole(text).map_err(|why| number(field, text, why))
}

fn parse_whole(text: &str) -> Result<u64, NumberFault> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(match Decimal::parse(text) {
            Ok(_) => NumberFault::Fraction,
            Err(why) => why,
        });
    }
    text.parse().map_err(|_| NumberFault::TooLarge)
}

/// Parses a decimal.
pub(super) fn decimal(field: &'static str, text: &str) -> Result<Decimal, LineFault> {
    Decimal::parse(text).map_err(|why| number(field, text, why))
}

/// A number's fault with its place.
pub(super) fn number(field: &'static str, text: &str, why: NumberFault) -> LineFault {
    LineFault::Number { field, text: clip(text), why }
}

/// The first characters of a text from outside, for a message.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Says what a text that is no plain decimal is.
fn diagnose(text: &str) -> NumberFault {
    let lower = text.to_ascii_lowercase();
    match text.parse::<f64>() {
        _ if text.is_empty() => NumberFault::Empty,
        Ok(value) if !value.is_finite() && !lower.contains(['e']) => NumberFault::NotFinite,
        Ok(_) if text.starts_with('-') => NumberFault::Negative,
        Ok(_) if lower.contains('e') => NumberFault::Exponent,
        _ => NumberFault::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_the_finest_place() {
        let parsed = |text| Decimal::parse(text).map(|d| (d.mantissa, d.places));
        assert_eq!(parsed("12"), Ok((12, 0)));
        assert_eq!(parsed("12.500"), Ok((125, 1)));
        assert_eq!(parsed(".25"), Ok((25, 2)));
        assert_eq!(parsed("0.1234567899"), Ok((123_456_789, 9)));
        assert_eq!(parsed("18446744073709551615"), Ok((u64::MAX, 0)));
    }

    #[test]
    fn what_is_no_number_is_named() {
        use NumberFault::{Empty, Exponent, Malformed, Negative, NotFinite, TooLarge};
        let cases = [
            ("", Empty),
            ("-1", Negative),
            ("-0.5", Negative),
            ("nan", NotFinite),
            ("-inf", NotFinite),
            ("infinity", NotFinite),
            ("1e3", Exponent),
            ("1.2.3", Malformed),
            ("12J", Malformed),
            (".", Malformed),
            ("18446744073709551616", TooLarge),
        ];
        for (text, why) in cases {
            assert_eq!(Decimal::parse(text), Err(why), "{text}");
        }
        assert_eq!(parse_whole("1.5"), Err(NumberFault::Fraction));
    }

    #[test]
    fn a_place_that_does_not_fit_is_none() {
        let max = Decimal::parse("18446744073709551615").unwrap();
        assert_eq!(max.at(0), Some(u64::MAX));
        assert_eq!(max.at(1), None);
        assert_eq!(Decimal::parse("1.29").unwrap().at(1), Some(12));
        assert_eq!(Decimal::parse("1.5").unwrap().at(6), Some(1_500_000));
    }
}
