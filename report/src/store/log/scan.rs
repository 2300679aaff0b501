//! Finds the frames of a run log in a file, one after the other, with the memory of one payload ([`Scanner`]).
//!
//! The checksum of a payload is computed while it is read. The payload is kept only if the caller wants its kind. Memory is
//! allocated as bytes arrive, never by the length in a head, which can be false.

use std::io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom};

use super::frame::{CHAIN_BYTES, FrameKind, HEAD_BYTES, Head, MAGIC};

/// Bytes per read.
const CHUNK_BYTES: usize = 64 << 10;
/// Largest number of payload bytes read at false or damaged heads; then the rest of the file is ignored. Without this limit
/// a hostile file could cause a re-read of the rest at each of its bytes.
const MAX_WASTED_BYTES: u64 = 256 << 20;

/// A whole frame: its kind, the position of its payload, and what its link in the chain needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FoundFrame {
    /// The kind; `None` for a frame of a later version or an unknown kind.
    pub(super) kind: Option<FrameKind>,
    /// Position of the first byte of the payload in the file.
    pub(super) offset: u64,
    /// Bytes of the payload.
    pub(super) length: usize,
    /// Kind, version, zeros and length, as the head has them.
    pub(super) head_bytes: [u8; 8],
    /// The chain slot; `None` in a frame of version 1.
    pub(super) slot: Option<[u8; CHAIN_BYTES]>,
}

impl FoundFrame {
    /// Position of the first byte of the frame.
    pub(super) fn start(&self) -> u64 {
        self.offset - (HEAD_BYTES + self.slot.map_or(0, |slot| slot.len())) as u64
    }

    /// Position after the last byte of the frame.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.length as u64
    }
}

/// Returns whole frames in order, and counts the bytes between and after them as torn.
pub(super) struct Scanner<R> {
    input: BufReader<R>,
    /// Position of the next byte of `input`.
    position: u64,
    /// Position after the last byte to read.
    end: u64,
    /// Bytes that belong to no whole frame.
    torn: u64,
    /// Payload bytes read at false or damaged heads.
    wasted_bytes: u64,
}

impl<R: Read + Seek> Scanner<R> {
    /// Scans from the start of `input`, at most `cap_bytes`.
    pub(super) fn new(input: R, cap_bytes: u64) -> io::Result<Self> {
        Self::at_end(input, cap_bytes, u64::MAX)
    }

    /// Scans the last `tail_bytes` of the first `cap_bytes` of `input`.
    pub(super) fn at_end(mut input: R, cap_bytes: u64, tail_bytes: u64) -> io::Result<Self> {
        let end = input.seek(SeekFrom::End(0))?.min(cap_bytes);
        let position = input.seek(SeekFrom::Start(end.saturating_sub(tail_bytes)))?;
        Ok(Self { input: BufReader::with_capacity(CHUNK_BYTES, input), position, end, torn: 0, wasted_bytes: 0 })
    }

    /// Returns the size of the file, bytes.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Returns the number of bytes so far that belong to no whole frame.
    pub(super) fn torn(&self) -> u64 {
        self.torn
    }

    /// Returns the next whole frame; `None` at the end. Fills `payload` if the kind is `wanted`, else empties it.
    pub(super) fn next(
        &mut self,
        wanted: impl Fn(FrameKind) -> bool,
        payload: &mut Vec<u8>,
    ) -> io::Result<Option<FoundFrame>> {
        self.next_where(|head| head.kind().is_some_and(&wanted), payload)
    }

    /// Returns the next whole frame of any kind, also an unknown one, with its payload; `None` at the end.
    pub(super) fn next_of_any_kind(&mut self, payload: &mut Vec<u8>) -> io::Result<Option<FoundFrame>> {
        self.next_where(|_| true, payload)
    }

    fn next_where(
        &mut self,
        is_wanted: impl Fn(&Head) -> bool,
        payload: &mut Vec<u8>,
    ) -> io::Result<Option<FoundFrame>> {
        while self.position < self.end {
            let start = self.position;
            if let Some(head) = self.read_head()? {
                let is_wanted = is_wanted(&head);
                let mut slot = [0; CHAIN_BYTES];
                if self.read_body(&head, is_wanted, &mut slot, payload)? {
                    let slot_bytes = head.slot_bytes();
                    return Ok(Some(FoundFrame {
                        kind: head.kind(),
                        offset: start + (HEAD_BYTES + slot_bytes) as u64,
                        length: head.length.saturating_sub(slot_bytes),
                        head_bytes: head.checked_bytes,
                        slot: (slot_bytes > 0).then_some(slot),
                    }));
                }
                self.wasted_bytes += head.length as u64;
            }
            self.resume_after(start)?;
        }
        Ok(None)
    }

