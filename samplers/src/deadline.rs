//! [`Deadline`] reads a source that may hang on a thread of its own, so that the sampling thread never waits for it.
//!
//! A source reads one interface, such as NVIDIA's driver; a domain is one sensor or counter of it. A round is one read
//! of all that is due. [`Deadline`] is itself a [`Source`]. Each of its reads hands over what its thread has finished
//! since (with the thread's timestamps, taken around the calls) and asks for the next round if none is under way. A
//! round that takes longer than the deadline makes every domain report [`Fault::Hung`] once; when the call returns
//! after all, reading goes on. Gauges (values that are not energy), notes (events) and users of devices come with the
//! rounds, so they are one round old.
//!
//! The thread is detached: one that hangs in the kernel delays no exit.

use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

use eco2_core::schema::{EventKind, SourceStatus, Status};
use eco2_core::{Domain, Fault, Gauge, Reading};

use crate::clock::{Clock, thread_cpu_ns};
use crate::{Batch, Change, DeviceUse, Source, SourceEvent, Watched};

/// Stack of such a thread: deep enough for a vendor library's calls. Only what is touched is ever backed by memory.
const STACK_BYTES: usize = 512 << 10;

/// State of the round that a source was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is under way: the answer is still to come.
    Awaited,
    /// Nothing is under way: what was asked for has been handed over, even if that was nothing.
    Answered,
    /// The thread has ended; there will be no answer.
    Ended,
}

/// Wraps a source so that its calls cannot hold up the caller.
///
/// ```
/// use std::time::Duration;
///
/// use eco2_samplers::synthetic::{Curve, Synthetic};
/// use eco2_samplers::{Batch, Deadline, Source, clock::Clock};
///
/// let source = Synthetic::new(Curve::default(), Clock::Monotonic);
/// let mut source = Deadline::spawn(Box::new(source), Clock::Monotonic, Duration::from_secs(2))?;
/// source.read(&mut Batch::default()); // returns at once; readings come with a later call
/// assert_eq!(source.name(), "synthetic");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Deadline {
    name: String,
    domains: Vec<Domain>,
    /// Longest time that a round may take.
    deadline_ns: u64,
    /// To the thread: requests for rounds.
    ask: Sender<Ask>,
    /// From the thread: what the rounds brought.
    answers: Receiver<WorkerAnswer>,
    state: WorkerState,
    /// When the round that was answered last had been asked for; 0 before the first answer.
    answered_ns: u64,
    /// An answer that [`Deadline::settle`] waited for and that was not handed over yet.
    early: Option<WorkerAnswer>,
    /// Emptied batch, to be used again.
    spare: Option<Batch>,
    clock: Clock,
    gauges: Vec<Gauge>,
    notes: Vec<SourceEvent>,
    changes: Vec<Change>,
    users: Vec<DeviceUse>,
    /// Whether the next round is to read gauges.
    want_gauges: bool,
    /// Processes whose use of devices the next round is to find; `None` for none.
    want_users: Option<Watched>,
    cpu_ns: u64,
}

/// What the thread is doing, as far as the asking side knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WorkerState {
    Idle,
    /// A round is under way since `at_ns`.
    Asked {
        at_ns: u64,
    },
    /// The round is late; the domains reported `Hung` at `reported_ns`.
    Hung {
        reported_ns: u64,
    },
    /// The thread ended, which it never should.
    Dead,
}

/// A request for one round: the batch to read into, and what to read in addition to readings.
struct Ask {
    batch: Batch,
    gauges: bool,
    users: Option<Watched>,
}

/// What one round brought.
#[derive(Default)]
struct WorkerAnswer {
    batch: Batch,
    /// All domains, when there are more than before.
    grown: Option<Vec<Domain>>,
    /// What was asked for in addition to readings.
    gauges: Option<Vec<Gauge>>,
    users: Vec<DeviceUse>,
    notes: Vec<SourceEvent>,
    changes: Vec<Change>,
    /// CPU time of the thread so far.
    cpu_ns: u64,
}

impl Deadline {
    /// Two seconds: far more than any call of a healthy driver takes.
    pub const DEFAULT: Duration = Duration::from_secs(2);

