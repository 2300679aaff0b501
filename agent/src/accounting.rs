//! The accounting thread ([`Accounting`]): takes what the sampling thread read, answers requests, and once a second accounts for
//! the node, publishes and keeps it.

#[cfg(test)]
mod day_tests;
#[cfg(test)]
mod group_tests;
mod groups;
mod mapped;
mod round;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eco2_core::schema::EventKind;
use eco2_samplers::clock::{monotonic_ns, wall_ns};
use eco2_samplers::usage::{JobUsage, ProcessFacts};
use eco2_samplers::{Roots, SourceEvent};

use crate::feed::{Empty, Message, Received};
use crate::gpu_name::GpuName;
use crate::job_files::JobFiles;
use crate::job_history::JobHistory;
use crate::job_log::JobLog;
use crate::jobs::{Job, JobError, JobProcesses, JobState, JobTerms};
use crate::latest::Latest;
use crate::node::{Input, IntervalUse, Node};
use crate::pages::Pages;
use crate::requests::{Peer, Request};
use crate::shares::JobKey;
use crate::snapshot::{ConsumerKind, EndReason, Instant};
use crate::store::Store;

/// Time between two accounts.
const SECOND_NS: u64 = 1_000_000_000;
/// Jobs that go on at one time, and those of one user who is no operator.
const MAX_JOBS: usize = 1_000;
const MAX_OWN: usize = 100;
/// Of all, kept for operators such as the prolog of a scheduler.
const KEPT_JOBS: usize = 200;
/// Ended jobs of one user that are listed.
const MAX_OWN_ENDED: usize = 50;
/// Time between two records of a job that goes on: after a power cut its energy is at most as old.
const PROGRESS_NS: u64 = 10 * SECOND_NS;
/// Ended jobs that are listed, and for how long.
const MAX_ENDED: usize = 500;
const MAX_WAITING: usize = 2_000;
const LISTED_NS: u64 = 3_600 * SECOND_NS;
/// How long containers, pods and users are listed after their end: there may be thousands a day.
const GROUP_LISTED_NS: u64 = 60 * SECOND_NS;

/// Most faults that are reported: texts of services differ without end.
const MOST_WARNINGS: usize = 1_000;
/// Most GPUs of a job.
const MOST_GPUS: usize = 64;

/// Returns the present instant.
pub(crate) fn now() -> Instant {
    Instant { ns: monotonic_ns(), wall_ns: wall_ns() }
}

/// The state of the thread.
#[derive(Debug)]
pub(crate) struct Accounting {
    node: Node,
    usage: JobUsage,
    roots: Roots,
    pages: Pages,
    store: Store,
    log: JobLog,
    /// The jobs that have ended; `None`: they are not kept.
    pub(crate) history: Option<JobHistory>,
    received: Received,
    latest: Latest,
    next_ns: u64,
    /// When the last round of readings ended; `None`: there was none.
    read_ns: Option<u64>,
    /// Which containers, pods and users are found without a request, and when they are looked for next.
    pub(crate) by: Vec<ConsumerKind>,
    groups_ns: u64,
    /// When the jobs that go on were recorded last.
    recorded_ns: u64,
    /// Number of domains in the journal.
    kept_domains: usize,
    /// The processes that the driver of each source listed last.
    listed: BTreeMap<usize, Vec<u32>>,
    /// Faults that were reported, so that each is reported once.
    warned: Vec<String>,
    /// Gets the text of each.
    pub(crate) on_warning: Option<fn(&str)>,
    /// The files by which another program knows the jobs of each GPU.
    pub(crate) files: Option<JobFiles>,
    /// For each job that left these files in how many looks it was not there.
    unmapped: BTreeMap<JobKey, u32>,
}

impl Accounting {
    pub(crate) fn new(
        node: Node,
        roots: &Roots,
        pages: Pages,
        store: Store,
        log: JobLog,
        received: Received,
        latest: Latest,
    ) -> Self {
        let usage = JobUsage::new(roots);
        let (next_ns, recorded_ns) = (monotonic_ns().saturating_add(SECOND_NS), monotonic_ns());
        let (listed, warned, roots) = (BTreeMap::new(), Vec::new(), roots.clone());
        Self {
            node,
            usage,
            roots,
            pages,
            store,
            log,
            history: None,
            received,
            latest,
            by: Vec::new(),
            groups_ns: 0,
            kept_domains: 0,
            next_ns,
            read_ns: None,
            recorded_ns,
            listed,
            warned,
            on_warning: None,
            files: None,
            unmapped: BTreeMap::new(),
        }
    }