    /// Reads the payload of a frame that [`Self::next`] returned.
    pub(super) fn payload(&mut self, found: &FoundFrame) -> io::Result<Vec<u8>> {
        self.seek(found.offset)?;
        let mut bytes = Vec::new();
        self.input.by_ref().take(found.length as u64).read_to_end(&mut bytes)?;
        self.position += bytes.len() as u64;
        Ok(bytes)
    }

    /// Reads a head at the current position; `None` if there is none, or if its body would exceed the file.
    fn read_head(&mut self) -> io::Result<Option<Head>> {
        let mut bytes = [0; HEAD_BYTES];
        if self.end - self.position < HEAD_BYTES as u64 || !self.fill(&mut bytes)? {
            return Ok(None);
        }
        Ok(Head::parse(&bytes).filter(|head| head.length as u64 <= self.end - self.position))
    }

    /// Reads a body, its chain slot into `slot` and its payload into `payload` if `keep`, and returns whether its checksum is
    /// correct.
    fn read_body(
        &mut self,
        head: &Head,
        keep: bool,
        slot: &mut [u8; CHAIN_BYTES],
        payload: &mut Vec<u8>,
    ) -> io::Result<bool> {
        payload.clear();
        let (mut left, mut checksum) = (head.length, head.checksum());
        let mut slot = slot.get_mut(..head.slot_bytes()).unwrap_or_default();
        while left > 0 {
            let chunk = self.input.fill_buf()?;
            let chunk = chunk.get(..left).unwrap_or(chunk);
            if chunk.is_empty() {
                return Ok(false);
            }
            checksum.update(chunk);
            let (in_slot, in_payload) = chunk.split_at(slot.len().min(chunk.len()));
            let (filled, unfilled) = slot.split_at_mut(in_slot.len());
            filled.copy_from_slice(in_slot);
            slot = unfilled;
            if keep {
                payload.extend_from_slice(in_payload);
            }
            let taken = chunk.len();
            left -= taken;
            self.input.consume(taken);
            self.position += taken as u64;
        }
        Ok(checksum.finalize() == head.crc)
    }

    /// Moves to the next magic after `start`, or to the end of the file.
    fn resume_after(&mut self, start: u64) -> io::Result<()> {
        self.seek(start + 1)?;
        let next = if self.wasted_bytes > MAX_WASTED_BYTES { None } else { self.find_magic()? };
        let next = next.unwrap_or(self.end);
        self.torn += next - start;
        self.seek(next)
    }

    /// Returns the position of the next magic; `None` if there is none.
    fn find_magic(&mut self) -> io::Result<Option<u64>> {
        let mut last = [0; MAGIC.len()];
        while self.position < self.end {
            let chunk = self.input.fill_buf()?;
            let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
            let chunk = chunk.get(..left).unwrap_or(chunk);
            if chunk.is_empty() {
                break;
            }
            let found = chunk.iter().position(|byte| {
                last.rotate_left(1);
                last[MAGIC.len() - 1] = *byte;
                &last == MAGIC
            });
            let taken = found.map_or(chunk.len(), |index| index + 1);
            self.input.consume(taken);
            self.position += taken as u64;
            if found.is_some() {
                return Ok(Some(self.position - MAGIC.len() as u64));
            }
        }
        Ok(None)
    }

