//! Follows the jobs that the files of DCGM's exporter name, and writes those that were begun here into them.

use std::collections::{BTreeMap, BTreeSet};

use eco2_samplers::usage::{ProcessFacts, first_process_of, slurm_job_group};

use super::Accounting;
use crate::gpu_name::GpuName;
use crate::job_files::MappedJobs;
use crate::job_log::JobRecord;
use crate::jobs::{Job, JobError, JobProcesses, JobTerms};
use crate::shares::JobKey;
use crate::snapshot::{ConsumerKind, EndReason, Instant};

/// Looks in which a job is in no file, after which it has ended: others write the files in several steps.
const GONE_LOOKS: u32 = 3;
/// Faults of files that are reported, and how their text begins. The writers of these files choose their names.
const MOST_FAULTS: usize = 50;
const NOT_USED: &str = "not used: ";
/// Most jobs that files begin.
const MOST: usize = 256;

impl Accounting {
    /// Begins and ends the jobs that came into the files and left them since the last look.
    pub(super) fn look_at_job_files(&mut self, now: Instant) {
        let Some(files) = &self.files else { return };
        let MappedJobs { jobs: mapped, unclear, faults } = match files.read() {
            Ok(found) => found,
            Err(error) => return self.warn(format!("the files of jobs are not read: {error}")),
        };
        let names = |gpus: BTreeSet<u32>| gpus.into_iter().map(GpuName::Number).collect::<BTreeSet<_>>();
        let mut mapped: BTreeMap<String, BTreeSet<GpuName>> =
            mapped.into_iter().map(|(id, gpus)| (id, names(gpus))).collect();
        let unclear = names(unclear);
        let room = MOST_FAULTS.saturating_sub(self.warned.iter().filter(|text| text.starts_with(NOT_USED)).count());
        faults.into_iter().take(room).for_each(|fault| self.warn(format!("{NOT_USED}{fault}")));
        let is_open = |kind: ConsumerKind, ended: bool| kind == ConsumerKind::Job && !ended;
        let open: Vec<(JobKey, Job, JobTerms)> = self
            .node
            .jobs()
            .filter(|(_, state)| is_open(state.job.kind, state.ended.is_some()) && state.job.by_operator)
            .map(|(key, state)| (key, state.job.clone(), state.terms.clone()))
            .collect();
        for (key, job, terms) in &open {
            match mapped.remove(&job.id) {
                Some(gpus) => {
                    self.unmapped.remove(key);
                    if terms.gpus != gpus {
                        // Where a request named the GPUs, a prolog may name more.
                        let all = if terms.is_mapped { gpus } else { &gpus | &terms.gpus };
                        self.node.set_terms(*key, JobTerms { gpus: all, ..terms.clone() });
                    }
                    if terms.is_mapped {
                        self.find_processes(*key, job);
                    }
                }
                // It may be in a file that could not be read.
                None if terms.is_mapped && terms.gpus.is_disjoint(&unclear) => {
                    let looks = self.unmapped.entry(*key).or_default();
                    *looks += 1;
                    if *looks >= GONE_LOOKS {
                        self.unmapped.remove(key);
                        self.end_as(*key, now, None, EndReason::Gone);
                    }
                }
                None => {}
            }
        }
        let room = MOST.saturating_sub(open.iter().filter(|(_, _, terms)| terms.is_mapped).count());
        if mapped.len() > room {
            self.warn(format!("the files name more than {MOST} jobs: the energy of the rest is not attributed"));
        }
        for (id, gpus) in mapped.into_iter().take(room) {
            let processes = JobProcesses::Group(format!("system.slice/slurmstepd.scope/job_{id}").into());
            let (name, kind) = (id.clone(), ConsumerKind::Job);
            let labels = BTreeMap::new();
            let job = Job { id, name, uid: 0, processes: processes.clone(), kind, by_operator: true, labels };
            let key = self.node.begin_job(job.clone(), now, None);
            self.node.set_terms(key, JobTerms { gpus, is_mapped: true, ..JobTerms::default() });
            self.usage.follow(key, processes);
            self.find_processes(key, &job);
            self.record(key);
        }
    }

    /// Finds the control group that SLURM has made for a job of a file, and its user.
    fn find_processes(&mut self, key: JobKey, job: &Job) {
        let Some((path, uid)) = slurm_job_group(&self.roots, &job.id) else { return };
        let of_process = || Some(ProcessFacts::read(&self.roots, first_process_of(&self.roots, &path)?)?.uid);
        let uid = uid.or_else(of_process).unwrap_or(job.uid);
        let processes = JobProcesses::Group(path);
        if (&processes, uid) != (&job.processes, job.uid) {
            self.node.set_processes(key, processes.clone(), uid);
            self.usage.follow(key, processes);
            self.record(key);
        }
    }

    /// Lets a request go on with a job that a file began.
    pub(super) fn take_over_mapped(&mut self, key: JobKey, job: Job, terms: JobTerms) -> Result<JobKey, JobError> {
        let processes = job.processes.clone();
        self.node.set_job(key, job);
        self.node.set_terms(key, terms);
        self.usage.follow(key, processes);
        self.record(key);
        self.write_job_files(key);
        Ok(key)
    }

    /// Removes the lines of jobs that were begun here and did not end here, such as before a start of the machine.
    pub(crate) fn remove_old_lines(&mut self, records: &[JobRecord]) {
        let Some(files) = &self.files else { return };
        let is_open = |id: &str| self.node.jobs().any(|(_, state)| state.ended.is_none() && state.job.id == id);
        let own = records.iter().map(|record| &record.state).filter(|state| !state.terms.is_mapped);
        let old = own.filter(|state| !is_open(&state.job.id));
        let lines = old.flat_map(|state| numbers(&state.terms).map(|gpu| (gpu, state.job.id.as_str())));
        let faults: Vec<_> = lines.filter_map(|(gpu, id)| files.remove(gpu, id).err()).collect();
        for error in faults {
            self.warn(format!("a line of an ended job is not removed: {error}"));
        }
    }

    /// Writes a job that was begun here into the files of its GPUs, or removes it where it has ended.
    pub(super) fn write_job_files(&mut self, key: JobKey) {
        let Some(files) = &self.files else { return };
        let Some((_, state)) = self.node.jobs().find(|(own, _)| *own == key) else { return };
        if state.terms.is_mapped {
            return;
        }
        let id = &state.job.id;
        let change = |gpu: u32| if state.ended.is_some() { files.remove(gpu, id) } else { files.add(gpu, id) };
        let faults: Vec<_> = numbers(&state.terms).filter_map(|gpu| change(gpu).err().map(|e| (gpu, e))).collect();
        for (gpu, error) in faults {
            self.warn(format!("the file of the jobs of GPU {gpu} is not written: {error}"));
        }
    }
}

/// Returns the numbers of the GPUs of a job. Files are named by numbers: GPUs that were named by a UUID have none.
fn numbers(terms: &JobTerms) -> impl Iterator<Item = u32> {
    terms.gpus.iter().filter_map(GpuName::number)
}
