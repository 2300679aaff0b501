//! `libeco2`: the crate `eco2` for programs in C. It converts arguments, guards against panics and owns handles; it
//! contains no arithmetic and no policy.
//!
//! `include/eco2.h` is generated from the exports here (`scripts/header`). Every export runs inside the panic guard, checks
//! its arguments first and returns a status. The library writes nothing to standard output or error and installs no
//! signal handler.
//!
//! *Export*: a function of the C interface. *Handle*: the pointer to an open meter in C. *The caller*: the C,
//! C++ or Python program.

mod batch;
mod budget;
mod devices;
mod failure;
mod grid;
mod guard;
mod handle;
mod layout;
mod library;
mod lifecycle;
mod numbers;
mod powers;
mod process;
mod read;
mod record;
mod reports;
mod requests;
mod source;
mod status;
mod text;

pub use batch::{BatchColumns, eco2_batch_impact};
pub use budget::{BudgetState, eco2_budget_check};
pub use devices::{DeviceInfo, eco2_device_count, eco2_device_get, eco2_device_text};
pub use grid::{eco2_plan, eco2_zone};
pub use handle::Handle;
pub use library::{ECO2_ABI_VERSION, eco2_abi_version, eco2_last_error, eco2_status_name, eco2_version};
pub use lifecycle::{
    eco2_debug_panic, eco2_meter_close, eco2_meter_forked, eco2_meter_free, eco2_meter_open, eco2_meter_rank,
};
pub use numbers::*;
pub use powers::{FailedFn, ItemFn, NumberFn, PowerColumns, eco2_batch_powers, eco2_column_fill};
pub use process::{DestroyFn, LogFn, eco2_set_log_callback};
pub use read::{EnergyNow, SpanSum, eco2_now, eco2_now_devices, eco2_series, eco2_span_total};
pub use record::{
    StepWork, eco2_declare_sync, eco2_extra, eco2_span_begin, eco2_span_between, eco2_span_end, eco2_span_id,
    eco2_start_steps, eco2_step, eco2_step_work,
};
pub use reports::{eco2_merge, eco2_report};
pub use requests::{
    RequestEnergy, RequestTotals, eco2_request_end, eco2_request_get, eco2_request_step, eco2_request_sums,
};
pub use source::{ReadFn, SourceDomain, SourceTable, eco2_register_source};
pub use status::*;
