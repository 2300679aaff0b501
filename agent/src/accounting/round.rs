//! Takes what the sampling thread read, and publishes the pages.

use super::{Accounting, SECOND_NS};
use crate::node::Input;

/// Age of the last round of readings from which on the pages do not show that sensors are read: one a second, and half of it late.
const STUCK_NS: u64 = SECOND_NS + SECOND_NS / 2;

impl Accounting {
    /// Takes what was read, and publishes the pages at `now_ns`, monotonic nanoseconds.
    pub(super) fn take(&mut self, round: Vec<Input>, now_ns: u64) {
        for input in round {
            match &input {
                Input::Users { source, uses } => {
                    let pids = uses.iter().flat_map(|used| &used.processes).map(|(pid, _)| *pid);
                    self.listed.insert(*source, pids.collect());
                }
                Input::Tick { now_ns } => self.read_ns = Some(*now_ns),
                _ => {}
            }
            self.node.take(input);
        }
        if self.node.domain_count() > self.kept_domains {
            // The next agent goes on from their first readings, also where this one is killed within its first second.
            self.kept_domains = self.node.domain_count();
            self.keep();
        }
        // Readers take the pages for those of an agent that has ended, where they go on no longer.
        if self.read_ns.is_some_and(|read_ns| now_ns.saturating_sub(read_ns) <= STUCK_NS) {
            let published = self.pages.publish(&mut self.node, now_ns);
            published.unwrap_or_else(|error| self.warn(format!("a page is not published: {error}")));
        }
    }
}
