//! Benches of eco2: Criterion groups for single operations, and the table of targets.
//!
//! A *target* is a limit for the ratio of two things that are measured in one run, because absolute times do not compare
//! between machines. Both are measured in turns, in many short batches, in CPU time of the thread (rows with "wall": in
//! elapsed time). The row shows the median of the batches' ratios and the quartiles: on a busy machine the quartiles
//! spread, and the median hardly changes.

mod bindings_c;
mod bindings_python;
mod bulk;
mod command;
mod fixture;
mod generator;
mod groups;
mod history;
mod hot_calls;
mod measure;
mod page;
mod plans;
mod preempted;
mod probes;
mod ranks;
mod readers;
mod report;
mod runlog;
mod sampling;
mod table;

pub use fixture::{hot_clock, meter, noop_sources, quiet_options, settle};
pub use groups::{criterion, run_groups};
pub use measure::{Failure, Place};
pub use probes::RECORDS;
pub use table::{Row, Table, describe_machine, print_line};

/// One subject of the table: its name on the command line, and the function that measures its rows.
pub type Subject = (&'static str, fn(&Place) -> Result<Vec<Row>, Failure>);

/// Every subject, in the order of the table.
pub const SUBJECTS: [Subject; 22] = [
    ("recording", hot_calls::measure_recording),
    ("instructions", probes::measure_instructions),
    ("immediate", hot_calls::measure_reading),
    ("c", bindings_c::measure),
    ("python", bindings_python::measure),
    ("readers", readers::measure),
    ("preempted", preempted::measure),
    ("page", page::measure),
    ("join", bulk::measure_join),
    ("bulk", bulk::measure),
    ("plans", plans::measure),
    ("sampling", sampling::measure),
    ("demand", sampling::measure_on_demand),
    ("limits", sampling::measure_limits),
    ("overhead", sampling::measure_overhead),
    ("log", runlog::measure),
    ("report", report::measure),
    ("history", history::measure),
    ("command", command::measure),
    ("ranks", ranks::measure),
    ("memory", probes::measure_memory),
    ("allocations", probes::measure_allocations),
];
