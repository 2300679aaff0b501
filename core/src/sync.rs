//! The atomics of the lock-free parts: the standard library's, or loom's when the crate is built with `--cfg loom`.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::AtomicU64;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::fence;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::AtomicU64;
pub(crate) use std::sync::atomic::Ordering;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::fence;

/// The orderings that the rings rely on, one constant each, so that the loom models can break them one at a time.
///
/// The defaults are the sound ones; see `timeline/ring.rs` and `events/spsc.rs` for what each one pairs with.
pub(crate) trait Orderings {
    /// Timeline writer: a release fence lies between `reserve` and the slot's words.
    const RESERVE_FENCE: bool = true;
    /// Timeline writer: how `head` is stored.
    const HEAD_STORE: Ordering = Ordering::Release;
    /// Timeline reader: an acquire fence lies between `head` and the copy.
    const HEAD_FENCE: bool = true;
    /// Timeline reader: an acquire fence lies between the copy and `reserve`.
    const CHECK_FENCE: bool = true;
    /// Timeline reader: the copy is refused if the writer may have begun to overwrite the slot.
    const LAP_CHECK: bool = true;
    /// Event producer: how `head` is stored.
    const EVENT_STORE: Ordering = Ordering::Release;
}

/// The orderings in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sound;

impl Orderings for Sound {}
