//! Writes a run log on the thread `eco2-log` ([`LogWriter`]). The thread receives finished frames, appends them to the file
//! and syncs every few seconds. The sampling thread, which sends the frames, never waits for the disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::MAX_BACKLOG_BYTES;
use super::backlog::Backlog;
use super::disk::{Disk, FileDisk};
use crate::Error;
use crate::store::new_logs::note_log;
use crate::store::runs::size_notice;

/// Number of buffers that can wait in the channel to the thread.
const QUEUE_BUFFERS: usize = 256;

/// How often the thread syncs, and how often it retries after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time between two syncs.
    pub sync_every: Duration,
    /// Time from a first failure to the next try. It doubles with each failure, up to `retry_at_most`.
    pub retry_after: Duration,
    /// Longest time between two tries.
    pub retry_at_most: Duration,
}

impl Default for Pace {
    /// Syncs every 5 s; retries after 1 s, then after 2 s, 4 s and so on, up to 30 s.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { sync_every: seconds(5), retry_after: seconds(1), retry_at_most: seconds(30) }
    }
}

/// What was written and lost of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogStatus {
    /// Bytes in the file.
    pub written_bytes: u64,
    /// Bytes that were dropped: because too many waited, because the channel was full, or when the log was closed.
    pub lost_bytes: u64,
    /// Number of appends and syncs that failed.
    pub failures: u64,
    /// The message of the first failure; `None` if there was none.
    pub first_failure: Option<String>,
    /// Whether the thread did not end in time, because a call into the file system did not return. The counts are those from
    /// before that call.
    pub hung: bool,
    /// After the end, the warning that [`LogWriter::warning`] would have returned next.
    pub warning: Option<String>,
}

/// Counts that the thread and the sender share.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes in the file.
    written: AtomicU64,
    /// Bytes that the thread dropped.
    dropped: AtomicU64,
    /// Bytes that the sender dropped because the channel was full.
    refused: AtomicU64,
    failures: AtomicU64,
    /// Bytes in the channel.
    queued: AtomicUsize,
    /// Bytes that the thread has received and not written.
    waiting: AtomicU64,
    first_failure: Mutex<Option<String>>,
    /// The notice that the folder of runs has become large.
    notice: Mutex<Option<String>>,
}

/// Writes a log on a thread of its own.
///
/// [`LogWriter::submit`] never waits: if the disk is too slow, bytes are dropped and counted. The thread inherits the signal
/// mask of the thread that starts it.
#[derive(Debug)]
pub struct LogWriter {
    frames: SyncSender<Vec<u8>>,
    /// Buffers that the thread returns after use.
    spares: Receiver<Vec<u8>>,
    /// Receives a message when the thread ends.
    done: Receiver<()>,
    shared: Arc<Shared>,
    /// The file, for messages; `None`: a [`Disk`] of the caller.
    path: Option<PathBuf>,
    /// Whether [`Self::warning`] has returned its warning.
    warned: bool,
}

