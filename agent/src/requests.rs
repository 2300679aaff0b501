//! What the agent is asked for ([`Request`]), and by whom ([`Peer`]).

use eco2_grid::provider::Coverage;

use crate::jobs::{Job, JobError, JobTerms};
use crate::shares::JobKey;

/// Takes the answer to a request: the key of the job. Returns whether the caller was still there.
pub(crate) type Reply = Box<dyn FnOnce(Result<JobKey, JobError>) -> bool + Send>;

/// Who asks, as the kernel reports the other end of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// User id.
    pub uid: u32,
    /// Whether it is root or a member of the group `eco2`, who may see and end every job.
    pub is_operator: bool,
}

impl Peer {
    /// Whether it may see and end a job of the user `uid`.
    #[must_use]
    pub fn may_see(&self, uid: u32) -> bool {
        self.is_operator || self.uid == uid
    }
}

/// What another thread passes to the accounting thread, which answers it at once.
pub(crate) enum Request {
    /// Begins a job.
    Begin { job: Job, terms: JobTerms, by: Peer, reply: Reply },
    /// Ends a job.
    End { id: String, by: Peer, steps: Option<u64>, reply: Reply },
    /// The intensities that sources answered at this time, nanoseconds since 1970.
    Intensities { coverage: Coverage, asked_ns: i64 },
    /// Ends the thread.
    Stop,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Begin { .. } => "Begin",
            Self::End { .. } => "End",
            Self::Intensities { .. } => "Intensities",
            Self::Stop => "Stop",
        })
    }
}