    /// Follows the jobs that went on when the agent ended. Those whose first process has ended meanwhile end.
    pub(crate) fn follow_jobs_again(&mut self) {
        let open: Vec<(JobKey, JobProcesses, Option<u64>)> = self
            .node
            .jobs()
            .filter(|(_, state)| state.ended.is_none())
            .map(|(key, state)| (key, state.job.processes.clone(), state.root_started))
            .collect();
        for (key, processes, started) in open {
            let is_gone = match processes {
                JobProcesses::Tree(pid) => ProcessFacts::read(&self.roots, pid).map(|facts| facts.started) != started,
                JobProcesses::Group(_) | JobProcesses::User(_) => false,
            };
            if is_gone {
                self.end_as(key, now(), None, EndReason::Gone);
            } else {
                self.usage.follow_again(key, processes);
            }
        }
    }

    /// Counts a fault of the agent itself as an event, once.
    pub(crate) fn warn(&mut self, text: String) {
        if self.notify(text.clone()) {
            let (at_ns, kind, device) = (monotonic_ns(), EventKind::SourceNote, "agent".to_owned());
            self.node.take(Input::Note(SourceEvent { at_ns, kind, device, text }));
        }
    }

    /// Passes a text on, once. Returns whether it is the first time.
    fn notify(&mut self, text: String) -> bool {
        let is_new = !self.warned.contains(&text) && self.warned.len() < MOST_WARNINGS;
        if is_new {
            self.on_warning.iter().for_each(|tell| tell(&text));
            self.warned.push(text);
        }
        is_new
    }

    /// Runs until it is asked to stop, or both the sampling thread and the requests have ended.
    pub(crate) fn run(mut self) {
        loop {
            let patience = Duration::from_nanos(self.next_ns.saturating_sub(monotonic_ns()));
            match self.received.next(patience) {
                Ok(Message::Round(round)) => self.take(round, monotonic_ns()),
                Ok(Message::Request(Request::Stop)) | Err(Empty::Ended) => break,
                Ok(Message::Request(request)) => self.answer(request),
                Err(Empty::Timeout) => {}
            }
            let now_ns = monotonic_ns();
            if now_ns >= self.next_ns {
                let round = self.received.rest();
                self.take(round, now_ns);
                self.account();
            }
        }
        // The next agent then reads one file.
        self.store.close();
        self.account();
    }

    /// Ends an interval.
    fn account(&mut self) {
        self.node.dropped(self.received.dropped());
        let now = now();
        // The views change at most once a second, so that an earlier call would end no interval.
        self.next_ns = now.ns.saturating_add(SECOND_NS);
        let usage = &mut self.usage;
        let listed: Vec<u32> = self.listed.values().flatten().copied().collect();
        let views = self.node.account(now, || {
            let cpu = usage.look();
            let are_foreign = usage.are_foreign(&listed);
            let known = listed.iter().filter(|_| !are_foreign);
            let owners = known.filter_map(|pid| Some((*pid, usage.owner(*pid)?))).collect();
            IntervalUse { cpu, owners, are_foreign }
        });
        self.record_ended();
        self.end_gone(now);
        self.look_for_groups(now);
        self.look_at_job_files(now);
        self.node.nest_jobs(&self.usage.parents());
        self.forget(now);
        self.record_open(now.ns);
        self.keep();
        self.latest.publish(views);
        let mut pids = self.usage.pids();
        // A driver is asked only where there is a process; those of groups are not listed.
        pids.extend(self.usage.is_following().then(std::process::id));
        self.received.watch(pids);
    }

    /// Follows ended jobs no longer, and lists old ones no longer.
    fn forget(&mut self, now: Instant) {
        let ended =
            self.node.jobs().filter_map(|(key, state)| Some((key, state.ended?.ns, state.job.owner(), state.job.kind)));
        let (of_groups, jobs): (Vec<_>, Vec<_>) = ended.partition(|(.., kind)| kind.is_found());
        for (ended, listed_ns) in [(jobs, LISTED_NS), (of_groups, GROUP_LISTED_NS)] {
            let mut listed = BTreeMap::new();
            // The newest first. Those of one user never take the places of others.
            for (index, (key, ended_ns, uid, _)) in ended.into_iter().rev().enumerate() {
                self.usage.forget(key);
                let own: &mut usize = listed.entry(uid).or_default();
                *own += 1;
                // One that is not in the history yet is listed until it is, but not without end on a disk that is full.
                let waits = self.history.as_ref().is_some_and(|history| history.pending.contains(&key));
                let is_beyond = index >= MAX_ENDED || (uid != 0 && *own > MAX_OWN_ENDED);
                if waits && index < MAX_WAITING {
                    continue;
                }
                if is_beyond || now.ns.saturating_sub(ended_ns) > listed_ns {
                    self.node.forget_job(key);
                }
            }
        }
    }

