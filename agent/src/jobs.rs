//! Defines a job of the node ([`Job`]) and its times.

use std::path::PathBuf;

use crate::snapshot::Instant;

/// The processes of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobProcesses {
    /// A process and everything that it starts.
    Tree(u32),
    /// Every process of a control group, by its path below the mount point, and of the groups within it.
    Group(PathBuf),
}

/// A job, as the program that begins it describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Unique among the jobs that go on.
    pub id: String,
    /// Name that is shown to people.
    pub name: String,
    /// The user to whom it belongs.
    pub uid: u32,
    /// Its processes; `None`: none are known, and no energy is attributed to it.
    pub processes: Option<JobProcesses>,
}

impl Job {
    /// Returns the kind of consumer that it is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        "job"
    }
}

/// A job and its times.
#[derive(Debug)]
pub(crate) struct JobState {
    pub(crate) job: Job,
    pub(crate) began: Instant,
    pub(crate) ended: Option<Instant>,
    pub(crate) steps: Option<u64>,
    /// Whether it has been present since before the current interval.
    is_old: bool,
    /// Whether it was not present any more when the current interval began.
    is_over: bool,
}

impl JobState {
    /// Returns a job that begins within the current interval.
    pub(crate) fn new(job: Job, began: Instant) -> Self {
        Self { job, began, ended: None, steps: None, is_old: false, is_over: false }
    }

    /// Ends the job; `false` where it has ended before.
    pub(crate) fn end(&mut self, now: Instant, steps: Option<u64>) -> bool {
        let goes_on = self.ended.is_none();
        if goes_on {
            self.ended = Some(now);
            self.steps = steps;
        }
        goes_on
    }

    /// Whether it goes on in the current interval, or in a part of it.
    pub(crate) fn is_present(&self) -> bool {
        !self.is_over
    }

    /// Whether it goes on in the whole of it.
    pub(crate) fn is_throughout(&self) -> bool {
        self.is_old && self.ended.is_none()
    }

    /// Begins the next interval.
    pub(crate) fn interval_ended(&mut self) {
        self.is_old = true;
        self.is_over = self.ended.is_some();
    }
}
