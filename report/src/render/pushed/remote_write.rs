//! Writes metrics for remote write 1.0 of Prometheus: the message `WriteRequest` as protobuf, in a block of Snappy.
//!
//! Sources: the Prometheus Remote-Write 1.0 specification; the description of Snappy's format.

use super::PushOrigin;
use crate::render::openmetrics::{Labels, MetricSet};
use crate::render::protobuf::{ProtoMessage, varint};

/// Longest literal of a Snappy block that has a length of two bytes.
const LONGEST_LITERAL: usize = 1 << 16;

/// Returns the samples as the body of a POST. It has the headers `Content-Encoding: snappy`, `Content-Type:
/// application/x-protobuf` and `X-Prometheus-Remote-Write-Version: 0.1.0`.
#[must_use]
pub fn remote_write(set: &MetricSet, origin: &PushOrigin) -> Vec<u8> {
    let at_ms = origin.at_ns / 1_000_000;
    let rank = origin.rank.map(|rank| rank.to_string());
    let run = origin.run.as_deref().map(|run| ("run", run));
    let of_origin = [("job", "eco2"), ("instance", origin.hostname.as_str())].into_iter().chain(run);
    let of_origin: Vec<(&str, &str)> = of_origin.chain(rank.as_deref().map(|rank| ("rank", rank))).collect();
    let request = ProtoMessage::new(|request| {
        for (family, samples) in &set.families {
            let name = format!("{}{}", family.name, family.suffix());
            for (labels, value) in samples {
                request.message(1, |series| {
                    for (name, value) in sorted(&name, labels, &of_origin) {
                        series.message(1, |label| {
                            label.text(1, name);
                            label.text(2, value);
                        });
                    }
                    series.message(2, |sample| {
                        sample.double(1, *value);
                        sample.number(2, at_ms);
                    });
                });
            }
        }
    });
    snappy(&request.into_bytes())
}

/// Returns all labels of a series in the order of their names, as receivers require; an empty one is none.
fn sorted<'a>(name: &'a str, labels: &'a Labels, of_origin: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let own = labels.iter().map(|(name, value)| (*name, value.as_str()));
    let mut all: Vec<(&str, &str)> = own.chain(of_origin.iter().copied()).chain([("__name__", name)]).collect();
    // The sort keeps the order of equal names, and a label of the sample itself wins.
    all.sort_by_key(|(name, _)| *name);
    all.dedup_by_key(|(name, _)| *name);
    all.retain(|(_, value)| !value.is_empty());
    all
}

/// Returns bytes as a block of Snappy without compression: a few kilobytes per push need none. A block is the length of the
/// content, then literals: a tag with the length, and the bytes.
fn snappy(content: &[u8]) -> Vec<u8> {
    let mut block = Vec::with_capacity(content.len() + content.len() / 1000 + 16);
    varint(content.len() as u64, &mut block);
    for literal in content.chunks(LONGEST_LITERAL) {
        // Tag 61: a literal whose length less one is in the next two bytes.
        block.push(61 << 2);
        block.extend(((literal.len() - 1) as u16).to_le_bytes());
        block.extend(literal);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_once_each_and_those_of_the_sample_win() {
        let labels = vec![("run", "own".to_owned()), ("device", String::new()), ("component", "gpu".to_owned())];
        let origin = [("job", "eco2"), ("instance", "node7"), ("run", "other")];
        let expected =
            [("__name__", "x"), ("component", "gpu"), ("instance", "node7"), ("job", "eco2"), ("run", "own")];
        assert_eq!(sorted("x", &labels, &origin), expected);
    }

    #[test]
    fn long_content_has_several_literals() {
        assert_eq!(snappy(b"ab"), [2, 61 << 2, 1, 0, b'a', b'b']);
        assert_eq!(snappy(b""), [0]);
        let content: Vec<u8> = (0..150_000u32).map(|byte| byte as u8).collect();
        let block = snappy(&content);
        assert_eq!(&block[..3], [0xf0, 0x93, 0x09], "150000 in groups of seven bits");
        let (mut rest, mut decoded) = (&block[3..], Vec::<u8>::new());
        while let [tag, low, high, after @ ..] = rest {
            assert_eq!(*tag, 61 << 2);
            let (literal, next) = after.split_at(usize::from(u16::from_le_bytes([*low, *high])) + 1);
            decoded.extend(literal);
            rest = next;
        }
        assert!(decoded == content);
    }
}
