//! Defines [`Outbox`], a folder of requests that wait until a server has taken them ([`Message`]). The sending process may end, and
//! the server may be away for days: a message leaves the folder when the server has answered with success, when it has
//! refused the content for good, or when newer messages need the space.
//!
//! One message is one file. It is written under another name, synced and renamed, so that a process that is killed leaves a whole
//! message or none. Several processes may put messages into a folder; one at a time sends, oldest first. A message that was sent
//! is never sent again, except if the process was killed between the answer and the removal of the file. Messages
//! should therefore be harmless when they arrive twice, as cumulative counters with their times are.

mod folder;
mod message;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::{Backoff, Clock, NetError};
use folder::Folder;
pub use message::{Message, Method};

/// Wait after a failed attempt: a second at first, twice as long each time. With its jitter, up to as much again, it is a minute at most.
const WAITS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// What messages that cannot be written may have together, bytes.
const MOST_IN_MEMORY: u64 = 4 << 20;

/// Requests to one server that wait in a folder.
///
/// ```
/// use std::time::Duration;
/// use eco2_net::{Message, NetError, Outbox, ScriptedClock};
///
/// # let folder = tempfile::tempdir()?;
/// let mut outbox = Outbox::new(folder.path(), 1 << 20);
/// outbox.put(Message::post("/v1/metrics", "text/plain", b"1".to_vec()));
/// // The server is away once.
/// let (mut answers, clock) = ([Err(NetError::Unreachable), Ok(())].into_iter(), ScriptedClock::default());
/// let sent = outbox.send(&clock, Duration::from_secs(10), |_| answers.next().unwrap_or(Ok(())));
/// assert_eq!((sent.sent, sent.waiting), (1, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Outbox {
    folder: Folder,
    /// Messages that could not be written, for example because the disk is full. They are sent after those of the folder.
    unsaved: VecDeque<Message>,
    /// Messages that are done with and whose files could not be removed.
    done: BTreeSet<String>,
    /// Failed attempts in a row.
    failures: u32,
    /// No attempt is made before this time of the clock.
    not_before: Duration,
}

/// What became of a message that was put into an [`Outbox`].
#[derive(Debug, Default)]
pub struct Stored {
    /// Number of older messages that were dropped for want of space.
    pub dropped: u64,
    /// Why the message is kept in memory only.
    pub fault: Option<io::Error>,
}

/// What [`Outbox::send`] did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Number of messages that the server took.
    pub sent: u64,
    /// Number of messages that the server refused for good, which are dropped.
    pub refused: u64,
    /// Number of files that were damaged, which are dropped.
    pub damaged: u64,
    /// Number of messages that still wait.
    pub waiting: u64,
    /// The last error of the server; `None`: there was none.
    pub fault: Option<NetError>,
    /// Whether another process is sending the messages of this folder.
    pub is_busy: bool,
}

impl Outbox {
    /// Returns the outbox of a folder, which is made when it is needed. Its messages have `most_bytes` together at most; the
    /// oldest are dropped for a new one.
    #[must_use]
    pub fn new(folder: &Path, most_bytes: u64) -> Self {
        Self {
            folder: Folder::new(folder, most_bytes),
            unsaved: VecDeque::new(),
            done: BTreeSet::new(),
            failures: 0,
            not_before: Duration::ZERO,
        }
    }

    /// Adds a message, synced to the disk. If it cannot be written, it is kept in memory. Waits for the disk: do not call it
    /// on a thread that must not wait.
    pub fn put(&mut self, message: Message) -> Stored {
        // Older ones first: servers refuse samples that come out of order.
        self.unsaved.push_back(message);
        let mut dropped = 0;
        let fault = loop {
            let Some(oldest) = self.unsaved.front() else { break None };
            match self.folder.put(oldest) {
                Ok(by_bytes) => dropped += by_bytes,
                Err(fault) => break Some(fault),
            }
            self.unsaved.pop_front();
        };
        match fault {
            None => Stored { dropped, fault: None },
            Some(fault) => {
                let size = |message: &Message| message.body.len() as u64;
                while self.unsaved.iter().map(size).sum::<u64>() > self.folder.most_bytes.min(MOST_IN_MEMORY) {
                    self.unsaved.pop_front();
                    dropped += 1;
                }
                Stored { dropped, fault: Some(fault) }
            }
        }
    }