impl LogWriter {
    /// Creates the file (mode 0600, folder 0700) and starts the thread. Does not follow links.
    ///
    /// # Errors
    /// [`Error::Io`], also if the file exists.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let disk = FileDisk::create(path)?;
        let started = Self::start(disk, Pace::default());
        let writer = started.map_err(|e| Error::io("start the log thread for", path, e))?;
        Ok(Self { path: Some(path.to_owned()), ..writer })
    }

    /// As [`LogWriter::create`], and on another thread notes the run for the history index and checks once whether the folder
    /// of runs has become large, see [`LogWriter::notice`]. The check starts immediately, because a run can be short. It does not use the thread of the log,
    /// because a large folder takes long.
    ///
    /// # Errors
    /// As [`LogWriter::create`].
    pub fn create_in(runs: &Path, path: &Path) -> Result<Self, Error> {
        let writer = Self::create(path)?;
        let (shared, runs, log) = (Arc::clone(&writer.shared), runs.to_owned(), path.to_owned());
        let check = move || {
            note_log(&runs, &log);
            shared.check_folder_size(&runs);
        };
        // If the system has no thread, there is no notice.
        thread::Builder::new().name("eco2-runs".into()).spawn(check).ok();
        Ok(writer)
    }

    /// Starts the thread with any [`Disk`].
    ///
    /// # Errors
    /// The error of the system if it cannot start a thread.
    pub fn start(disk: impl Disk + 'static, pace: Pace) -> io::Result<Self> {
        let (frames, inbox) = sync_channel(QUEUE_BUFFERS);
        // The sender needs one buffer at a time; a few more cover a burst.
        let (spare, spares) = sync_channel(4);
        let (end_sender, done) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let backlog = Backlog::new(disk, MAX_BACKLOG_BYTES);
        let thread = LogThread { backlog, inbox, spare, shared: Arc::clone(&shared), pace };
        thread::Builder::new().name("eco2-log".into()).spawn(move || {
            thread.run();
            // Fails if the writer was dropped without `close`.
            end_sender.send(()).ok();
        })?;
        Ok(Self { frames, spares, done, shared, path: None, warned: false })
    }

    /// Sends finished frames to the thread, without waiting.
    pub fn submit(&self, frames: Vec<u8>) {
        let bytes = frames.len();
        if bytes == 0 {
            return;
        }
        // Relaxed: these are counts for a limit and for reports; the channel orders the frames.
        let queued = self.shared.queued.fetch_add(bytes, Ordering::Relaxed);
        let is_over_limit = queued > 0 && queued.saturating_add(bytes) > MAX_BACKLOG_BYTES;
        if is_over_limit || self.frames.try_send(frames).is_err() {
            self.shared.queued.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.refused.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// Returns a buffer for [`super::LogEncoder::take`]: one that the thread has returned, else a new one.
    #[must_use]
    pub fn spare(&self) -> Vec<u8> {
        self.spares.try_recv().unwrap_or_default()
    }

    /// Returns what was written and lost so far.
    #[must_use]
    pub fn status(&self) -> LogStatus {
        self.shared.status()
    }

    /// Returns a warning for the user after the first failure; `None` without failures and after the first call that
    /// returned it.
    pub fn warning(&mut self) -> Option<String> {
        if self.warned || self.shared.failures.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.warned = true;
        let why = self.status().first_failure?;
        let path = self.path.as_ref().map_or_else(String::new, |path| format!(" {}", path.display()));
        Some(format!(
            "the run log{path} cannot be written ({why}); the measurement continues; free some space, or the rest is not logged"
        ))
    }

    /// Returns the notice that the folder of runs has become large, once; see [`LogWriter::create_in`].
    pub fn notice(&mut self) -> Option<String> {
        self.shared.notice.try_lock().ok()?.take()
    }

    /// Appends the waiting frames, syncs, and ends the thread. Waits at most `patience` for a file system that hangs.
    #[must_use]
    pub fn close(mut self, patience: Duration) -> LogStatus {
        // Dropped, so that the thread ends.
        self.frames = sync_channel(0).0;
        let hung = matches!(self.done.recv_timeout(patience), Err(RecvTimeoutError::Timeout));
        let warning = self.warning();
        let shared = &self.shared;
        let mut status = LogStatus { warning, ..shared.status() };
        if hung {
            status.hung = true;
            let queued = shared.queued.load(Ordering::Relaxed) as u64;
            status.lost_bytes += shared.waiting.load(Ordering::Relaxed) + queued;
        }
        status
    }
}

impl Shared {
    /// Stores the notice if the folder of runs is large.
    fn check_folder_size(&self, runs: &Path) {
        if let Some(text) = size_notice(runs) {
            *self.notice.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        }
    }

    fn status(&self) -> LogStatus {
        LogStatus {
            written_bytes: self.written.load(Ordering::Relaxed),
            lost_bytes: self.dropped.load(Ordering::Relaxed) + self.refused.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            first_failure: self.first_failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            hung: false,
            warning: None,
        }
    }
}

/// The state of the thread `eco2-log`.
struct LogThread<D> {
    backlog: Backlog<D>,
    inbox: Receiver<Vec<u8>>,
    spare: SyncSender<Vec<u8>>,
    shared: Arc<Shared>,
    pace: Pace,
}

impl<D: Disk> LogThread<D> {
    /// Receives, appends and syncs until the log is closed.
    fn run(mut self) {
        // This clock only schedules writes; no measured value depends on it.
        let mut next_sync = Instant::now() + self.pace.sync_every;
        let mut retry = self.pace.retry_after;
        let mut blocked_until: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let wake = blocked_until.map_or(next_sync, |until| until.min(next_sync));
            let is_open = self.receive(wake.saturating_duration_since(now));
            let now = Instant::now();
            if !is_open || blocked_until.is_none_or(|until| now >= until) {
                let mut outcome = self.backlog.write_waiting();
                if outcome.is_ok() && (!is_open || now >= next_sync) {
                    outcome = self.backlog.sync();
                }
                if self.record_outcome(outcome) {
                    (blocked_until, retry) = (None, self.pace.retry_after);
                } else {
                    blocked_until = Some(now + retry);
                    retry = (retry * 2).min(self.pace.retry_at_most);
                }
            }
            if now >= next_sync {
                next_sync = now + self.pace.sync_every;
            }
            if !is_open {
                self.backlog.abandon();
                self.publish();
                return;
            }
        }
    }

    /// Receives all frames in the channel, after waiting for the first of them at most `wait`. Returns `false` when the log is
    /// closed and the channel is empty.
    fn receive(&mut self, wait: Duration) -> bool {
        let mut next = self.inbox.recv_timeout(wait);
        loop {
            match next {
                Ok(frames) => self.accept(frames),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
            next = self.inbox.recv_timeout(Duration::ZERO);
        }
    }

    fn accept(&mut self, frames: Vec<u8>) {
        self.backlog.accept(&frames);
        self.shared.queued.fetch_sub(frames.len(), Ordering::Relaxed);
        self.publish();
        // If enough buffers are on their way back, this one is freed here: the sampling thread must not free memory.
        self.spare.try_send(frames).ok();
    }

    /// Counts a failure, and returns whether there was none.
    fn record_outcome(&self, outcome: io::Result<()>) -> bool {
        self.publish();
        let Err(error) = outcome else { return true };
        let mut first = self.shared.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| error.to_string());
        drop(first);
        self.shared.failures.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Copies the counts of the queue to the shared ones.
    fn publish(&self) {
        self.shared.written.store(self.backlog.written(), Ordering::Relaxed);
        self.shared.dropped.store(self.backlog.lost(), Ordering::Relaxed);
        self.shared.waiting.store(self.backlog.waiting() as u64, Ordering::Relaxed);
    }
}
