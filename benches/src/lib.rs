//! Benches of eco2: criterion groups for single operations, and the table of targets.
//!
//! A target is a ratio of two things measured in one run, for absolute times are worth nothing on another machine. Both
//! sides of a ratio are measured in turns, in many short batches, in CPU time of the thread unless a row has the word "wall";
//! the row shows the median of the batches' ratios and its quartiles. So a busy machine widens the spread and leaves
//! the median nearly where it is.

pub mod bindings_c;
pub mod bindings_python;
pub mod bulk;
pub mod command;
pub mod fixture;
pub mod groups;
pub mod immediate;
pub mod instructions;
pub mod joining;
pub mod machine;
pub mod measure;
pub mod memory;
pub mod noop;
pub mod overhead;
pub mod plans;
pub mod preempted;
pub mod python;
pub mod ranks;
pub mod readers;
pub mod recording;
pub mod report;
pub mod runlog;
pub mod sampling;
pub mod switches;
pub mod table;

use std::path::PathBuf;

use table::Row;

/// What a subject needs to know of its surroundings.
#[derive(Debug, Clone)]
pub struct Place {
    /// The program that is run under valgrind, and as a process of its own.
    pub probe: PathBuf,
    /// Cargo's target folder of this run.
    pub target: PathBuf,
}

/// Any failure: the subject is skipped and the table has the reason.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One subject of the table: its name on the command line, and what measures it.
pub type Subject = (&'static str, fn(&Place) -> Result<Vec<Row>, Failure>);

/// Every subject, in the order of the table.
pub const SUBJECTS: [Subject; 18] = [
    ("recording", recording::measure),
    ("instructions", instructions::measure),
    ("immediate", immediate::measure),
    ("c", bindings_c::measure),
    ("python", bindings_python::measure),
    ("readers", readers::measure),
    ("preempted", preempted::measure),
    ("join", joining::measure),
    ("bulk", bulk::measure),
    ("plans", plans::measure),
    ("sampling", sampling::measure),
    ("overhead", overhead::measure),
    ("log", runlog::measure),
    ("report", report::measure),
    ("command", command::measure),
    ("ranks", ranks::measure),
    ("memory", memory::measure),
    ("allocations", memory::allocations),
];