    /// Sends the waiting messages with `post`, oldest first, until none is left or the clock shows `until`. After an error that may
    /// pass it waits, for a second at first and longer each time, and as long as the server asks; this wait goes on in the next
    /// call. A refusal of the content ([`NetError::is_final`]) drops the message. The last attempt may end after `until`, by
    /// the time limit of `post`.
    pub fn send(
        &mut self,
        clock: &dyn Clock,
        until: Duration,
        mut post: impl FnMut(&Message) -> Result<(), NetError>,
    ) -> Sent {
        let mut result = Sent::default();
        // Without a lock, as on a network file system that has none, another process may send the same message: harmless.
        let lock = self.folder.lock();
        if lock.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            result.waiting = self.waiting();
            result.is_busy = true;
            return result;
        }
        for name in self.folder.names() {
            if self.done.contains(&name) {
                self.remove(name);
                continue;
            }
            match self.folder.read(&name) {
                Ok(Some(message)) => match self.attempt(clock, until, &mut || post(&message), &mut result) {
                    Attempted::Done => self.remove(name),
                    Attempted::Later => break,
                },
                Ok(None) => {
                    result.damaged += 1;
                    self.remove(name);
                }
                // Another process has dropped it for want of space, or another user's process has written it.
                Err(_) => {}
            }
        }
        drop(lock);
        if clock.now() >= self.not_before {
            while let Some(message) = self.unsaved.pop_front() {
                if self.attempt(clock, until, &mut || post(&message), &mut result) == Attempted::Later {
                    self.unsaved.push_front(message);
                    break;
                }
            }
        }
        result.waiting = self.waiting();
        result
    }

    /// Returns the number of messages that wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let saved = self.folder.names().into_iter().filter(|name| !self.done.contains(name)).count();
        (saved + self.unsaved.len()) as u64
    }

    /// Makes attempts for one message until it is done or the time is over.
    fn attempt(
        &mut self,
        clock: &dyn Clock,
        until: Duration,
        post: &mut dyn FnMut() -> Result<(), NetError>,
        result: &mut Sent,
    ) -> Attempted {
        loop {
            let now = clock.now();
            let wait = self.not_before.saturating_sub(now);
            if now >= until || now + wait >= until {
                return Attempted::Later;
            }
            if !wait.is_zero() {
                clock.sleep(wait);
            }
            match post() {
                Ok(()) => {
                    (self.failures, self.not_before) = (0, Duration::ZERO);
                    result.sent += 1;
                    return Attempted::Done;
                }
                Err(error) if error.is_final() => {
                    (self.failures, self.not_before) = (0, Duration::ZERO);
                    result.refused += 1;
                    result.fault = Some(error);
                    return Attempted::Done;
                }
                Err(error) => {
                    let wait = WAITS.wait(self.failures);
                    let wait = wait.saturating_add(wait.mul_f64(clock.fraction()));
                    self.not_before = clock.now() + wait.max(error.retry_after().unwrap_or_default());
                    self.failures = self.failures.saturating_add(1);
                    result.fault = Some(error);
                }
            }
        }
    }

    /// Removes the file of a message that is done with.
    fn remove(&mut self, name: String) {
        if self.folder.remove(&name).is_ok() {
            self.done.remove(&name);
        } else {
            self.done.insert(name);
        }
    }
}

/// Whether a message is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempted {
    /// It was sent, or refused for good.
    Done,
    /// It has to wait.
    Later,
}
