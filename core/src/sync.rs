//! Selects the atomic types of the two rings that work without locks (events and snapshots): the standard library's, or
//! those of loom, a checker of thread interleavings, when the crate is built with `--cfg loom`.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::AtomicU64;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::fence;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::AtomicU64;
pub(crate) use std::sync::atomic::Ordering;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::fence;

/// The memory orderings and checks that the rings rely on, one constant each. The loom tests weaken one at a time and
/// expect an error.
///
/// The defaults are the correct ones; `timeline/ring.rs` and `events/spsc.rs` describe which store and load form a
/// pair. `head` is the number of the newest entry of a ring, `reserve` that of the entry whose writing began last.
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
    /// Heartbeat: how the writer stores it.
    const BEAT_STORE: Ordering = Ordering::Release;
    /// Heartbeat: an acquire fence lies between it and what a reader reads next.
    const BEAT_FENCE: bool = true;
    /// Event producer: how `head` is stored.
    const EVENT_STORE: Ordering = Ordering::Release;
}

/// The orderings in use: all defaults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sound;

impl Orderings for Sound {}
