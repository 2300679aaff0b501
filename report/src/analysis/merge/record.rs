//! One record by itself, with the identity and the stretches that a merge gives it.

use std::borrow::Cow;

use eco2_core::schema::Report;
use eco2_core::{Stretch, Window};

use super::parts::{machine, records_of, unnamed, window};

/// Returns the id of a record, its machine, and its time on the clock of that machine.
pub(crate) fn record_identity(report: &Report) -> (String, String, Window) {
    let part = if report.run.part.is_empty() { unnamed(report) } else { report.run.part.clone() };
    (part, machine(report), window(report))
}

/// Returns the stretches of each counter of a record, with the id of its device.
pub(crate) fn record_stretches(report: &Report) -> Vec<(String, Vec<Stretch>)> {
    let sound = |stretches: &[Stretch]| stretches.iter().filter(|stretch| stretch.is_sound()).cloned().collect();
    let records: Cow<'_, [_]> = records_of(report);
    records.iter().map(|record| (record.device.clone(), sound(&record.stretches))).collect()
}
