//! Keeps one record of each job that has ended ([`JobHistory`]), with its whole energy, so that a month can be accounted for: jobs are
//! listed for an hour, and the log of jobs is as long as what a restart needs.
//!
//! The file has the format of the log of jobs, [`JobLog`], and the file before it is kept, too.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::job_log::{JobLog, JobRecord};
use crate::node::past_job;
use crate::shares::JobKey;
use crate::snapshot::Consumer;

/// Name of the file.
const NAME: &str = "ended-jobs.log";

/// The records of jobs that have ended.
#[derive(Debug)]
pub(crate) struct JobHistory {
    log: JobLog,
    /// Jobs whose last second is not accounted for yet.
    pub(crate) pending: BTreeSet<JobKey>,
}

impl JobHistory {
    /// Opens the history in a folder, and adds those of `records` that ended and are missing from it: the agent may have ended first.
    /// `listed`: the jobs of this boot that have ended, and are listed. They are added after the next account, which knows more of them.
    ///
    /// # Errors
    /// Where one cannot be written; the next start adds the rest.
    pub(crate) fn open(
        folder: &Path,
        records: &[JobRecord],
        boot_id: &str,
        listed: BTreeSet<JobKey>,
    ) -> (Self, io::Result<()>) {
        let (log, kept, _) = JobLog::open_as(folder, NAME);
        let mut history = Self { log, pending: listed };
        let known: BTreeSet<(&str, JobKey)> = kept.iter().map(|record| (&*record.boot_id, record.key)).collect();
        history.pending.retain(|key| !known.contains(&(boot_id, *key)));
        let mut missing = newest(records);
        let is_listed = |id: &(&str, JobKey)| id.0 == boot_id && history.pending.contains(&id.1);
        missing.retain(|id, record| {
            let has_ended = record.boot_id != boot_id || record.state.ended.is_some();
            !known.contains(id) && !is_listed(id) && has_ended
        });
        let added = missing.into_values().try_for_each(|record| history.add(record.clone()));
        (history, added)
    }

    /// Begins the next file, as where this one is full.
    #[cfg(test)]
    pub(crate) fn begin_again(&mut self) {
        self.log.begin_again().unwrap();
    }

    /// Adds a job that has ended. One that is added again replaces the one before.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(crate) fn add(&mut self, record: JobRecord) -> io::Result<()> {
        if self.log.is_full() {
            self.log.begin_again()?;
        }
        self.log.add(record)
    }

    /// Lets another thread write to the disk what was added. Returns the fault of the last time.
    pub(crate) fn sync(&mut self) -> Option<io::Error> {
        self.log.sync()
    }
}

/// Jobs that ended.
#[derive(Debug, PartialEq)]
pub(crate) struct EndedJobs {
    /// The oldest first.
    pub(crate) jobs: Vec<Consumer>,
    /// Since when the history has every job that ended, nanoseconds since 1970: older records were in a file that was replaced. `None`: it
    /// has all of them.
    pub(crate) complete_since_ns: Option<i64>,
}

/// Returns the jobs in the history of a folder that ended at or after a time, nanoseconds since 1970.
pub(crate) fn ended_since(folder: &Path, since_ns: i64) -> EndedJobs {
    let records = JobLog::read_as(folder, NAME);
    // A job ended before its record was written, and records are numbered from 1.
    let complete_since_ns = records.first().filter(|oldest| oldest.number > 1).map(|oldest| oldest.wall_ns);
    let jobs = newest(&records).into_values().map(past_job);
    let mut jobs: Vec<Consumer> = jobs.filter(|job| job.ended_wall_ns >= Some(since_ns)).collect();
    jobs.sort_by_key(|job| job.ended_wall_ns);
    EndedJobs { jobs, complete_since_ns }
}

/// Returns the newest record of each job, by its boot and key.
fn newest(records: &[JobRecord]) -> BTreeMap<(&str, JobKey), &JobRecord> {
    records.iter().map(|record| ((&*record.boot_id, record.key), record)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::past_record as record;
    use crate::snapshot::EndReason;

    const S: i64 = 1_000_000_000;

    #[test]
    fn history_has_each_job_once_with_its_last_record_and_those_that_an_agent_could_not_add() {
        let folder = tempfile::tempdir().unwrap();
        // Jobs 1 and 2 ended in this boot and one before, 3 went on when that boot ended, 4 goes on, 6 is listed.
        let log = [record("b", 1, 10, Some(10)), record("a", 2, 20, Some(20)), record("a", 3, 30, None)];
        let log: Vec<JobRecord> =
            log.into_iter().chain([record("b", 4, 40, None), record("b", 6, 1, Some(60))]).collect();
        let (mut history, added) = JobHistory::open(folder.path(), &log, "b", [6].into());
        added.unwrap();
        history.add(record("b", 1, 11, Some(10))).unwrap();
        history.add(record("b", 5, 50, Some(50))).unwrap();
        drop(history);
        // The next agent adds none again.
        let (next, added) = JobHistory::open(folder.path(), &log, "b", [5, 6].into());
        added.unwrap();
        // The node knows more of job 6 than its record.
        assert_eq!(next.pending, [6].into());
        let shown = |since_s: i64| {
            let jobs = ended_since(folder.path(), since_s * S).jobs.into_iter();
            jobs.map(|job| (job.key, job.energy_uj, job.ended_wall_ns.unwrap() / S)).collect::<Vec<_>>()
        };
        assert_eq!(shown(0), [(1, 11, 10), (2, 20, 20), (5, 50, 50), (3, 30, 99)]);
        assert_eq!(shown(50), [(5, 50, 50), (3, 30, 99)]);
        let reasons: Vec<_> = ended_since(folder.path(), 90 * S).jobs.iter().map(|job| job.end_reason).collect();
        assert_eq!(reasons, [Some(EndReason::Reboot)]);
        let none = EndedJobs { jobs: Vec::new(), complete_since_ns: None };
        assert_eq!(ended_since(&folder.path().join("none"), 0), none);
    }

    #[test]
    fn history_whose_oldest_file_was_replaced_names_the_time_since_which_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let (mut history, _) = JobHistory::open(folder.path(), &[], "b", BTreeSet::new());
        let complete_since_s = || ended_since(folder.path(), 0).complete_since_ns.map(|ns| ns / S);
        for key in 1..=3 {
            let wall_ns = key as i64 * 100 * S;
            history.add(JobRecord { wall_ns, ..record("b", key, 1, Some(key * 100)) }).unwrap();
            assert_eq!(complete_since_s(), (key == 3).then_some(200), "both files have jobs 1 and 2, then 2 and 3");
            if key < 3 {
                history.begin_again();
            }
        }
    }
}