    /// Ends the jobs whose processes have all ended.
    fn end_gone(&mut self, now: Instant) {
        // A job of a file may have no process that is known.
        let open = self.node.jobs().filter(|(_, state)| state.ended.is_none() && !state.terms.is_mapped);
        let open = open.map(|(key, _)| key);
        let gone: Vec<JobKey> = open.filter(|key| self.usage.is_gone(*key)).collect();
        gone.into_iter().for_each(|key| self.end_as(key, now, None, EndReason::Gone));
    }

    /// Ends a job and records it.
    fn end_as(&mut self, key: JobKey, now: Instant, steps: Option<u64>, reason: EndReason) {
        self.node.end_job(key, now, steps, reason);
        self.write_job_files(key);
        self.record(key);
        let is_job = |state: &JobState| state.job.kind == ConsumerKind::Job;
        let is_kept = self.node.jobs().any(|(own, state)| own == key && is_job(state));
        if let Some(history) = self.history.as_mut().filter(|_| is_kept) {
            history.pending.insert(key);
        }
    }

    /// Returns the jobs that have ended and are listed.
    pub(crate) fn ended_jobs(&self) -> BTreeSet<JobKey> {
        let is_ended = |state: &JobState| state.ended.is_some() && state.job.kind == ConsumerKind::Job;
        self.node.jobs().filter(|(_, state)| is_ended(state)).map(|(key, _)| key).collect()
    }

    /// Adds the jobs to the history whose last second is accounted for.
    fn record_ended(&mut self) {
        let Some(mut history) = self.history.take() else { return };
        for key in history.pending.clone() {
            match self.node.end_record(key, wall_ns()) {
                Some(record) => {
                    if let Err(error) = history.add(record) {
                        // The next account tries again.
                        self.warn(format!("an ended job is not kept: {error}"));
                        break;
                    }
                }
                // The interval in which it ended goes on.
                None if self.node.jobs().any(|(own, _)| own == key) => continue,
                None => {}
            }
            history.pending.remove(&key);
        }
        let fault = history.sync();
        fault.into_iter().for_each(|error| self.warn(format!("ended jobs are not on the disk: {error}")));
        self.history = Some(history);
    }

    /// Adds what has changed to the journal, before anything of it is shown.
    fn keep(&mut self) {
        let change = self.node.changes(self.store.state(), monotonic_ns(), self.log.last());
        let kept = self.store.write(change);
        let path = self.store.path().display();
        let text = kept.map_err(|error| format!("the journal is not written: {path}: {error}"));
        text.unwrap_or_else(|text| self.warn(text));
        let fault = self.log.sync();
        let path = self.log.path().display();
        let text = fault.map(|error| format!("the log of jobs is not on the disk: {path}: {error}"));
        text.into_iter().for_each(|text| self.warn(text));
    }

    /// Adds the state of a job to the log.
    fn record(&mut self, key: JobKey) {
        let Some(record) = self.node.job_record(key, wall_ns()) else { return };
        if record.state.job.kind == ConsumerKind::Job {
            let added = self.log.add(record);
            let path = self.log.path().display();
            let text = added.map_err(|error| format!("the log of jobs is not written: {path}: {error}"));
            text.unwrap_or_else(|text| self.warn(text));
        }
    }

