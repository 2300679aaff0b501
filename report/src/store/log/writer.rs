//! The thread `eco2-log`: takes finished frames, appends them, syncs every few seconds, and never makes anyone wait.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::BACKLOG_BYTES;
use super::backlog::Backlog;
use super::disk::{Disk, FileDisk};
use crate::Error;
use crate::store::runs::size_notice;

/// Buffers on their way to the thread.
const QUEUE_BUFFERS: usize = 256;

/// How often the thread acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two syncs.
    pub sync_every: Duration,
    /// After a first failure; doubles up to `retry_at_most`.
    pub retry_after: Duration,
    /// The longest wait between two tries.
    pub retry_at_most: Duration,
}

impl Default for Pace {
    /// Sync every 5 s; retry after 1 s, then at most every 30 s.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { sync_every: seconds(5), retry_after: seconds(1), retry_at_most: seconds(30) }
    }
}

/// How the log fares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogStatus {
    /// Bytes in the file.
    pub written_bytes: u64,
    /// Bytes given up: to memory's bound, to a full queue, or at the close.
    pub lost_bytes: u64,
    /// Appends and syncs that failed.
    pub failures: u64,
    /// The first failure in words.
    pub first_failure: Option<String>,
    /// The thread did not end in time: a call into the file system did not return, and the counts are as of before it.
    pub hung: bool,
}

#[derive(Debug, Default)]
struct Shared {
    written: AtomicU64,
    /// Lost by the thread; stored whole.
    dropped: AtomicU64,
    /// Lost because the queue was full.
    refused: AtomicU64,
    failures: AtomicU64,
    /// Bytes handed over that the thread has not taken yet.
    queued: AtomicUsize,
    /// Bytes the thread has taken and not written.
    waiting: AtomicU64,
    first_failure: Mutex<Option<String>>,
    /// What the user should know of the folder of runs.
    notice: Mutex<Option<String>>,
}

/// Writes a log on a thread of its own.
///
/// [`LogWriter::submit`] never waits: where the disk cannot follow, bytes are dropped and counted. The thread inherits
/// the signal mask of the thread that starts it.
#[derive(Debug)]
pub struct LogWriter {
    frames: SyncSender<Vec<u8>>,
    spares: Receiver<Vec<u8>>,
    done: Receiver<()>,
    shared: Arc<Shared>,
    warned: bool,
}

