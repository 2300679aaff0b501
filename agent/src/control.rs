//! Passes requests for jobs that came over HTTP to the accounting thread.

use crate::budget::JobLimits;
use crate::http::{Caller, JobControl, JobDone, JobEnd, JobFault, JobRequest};
use crate::jobs::{Job, JobError, JobProcesses, JobTerms};
use crate::requests::Peer;
use crate::service::Jobs;
use crate::snapshot::ConsumerKind;

impl JobControl for Jobs {
    fn lease(&self) {
        Self::lease(self);
    }

    fn begin(&self, job: JobRequest, caller: Caller, done: JobDone) {
        let by = peer(caller);
        let processes = match (job.pid, job.cgroup) {
            (Some(pid), _) => JobProcesses::Tree(pid),
            // Clients write the path as the kernel does, from the mount point on.
            (None, Some(path)) => JobProcesses::Group(path.strip_prefix("/").map(Into::into).unwrap_or(path)),
            (None, None) => {
                done(Err(JobFault::Refused("name the processes of the job: pid or cgroup".to_owned())));
                return;
            }
        };
        let (name, uid) = (job.name.unwrap_or_else(|| job.id.clone()), job.uid.unwrap_or(by.uid));
        let kind = ConsumerKind::Job;
        let limits = JobLimits { max_energy_kwh: job.max_energy_kwh, max_co2_kg: job.max_co2_kg };
        self.pass_begin(
            Job { id: job.id, name, uid, processes, kind, by_operator: by.is_operator, labels: job.labels },
            JobTerms { gpus: job.gpus, limits, ..JobTerms::default() },
            by,
            Box::new(|begun| done(begun.map_err(fault))),
        );
    }

    fn end(&self, id: &str, end: JobEnd, caller: Caller, done: JobDone) {
        self.pass_end(id, peer(caller), end.steps, Box::new(|ended| done(ended.map_err(fault))));
    }
}

fn peer(caller: Caller) -> Peer {
    match caller {
        Caller::User(uid) => Peer { uid, is_operator: false },
        Caller::Trusted => Peer { uid: 0, is_operator: true },
    }
}

fn fault(error: JobError) -> JobFault {
    match error {
        JobError::GoesOn(_) => JobFault::Exists,
        JobError::NotFound(_) => JobFault::Unknown,
        JobError::TooMany(_) | JobError::Busy => JobFault::Unavailable(error.to_string()),
        _ => JobFault::Refused(error.to_string()),
    }
}
