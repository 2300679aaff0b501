//! The chain of a run log: a hash in each frame covers the frame and, through the hash before it, all frames before. A frame
//! that is changed, removed, moved or inserted breaks it.
//!
//! The *link* of a frame is the SHA-256 of
//!
//! ```text
//! link of the frame before [32 bytes; zeros for the first frame] | kind u8 | version u8 | 0 u16 | length u32 | payload
//! ```
//!
//! with the bytes of the head as they are in the file. It is in the frame's chain slot. The first frame (Meta, with the id of
//! the run) has no slot: its link is computed, so that the second frame belongs to this run and no other. The slot of the last
//! frame is the *head* of the chain. A hash alone shows damage and careless changes; who computes all links again is found by
//! a seal only, which has the head.

use eco2_grid::Sha256;

use super::frame::{CHAIN_BYTES, linked_parts, set_slot};

/// SHA-256 of a frame and of all frames before it.
pub(super) type Link = [u8; CHAIN_BYTES];

/// Returns the link of a frame, from the link of the frame before it.
pub(super) fn link_of(previous: &Link, head_bytes: &[u8], payload: &[u8]) -> Link {
    Sha256::of_parts(&[previous, head_bytes, payload]).bytes()
}

/// The chain of a log that is written.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Link of the last whole frame.
    head: Link,
    /// Link of the frame that is next.
    next: Link,
}

impl Chain {
    /// Writes the link of the next frame into its slot. A frame that is linked again gets the same link.
    pub(super) fn link(&mut self, frame: &mut [u8]) {
        let (head_bytes, payload) = linked_parts(frame);
        self.next = link_of(&self.head, head_bytes, payload);
        set_slot(frame, &self.next);
    }

    /// Continues after the frame that was linked last, which is in the file.
    pub(super) fn advance(&mut self) {
        self.head = self.next;
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{self, FrameKind};
    use super::*;

    fn frame(kind: FrameKind, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let start = frame::start_frame(kind, &mut out);
        out.extend_from_slice(payload);
        assert!(frame::finish_frame(start, &mut out));
        out
    }

    #[test]
    fn links_have_the_bytes_that_the_format_states() {
        let (mut meta, mut event) = (frame(FrameKind::Meta, b"{}"), frame(FrameKind::Event, b"x"));
        let mut chain = Chain::default();
        chain.link(&mut meta);
        chain.advance();
        chain.link(&mut event);
        chain.advance();
        // Computed with Python's `hashlib`, from the format's description.
        let first = Sha256::of(&[&[0; 32][..], &[1, 1, 0, 0, 2, 0, 0, 0], b"{}"].concat());
        let second = Sha256::of(&[&first.bytes()[..], &[5, 2, 0, 0, 33, 0, 0, 0], b"x"].concat());
        assert_eq!(event[16..48], second.bytes());
        assert_eq!(second.to_string(), "7d94a946f65ac6ed66d04ca1cea1123fd5fa8a7e1f5fd36f2ea127957a106f05");
        assert_eq!(meta, frame(FrameKind::Meta, b"{}"), "the first frame has no slot");
        assert_eq!(
            super::super::scan::counted(&[meta, event].concat()),
            (2, 0),
            "checksums are those of the new bytes"
        );
    }
}
