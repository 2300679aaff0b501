//! `key=value` lines: which keys a line takes, each at most once, with %XX for what would break the line.

use super::decimal::{clip, whole};
use super::fault::LineFault;

/// The attributes of one `#` line.
pub(super) struct Attributes {
    line: &'static str,
    found: Vec<(&'static str, String)>,
}

impl Attributes {
    /// Parses words against the keys that `line` takes.
    ///
    /// Words without `=` after `name=` belong to the name: people write `name=my step`.
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

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.found.iter().find(|(k, _)| *k == key).map(|(_, value)| value.as_str())
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &'static str) -> Result<&str, LineFault> {
        self.get(key).ok_or(LineFault::MissingKey { line: self.line, key })
    }

    /// `begin_ns` and `end_ns`, in order.
    pub(super) fn begin_and_end(&self) -> Result<(u64, u64), LineFault> {
        let begin = whole("begin_ns", self.need("begin_ns")?)?;
        let end = whole("end_ns", self.need("end_ns")?)?;
        ordered(begin, end)
    }
}

/// Checks that an end is not before its begin.
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

/// Undoes [`encode`]; a percent sign that is followed by anything but two hexadecimal digits stands for itself.
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
    // %FF and the like are bytes that no text has: shown as the replacement character.
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
}