    /// Starts the thread `eco2-<source>`. Timestamps are those of `clock`, and the deadline is measured by it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn spawn(source: Box<dyn Source>, clock: Clock, deadline: Duration) -> io::Result<Self> {
        let (ask, asked) = channel();
        let (answer, answers) = channel();
        let (name, domains) = (source.name().to_owned(), source.domains().to_vec());
        quiet_thread(&format!("eco2-{name}"), STACK_BYTES, move || serve(source, &asked, &answer))?;
        Ok(Self {
            name,
            domains,
            deadline_ns: u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX),
            ask,
            answers,
            state: WorkerState::Idle,
            answered_ns: 0,
            early: None,
            spare: None,
            clock,
            gauges: Vec::new(),
            notes: Vec::new(),
            changes: Vec::new(),
            users: Vec::new(),
            want_gauges: true,
            want_users: None,
            cpu_ns: 0,
        })
    }

    /// Hands over the gauges, as far as they have arrived and were not handed over.
    pub(crate) fn take_gauges(&mut self, out: &mut Vec<Gauge>) {
        out.append(&mut self.gauges);
    }

    /// Hands over the users of the devices, as far as they have arrived and were not handed over.
    pub(crate) fn take_users(&mut self, out: &mut Vec<DeviceUse>) {
        out.append(&mut self.users);
    }

    /// Returns when the last round that was answered had been asked for.
    pub(crate) fn answered_ns(&self) -> u64 {
        self.answered_ns
    }

    /// Returns the CPU time of its thread, nanoseconds, as of the last answer.
    pub(crate) fn cpu_ns(&self) -> u64 {
        self.cpu_ns
    }

    /// Waits for the answer to what was asked; [`Deadline::collect`] hands it over.
    pub(crate) fn settle(&mut self) {
        if matches!(self.state, WorkerState::Asked { .. } | WorkerState::Hung { .. }) && self.early.is_none() {
            self.early = self.answers.recv().ok();
        }
    }

    /// Hands over what was finished since, without asking for more.
    pub(crate) fn collect(&mut self, batch: &mut Batch) -> Standing {
        self.hand_over(batch);
        self.standing()
    }

    /// Hands over what was finished since, and asks for the next round if none is under way.
    pub(crate) fn ask(&mut self, batch: &mut Batch) -> Standing {
        self.hand_over(batch);
        self.ask_again(batch);
        self.standing()
    }

    /// Returns whether an answer is still to come.
    fn standing(&self) -> Standing {
        match self.state {
            WorkerState::Asked { .. } | WorkerState::Hung { .. } => Standing::Awaited,
            WorkerState::Idle => Standing::Answered,
            WorkerState::Dead => Standing::Ended,
        }
    }

    /// Takes an answer if there is one; reports a hang or the end of the thread.
    fn hand_over(&mut self, batch: &mut Batch) {
        match self.early.take().map_or_else(|| self.answers.try_recv(), Ok) {
            Ok(answer) => self.take(answer, batch),
            Err(TryRecvError::Empty) => self.check_deadline(batch),
            Err(TryRecvError::Disconnected) if self.state != WorkerState::Dead => {
                self.state = WorkerState::Dead;
                self.fail_all(Fault::Failed, batch);
                self.note(batch.now_ns(), EventKind::SourceStopped, "its thread ended; it is not read any more");
                self.silent(Status::Lost, "its thread ended; it is not read any more");
            }
            Err(TryRecvError::Disconnected) => {}
        }
    }

    /// Copies the readings of `answer` into `batch`, and keeps the rest until it is asked for.
    fn take(&mut self, mut answer: WorkerAnswer, batch: &mut Batch) {
        let mut from_ns = 0;
        match self.state {
            WorkerState::Asked { at_ns } => self.answered_ns = at_ns,
            WorkerState::Hung { reported_ns } => {
                // What was read before the domains reported `Hung` would now be out of order.
                from_ns = reported_ns;
                self.note(batch.now_ns(), EventKind::SourceBack, "the call returned; readings continue");
                self.changes.push(Change::Answers(self.name.clone()));
            }
            WorkerState::Idle | WorkerState::Dead => {}
        }
        (self.state, self.cpu_ns) = (WorkerState::Idle, answer.cpu_ns);
        if let Some(domains) = answer.grown {
            self.domains = domains;
        }
        let fresh = answer.batch.readings().iter().filter(|(_, reading)| reading.before_ns >= from_ns);
        fresh.for_each(|(domain, reading)| batch.push(*domain, *reading));
        self.notes.append(&mut answer.notes);
        self.changes.append(&mut answer.changes);
        self.gauges = answer.gauges.unwrap_or(std::mem::take(&mut self.gauges));
        self.users.append(&mut answer.users);
        answer.batch.clear();
        self.spare = Some(answer.batch);
    }

    /// Reports every domain as hung if the round under way has taken too long.
    fn check_deadline(&mut self, batch: &mut Batch) {
        let WorkerState::Asked { at_ns } = self.state else { return };
        let now_ns = batch.now_ns();
        if now_ns.saturating_sub(at_ns) < self.deadline_ns {
            return;
        }
        self.state = WorkerState::Hung { reported_ns: now_ns };
        self.fail_all(Fault::Hung, batch);
        self.note(now_ns, EventKind::SourceHung, "a call has not returned in time; the rest is measured on");
        let seconds = self.deadline_ns as f64 / 1e9;
        self.silent(Status::Hung, &format!("a call has not returned for {seconds} s"));
    }

    /// Adds a change of the source's status: it gives no values any more.
    fn silent(&mut self, status: Status, reason: &str) {
        let remedy = "see the kernel log (sudo dmesg) for this device; reset it or reboot".to_owned();
        let status = SourceStatus { name: self.name.clone(), status, reason: reason.to_owned(), remedy };
        self.changes.push(Change::Silent(status));
    }

    /// Reports `fault` for every domain.
    fn fail_all(&self, fault: Fault, batch: &mut Batch) {
        let now_ns = batch.now_ns();
        let reading = Reading { before_ns: now_ns, after_ns: now_ns, value: Err(fault) };
        (0..self.domains.len()).for_each(|domain| batch.push(domain, reading));
    }

    fn note(&mut self, at_ns: u64, kind: EventKind, text: &str) {
        self.notes.push(SourceEvent { at_ns, kind, device: self.name.clone(), text: text.to_owned() });
    }

    /// Asks for the next round, of the domains that `like` asks for, unless one is under way.
    fn ask_again(&mut self, like: &Batch) {
        if self.state != WorkerState::Idle {
            return;
        }
        let now_ns = like.now_ns();
        let mut batch = self.spare.take().unwrap_or_else(|| Batch::new(self.clock.clone()));
        batch.want_like(like);
        let ask = Ask { batch, gauges: std::mem::take(&mut self.want_gauges), users: self.want_users.take() };
        if self.ask.send(ask).is_ok() {
            self.state = WorkerState::Asked { at_ns: now_ns };
        }
    }
}

