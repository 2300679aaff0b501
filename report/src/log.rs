//! The run log `*.eco2log`: append-only, checksummed frames, readable after a crash at any byte.
//!
//! ```text
//! frame   = magic "eco2" | kind u8 | version u8 = 1 | 0 u16 | length u32 | crc32 u32 | payload       (little-endian)
//!           the checksum covers kind, version, the zeros, length and payload
//! file    = Meta, then Domains, Ticks, Gauges, Event, Checkpoint in any order, at last Final
//! Meta, Event, Checkpoint, Final: JSON (LogMeta, EventRecord, a provisional and the final report)
//! Domains = JSON {"first": index, "domains": [...]}; Gauges = JSON {"set", "names"} or {"set", "at", "values"}
//! Ticks   = up to 128 ticks of one bank, bit-packed and lossless; see the block module
//! ```
//!
//! **What a crash costs.** Killing the process loses the blocks still in memory: at most [`FLUSH_NS`] of readings. A
//! power cut loses up to [`FLUSH_NS`] plus [`Pace::sync_every`]. A frame that is cut off or damaged is dropped and its size
//! reported; frames after damage are found again by their magic.
//!
//! **How large it grows.** History (ticks and gauges) is thinned: with every further [`HISTORY_STEP_BYTES`] written,
//! only every 2nd, 4th, 8th … tick of a bank is kept. A history of `H` bytes at full rate therefore takes at most
//! `HISTORY_STEP_BYTES × (1 + log2(1 + H / HISTORY_STEP_BYTES))` bytes, plus a block: a year of 12 domains at 100 Hz is
//! about 60 MiB. Totals do not suffer: they come from the checkpoints, the first after 0.1 s, whose spacing grows to 5 s or
//! 0.5 % of the run.

mod backlog;
mod bits;
mod block;
mod column;
mod contents;
mod disk;
mod encoder;
mod frame;
#[doc(hidden)]
pub mod generator;
mod reader;
mod scan;
mod thin;
mod writer;

use eco2_core::Gauge;
use eco2_core::report::Run;
use serde::{Deserialize, Serialize};

pub use contents::LogContents;
pub use disk::{Disk, FileDisk};
pub use encoder::LogEncoder;
pub(crate) use reader::find_report;
pub use reader::{parse_log, read_log, visit_readings};
pub use writer::{LogStatus, LogWriter, Pace};

/// The schema's name.
pub const LOG_SCHEMA: &str = "eco2.log/1";
/// The most ticks in a block.
pub const BLOCK_TICKS: usize = 128;
/// A block is ended when its first tick is older than this, nanoseconds.
pub const FLUSH_NS: u64 = 5_000_000_000;
/// History bytes after which the spacing of what is kept doubles.
pub const HISTORY_STEP_BYTES: u64 = 4 << 20;
/// The most that waits in memory for a full or failing disk, bytes.
pub const BACKLOG_BYTES: usize = 4 << 20;
/// The largest log that is read, bytes.
pub const MAX_LOG_BYTES: u64 = 1 << 30;
/// The largest payload of a frame, bytes.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 20;
/// The most readings that a log's contents hold; of a longer history they are spread over all of it.
pub const MAX_POINTS: usize = 1 << 18;
/// The most readings that are unpacked from one log: more than a year of twelve domains has.
pub const MAX_UNPACKED: u64 = 1 << 26;

/// First frame of a log: which run this is and where its clock began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogMeta {
    /// Always [`LOG_SCHEMA`].
    pub schema: String,
    /// The run as known at its start.
    pub run: Run,
    /// Monotonic nanoseconds at the run's begin; readings count on the same clock.
    pub begin_ns: u64,
}

impl LogMeta {
    /// Meta of a run that begins at `begin_ns` of the monotonic clock.
    #[must_use]
    pub fn new(run: Run, begin_ns: u64) -> Self {
        Self { schema: LOG_SCHEMA.to_owned(), run, begin_ns }
    }
}

/// Gauges of one moment, as the log keeps them.
#[derive(Debug, Clone, PartialEq)]
pub struct GaugeReading {
    /// Monotonic nanoseconds.
    pub at_ns: u64,
    /// Gauges whose value was a finite number.
    pub gauges: Vec<Gauge>,
}

/// First bytes of a run log.
pub(crate) const MAGIC: &[u8; 4] = frame::MAGIC;
