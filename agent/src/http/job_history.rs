//! `GET /api/v1/jobs?since=`: the jobs that ended since a time, also those that are listed no longer. The files are read on a thread
//! of their own, one request at a time: a slow disk does not hold up other clients.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::header::HeaderName;
use hyper::{StatusCode, header};
use tokio::sync::oneshot;

use super::access::Rights;
use super::reply::{Content, Reply};
use crate::job_history::{EndedJobs, ended_since};
use crate::snapshot::Consumer;

/// Header with the time since which the history has every job that ended, where older records are gone (RFC 3339).
const COMPLETE_SINCE: HeaderName = HeaderName::from_static("eco2-complete-since");

/// The folder of the history, and whether it is being read.
#[derive(Debug)]
pub(crate) struct JobHistoryReader {
    folder: PathBuf,
    is_busy: Arc<AtomicBool>,
}

impl JobHistoryReader {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, is_busy: Arc::default() }
    }

    /// Whether it is being read.
    #[cfg(test)]
    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Acquire)
    }

    /// Returns the jobs that ended at or after `since_ns`, nanoseconds since 1970, and then the `listed` ones, each once; of a user
    /// only the own ones.
    pub(crate) fn answer(&self, rights: Rights, since_ns: i64, listed: Vec<Consumer>) -> Reply {
        let may_see = move |job: &Consumer| match rights {
            Rights::All => true,
            Rights::Own(uid) => job.uid == uid,
            Rights::Coarse | Rights::Nothing => false,
        };
        if matches!(rights, Rights::Coarse | Rights::Nothing) {
            // A caller who may see no job costs no reading, and takes no other's place.
            return Reply::json(&listed);
        }
        if self.is_busy.swap(true, Ordering::AcqRel) {
            let text = "the history of jobs is being read for another caller";
            return Reply::error(StatusCode::SERVICE_UNAVAILABLE, text).with(header::RETRY_AFTER, "1");
        }
        let (answer, answered) = oneshot::channel();
        let (folder, is_busy) = (self.folder.clone(), Arc::clone(&self.is_busy));
        let read = move || {
            let _busy = Busy(is_busy);
            let known: BTreeSet<(u64, i64)> = listed.iter().map(|job| (job.key, job.began_wall_ns)).collect();
            let is_new = |job: &Consumer| !known.contains(&(job.key, job.began_wall_ns));
            let EndedJobs { jobs, complete_since_ns } = ended_since(&folder, since_ns);
            let ended = jobs.into_iter().filter(|job| may_see(job) && is_new(job));
            let reply = Reply::json(&ended.chain(listed.iter().cloned()).collect::<Vec<_>>());
            let complete = complete_since_ns.and_then(|ns| jiff::Timestamp::from_nanosecond(ns.into()).ok());
            // A client that is gone needs no answer.
            answer.send(complete.into_iter().fold(reply, |reply, at| reply.with(COMPLETE_SINCE, at.to_string()))).ok();
        };
        match std::thread::Builder::new().name("eco2-jobs".to_owned()).spawn(read) {
            Ok(_) => Reply { body: Content::Later(answered), ..Reply::text("", String::new()) },
            Err(_) => {
                self.is_busy.store(false, Ordering::Release);
                Reply::error(StatusCode::SERVICE_UNAVAILABLE, "the history of jobs cannot be read now")
            }
        }
    }
}

/// Marks the reader as free at its end, also where it panics.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::past_record as record;
    use crate::job_history::JobHistory;

    #[test]
    fn answer_names_the_time_since_which_the_history_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let (mut history, _) = JobHistory::open(folder.path(), &[], "b", BTreeSet::new());
        for key in 1..=3 {
            history
                .add(crate::job_log::JobRecord {
                    wall_ns: key * 100_000_000_000,
                    ..record("b", key as u64, 1, Some(1))
                })
                .unwrap();
            if key < 3 {
                history.begin_again();
            }
        }
        let reader = JobHistoryReader::new(folder.path().to_owned());
        let Content::Later(answer) = reader.answer(Rights::All, 0, Vec::new()).body else { panic!("no answer") };
        let headers = answer.blocking_recv().unwrap().headers;
        let complete = headers.iter().find(|(name, _)| *name == COMPLETE_SINCE).map(|(_, value)| &value[..]);
        assert_eq!(complete, Some("1970-01-01T00:03:20Z"));
    }

    #[test]
    fn user_reads_own_jobs_of_the_history_only() {
        let folder = tempfile::tempdir().unwrap();
        let (mut history, _) = JobHistory::open(folder.path(), &[], "b", BTreeSet::new());
        history.add(record("b", 1, 10, Some(10))).unwrap();
        let reader = JobHistoryReader::new(folder.path().to_owned());
        let ids = |rights: Rights| {
            let body = match reader.answer(rights, 0, Vec::new()).body {
                Content::Later(answer) => answer.blocking_recv().unwrap().body,
                body => body,
            };
            let Content::Whole(bytes) = body else { panic!("no text") };
            while reader.is_busy() {
                std::thread::yield_now();
            }
            let jobs: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
            jobs.iter().map(|job| job["id"].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(ids(Rights::All), ["\"job-1\""]);
        assert_eq!(ids(Rights::Own(5)), ["\"job-1\""]);
        assert!([Rights::Own(6), Rights::Coarse].map(ids).iter().all(Vec::is_empty));
        let at_once = reader.answer(Rights::Coarse, 0, Vec::new()).body;
        assert!(matches!(at_once, Content::Whole(_)), "a caller who may see no job has nothing read");
    }
}