impl Source for Deadline {
    fn name(&self) -> &str {
        &self.name
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        self.ask(batch);
    }

    fn gauges(&mut self, out: &mut Vec<Gauge>) {
        self.take_gauges(out);
        self.want_gauges = true;
    }

    fn notes(&mut self, out: &mut Vec<SourceEvent>) {
        out.append(&mut self.notes);
    }

    fn changes(&mut self, out: &mut Vec<Change>) {
        out.append(&mut self.changes);
    }

    fn users(&mut self, watched: &Watched, out: &mut Vec<DeviceUse>) {
        out.append(&mut self.users);
        self.want_users = Some(watched.clone());
    }
}

/// Runs on the thread: one round for each request, until the asking end is dropped.
fn serve(mut source: Box<dyn Source>, asked: &Receiver<Ask>, answers: &Sender<WorkerAnswer>) {
    let mut known = source.domains().len();
    while let Ok(ask) = asked.recv() {
        let mut answer = WorkerAnswer { batch: ask.batch, ..WorkerAnswer::default() };
        source.read(&mut answer.batch);
        if ask.gauges {
            source.gauges(answer.gauges.get_or_insert_default());
        }
        if let Some(watched) = ask.users {
            source.users(&watched, &mut answer.users);
        }
        source.notes(&mut answer.notes);
        source.changes(&mut answer.changes);
        answer.cpu_ns = thread_cpu_ns();
        if source.domains().len() > known {
            known = source.domains().len();
            answer.grown = Some(source.domains().to_vec());
        }
        if answers.send(answer).is_err() {
            return;
        }
    }
}

/// Starts a detached thread that no signal is delivered to: the program's own threads get them.
///
/// # Errors
/// When the system refuses another thread.
pub(crate) fn quiet_thread(name: &str, stack_bytes: usize, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // The new thread inherits the mask, so it is never open to a signal, not even at its start.
    let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(stack_bytes);
    quietly(|| thread.spawn(body)).map(drop)
}

/// Runs `start` with all signals blocked, so that a thread it starts never takes one meant for the program.
pub fn quietly<T>(start: impl FnOnce() -> T) -> T {
    let before = mask_all();
    let started = start();
    restore(&before);
    started
}

/// Blocks all signals of this thread but those that a fault of its own raises; returns the mask that was set before.
fn mask_all() -> libc::sigset_t {
    // SAFETY: all-zero is a valid `sigset_t`; it is filled below.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
    // SAFETY: `all` is writable.
    unsafe { libc::sigfillset(&raw mut all) };
    for fatal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGTRAP] {
        // A fault of the thread itself must reach the program's crash handler.
        // SAFETY: `all` was initialised, the number is a signal.
        unsafe { libc::sigdelset(&raw mut all, fatal) };
    }
    // SAFETY: both sets are valid; only this thread's mask changes.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
    before
}

/// Sets this thread's mask of signals back.
fn restore(before: &libc::sigset_t) {
    // SAFETY: `before` was filled by `pthread_sigmask`.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}
