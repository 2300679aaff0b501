//! Defines a job of the node ([`Job`]) and its times.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Component;

pub use eco2_samplers::usage::JobProcesses;
use serde::{Deserialize, Serialize};

use crate::budget::{BudgetState, JobLimits};
use crate::gpu_name::GpuName;
use crate::shares::JobKey;
use crate::snapshot::{ConsumerKind, EndReason, Instant};

/// Longest id, characters.
const MAX_ID: usize = 128;
/// Longest name, characters.
const MAX_NAME: usize = 256;
/// Longest path of a control group, bytes: that of the kernel.
const MAX_PATH: usize = 4_096;
/// Most labels of a job, and their longest names and values, characters.
const MAX_LABELS: usize = 16;
const MAX_LABEL_NAME: usize = 64;
const MAX_LABEL_VALUE: usize = 256;
/// Most bytes of all labels of a job.
const MAX_LABEL_BYTES: usize = 2_048;

/// Why a job was not begun or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The id has other characters, or is too long.
    #[error("the id of a job has 1 to 128 letters, digits and -_.:@+=")]
    BadId,
    /// The name is too long, or has control characters.
    #[error("the name of a job has at most 256 characters, none of which is a control character")]
    BadName,
    /// There are too many labels, or one is not plain.
    #[error(
        "a job has at most 16 labels: names of 1 to 64 letters, digits and -_.:@+=, values of at most 256 characters, none of which is a control character, and 2,048 bytes in all"
    )]
    BadLabel,
    /// The path of the control group leads out of the hierarchy.
    #[error("the path of a control group is below its mount point, such as /slurm/uid_1000/job_7, without '..'")]
    BadGroup,
    /// A job of this id goes on.
    #[error("job {0} goes on already: end it first, or choose another id")]
    GoesOn(String),
    /// No job of this id goes on, or it is another user's.
    #[error("no job {0} of yours goes on: eco2 job list shows yours")]
    NotFound(String),
    /// There is no such process, or it is another user's.
    #[error("no process of yours has the id {0}")]
    NoProcess(u32),
    /// Only operators may name a control group.
    #[error("only root and the group eco2 may name a control group: name a process instead")]
    GroupOfOthers,
    /// There are too many GPUs, or one has no valid name.
    #[error("a job has at most 64 GPUs, each a number from 0 to 1023 or a UUID that begins with GPU- or MIG-")]
    BadGpus,
    /// Only operators may name GPUs.
    #[error("only root and the group eco2 may name the GPUs of a job")]
    GpusOfOthers,
    /// A limit is no number above zero.
    #[error("a limit of a job is a number above 0")]
    BadLimit,
    /// There are too many jobs.
    #[error("{0} jobs go on, which is the most that the agent follows")]
    TooMany(usize),
    /// The agent is behind or ends.
    #[error("the agent does not answer: try again")]
    Busy,
}

/// A job, as the program that begins it describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Unique among the jobs that go on.
    pub id: String,
    /// Name that is shown to people.
    pub name: String,
    /// The user to whom it belongs.
    pub uid: u32,
    /// Its processes.
    pub processes: JobProcesses,
    /// What it is.
    #[serde(default)]
    pub kind: ConsumerKind,
    /// Whether an operator began it, such as the prolog of a scheduler.
    #[serde(default)]
    pub by_operator: bool,
    /// Labels by name, such as the account and the partition of a scheduler.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl Job {
    /// Returns the user whose jobs it is counted among: of one that an operator began, root.
    pub(crate) fn owner(&self) -> u32 {
        if self.by_operator { 0 } else { self.uid }
    }

    /// Checks its texts, which come from outside.
    pub(crate) fn check(&self) -> Result<(), JobError> {
        let is_text = |text: &str, most: usize| text.chars().count() <= most && !text.chars().any(char::is_control);
        if !is_id(&self.id) {
            return Err(JobError::BadId);
        }
        if !is_text(&self.name, MAX_NAME) {
            return Err(JobError::BadName);
        }
        let mut labels = self.labels.iter();
        let bytes: usize = self.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        let are_plain = labels.all(|(name, value)| is_plain(name, MAX_LABEL_NAME) && is_text(value, MAX_LABEL_VALUE));
        if self.labels.len() > MAX_LABELS || bytes > MAX_LABEL_BYTES || !are_plain {
            return Err(JobError::BadLabel);
        }
        match &self.processes {
            JobProcesses::Group(path) => {
                let mut parts = path.components();
                let is_below =
                    parts.all(|part| matches!(part, Component::Normal(_))) && path.as_os_str().len() <= MAX_PATH;
                if is_below && !path.as_os_str().is_empty() { Ok(()) } else { Err(JobError::BadGroup) }
            }
            JobProcesses::Tree(_) | JobProcesses::User(_) => Ok(()),
        }
    }
}

