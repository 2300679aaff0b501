//! [`Opening`] opens a source whose opening may hang: on a thread of its own, so that the run does not wait for it.
//!
//! A source reads one interface, here a driver's library such as NVML. Discovery, the search for sources at the start
//! of a run, waits for a moment. A driver that takes longer is added to the run when it answers; until then the energy
//! of its devices is not known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::Duration;

use eco2_core::schema::{EventKind, SourceStatus};
use eco2_core::{Domain, Gauge};

use crate::deadline::quiet_thread;
use crate::found::Found;
use crate::{Batch, Change, DeviceUse, Source, SourceEvent, Watched};

/// Stack of the opening thread: 1 MiB, as initialising loads and links a driver's libraries.
const STACK_BYTES: usize = 1 << 20;
/// A driver that has not answered after two seconds is reported as lost; it is read all the same if it answers later.
pub const LOST_NS: u64 = 2_000_000_000;

/// The statuses of a source while it is being opened.
pub(crate) struct StatusTexts {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its status until it answers.
    pub(crate) waiting: SourceStatus,
    /// Its status when it has not answered for two seconds.
    pub(crate) lost: SourceStatus,
    /// Its status where no thread can be started to open it.
    pub(crate) no_thread: SourceStatus,
}

/// A source that is being opened.
pub(crate) struct Opening {
    texts: StatusTexts,
    /// Where the result arrives; `None` where no thread could be started.
    found: Option<Receiver<Found>>,
    /// Whether the source has arrived with something to read. The estimate that replaces it until then ends by this.
    answered: Arc<AtomicBool>,
}

impl Opening {
    /// Starts opening, by `open`, on a thread of its own.
    pub(crate) fn begin(texts: StatusTexts, open: impl FnOnce() -> Found + Send + 'static) -> Self {
        let (send, receive) = channel();
        let name = format!("eco2-{}-open", texts.name);
        // When the receiver is gone, the source is not needed any more.
        let started = quiet_thread(&name, STACK_BYTES, move || drop(send.send(open())));
        Self { texts, found: started.ok().map(|()| receive), answered: Arc::default() }
    }

    /// Returns what was found if that takes no longer than `patience`; else nothing, and a later answer is dropped.
    pub(crate) fn in_time(self, patience: Duration) -> Found {
        let Some(receive) = self.found else { return Found::nothing(self.texts.no_thread) };
        receive.recv_timeout(patience).unwrap_or_else(|_| Found::nothing(self.texts.lost))
    }

    /// Returns what was found if that takes no longer than `patience`; else a source that goes on waiting.
    pub(crate) fn within(self, patience: Duration) -> Found {
        let Some(receive) = self.found else { return Found::nothing(self.texts.no_thread) };
        match receive.recv_timeout(patience) {
            Ok(found) => found,
            Err(RecvTimeoutError::Disconnected) => Found::nothing(self.texts.lost),
            Err(RecvTimeoutError::Timeout) => {
                let status = self.texts.waiting.clone();
                let late = LateSource {
                    texts: self.texts,
                    state: OpeningState::Waiting { receive, since_ns: None, lost: false },
                    notes: Vec::new(),
                    changes: Vec::new(),
                    answered: Arc::clone(&self.answered),
                };
                Found { late: Some(self.answered), ..Found::source(late, status) }
            }
        }
    }
}

/// Replaces a source that is still being opened, and passes everything on to it once it is there.
struct LateSource {
    texts: StatusTexts,
    state: OpeningState,
    notes: Vec<SourceEvent>,
    changes: Vec<Change>,
    answered: Arc<AtomicBool>,
}

/// How far opening has come.
enum OpeningState {
    Waiting {
        receive: Receiver<Found>,
        /// When it was first read, and so asked for; `None` before.
        since_ns: Option<u64>,
        /// Whether it was reported as lost.
        lost: bool,
    },
    /// It was opened and is read.
    Here(Box<dyn Source>),
    /// It was opened, and there is nothing to read.
    Nothing,
}

impl LateSource {
    /// Returns the source if it is there.
    fn source(&mut self) -> Option<&mut (dyn Source + 'static)> {
        if let OpeningState::Here(source) = &mut self.state { Some(source.as_mut()) } else { None }
    }

    fn note(&mut self, at_ns: u64, kind: EventKind, text: String) {
        self.notes.push(SourceEvent { at_ns, kind, device: self.texts.name.to_owned(), text });
    }

    /// Looks whether the source has arrived; reports it as lost after two seconds.
    fn wait(&mut self, now_ns: u64) {
        let OpeningState::Waiting { receive, since_ns, lost } = &mut self.state else { return };
        let waited_ns = now_ns.saturating_sub(*since_ns.get_or_insert(now_ns));
        match receive.try_recv() {
            Ok(found) => self.arrived(now_ns, waited_ns, found),
            Err(TryRecvError::Disconnected) => {
                self.state = OpeningState::Nothing;
                self.changes.push(Change::Described(self.texts.lost.clone()));
            }
            Err(TryRecvError::Empty) if waited_ns >= LOST_NS && !*lost => {
                *lost = true;
                self.changes.push(Change::Described(self.texts.lost.clone()));
                self.note(now_ns, EventKind::SourceHung, self.texts.lost.reason.clone());
            }
            Err(TryRecvError::Empty) => {}
        }
    }

    /// Takes what was found, `waited_ns` after the first look.
    fn arrived(&mut self, now_ns: u64, waited_ns: u64, found: Found) {
        self.changes.extend(found.statuses.into_iter().map(Change::Described));
        self.state = OpeningState::Nothing;
        let Some(source) = found.source else { return };
        // Relaxed: it only ends an estimate that is not counted any more.
        self.answered.store(!source.domains().is_empty(), Ordering::Relaxed);
        self.state = OpeningState::Here(source);
        let seconds = waited_ns as f64 / 1e9;
        self.note(
            now_ns,
            EventKind::SourceLate,
            format!("first answer after {seconds:.1} s; there are no earlier readings"),
        );
    }
}

impl Source for LateSource {
    fn name(&self) -> &str {
        self.texts.name
    }

    fn domains(&self) -> &[Domain] {
        if let OpeningState::Here(source) = &self.state { source.domains() } else { &[] }
    }

    fn read(&mut self, batch: &mut Batch) {
        self.wait(batch.now_ns());
        if let Some(source) = self.source() {
            source.read(batch);
        }
    }

    fn gauges(&mut self, out: &mut Vec<Gauge>) {
        if let Some(source) = self.source() {
            source.gauges(out);
        }
    }

    fn notes(&mut self, out: &mut Vec<SourceEvent>) {
        out.append(&mut self.notes);
        if let Some(source) = self.source() {
            source.notes(out);
        }
    }

    fn changes(&mut self, out: &mut Vec<Change>) {
        out.append(&mut self.changes);
        if let Some(source) = self.source() {
            source.changes(out);
        }
    }

    fn users(&mut self, watched: &Watched, out: &mut Vec<DeviceUse>) {
        if let Some(source) = self.source() {
            source.users(watched, out);
        }
    }

    fn may_hang(&self) -> bool {
        true
    }
}
