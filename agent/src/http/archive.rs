//! Reads stored runs for requests ([`Archive`]), on a thread of its own: a slow disk does not hold up other clients.
//!
//! The only files that are read are the records that a listing of the folder of runs has found. An id of a request is compared with
//! their names and never becomes a part of a path.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

use eco2::{Options, Records};
use eco2_core::schema::Report;
use eco2_report::{RunFilter, RunList};
use hyper::{StatusCode, header};
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::access::Rights;
use super::reply::{Content, Reply};

/// Requests that wait for the thread; more are refused.
const MOST_WAITING: usize = 16;

/// Runs a request on the thread.
type Task = Box<dyn FnOnce(&Runs) + Send>;

/// The stored runs of the user that the agent runs as.
#[derive(Debug)]
pub(crate) struct Archive(SyncSender<Task>);

/// The folder of runs, as the thread reads it.
#[derive(Debug)]
pub(super) struct Runs {
    folder: PathBuf,
    pub(super) options: Options,
}

impl Archive {
    /// Starts the thread. It ends when the archive is dropped.
    ///
    /// # Errors
    /// Where the system refuses a thread.
    pub(crate) fn open(folder: PathBuf, options: Options) -> std::io::Result<Self> {
        let (tasks, received) = sync_channel::<Task>(MOST_WAITING);
        let runs = Runs { folder, options };
        thread::Builder::new().name("eco2-runs".to_owned()).spawn(move || {
            for task in received {
                // A fault in one file is the answer to one request, which then has no sender.
                let _ = catch_unwind(AssertUnwindSafe(|| task(&runs)));
            }
        })?;
        Ok(Self(tasks))
    }

    /// Returns the answer of `read`, which runs on the thread. Stored runs have names, commands and hosts: they are shown to their
    /// owner, and to callers that may see everything.
    pub(super) fn ask(&self, rights: Rights, read: impl FnOnce(&Runs) -> Reply + Send + 'static) -> Reply {
        let (answer, answered) = oneshot::channel();
        let task = move |runs: &Runs| {
            // A client that is gone needs no answer.
            if !answer.is_closed() {
                let reply = if runs.are_shown_to(rights) { read(runs) } else { not_yours() };
                answer.send(reply).ok();
            }
        };
        if matches!(rights, Rights::Coarse | Rights::Nothing) {
            return not_yours();
        }
        match self.0.try_send(Box::new(task)) {
            Ok(()) => Reply { body: Content::Later(answered), ..Reply::text("", String::new()) },
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                let text = "too many requests for stored runs wait already";
                Reply::error(StatusCode::SERVICE_UNAVAILABLE, text).with(header::RETRY_AFTER, "1")
            }
        }
    }
}

fn not_yours() -> Reply {
    let text = "stored runs are shown over the Unix socket to their owner, and to the bearer of the token";
    Reply::error(StatusCode::FORBIDDEN, text)
}

impl Runs {
    fn are_shown_to(&self, rights: Rights) -> bool {
        match rights {
            Rights::All => true,
            Rights::Own(uid) => fs::metadata(&self.folder).is_ok_and(|folder| folder.uid() == uid),
            Rights::Coarse | Rights::Nothing => false,
        }
    }

    /// Returns the newest `limit` runs that a filter takes, and the sums over all of them.
    pub(super) fn list(&self, filter: &RunFilter, limit: usize) -> RunList {
        eco2_report::list_runs(&self.folder, filter, Some(limit)).list
    }

    /// Returns the report of a run: an id, the unique beginning of one, a name, or `last`.
    ///
    /// # Errors
    /// The answer for a run that does not exist, several that match, and records that cannot be read.
    pub(super) fn report(&self, run: &str) -> Result<Report, Reply> {
        let records = eco2_report::records_of(run, &self.folder, Timestamp::now()).map_err(|several| {
            Reply::error(StatusCode::BAD_REQUEST, &format!("several runs match: {several}; give the whole id"))
        })?;
        if records.is_empty() {
            return Err(Reply::error(StatusCode::NOT_FOUND, "no such run; /api/v1/reports lists all"));
        }
        let mut read = Records::default();
        for record in &records {
            match eco2::read_run(record, &self.options) {
                Ok(report) => read.reports.push(report),
                Err(error) => read.unreadable.push(error),
            }
        }
        let report = if let ([_], []) = (read.reports.as_slice(), read.unreadable.as_slice()) {
            read.reports.pop().ok_or(eco2_report::Error::NothingToMerge.into())
        } else {
            eco2::merge_read(read)
        };
        report.map_err(|error| Reply::error(StatusCode::INTERNAL_SERVER_ERROR, &self.without_paths(&error.to_string())))
    }

    /// Returns a message without the place of the folder, which is no concern of a client.
    fn without_paths(&self, text: &str) -> String {
        text.replace(&*self.folder.to_string_lossy(), "the folder of runs")
    }
}
