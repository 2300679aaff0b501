//! The consumers of the node: begins, ends and forgets them, and knows which is within which.

use std::collections::BTreeMap;

use eco2_core::Bounded;

use super::Node;
use crate::job_log::{JobRecord, RecordedGrams};
use crate::jobs::{Job, JobProcesses, JobState, JobTerms};
use crate::prices::Prices;
use crate::shares::{JobKey, ShareSum};
use crate::snapshot::{ConsumerKind, EndReason, Instant};

impl Node {
    /// Begins a job at `now` and returns its key. It is present from the current interval on. `root_started`: when its first
    /// process was started, clock ticks since boot.
    pub(crate) fn begin_job(&mut self, job: Job, now: Instant, root_started: Option<u64>) -> JobKey {
        let key = self.next_key;
        self.next_key += 1;
        self.jobs.insert(key, JobState::new(job, now, root_started));
        key
    }

    /// Sets what was agreed for a job.
    pub(crate) fn set_terms(&mut self, key: JobKey, terms: JobTerms) {
        if let Some(state) = self.jobs.get_mut(&key) {
            state.terms = terms;
        }
    }

    /// Replaces what a job is.
    pub(crate) fn set_job(&mut self, key: JobKey, job: Job) {
        if let Some(state) = self.jobs.get_mut(&key) {
            state.job = job;
        }
    }

    /// Sets the processes of a job and its user, where they become known after its begin.
    pub(crate) fn set_processes(&mut self, key: JobKey, processes: JobProcesses, uid: u32) {
        if let Some(state) = self.jobs.get_mut(&key) {
            (state.job.processes, state.job.uid) = (processes, uid);
        }
    }

    /// Ends a job at `now`. `false` where no such job goes on.
    pub(crate) fn end_job(&mut self, key: JobKey, now: Instant, steps: Option<u64>, reason: EndReason) -> bool {
        self.jobs.get_mut(&key).is_some_and(|job| job.end(now, steps, reason))
    }

    /// Takes over which consumer is directly within which, of those that are followed. A job that is within no other is within its
    /// user.
    pub(crate) fn nest_jobs(&mut self, parents: &BTreeMap<JobKey, JobKey>) {
        // One that has ended stays where it was.
        let open = || self.jobs.iter().filter(|(_, state)| state.ended.is_none());
        let of_user = open().filter(|(_, state)| state.job.kind == ConsumerKind::User);
        let users: BTreeMap<u32, JobKey> = of_user.map(|(key, state)| (state.job.uid, *key)).collect();
        for (key, state) in self.jobs.iter_mut().filter(|(_, state)| state.ended.is_none()) {
            let user = users.get(&state.job.uid).filter(|_| state.job.kind == ConsumerKind::Job);
            state.parent = parents.get(key).or(user).copied();
        }
    }

    /// Lists a job that has ended no longer.
    pub(crate) fn forget_job(&mut self, key: JobKey) {
        if self.jobs.remove(&key).is_some() {
            self.full.shares.forget(key);
            self.public.shares.forget(key);
        }
    }

    /// Returns the record of a job at this time, nanoseconds since 1970. Its number is given by the log.
    pub(crate) fn job_record(&self, key: JobKey, wall_ns: i64) -> Option<JobRecord> {
        let state = self.jobs.get(&key)?.clone();
        let whole = self.total(&self.public);
        let (total, grams) = self.recorded(&state, self.public.shares.totals.get(&key), &whole);
        let own = self.recorded(&state, self.public.shares.jobs.get(&key), &whole);
        let own = (own != (total, grams)).then_some(own);
        let boot_id = self.identity.boot_id.clone();
        Some(JobRecord { number: 0, boot_id, key, state, wall_ns, total, grams, own })
    }

    /// Returns the record of a job whose last second is accounted for; `None`: it is not yet.
    pub(crate) fn end_record(&self, key: JobKey, wall_ns: i64) -> Option<JobRecord> {
        self.job_record(key, wall_ns).filter(|record| !record.state.is_present())
    }

    /// Returns an energy of a job with what it emitted. It has the width of the devices, of which a reader of the record knows nothing.
    /// `whole`: the total of the devices.
    fn recorded(
        &self,
        state: &JobState,
        sum: Option<&ShareSum>,
        whole: &Bounded<u64>,
    ) -> (ShareSum, Option<RecordedGrams>) {
        let sum = sum.copied().unwrap_or_default().frozen(whole);
        let rate = self.prices.as_ref().and_then(Prices::rate);
        let grams = sum.grams.bounded(&sum.within(whole), rate);
        let is_estimated = sum.grams.is_estimated(rate.filter(|_| state.ended.is_none()));
        (sum, RecordedGrams::of(&grams, is_estimated))
    }

    /// Returns every listed job with its key, in the order in which they began.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = (JobKey, &JobState)> {
        self.jobs.iter().map(|(key, state)| (*key, state))
    }
}