    /// Reads exactly `bytes`; `false`, without moving, if the file ends before.
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<bool> {
        match self.input.read_exact(bytes) {
            Ok(()) => {
                self.position += bytes.len() as u64;
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                self.seek(self.position)?;
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    fn seek(&mut self, to: u64) -> io::Result<()> {
        let here = self.input.stream_position()?;
        self.input.seek_relative(i64::try_from(i128::from(to) - i128::from(here)).unwrap_or(0))?;
        self.position = to;
        Ok(())
    }
}

/// Returns the number of whole frames and the number of bytes that belong to none.
#[cfg(test)]
pub(super) fn counted(bytes: &[u8]) -> (usize, u64) {
    let mut scanner = Scanner::new(io::Cursor::new(bytes), u64::MAX).unwrap();
    let mut frames = 0;
    while scanner.next(|_| false, &mut Vec::new()).unwrap().is_some() {
        frames += 1;
    }
    (frames, scanner.torn())
}

#[cfg(test)]
mod tests {
    use super::super::frame;
    use super::*;

    fn frames(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for payload in payloads {
            let start = frame::start_frame(FrameKind::Event, &mut out);
            out.extend_from_slice(payload);
            assert!(frame::finish_frame(start, &mut out));
        }
        out
    }

    /// Bytes of a frame around its payload.
    const AROUND: usize = HEAD_BYTES + frame::CHAIN_BYTES;

    #[test]
    fn f31_every_prefix_gives_the_whole_frames_and_the_size_of_the_rest() {
        let bytes = frames(&[b"one", b"", b"three, with eco2 inside"]);
        let ends = [AROUND + 3, 2 * AROUND + 3, bytes.len()];
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let kept = ends[..whole].last().copied().unwrap_or(0);
            assert_eq!(counted(&bytes[..cut]), (whole, (cut - kept) as u64), "cut at {cut}");
        }
    }

    #[test]
    fn f42_damage_costs_one_frame() {
        let clean = frames(&[b"one", b"two", b"three"]);
        for at in 0..clean.len() {
            let mut bytes = clean.clone();
            bytes[at] ^= 0x10;
            let (frames, torn) = counted(&bytes);
            assert_eq!(frames, 2, "damage at {at}");
            assert!(torn as usize >= AROUND + 3, "damage at {at}");
        }
    }

    #[test]
    fn k18_damage_in_a_thousand_frames_costs_only_those() {
        let clean = frames(&[b"payload".as_slice(); 2_000]);
        let (mut bytes, length) = (clean.clone(), AROUND + 7);
        (0..2_000).step_by(2).for_each(|frame| bytes[frame * length + 20] ^= 1);
        assert_eq!(counted(&bytes), (1_000, 1_000 * length as u64));
    }

    #[test]
    fn both_versions_of_frames_are_found_and_the_slot_is_no_payload() {
        let mut bytes = Vec::new();
        for kind in [FrameKind::Meta, FrameKind::Event] {
            let start = frame::start_frame(kind, &mut bytes);
            bytes.extend_from_slice(b"payload");
            assert!(frame::finish_frame(start, &mut bytes));
        }
        assert_eq!(bytes.len(), HEAD_BYTES + AROUND + 14);
        let mut scanner = Scanner::new(io::Cursor::new(&bytes), u64::MAX).unwrap();
        for kind in [FrameKind::Meta, FrameKind::Event] {
            let mut payload = Vec::new();
            let found = scanner.next(|_| true, &mut payload).unwrap().unwrap();
            assert_eq!((found.kind, &payload[..]), (Some(kind), b"payload".as_slice()));
            assert_eq!(bytes[found.offset as usize..][..found.length], *b"payload");
        }
    }

    #[test]
    fn f42_false_starts_do_not_make_the_search_quadratic() {
        assert_eq!(counted(&frame::MAGIC.repeat(100_000)), (0, 400_000));
    }

    /// A file that counts what is read of it.
    struct Counted {
        input: io::Cursor<Vec<u8>>,
        read: u64,
    }

    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.input.read(buffer)?;
            self.read += count as u64;
            Ok(count)
        }
    }

    impl Seek for Counted {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.input.seek(to)
        }
    }

    #[test]
    fn k18_heads_that_claim_megabytes_are_read_a_bounded_number_of_times() {
        // Each head claims as much as any frame may have, and its checksum is wrong.
        let mut one = frames(&[b"x"]);
        one[8..12].copy_from_slice(&(64_u32 << 20).to_le_bytes());
        let mut bytes = one.repeat(1_000);
        bytes.resize(bytes.len() + (65 << 20), 0);
        let total = bytes.len() as u64;
        let mut input = Counted { input: io::Cursor::new(bytes), read: 0 };
        let mut scanner = Scanner::new(&mut input, u64::MAX).unwrap();
        let mut payload = Vec::new();
        assert_eq!(scanner.next(|_| true, &mut payload).unwrap(), None);
        assert_eq!(scanner.torn(), total);
        assert!(payload.capacity() <= 1 << 22, "an event of 64 MiB is not held: {}", payload.capacity());
        drop(scanner);
        assert!(input.read <= MAX_WASTED_BYTES + 2 * total, "{} bytes read", input.read);
    }

    #[test]
    fn k18_a_claimed_size_beyond_the_end_allocates_nothing() {
        let mut bytes = frames(&[b"whole", b"cut"]);
        let last = bytes.len() - 3 - AROUND;
        bytes[last + 8..last + 12].copy_from_slice(&(64_u32 << 20).to_le_bytes());
        let mut scanner = Scanner::new(io::Cursor::new(&bytes), u64::MAX).unwrap();
        let mut payload = Vec::new();
        assert!(scanner.next(|_| true, &mut payload).unwrap().is_some());
        assert_eq!(scanner.next(|_| true, &mut payload).unwrap(), None);
        assert_eq!((scanner.torn(), payload.capacity() < 1_000), (AROUND as u64 + 3, true));
    }
}
