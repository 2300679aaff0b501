//! The frames of a run log: a head with length and checksum, an optional chain slot (a SHA-256, see chain.rs), and a payload.
//! store/log.rs describes the format.

/// Largest payload of any frame, bytes.
pub(super) const MAX_PAYLOAD_BYTES: usize = 64 << 20;

/// The first bytes of every frame, and so of every log.
pub(crate) const MAGIC: &[u8; 4] = b"eco2";
/// Bytes of a head: magic 4, kind 1, version 1, zeros 2, length 4, checksum 4.
pub(super) const HEAD_BYTES: usize = 16;
/// Version of frames without a chain slot.
const BARE: u8 = 1;
/// Version of frames that have a chain slot between head and payload.
const CHAINED: u8 = 2;
/// Bytes of a chain slot, a SHA-256.
pub(super) const CHAIN_BYTES: usize = 32;

/// The kind of a frame's payload, with its code in the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    Meta = 1,
    Domains = 2,
    Ticks = 3,
    Gauges = 4,
    Event = 5,
    Checkpoint = 6,
    Final = 7,
    Summary = 8,
    Policy = 9,
    Pricing = 10,
    Ends = 11,
}

impl FrameKind {
    /// Returns the kind with this code; `None` for a code of a later version.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        use FrameKind::{Checkpoint, Domains, Ends, Event, Final, Gauges, Meta, Policy, Pricing, Summary, Ticks};
        let all = [Meta, Domains, Ticks, Gauges, Event, Checkpoint, Final, Summary, Policy, Pricing, Ends];
        all.into_iter().find(|kind| *kind as u8 == code)
    }

    /// Returns the largest payload of this kind, bytes. Larger ones are neither written nor read.
    fn max_payload_bytes(self) -> usize {
        match self {
            Self::Checkpoint | Self::Final => MAX_PAYLOAD_BYTES,
            // Ticks: 128 ticks of 4096 readings with three numbers of 8 bytes each (clock before, width, value) are 12.6 MB.
            // Pricing: the quarter hours of a year as JSON are 4 MB. Ends: 16384 domains with 1 kB each.
            Self::Ticks | Self::Pricing | Self::Ends => 16 << 20,
            Self::Meta | Self::Domains | Self::Gauges => 4 << 20,
            Self::Event | Self::Summary | Self::Policy => 1 << 20,
        }
    }
}

/// Starts a frame at the end of `out`, with a chain slot of zeros that [`set_slot`] fills later, and returns the frame's position in `out`. The caller
/// appends the payload; [`finish_frame`] completes the frame.
pub(super) fn start_frame(kind: FrameKind, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    // An eco2 that knows only version 1 must be able to read the first frame.
    let version = if kind == FrameKind::Meta { BARE } else { CHAINED };
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[kind as u8, version, 0, 0]);
    out.extend_from_slice(&[0; 8]);
    out.resize(out.len() + slot_bytes(version), 0);
    start
}

/// Writes the length and the checksum of the frame at `start`. Returns `false`, and removes the frame, if the payload is
/// larger than its kind permits.
pub(super) fn finish_frame(start: usize, out: &mut Vec<u8>) -> bool {
    let (code, version) = (out[start + 4], out[start + 5]);
    let length = out.len() - start - HEAD_BYTES;
    let max_bytes = FrameKind::from_code(code).map_or(MAX_PAYLOAD_BYTES, FrameKind::max_payload_bytes);
    if length > max_bytes + slot_bytes(version) {
        out.truncate(start);
        return false;
    }
    out[start + 8..start + 12].copy_from_slice(&(length as u32).to_le_bytes());
    set_checksum(&mut out[start..]);
    true
}

/// Writes the checksum of a frame.
fn set_checksum(frame: &mut [u8]) {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&frame[4..12]);
    crc.update(&frame[HEAD_BYTES..]);
    frame[12..HEAD_BYTES].copy_from_slice(&crc.finalize().to_le_bytes());
}

/// Writes the chain slot of a frame that [`finish_frame`] completed, and its new checksum. A frame without a slot stays as it
/// is.
pub(super) fn set_slot(frame: &mut [u8], slot: &[u8; CHAIN_BYTES]) {
    if slot_bytes(frame[5]) == CHAIN_BYTES {
        frame[HEAD_BYTES..HEAD_BYTES + CHAIN_BYTES].copy_from_slice(slot);
        set_checksum(frame);
    }
}

/// Returns the bytes of a frame that its link in the chain covers: kind, version, zeros and length; and the payload.
pub(super) fn linked_parts(frame: &[u8]) -> (&[u8], &[u8]) {
    (&frame[4..12], &frame[HEAD_BYTES + slot_bytes(frame[5])..])
}

/// Returns the size of the chain slot in frames of a version: 32 bytes or 0.
fn slot_bytes(version: u8) -> usize {
    if version == CHAINED { CHAIN_BYTES } else { 0 }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    code: u8,
    version: u8,
    /// Bytes of the body, which are the chain slot and the payload.
    pub(super) length: usize,
    /// Checksum of everything but the magic and itself.
    pub(super) crc: u32,
    /// The bytes of the head that checksum and chain cover: kind, version, zeros and length.
    pub(super) checked_bytes: [u8; 8],
}

impl Head {
    /// Parses a head. Returns `None` if the bytes do not start with the magic, or if the length is larger
    /// than any frame, or has no room for the chain slot.
    pub(super) fn parse(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (checked_bytes, crc) = rest.split_first_chunk::<8>()?;
        let [code, version, _, _, length @ ..] = checked_bytes;
        let length = u32::from_le_bytes(*length) as usize;
        let crc = u32::from_le_bytes(*crc.first_chunk()?);
        let head = Self { code: *code, version: *version, length, crc, checked_bytes: *checked_bytes };
        let is_possible = (slot_bytes(*version)..=MAX_PAYLOAD_BYTES + CHAIN_BYTES).contains(&length);
        (magic == MAGIC && is_possible).then_some(head)
    }

    /// Returns the kind of the frame; `None` if the kind or the version is not known, or if the length is not possible for
    /// the kind.
    pub(super) fn kind(&self) -> Option<FrameKind> {
        let kind = FrameKind::from_code(self.code).filter(|_| matches!(self.version, BARE | CHAINED));
        kind.filter(|kind| (self.slot_bytes()..=kind.max_payload_bytes() + self.slot_bytes()).contains(&self.length))
    }

    /// Returns the size of the chain slot, bytes.
    pub(super) fn slot_bytes(&self) -> usize {
        slot_bytes(self.version)
    }

    /// Returns the checksum of the head, to which the caller adds the body.
    pub(super) fn checksum(&self) -> crc32fast::Hasher {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.checked_bytes);
        hasher
    }
}

/// Returns the frames in bytes that [`finish_frame`] completed, one by one.
pub(super) fn split_frames(mut frames: &[u8]) -> impl Iterator<Item = (FrameKind, &[u8])> {
    std::iter::from_fn(move || {
        let head = Head::parse(frames.first_chunk()?)?;
        let (frame, rest) = frames.split_at_checked(HEAD_BYTES + head.length)?;
        frames = rest;
        Some((FrameKind::from_code(head.code)?, frame))
    })
}
