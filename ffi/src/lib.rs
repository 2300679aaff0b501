//! libeco2: a skin over the crate `eco2` for C. Conversion, guard and handles; no arithmetic, no policy.
//!
//! The C interface is what `include/eco2.h` says; it is generated from the exports here. Every export runs inside the
//! panic guard, checks its arguments first and returns a status. Nothing is written to standard output or error, no
//! signal handler is installed.

mod batch;
mod budget;
mod close;
mod columns;
mod debug;
mod devices;
mod failure;
mod globals;
mod grid;
mod guard;
mod handle;
mod late;
mod layout;
#[cfg(target_pointer_width = "64")]
mod layout_checks;
mod log;
mod merge;
mod numbers;
mod open;
mod powers;
mod read;
mod record;
mod render;
mod source;
mod source_table;
mod status;
mod text;
mod version;

pub use batch::{Batch, eco2_batch_impact};
pub use budget::{BudgetState, eco2_budget_check};
pub use close::{eco2_meter_close, eco2_meter_free};
pub use columns::{FailedFn, ItemFn, NumberFn, eco2_column_fill};
pub use debug::eco2_debug_panic;
pub use devices::{DeviceInfo, eco2_device_count, eco2_device_get, eco2_device_text};
pub use failure::eco2_last_error;
pub use grid::{eco2_plan, eco2_zone};
pub use handle::Handle;
pub use late::eco2_span_between;
pub use log::{DestroyFn, LogFn, eco2_set_log_callback};
pub use merge::eco2_merge;
pub use numbers::*;
pub use open::eco2_meter_open;
pub use powers::{Powers, eco2_batch_powers};
pub use read::{EnergyNow, SpanTotal, eco2_now, eco2_now_devices, eco2_series, eco2_span_total};
pub use record::{
    Work, eco2_declare_sync, eco2_extra, eco2_span_begin, eco2_span_end, eco2_span_id, eco2_start_steps, eco2_step,
    eco2_step_work,
};
pub use render::eco2_report;
pub use source::eco2_register_source;
pub use source_table::{ReadFn, SourceDomain, SourceTable};
pub use status::*;
pub use version::{ECO2_ABI_VERSION, eco2_abi_version, eco2_version};
