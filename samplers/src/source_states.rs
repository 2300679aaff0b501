//! Keeps the statuses of the sources while a run goes on ([`SourceStates`]), for the list `sources` of its report. A *source* is a group
//! of counters and sensors that are read together, such as NVML.

use std::collections::BTreeMap;

use eco2_core::schema::SourceStatus;

use crate::Change;

/// The statuses that changed since the sources were found, by the name of the source.
///
/// ```
/// use eco2_core::schema::{SourceStatus, Status};
/// use eco2_samplers::{Change, SourceStates};
///
/// let nvml = |status| SourceStatus { name: "nvml".into(), status, reason: String::new(), remedy: String::new() };
/// let mut states = SourceStates::default();
/// states.change(Change::Silent(nvml(Status::Hung)));
/// assert_eq!(states.now(&[nvml(Status::Ok)]), [nvml(Status::Hung)]);
/// ```
#[derive(Debug, Default)]
pub struct SourceStates {
    /// The status that each source reported last.
    described: BTreeMap<String, SourceStatus>,
    /// The status of each source that does not answer now.
    silent: BTreeMap<String, SourceStatus>,
}

impl SourceStates {
    /// Records a change that the sampling thread reports.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Described(status) => drop(self.described.insert(status.name.clone(), status)),
            Change::Silent(status) => drop(self.silent.insert(status.name.clone(), status)),
            Change::Answers(name) => drop(self.silent.remove(&name)),
        }
    }

    /// Returns the present statuses of the sources that were `found`, and of others that changed. The status of a source that does
    /// not answer precedes what it reported last.
    #[must_use]
    pub fn now(&self, found: &[SourceStatus]) -> Vec<SourceStatus> {
        let changed = |name: &String| self.silent.get(name).or_else(|| self.described.get(name));
        let mut now: Vec<SourceStatus> =
            found.iter().map(|status| changed(&status.name).unwrap_or(status).clone()).collect();
        // A program's own sources are not among those found: they are listed once their status changes.
        for status in self.silent.values().chain(self.described.values()) {
            if !now.iter().any(|known| known.name == status.name) {
                now.push(status.clone());
            }
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use eco2_core::schema::Status;

    use super::*;

    fn status(name: &str, status: Status) -> SourceStatus {
        SourceStatus { name: name.into(), status, reason: String::new(), remedy: String::new() }
    }

    fn now(states: &SourceStates) -> Vec<(String, Status)> {
        let found = [status("rapl-perf", Status::Ok), status("nvml", Status::Ok)];
        states.now(&found).into_iter().map(|status| (status.name, status.status)).collect()
    }

    #[test]
    fn k13_a_source_that_hangs_is_not_ok_until_it_answers() {
        let mut states = SourceStates::default();
        let rapl = ("rapl-perf".to_owned(), Status::Ok);
        let nvml = |status| vec![rapl.clone(), ("nvml".to_owned(), status)];
        assert_eq!(now(&states), nvml(Status::Ok));
        states.change(Change::Silent(status("nvml", Status::Hung)));
        assert_eq!(now(&states), nvml(Status::Hung));
        // A late description does not count as an answer.
        states.change(Change::Described(status("nvml", Status::Degraded)));
        assert_eq!(now(&states), nvml(Status::Hung));
        states.change(Change::Answers("nvml".into()));
        assert_eq!(now(&states), nvml(Status::Degraded));
    }

    #[test]
    fn k13_a_programs_own_source_that_stops_is_in_the_report() {
        let mut states = SourceStates::default();
        states.change(Change::Silent(status("meter on my desk", Status::Lost)));
        assert_eq!(now(&states)[2], ("meter on my desk".to_owned(), Status::Lost));
    }
}