/// Whether a text is the id of a job.
pub(crate) fn is_id(text: &str) -> bool {
    is_plain(text, MAX_ID)
}

fn is_plain(text: &str, most: usize) -> bool {
    let all = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:@+=".contains(c));
    (1..=most).contains(&text.len()) && all
}

/// What was agreed for a job besides what it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobTerms {
    /// The GPUs that it may use. What unknown processes use of them is attributed to the jobs that may use them.
    pub gpus: BTreeSet<GpuName>,
    /// Whether a file of DCGM's exporter began it: it ends when it is in no file any more.
    pub is_mapped: bool,
    /// Its limits.
    pub limits: JobLimits,
}

/// A job and its times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobState {
    pub(crate) job: Job,
    #[serde(default)]
    pub(crate) terms: JobTerms,
    pub(crate) began: Instant,
    pub(crate) ended: Option<Instant>,
    #[serde(default)]
    pub(crate) end_reason: Option<EndReason>,
    /// The innermost consumer that contains it.
    #[serde(default)]
    pub(crate) parent: Option<JobKey>,
    pub(crate) steps: Option<u64>,
    /// How it kept to its limits in the last interval.
    #[serde(default)]
    pub(crate) budget: BudgetState,
    /// The overhead of the facility at its end; `None`: it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pue: Option<f64>,
    /// When its first process was started, clock ticks since boot: a process id alone is used again.
    pub(crate) root_started: Option<u64>,
    /// Whether it has been present since before the current interval.
    is_old: bool,
    /// Whether it was not present any more when the current interval began.
    is_over: bool,
}

impl JobState {
    /// Returns a job that begins within the current interval.
    pub(crate) fn new(job: Job, began: Instant, root_started: Option<u64>) -> Self {
        let (ended, end_reason, parent, steps) = (None, None, None, None);
        let (terms, budget) = (JobTerms::default(), BudgetState::default());
        Self {
            job,
            terms,
            began,
            ended,
            end_reason,
            parent,
            steps,
            budget,
            pue: None,
            root_started,
            is_old: false,
            is_over: false,
        }
    }

    /// Ends the job; `false` where it has ended before. One whose processes were gone already only gets its steps.
    pub(crate) fn end(&mut self, now: Instant, steps: Option<u64>, reason: EndReason) -> bool {
        let goes_on = self.ended.is_none();
        let is_late = reason == EndReason::Request && self.end_reason == Some(EndReason::Gone);
        if goes_on {
            self.ended = Some(now);
        }
        if goes_on || is_late {
            self.steps = steps;
            self.end_reason = Some(reason);
        }
        goes_on || is_late
    }

    /// Ends it where the machine was started again after `at_ns`, monotonic nanoseconds of the boot in which it began.
    pub(crate) fn reboot(&mut self, at_ns: u64) {
        let ns = at_ns.max(self.began.ns);
        let passed_ns = i64::try_from(ns - self.began.ns).unwrap_or(i64::MAX);
        let at = Instant { ns, wall_ns: self.began.wall_ns.saturating_add(passed_ns) };
        self.end(at, None, EndReason::Reboot);
    }

    /// Ends it at a time by the wall clock, nanoseconds since 1970, where it went on when the machine was started again.
    pub(crate) fn reboot_at(&mut self, wall_ns: i64) {
        let passed_ns = u64::try_from(wall_ns.saturating_sub(self.began.wall_ns)).unwrap_or(0);
        self.end(Instant { ns: self.began.ns.saturating_add(passed_ns), wall_ns }, None, EndReason::Reboot);
    }

    /// Whether a request may end it.
    pub(crate) fn may_be_ended(&self) -> bool {
        self.job.kind == ConsumerKind::Job && (self.ended.is_none() || self.end_reason == Some(EndReason::Gone))
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
