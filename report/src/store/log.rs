//! The run log `*.eco2log`, which a measured run writes while it runs: append-only, checksummed frames, readable after a
//! crash at any byte.
//!
//! **Terms.** A *domain* is one counter or power sensor of a source. A *reading* is one value of a domain, with the clock
//! before and after the read. A *tick* is one read of a source: one reading for each domain that was read. A *bank* collects
//! the ticks of one source that read the same domains. When it is full or old, it is written as a *block* of up to 128 ticks.
//! A *gauge* is a value that is no energy, such as a temperature. A *checkpoint* is a provisional report.
//!
//! ```text
//! file    = Meta, then Domains, Ticks, Gauges, Event, Policy, Pricing, Checkpoint in any order, then Ends, Pricing, Final, Summary
//! frame   = magic "eco2" | kind u8 | version u8 | 0 u16 | length u32 | crc32 u32 | body             (little-endian)
//!           `length` is that of the body; the checksum covers everything but the magic and itself
//! body    = payload                         in frames of version 1: Meta of any log, and all frames of version 1 logs
//!         = chain slot [u8; 32] | payload   in frames of version 2
//!
//! kind         payload
//! 1 Meta       JSON LogMeta: schema `eco2.log/2`, the run, the clock at its start
//! 2 Domains    JSON {"first": index, "domains": [...]}
//! 3 Ticks      one block, bit-packed and lossless; see block.rs
//! 4 Gauges     JSON {"set": number, "names": [[device, name, unit], ...]}, then for each moment
//!              JSON {"set": number, "at": nanoseconds, "values": [number, ...]} with the values of that set of names
//! 5 Event      JSON EventRecord
//! 6 Checkpoint JSON, a provisional report
//! 7 Final      JSON, the final report
//! 8 Summary    JSON LogSummary: identity and totals of the run; the last frame of a run that ended
//! 9 Policy     JSON PolicyRecord: how the schedule reads a source from here on
//! 10 Pricing   JSON PricingRecord: intensities, prices and factors, with the hash of the table or answer they are from
//! 11 Ends      JSON RunEnds: what each domain had counted at both ends of the run; also "blocks": number of Ticks frames of the run,
//!              all before this frame. Not in older logs
//! ```
//!
//! **Versions.** Logs of version 1 have the kinds 1 to 7 and frames of version 1. Every version of eco2 reads them. Meta
//! is always a frame of version 1: an eco2 that knows only version 1 then reports the newer schema, not an empty log.
//! A reader skips and counts the kinds and versions that it does not know.
//!
//! **Chain.** The slot of a frame has the SHA-256 of the frame and of the slot before it (chain.rs has the bytes), so that
//! `eco2 verify` finds a frame that was changed, removed, moved or inserted. The slot of the Summary is the head of the chain.
//! The thread that writes the file computes it. Logs of version 1 have no slots, and older ones have zeros: they are read,
//! and are *not chained*. Readers of runs ignore the slots. eco2 never appends to a log that exists: a run that starts again
//! writes another.
//!
//! **Losses.** If the process is killed, the blocks in memory are lost: at most [`FLUSH_NS`] of readings. A power cut
//! loses up to [`FLUSH_NS`] plus [`Pace::sync_every`]. A frame that is cut off or damaged is dropped, and its bytes are
//! counted. The reader finds the frames after the damage by their magic.
//!
//! **Size.** By default a bank keeps one tick per [`SPACING_NS`]. It also keeps more ticks at the start of a run (at least
//! eight in each doubling of its length), the last tick, and the two ticks on both sides of a reset, a wrap or a failed read.
//! The spacing doubles with every further [`HISTORY_STEP_BYTES`] of history (ticks and gauges), up to
//! [`LONGEST_SPACING_NS`]. Totals do not depend on the spacing, because they come from the checkpoints. The first checkpoint
//! is written after 0.1 s; their spacing grows to 5 s or 0.5 % of the run. eco2 never deletes a log.

mod backlog;
mod bits;
mod block;
mod chain;
mod check;
mod column;
mod contents;
mod disk;
mod encoder;
mod frame;
mod reader;
mod record;
mod scan;
mod thin;
mod writer;

use eco2_core::Gauge;

pub use check::{LogCheck, LogFinding, LogMark, check_log, check_log_bytes};
pub use contents::LogContents;
pub use disk::Disk;
pub use encoder::LogEncoder;
pub(crate) use reader::{OPEN_AGE, RecordEnd, read_end};
pub use reader::{parse_log, read_log, read_run, read_summary, unclosed_ending, visit_readings};
pub use record::{LogMeta, LogSummary, PolicyRecord, PricingRecord, PricingSlot};
pub use writer::{LogStatus, LogWriter, Pace};

/// The schema of the logs that this version writes.
const LOG_SCHEMA: &str = "eco2.log/2";
/// Schemas of earlier versions, which this version also reads.
const EARLIER_SCHEMAS: [&str; 1] = ["eco2.log/1"];
/// Largest number of ticks in a block.
pub const BLOCK_TICKS: usize = 128;
/// A block is written when its first tick is older than this, nanoseconds.
const FLUSH_NS: u64 = 5_000_000_000;
/// Default time between two ticks that are kept, nanoseconds.
const SPACING_NS: u64 = 1_000_000_000;
/// Longest time between two ticks that are kept, nanoseconds. A 32-bit RAPL counter wraps after 262 kJ, so after 262 s at
/// 1 kW: at 64 s there are four readings per wrap, and no wrap is missed.
pub const LONGEST_SPACING_NS: u64 = 64_000_000_000;
/// Bytes of history after which the spacing of kept ticks doubles.
pub const HISTORY_STEP_BYTES: u64 = 4 << 20;
/// Largest number of bytes that wait in memory for a full or failing disk.
const MAX_BACKLOG_BYTES: usize = 4 << 20;
/// Largest log that is read, bytes.
pub const MAX_LOG_BYTES: u64 = 1 << 30;

/// Largest number of readings in [`LogContents`], about 10 MB. A longer history is thinned evenly.
pub const MAX_POINTS: usize = 1 << 18;
/// Largest number of readings that are unpacked from one log. A year of twelve domains at [`LONGEST_SPACING_NS`] has six
/// million; the limit bounds the time that a hostile log takes.
const MAX_UNPACKED_READINGS: u64 = 1 << 26;

/// The gauges of one moment in a log.
#[derive(Debug, Clone, PartialEq)]
pub struct GaugeReading {
    /// Time of the reading on the run's monotonic clock, nanoseconds.
    pub at_ns: u64,
    /// The gauges whose value was a finite number.
    pub gauges: Vec<Gauge>,
}
