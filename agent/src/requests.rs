//! What the agent is asked for ([`Request`]), and by whom ([`Peer`]).

use std::sync::mpsc::SyncSender;

use crate::jobs::{Job, JobError};

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

/// A request to the accounting thread, which answers it at once.
#[derive(Debug)]
pub(crate) enum Request {
    /// Begins a job.
    Begin { job: Job, by: Peer, reply: SyncSender<Result<(), JobError>> },
    /// Ends a job.
    End { id: String, by: Peer, steps: Option<u64>, reply: SyncSender<Result<(), JobError>> },
    /// Ends the thread.
    Stop,
}
