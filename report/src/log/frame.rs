//! Frames: what makes a log readable after a crash at any byte.

use super::MAX_PAYLOAD_BYTES;

/// First bytes of every frame, and so of a log.
pub(crate) const MAGIC: &[u8; 4] = b"eco2";
/// Bytes in front of the payload.
pub(super) const HEAD_BYTES: usize = 16;
/// Version of the frame format.
const VERSION: u8 = 1;
/// Damage after which the search for a whole frame is given up: each try may read the rest of the file.
const MAX_TRIES: usize = 64;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    Meta = 1,
    Domains = 2,
    Ticks = 3,
    Gauges = 4,
    Event = 5,
    Checkpoint = 6,
    Final = 7,
}

impl FrameKind {
    pub(super) fn from_code(code: u8) -> Option<Self> {
        use FrameKind::{Checkpoint, Domains, Event, Final, Gauges, Meta, Ticks};
        [Meta, Domains, Ticks, Gauges, Event, Checkpoint, Final].into_iter().find(|kind| *kind as u8 == code)
    }
}

/// Begins a frame at the end of `out`; [`end`] completes it.
pub(super) fn begin(kind: FrameKind, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[kind as u8, VERSION, 0, 0]);
    out.extend_from_slice(&[0; 8]);
    start
}

/// Fills in length and checksum; a payload over the cap is taken back and `false` returned.
pub(super) fn end(start: usize, out: &mut Vec<u8>) -> bool {
    let length = out.len() - start - HEAD_BYTES;
    if length > MAX_PAYLOAD_BYTES {
        out.truncate(start);
        return false;
    }
    out[start + 8..start + 12].copy_from_slice(&(length as u32).to_le_bytes());
    let crc = checksum(&out[start + 4..start + 12], &out[start + HEAD_BYTES..]);
    out[start + 12..start + 16].copy_from_slice(&crc.to_le_bytes());
    true
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

/// A whole frame; kinds of a later version are kept as their code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) code: u8,
    pub(super) version: u8,
    pub(super) payload: &'a [u8],
    /// Head and payload.
    pub(super) bytes: &'a [u8],
}

/// Whole frames in order; what lies between and behind them is counted as torn.
pub(super) struct Frames<'a> {
    rest: &'a [u8],
    tries: usize,
    torn: u64,
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, tries: 0, torn: 0 }
    }

    /// Bytes that belong to no whole frame, so far.
    pub(super) fn torn(&self) -> u64 {
        self.torn
    }

    fn skip(&mut self, count: usize) {
        self.torn += count.min(self.rest.len()) as u64;
        self.rest = self.rest.get(count..).unwrap_or_default();
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        while !self.rest.is_empty() {
            if let Some(frame) = whole_frame(self.rest) {
                self.rest = &self.rest[frame.bytes.len()..];
                return Some(frame);
            }
            self.tries += 1;
            let next = self.rest.windows(4).skip(1).position(|window| window == MAGIC);
            match next {
                Some(at) if self.tries < MAX_TRIES => self.skip(at + 1),
                _ => self.skip(usize::MAX),
            }
        }
        None
    }
}

fn whole_frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let length = u32::from_le_bytes(head[8..12].try_into().ok()?) as usize;
    if &head[..4] != MAGIC || length > MAX_PAYLOAD_BYTES {
        return None;
    }
    let payload = rest.get(..length)?;
    let crc = u32::from_le_bytes(head[12..16].try_into().ok()?);
    if checksum(&head[4..12], payload) != crc {
        return None;
    }
    Some(Frame { code: head[4], version: head[5], payload, bytes: &bytes[..HEAD_BYTES + length] })
}

/// Whether a frame's version is known.
pub(super) fn known_version(frame: &Frame<'_>) -> bool {
    frame.version == VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for payload in payloads {
            let start = begin(FrameKind::Event, &mut out);
            out.extend_from_slice(payload);
            assert!(end(start, &mut out));
        }
        out
    }

    #[test]
    fn f31_every_prefix_gives_the_whole_frames_and_the_size_of_the_rest() {
        let bytes = frames(&[b"one", b"", b"three, with eco2 inside"]);
        let ends = [19, 35, bytes.len()];
        for cut in 0..=bytes.len() {
            let mut found = Frames::new(&bytes[..cut]);
            let whole = found.by_ref().count();
            assert_eq!(whole, ends.iter().filter(|end| **end <= cut).count(), "cut at {cut}");
            let kept = ends[..whole].last().copied().unwrap_or(0);
            assert_eq!(found.torn(), (cut - kept) as u64, "cut at {cut}");
        }
    }

    #[test]
    fn f42_damage_costs_one_frame() {
        let clean = frames(&[b"one", b"two", b"three"]);
        for at in 0..clean.len() {
            let mut bytes = clean.clone();
            bytes[at] ^= 0x10;
            let mut found = Frames::new(&bytes);
            assert_eq!(found.by_ref().count(), 2, "damage at {at}");
            assert!(found.torn() >= 19, "damage at {at}");
        }
    }

    #[test]
    fn f42_false_starts_do_not_make_the_search_quadratic() {
        let bytes = MAGIC.repeat(100_000);
        let mut found = Frames::new(&bytes);
        assert_eq!(found.next(), None);
        assert_eq!(found.torn(), 400_000);
    }
}
