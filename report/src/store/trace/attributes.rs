//! Parses the text of a trace's lines: `key=value` attributes with %XX escapes, and decimal numbers, exactly (never through
//! a float).

use super::fault::{LineFault, NumberFault};

/// The attributes of one `#` line.
pub(super) struct Attributes {
    line: &'static str,
    found: Vec<(&'static str, String)>,
}

impl Attributes {
    /// Parses words; `known` are the keys that a line of the kind `line` has.
    ///
    /// Words without `=` after `name=` belong to the name, because people write `name=my step`.
    pub(super) fn parse<'a>(
        line: &'static str,
        known: &[&'static str],
        words: impl Iterator<Item = &'a str>,
    ) -> Result<Self, LineFault> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for word in words {
            match (word.split_once('='), found.last_mut()) {
                (Some((key, value)), _) => {
                    let key = find(line, known, key)?;
                    if found.iter().any(|(k, _)| *k == key) {
                        return Err(LineFault::DuplicateKey(key));
                    }
                    found.push((key, decode(value)));
                }
                (None, Some(("name", name))) => {
                    name.push(' ');
                    name.push_str(&decode(word));
                }
                _ => return Err(LineFault::StrayWord(clip(word))),
            }
        }
        Ok(Self { line, found })
    }

    /// Returns the value of a key; `None` if the line does not have it.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.found.iter().find(|(k, _)| *k == key).map(|(_, value)| value.as_str())
    }

    /// Returns the value of a required key.
    pub(super) fn need(&self, key: &'static str) -> Result<&str, LineFault> {
        self.get(key).ok_or(LineFault::MissingKey { line: self.line, key })
    }

    /// Returns `begin_ns` and `end_ns`, after checking their order.
    pub(super) fn begin_and_end(&self) -> Result<(u64, u64), LineFault> {
        let begin = whole("begin_ns", self.need("begin_ns")?)?;
        let end = whole("end_ns", self.need("end_ns")?)?;
        ordered(begin, end)
    }
}

/// Returns both times if the end is not before the start.
pub(super) fn ordered(begin: u64, end: u64) -> Result<(u64, u64), LineFault> {
    if end < begin { Err(LineFault::EndBeforeBegin { begin, end }) } else { Ok((begin, end)) }
}

fn find(line: &'static str, known: &[&'static str], key: &str) -> Result<&'static str, LineFault> {
    if let Some(known) = known.iter().find(|k| **k == key) {
        return Ok(known);
    }
    let key = clip(key);
    let near = known.iter().map(|k| (strsim::osa_distance(k, &key), *k)).min();
    let nearest = near.filter(|(distance, _)| *distance <= 2).map(|(_, k)| k);
    Err(LineFault::UnknownKey { line, key, nearest, known: known.join(", ") })
}

/// Reverses [`encode`]; a percent sign without two hexadecimal digits after it is kept.
pub(super) fn decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let pair = (first == b'%').then(|| hex_pair(tail)).flatten();
        out.push(pair.unwrap_or(first));
        rest = if pair.is_some() { &tail[2..] } else { tail };
    }
    // Bytes that are not valid UTF-8, such as %FF, become the replacement character.
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_pair(tail: &[u8]) -> Option<u8> {
    let digit = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Writes a text so that it holds no space, comma, quote, `#`, `=`, `%` or control character.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && (c <= ' ' || matches!(c, '%' | ',' | '"' | '#' | '=' | '\u{7f}')) {
            out.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Largest number of decimals; further digits are cut off.
pub(super) const MAX_PLACES: u8 = 9;

/// The number `mantissa / 10^places`, with as few places as possible.
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
        while self.places > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.places -= 1;
        }
        self
    }

    /// Returns the number of decimals.
    pub(super) fn places(self) -> u8 {
        self.places
    }

    /// Returns the value in units of 10^-`places`, with further digits cut off; `None` if it does not fit 64 bits.
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

/// Returns the error for a number in a field.
pub(super) fn number(field: &'static str, text: &str, why: NumberFault) -> LineFault {
    LineFault::Number { field, text: clip(text), why }
}

/// Returns the first 40 characters of a text from outside, for a message.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Returns the reason why a text is not a plain decimal.
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

/// Returns the next float above a positive one.
pub(super) fn next_up(value: f64) -> f64 {
    f64::from_bits(value.to_bits() + 1)
}

/// Returns the next float below a positive one.
pub(super) fn next_down(value: f64) -> f64 {
    f64::from_bits(value.to_bits().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_encoding() {
        for text in ["", "plain", "NVIDIA H200, 141 GB", "100% of #1\n\t\"x\"", "µ %41", "%"] {
            let coded = encode(text);
            assert_eq!(decode(&coded), text);
            assert!(!coded.contains([' ', ',', '\n', '"', '#']), "{coded}");
        }
        assert_eq!(encode("a b"), "a%20b");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
    }

    #[test]
    fn near_misses_are_suggested() {
        let known = ["component", "kind"];
        let error = Attributes::parse("domain", &known, ["componnet=cpu"].into_iter()).err().unwrap();
        assert!(error.to_string().contains("did you mean `component`?"), "{error}");
        let error = Attributes::parse("domain", &known, ["colour=red"].into_iter()).err().unwrap();
        assert!(!error.to_string().contains("did you mean"), "{error}");
        assert!(error.to_string().contains("component, kind"), "{error}");
    }

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