    /// Records the jobs that go on from time to time, and every listed job at the start of a new file.
    fn record_open(&mut self, now_ns: u64) {
        let is_full = self.log.is_full();
        if is_full {
            let begun = self.log.begin_again();
            begun.unwrap_or_else(|error| self.warn(format!("the log of jobs grows: {error}")));
        }
        if is_full || now_ns.saturating_sub(self.recorded_ns) >= PROGRESS_NS {
            self.recorded_ns = now_ns;
            let listed = self.node.jobs().filter(|(_, state)| is_full || state.ended.is_none()).map(|(key, _)| key);
            listed.collect::<Vec<_>>().into_iter().for_each(|key| self.record(key));
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Begin { job, terms, by, reply } => {
                let begun = self.begin(job, terms, by);
                let key = begun.as_ref().ok().copied();
                if let (false, Some(key)) = (reply(begun), key) {
                    // Its caller has given up, and may begin it again.
                    self.end_as(key, now(), None, EndReason::Request);
                }
            }
            Request::End { id, by, steps, reply } => {
                let ended = self.end(&id, by, steps);
                // One whose caller has given up has ended as well.
                reply(ended);
            }
            Request::Intensities { coverage, asked_ns } => {
                for (provider, fault) in &coverage.faults {
                    self.notify(format!("the carbon intensity of {provider}: {fault}"));
                }
                let other = self.node.take_intensities(coverage, asked_ns);
                other.into_iter().for_each(|other| _ = self.notify(format!("carbon intensity: {other}")));
            }
            Request::Stop => {}
        }
    }

    fn begin(&mut self, job: Job, terms: JobTerms, by: Peer) -> Result<JobKey, JobError> {
        job.check()?;
        if !by.is_operator && !terms.gpus.is_empty() {
            return Err(JobError::GpusOfOthers);
        }
        if terms.gpus.len() > MOST_GPUS || !terms.gpus.iter().all(GpuName::is_valid) {
            return Err(JobError::BadGpus);
        }
        if !terms.limits.are_valid() {
            return Err(JobError::BadLimit);
        }
        // A file named it before its prolog came here.
        let is_mapped = |state: &JobState| state.ended.is_none() && state.terms.is_mapped && state.job.id == job.id;
        let mapped =
            self.node.jobs().find(|(_, state)| is_mapped(state)).map(|(key, state)| (key, state.terms.clone()));
        if let Some((key, before)) = mapped.filter(|_| by.is_operator) {
            let (gpus, limits) = (&before.gpus | &terms.gpus, before.limits.or(terms.limits));
            return self.take_over_mapped(key, job, JobTerms { gpus, is_mapped: false, limits });
        }
        let is_open = |state: &JobState| state.ended.is_none() && state.job.kind == ConsumerKind::Job;
        let open = || self.node.jobs().filter(|(_, state)| is_open(state));
        // No user can take an id from another, or from a scheduler, which begins jobs for users.
        let is_same = |other: &Job| other.id == job.id && other.uid == job.uid && other.by_operator == job.by_operator;
        if open().any(|(_, state)| is_same(&state.job)) {
            return Err(JobError::GoesOn(job.id));
        }
        let most = if by.is_operator { MAX_JOBS } else { MAX_JOBS - KEPT_JOBS };
        if open().count() >= most {
            return Err(JobError::TooMany(most));
        }
        if !by.is_operator && open().filter(|(_, state)| state.job.owner() == by.uid).count() >= MAX_OWN {
            return Err(JobError::TooMany(MAX_OWN));
        }
        let started = match &job.processes {
            JobProcesses::Tree(pid) => {
                let facts = ProcessFacts::read(&self.roots, *pid).ok_or(JobError::NoProcess(*pid))?;
                if !by.is_operator && facts.uid != by.uid {
                    return Err(JobError::NoProcess(*pid));
                }
                Some(facts.started)
            }
            // Whose processes are in a group is not known before there are any.
            JobProcesses::Group(_) | JobProcesses::User(_) if !by.is_operator => return Err(JobError::GroupOfOthers),
            JobProcesses::Group(_) | JobProcesses::User(_) => None,
        };
        let processes = job.processes.clone();
        let key = self.node.begin_job(job, now(), started);
        self.node.set_terms(key, terms);
        self.usage.follow(key, processes);
        self.node.nest_jobs(&self.usage.parents());
        // The record first: a line without a record would begin a job by itself.
        self.record(key);
        self.write_job_files(key);
        Ok(key)
    }

    fn end(&mut self, id: &str, by: Peer, steps: Option<u64>) -> Result<JobKey, JobError> {
        let own = self.node.jobs().filter(|(_, state)| by.may_see(state.job.uid) && state.may_be_ended());
        // Of several of this id, one that goes on, the caller's own kind, and the newest.
        let order =
            |(key, state): &(JobKey, &JobState)| (state.ended.is_none(), state.job.by_operator == by.is_operator, *key);
        let best = own.filter(|(_, state)| state.job.id == id).max_by_key(order).map(|(key, _)| key);
        let key = best.ok_or_else(|| JobError::NotFound(id.to_owned()))?;
        self.end_as(key, now(), steps, EndReason::Request);
        Ok(key)
    }
}
