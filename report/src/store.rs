//! The files of runs: run logs, traces, reports, the folder of runs, and how files are read and written.

mod calibration;
pub(crate) mod files;
mod log;
mod machine;
pub(crate) mod new_logs;
pub(crate) mod output;
pub(crate) mod report_file;
pub(crate) mod runs;
#[cfg(feature = "seal")]
mod seal;
mod trace;

pub use calibration::{CalibratedLoad, CalibratedPart, Calibration};
pub use files::write_file;
pub use log::{
    BLOCK_TICKS, Disk, GaugeReading, HISTORY_STEP_BYTES, LONGEST_SPACING_NS, LogCheck, LogContents, LogEncoder,
    LogFinding, LogMark, LogMeta, LogStatus, LogSummary, LogWriter, MAX_LOG_BYTES, MAX_POINTS, Pace, PolicyRecord,
    PricingRecord, PricingSlot, check_log, check_log_bytes, parse_log, read_log, read_run, read_summary,
    unclosed_ending, visit_readings,
};
pub(crate) use log::{OPEN_AGE, RecordEnd, read_end};
pub use machine::{CounterResult, CounterTest, MachineState};
pub use output::{Output, check_output, check_output_folder};
pub use report_file::{parse_report, read_report};
#[cfg(feature = "history")]
pub(crate) use runs::records_of_id;
pub use runs::{LOG_EXTENSION, log_path, new_run_id, private_folder, records_at, seal_path};
pub(crate) use runs::{runs_in, stem};
#[cfg(feature = "seal")]
pub use seal::{SealCheck, SealError, SealKey, SealPublicKey, check_seal, write_seal};
pub use trace::{LineFault, MAX_LINE_BYTES, NumberFault, Trace, TraceSpan, TraceWriter, parse_spans, read_spans};
