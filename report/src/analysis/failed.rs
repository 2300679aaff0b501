//! Runs that failed: their command ended with an exit code other than 0, or eco2 was killed with them. Their energy counts in every
//! sum, and is also summed separately. A run that may go on is not a failed one.

use eco2_core::schema::Report;

/// Whether the run failed.
pub(crate) fn has_failed(report: &Report) -> bool {
    report.run.has_failed()
}

/// Returns the energy of a run that failed, microjoules: its known part, or its lower bound; 0 for other runs.
pub(crate) fn wasted_uj(report: &Report) -> u64 {
    if has_failed(report) { report.energy.total_uj.unwrap_or(report.energy.low_uj) } else { 0 }
}