impl LogWriter {
    /// Creates the file (mode 0600, folder 0700; links are not followed and existing files not touched) and starts the thread.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path) -> Result<Self, Error> {
        let disk = FileDisk::create(path)?;
        Self::start(disk, Pace::default()).map_err(|e| Error::io("start the log thread for", path, e))
    }

    /// As [`LogWriter::create`]; a thread of its own looks once how large the folder of runs has become, see
    /// [`LogWriter::notice`]: at once, because a run can be short, and not in the log's thread, because a large folder takes long.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create_in(runs: &Path, path: &Path) -> Result<Self, Error> {
        let disk = FileDisk::create(path)?;
        let started = Self::start(disk, Pace::default());
        let writer = started.map_err(|e| Error::io("start the log thread for", path, e))?;
        let (shared, runs) = (Arc::clone(&writer.shared), runs.to_owned());
        // Without a thread to look the folder is as large as it is.
        thread::Builder::new().name("eco2-runs".into()).spawn(move || shared.look_at(&runs)).ok();
        Ok(writer)
    }

    /// Starts the thread on any disk.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(disk: impl Disk + 'static, pace: Pace) -> io::Result<Self> {
        let (frames, inbox) = sync_channel(QUEUE_BUFFERS);
        let (spare, spares) = sync_channel(4);
        let (ended, done) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let backlog = Backlog::new(disk, BACKLOG_BYTES);
        let thread = Thread { backlog, inbox, spare, shared: Arc::clone(&shared), pace };
        thread::Builder::new().name("eco2-log".into()).spawn(move || {
            thread.run();
            // The waiting thread may be gone.
            ended.send(()).ok();
        })?;
        Ok(Self { frames, spares, done, shared, warned: false })
    }

    /// Hands finished frames over, without waiting.
    pub fn submit(&self, frames: Vec<u8>) {
        let bytes = frames.len();
        if bytes == 0 {
            return;
        }
        // Relaxed: counters for a bound and for reports; the channel orders the bytes themselves.
        let queued = self.shared.queued.fetch_add(bytes, Ordering::Relaxed);
        let over = queued > 0 && queued.saturating_add(bytes) > BACKLOG_BYTES;
        if over || self.frames.try_send(frames).is_err() {
            self.shared.queued.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.refused.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// An empty buffer, a used one if there is one: for [`super::LogEncoder::take`].
    #[must_use]
    pub fn spare(&self) -> Vec<u8> {
        self.spares.try_recv().unwrap_or_default()
    }

    /// How the log fares so far.
    #[must_use]
    pub fn status(&self) -> LogStatus {
        self.shared.status()
    }

    /// The one warning, the first time there is one: what failed, in words for the user.
    pub fn warning(&mut self) -> Option<String> {
        if self.warned || self.shared.failures.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.warned = true;
        let why = self.status().first_failure?;
        Some(format!(
            "the run log cannot be written ({why}); measuring goes on, free some space or the log stays short"
        ))
    }

    /// What the user should know of the folder of runs, once.
    pub fn notice(&mut self) -> Option<String> {
        self.shared.notice.try_lock().ok()?.take()
    }

    /// Appends what waits, syncs, and ends the thread; waits at most `patience` for a file system that hangs.
    #[must_use]
    pub fn close(self, patience: Duration) -> LogStatus {
        let Self { frames, done, shared, .. } = self;
        drop(frames);
        let hung = matches!(done.recv_timeout(patience), Err(RecvTimeoutError::Timeout));
        let mut status = shared.status();
        if hung {
            status.hung = true;
            let queued = shared.queued.load(Ordering::Relaxed) as u64;
            status.lost_bytes += shared.waiting.load(Ordering::Relaxed) + queued;
        }
        status
    }
}

impl Shared {
    fn look_at(&self, runs: &Path) {
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
        }
    }
}

struct Thread<D> {
    backlog: Backlog<D>,
    inbox: Receiver<Vec<u8>>,
    spare: SyncSender<Vec<u8>>,
    shared: Arc<Shared>,
    pace: Pace,
}

impl<D: Disk> Thread<D> {
    fn run(mut self) {
        // This clock only paces writes; no figure depends on it.
        let mut next_sync = Instant::now() + self.pace.sync_every;
        let mut retry = self.pace.retry_after;
        let mut blocked_until: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let wake = blocked_until.map_or(next_sync, |until| until.min(next_sync));
            let open = self.receive(wake.saturating_duration_since(now));
            let now = Instant::now();
            if !open || blocked_until.is_none_or(|until| now >= until) {
                let mut done = self.backlog.pump();
                if done.is_ok() && (!open || now >= next_sync) {
                    done = self.backlog.sync();
                }
                match self.note(done) {
                    true => (blocked_until, retry) = (None, self.pace.retry_after),
                    false => {
                        blocked_until = Some(now + retry);
                        retry = (retry * 2).min(self.pace.retry_at_most);
                    }
                }
            }
            if now >= next_sync {
                next_sync = now + self.pace.sync_every;
            }
            if !open {
                self.backlog.abandon();
                self.publish();
                return;
            }
        }
    }

    /// Takes what was handed over, waiting for it at most `wait`; `false` once the log is closed and all is taken.
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
        // Enough spares are on their way back: this one is freed here, on the thread that may.
        self.spare.try_send(frames).ok();
    }

    fn note(&self, done: io::Result<()>) -> bool {
        self.publish();
        let Err(error) = done else { return true };
        let mut first = self.shared.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| error.to_string());
        drop(first);
        self.shared.failures.fetch_add(1, Ordering::Relaxed);
        false
    }

    fn publish(&self) {
        self.shared.written.store(self.backlog.written(), Ordering::Relaxed);
        self.shared.dropped.store(self.backlog.lost(), Ordering::Relaxed);
        self.shared.waiting.store(self.backlog.waiting() as u64, Ordering::Relaxed);
    }
}
