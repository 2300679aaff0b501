//! Counts what happened at each source since the agent first ran on the machine.

use std::collections::BTreeMap;

use eco2_core::{Fault, Outcome, Reading};

use super::Node;
use crate::snapshot::Instant;
use crate::source_counts::SourceCounts;

impl Node {
    /// Returns what happened at each source, with the time of its last reading by the wall clock.
    pub(super) fn counts_at(&self, at: Instant) -> BTreeMap<String, SourceCounts> {
        let wall_ns = |ns: u64| at.wall_ns.saturating_sub(i64::try_from(at.ns.saturating_sub(ns)).unwrap_or(i64::MAX));
        let dated =
            |counts: &SourceCounts| SourceCounts { read_wall_ns: counts.read_ns.map(wall_ns), ..counts.clone() };
        self.counts.iter().map(|(source, counts)| (source.clone(), dated(counts))).collect()
    }

    /// Takes a reading of a domain, and counts what happened at its source. Returns what the reading meant.
    pub(super) fn count_reading(&mut self, index: usize, reading: &Reading) -> Option<Outcome> {
        let track = &self.ledger.tracks()[index];
        let (before, source) = (track.counts(), track.domain().source.clone());
        let last_good_ns = track.last_good_ns().map(|(_, after_ns)| after_ns);
        let outcome = self.ledger.reading(index, reading);
        let after = self.ledger.tracks()[index].counts();
        let counts = self.counts.entry(source).or_default();
        counts.wraps = counts.wraps.saturating_add(after.wraps.saturating_sub(before.wraps));
        counts.resets = counts.resets.saturating_add(after.resets.saturating_sub(before.resets));
        match reading.value {
            Ok(_) => {
                counts.read_ns = counts.read_ns.max(Some(reading.after_ns));
                let since_ns = self.failing_since[index].take().unwrap_or(reading.before_ns);
                counts.gap_ns = counts.gap_ns.saturating_add(reading.before_ns.saturating_sub(since_ns));
            }
            Err(fault) => {
                let errors = counts.errors.entry(reason(fault).to_owned()).or_default();
                *errors = errors.saturating_add(1);
                // What failed before was added then.
                let since_ns = self.failing_since[index].or(last_good_ns).unwrap_or(reading.before_ns);
                counts.gap_ns = counts.gap_ns.saturating_add(reading.after_ns.saturating_sub(since_ns));
                self.failing_since[index] = Some(reading.after_ns);
            }
        }
        outcome
    }
}

/// Returns the text of a fault as a label's value.
fn reason(fault: Fault) -> &'static str {
    match fault {
        Fault::Denied => "denied",
        Fault::Unsupported => "unsupported",
        Fault::NotAvailable => "not-available",
        Fault::Lost => "lost",
        Fault::Gone => "gone",
        Fault::Hung => "hung",
        _ => "failed",
    }
}
