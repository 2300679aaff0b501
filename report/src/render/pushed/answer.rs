//! Reads the answer of a receiver of OTLP: the messages `ExportMetricsServiceResponse` and `ExportTraceServiceResponse`, whose field
//! `partial_success` states what the receiver refused of a request that it took.

use crate::clean;

/// Longest reason that is kept, characters.
const LONGEST: usize = 200;
/// Wire types of protobuf: a varint, eight bytes, bytes with a length, four bytes.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// What a receiver refused of a request that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialSuccess {
    /// Number of data points or spans that it refused, more than 0.
    pub rejected: u64,
    /// Its reason, cut and without characters that a terminal would obey; may be empty.
    pub reason: String,
}

/// Returns what the receiver refused; `None`: nothing, or the answer is none of OTLP.
#[must_use]
pub fn otlp_partial_success(answer: &[u8]) -> Option<PartialSuccess> {
    let (mut rejected, mut reason) = (0, String::new());
    for field in fields(answer).filter(|field| field.number == 1) {
        let Value::Bytes(partial) = field.value else { continue };
        for field in fields(partial) {
            match (field.number, field.value) {
                // A negative number is a varint of ten bytes, and none of OTLP.
                (1, Value::Number(count)) => rejected = i64::try_from(count).map_or(0, |_| count),
                (2, Value::Bytes(text)) => reason = shown(text),
                _ => {}
            }
        }
    }
    (rejected > 0).then_some(PartialSuccess { rejected, reason })
}

/// Returns a text of another program as a part of a line.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let is_longer = text.chars().nth(LONGEST).is_some();
    let cut: String = clean::terminal(&text).chars().take(LONGEST).collect();
    if is_longer { format!("{cut}…") } else { cut }
}

/// A field of a message.
struct Field<'a> {
    number: u64,
    value: Value<'a>,
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A value of a kind that is not needed.
    Other,
}

/// Returns the fields of a message until its end or a part that is none of protobuf.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::from_fn(move || {
        let key = number(&mut rest)?;
        let value = match key & 7 {
            VARINT => Value::Number(number(&mut rest)?),
            BYTES => {
                let length = usize::try_from(number(&mut rest)?).ok()?;
                Value::Bytes(taken(&mut rest, length)?)
            }
            FIXED64 => taken(&mut rest, 8).map(|_| Value::Other)?,
            FIXED32 => taken(&mut rest, 4).map(|_| Value::Other)?,
            _ => return None,
        };
        Some(Field { number: key >> 3, value })
    })
}

/// Takes bytes from the start.
fn taken<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (value, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(value)
}

/// Takes a varint from the start.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::protobuf::ProtoMessage;

    fn answer(rejected: u64, reason: &str) -> Vec<u8> {
        let answer = ProtoMessage::new(|answer| {
            answer.fixed64(9, 1);
            answer.message(1, |partial| {
                partial.number(1, rejected);
                partial.text(2, reason);
            });
        });
        answer.into_bytes()
    }

    #[test]
    fn number_and_reason_of_what_was_refused_are_read() {
        let found = otlp_partial_success(&answer(300, "too old: hw.energy")).unwrap();
        assert_eq!(found, PartialSuccess { rejected: 300, reason: "too old: hw.energy".to_owned() });
        // As opentelemetry-proto writes it: field 1 with 7 bytes: 5 points, "old".
        let of_others = b"\x0a\x07\x08\x05\x12\x03old";
        let found = otlp_partial_success(of_others).unwrap();
        assert_eq!((found.rejected, &*found.reason), (5, "old"));
        for whole in [&b""[..], &answer(0, "a remark"), b"{}", b"\x0a\x02\x08"] {
            assert_eq!(otlp_partial_success(whole), None, "{whole:?}");
        }
        let negative = answer(u64::MAX, "x");
        assert_eq!(otlp_partial_success(&negative), None);
    }

    #[test]
    fn hostile_answer_is_bounded_and_ends() {
        let long = answer(1, &format!("\u{1b}[2J{}", "y".repeat(1 << 20)));
        let found = otlp_partial_success(&long).unwrap();
        assert!(found.reason.chars().count() == 201 && !found.reason.contains('\u{1b}'), "{}", found.reason);
        for end in 0..64 {
            // Every truncation is read as far as it goes.
            let _ = otlp_partial_success(&long[..end]);
        }
        assert_eq!(otlp_partial_success(&[0xff; 100]), None);
    }
}
