//! Frames: what makes a log readable after a crash at any byte.

/// The largest payload of a frame, bytes.
pub(super) const MAX_PAYLOAD_BYTES: usize = 64 << 20;

/// First bytes of every frame, and so of a log.
pub(crate) const MAGIC: &[u8; 4] = b"eco2";
/// Bytes in front of the payload.
pub(super) const HEAD_BYTES: usize = 16;
/// Version of frames that are a head and a payload.
const BARE: u8 = 1;
/// Version of frames that have a chain slot between head and payload.
const CHAINED: u8 = 2;
/// Bytes of a chain slot.
pub(super) const CHAIN_BYTES: usize = 32;

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
    Summary = 8,
    Policy = 9,
    Pricing = 10,
}

impl FrameKind {
    pub(super) fn from_code(code: u8) -> Option<Self> {
        use FrameKind::{Checkpoint, Domains, Event, Final, Gauges, Meta, Policy, Pricing, Summary, Ticks};
        let all = [Meta, Domains, Ticks, Gauges, Event, Checkpoint, Final, Summary, Policy, Pricing];
        all.into_iter().find(|kind| *kind as u8 == code)
    }

    /// The largest payload of this kind: larger ones are not written, and not read.
    fn cap_bytes(self) -> usize {
        match self {
            Self::Checkpoint | Self::Final => MAX_PAYLOAD_BYTES,
            // 128 ticks of 4096 readings, each in its own bracket and none of which can be packed, are 12.7 MB.
            // A year of quarter hours is 4 MB.
            Self::Ticks | Self::Pricing => 16 << 20,
            Self::Meta | Self::Domains | Self::Gauges => 4 << 20,
            Self::Event | Self::Summary | Self::Policy => 1 << 20,
        }
    }
}

/// Begins a frame at the end of `out`; [`end`] completes it. Its chain slot, if any, is empty.
pub(super) fn begin(kind: FrameKind, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    // The first frame is one that version 1 can read.
    let version = if kind == FrameKind::Meta { BARE } else { CHAINED };
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[kind as u8, version, 0, 0]);
    out.extend_from_slice(&[0; 8]);
    out.resize(out.len() + slot_bytes(version), 0);
    start
}

/// Fills in length and checksum; a payload over the cap of its kind is taken back and `false` returned.
pub(super) fn end(start: usize, out: &mut Vec<u8>) -> bool {
    let (code, version) = (out[start + 4], out[start + 5]);
    let length = out.len() - start - HEAD_BYTES;
    let cap = FrameKind::from_code(code).map_or(MAX_PAYLOAD_BYTES, FrameKind::cap_bytes);
    if length > cap + slot_bytes(version) {
        out.truncate(start);
        return false;
    }
    out[start + 8..start + 12].copy_from_slice(&(length as u32).to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&out[start + 4..start + 12]);
    crc.update(&out[start + HEAD_BYTES..]);
    out[start + 12..start + 16].copy_from_slice(&crc.finalize().to_le_bytes());
    true
}

/// Bytes between the head and the payload of a frame.
fn slot_bytes(version: u8) -> usize {
    if version == CHAINED { CHAIN_BYTES } else { 0 }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    code: u8,
    version: u8,
    /// Bytes that follow the head.
    pub(super) length: usize,
    /// Checksum of everything but the magic and itself.
    pub(super) crc: u32,
    /// The bytes of the head that the checksum covers.
    summed: [u8; 8],
}

impl Head {
    /// The head in these bytes; `None` where they begin no frame, or one longer than any.
    pub(super) fn parse(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (summed, crc) = rest.split_first_chunk::<8>()?;
        let [code, version, _, _, length @ ..] = summed;
        let length = u32::from_le_bytes(*length) as usize;
        let crc = u32::from_le_bytes(*crc.first_chunk()?);
        let head = Self { code: *code, version: *version, length, crc, summed: *summed };
        (magic == MAGIC && length <= MAX_PAYLOAD_BYTES + CHAIN_BYTES).then_some(head)
    }

    /// What the frame holds; `None` for a kind or a version that is not known, and for more than the kind can hold.
    pub(super) fn kind(&self) -> Option<FrameKind> {
        let kind = FrameKind::from_code(self.code).filter(|_| matches!(self.version, BARE | CHAINED));
        kind.filter(|kind| (self.slot_bytes()..=kind.cap_bytes() + self.slot_bytes()).contains(&self.length))
    }

    /// Bytes between the head and the payload.
    pub(super) fn slot_bytes(&self) -> usize {
        slot_bytes(self.version)
    }

    /// The checksum of the head; that of the body is to be added to it.
    pub(super) fn checksum(&self) -> crc32fast::Hasher {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.summed);
        hasher
    }
}

/// Finished frames, as [`end`] left them, one by one.
pub(super) fn split(mut frames: &[u8]) -> impl Iterator<Item = (FrameKind, &[u8])> {
    std::iter::from_fn(move || {
        let head = Head::parse(frames.first_chunk()?)?;
        let (frame, rest) = frames.split_at_checked(HEAD_BYTES + head.length)?;
        frames = rest;
        Some((FrameKind::from_code(head.code)?, frame))
    })
}
