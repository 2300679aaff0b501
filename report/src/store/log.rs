//! The run log `*.eco2log`: append-only, checksummed frames, readable after a crash at any byte.
//!
//! ```text
//! file    = Meta, then Domains, Ticks, Gauges, Event, Policy, Pricing, Checkpoint in any order, at last Final, Summary
//! frame   = magic "eco2" | kind u8 | version u8 | 0 u16 | length u32 | crc32 u32 | body             (little-endian)
//!           `length` is that of the body; the checksum covers everything but the magic and itself
//! body    = payload                         in frames of version 1: Meta of any log, and all frames of version 1 logs
//!         = chain slot [u8; 32] | payload   in frames of version 2
//!
//! kind         payload
//! 1 Meta       JSON LogMeta: schema `eco2.log/2`, the run, the clock at its start
//! 2 Domains    JSON {"first": index, "domains": [...]}
//! 3 Ticks      up to 128 ticks of one bank, bit-packed and lossless; see the block module
//! 4 Gauges     JSON {"set", "names"} or {"set", "at", "values"}
//! 5 Event      JSON EventRecord
//! 6 Checkpoint JSON, a provisional report
//! 7 Final      JSON, the final report
//! 8 Summary    JSON LogSummary: identity and totals of the run; the last frame of a run that ended
//! 9 Policy     JSON PolicyRecord: how the schedule reads a source from here on
//! 10 Pricing   JSON PricingRecord: intensities, prices and factors, with the hash of the table or answer they are from
//! ```
//!
//! **Versions.** Logs of version 1 have the kinds 1 to 7 and frames of version 1; every version reads them. Meta stays a
//! frame of version 1, so that an eco2 that knows only version 1 names the newer schema instead of finding an empty log.
//! Kinds and versions that a reader does not know are skipped and counted.
//!
//! **Chain.** A chain slot is reserved for the SHA-256 of the whole frame in front of it, head and slot included; all
//! zeros mean that it was not computed. The log's thread fills it in and renews the checksum when it first appends the
//! frame, after a full disk has cost what it costs, so that the chain never names a frame that was dropped. Meta needs no
//! slot: the frame after it holds its hash.
//!
//! **What a crash costs.** Killing the process loses the blocks still in memory: at most [`FLUSH_NS`] of readings. A
//! power cut loses up to [`FLUSH_NS`] plus [`Pace::sync_every`]. A frame that is cut off or damaged is dropped and its size
//! reported; frames after damage are found again by their magic.
//!
//! **How large it grows.** By default a bank keeps one tick per [`SPACING_NS`], more at the start of a run (at least eight
//! in each doubling of its length), the last one, and around a reset, a wrap or a failed read the ticks on both sides.
//! With every further [`HISTORY_STEP_BYTES`] of history (ticks and gauges) the spacing doubles, up to
//! [`LONGEST_SPACING_NS`], so that no counter wraps between two ticks. Totals do not suffer: they come from the
//! checkpoints, the first after 0.1 s, whose spacing grows to 5 s or 0.5 % of the run. Nothing is deleted by itself.

mod backlog;
mod bits;
mod block;
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

pub use contents::LogContents;
pub use disk::Disk;
pub use encoder::LogEncoder;
pub use reader::{parse_log, read_log, read_run, read_summary, visit_readings};
pub use record::{LogMeta, LogSummary, PolicyRecord, PricingRecord, PricingSlot};
pub use writer::{LogStatus, LogWriter, Pace};

/// The schema's name.
const LOG_SCHEMA: &str = "eco2.log/2";
/// Schemas of earlier versions, which are read too.
const EARLIER_SCHEMAS: [&str; 1] = ["eco2.log/1"];
/// The most ticks in a block.
pub const BLOCK_TICKS: usize = 128;
/// A block is ended when its first tick is older than this, nanoseconds.
const FLUSH_NS: u64 = 5_000_000_000;
/// Time between two ticks that are kept, nanoseconds.
const SPACING_NS: u64 = 1_000_000_000;
/// The longest it becomes in a long run: four readings in the shortest time in which a counter of 262 kJ wraps at 1 kW.
pub const LONGEST_SPACING_NS: u64 = 64_000_000_000;
/// History bytes after which the spacing of what is kept doubles.
pub const HISTORY_STEP_BYTES: u64 = 4 << 20;
/// The most that waits in memory for a full or failing disk, bytes.
const BACKLOG_BYTES: usize = 4 << 20;
/// The largest log that is read, bytes.
pub const MAX_LOG_BYTES: u64 = 1 << 30;

/// The most readings that a log's contents hold; of a longer history they are spread over all of it.
pub const MAX_POINTS: usize = 1 << 18;
/// The most readings that are unpacked from one log: more than a year of twelve domains has.
const MAX_UNPACKED: u64 = 1 << 26;

/// Gauges of one moment, as the log keeps them.
#[derive(Debug, Clone, PartialEq)]
pub struct GaugeReading {
    /// Monotonic nanoseconds.
    pub at_ns: u64,
    /// Gauges whose value was a finite number.
    pub gauges: Vec<Gauge>,
}
