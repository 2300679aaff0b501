//! [`SlowSource`] reads a sensor that takes seconds to answer, such as a BMC, on a thread of its own and at a pace of its own.
//!
//! A BMC is the small computer in a server that watches fans and power. The sampling thread never waits for it: each of its
//! reads hands over what the thread has read since. Such a sensor shows the whole machine, so a run neither begins nor ends
//! later because of it. The list of domains (sensors) is empty until the first answer. A thread that gives no answer for
//! half a minute longer than it announced makes its domains report [`Fault::Hung`] once.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::time::Duration;

use eco2_core::schema::{EventKind, SourceStatus, Status};
use eco2_core::{Domain, Fault, Reading};
use eco2_net::Backoff;

use crate::clock::Clock;
use crate::deadline::quiet_thread;
use crate::found::Found;
use crate::{Batch, Change, Source, SourceEvent};

/// Stack of the thread: a TLS handshake needs far less.
const STACK_BYTES: usize = 1 << 20;
/// Answers that wait to be handed over: about a minute of them.
const MAX_WAITING: usize = 64;
/// How much longer than announced an answer may take. The requests themselves have shorter limits; a look-up of a name, or a
/// call into the kernel, has none.
const LATE_NS: u64 = 30_000_000_000;

/// Waits after failures that may pass: 2 s at first, five minutes at most.
pub(crate) const PASSING: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(300));
/// Mean time between two reads. BMCs update their power about once a second.
const EVERY_NS: u64 = 1_000_000_000;

/// Returns the time until the next read, 0.5 to 1.5 s at random: on a grid, a load that repeats at the same pace would
/// always be read in the same phase.
pub(crate) fn usual_wait() -> Duration {
    Duration::from_nanos(fastrand::u64(EVERY_NS / 2..EVERY_NS * 3 / 2))
}

/// Reads the sensor; called on the thread.
pub(crate) trait SlowReader: Send + 'static {
    /// Reads once, and may take its time.
    fn read(&mut self, clock: &Clock) -> SlowAnswer;

    /// Called when no further reading is wanted.
    fn close(&mut self) {}
}

/// Result of one read.
#[derive(Debug)]
pub(crate) struct SlowAnswer {
    /// All domains, if there are more than before.
    pub(crate) domains: Option<Vec<Domain>>,
    /// Index of the domain and its reading; a domain that gave no value has a fault.
    pub(crate) readings: Vec<(usize, Reading)>,
    /// How the source is now.
    pub(crate) status: SourceStatus,
    /// Time until the next read.
    pub(crate) wait: Duration,
}

/// Hands over what the thread has read.
pub(crate) struct SlowSource {
    name: &'static str,
    domains: Vec<Domain>,
    answers: Receiver<SlowAnswer>,
    /// Dropped with the source, which ends the thread.
    _stop: Sender<()>,
    status: SourceStatus,
    /// When the next answer is overdue, nanoseconds; `None` before the first look at the clock.
    overdue_ns: Option<u64>,
    /// When the domains reported that the thread hangs; `None` while it answers. What it read before is out of order then.
    hung_ns: Option<u64>,
    has_ended: bool,
    notes: Vec<SourceEvent>,
    changes: Vec<Change>,
}

impl SlowSource {
    /// Starts the thread `eco2-<name>`. `waiting`: the status until the first answer.
    pub(crate) fn start(name: &'static str, waiting: SourceStatus, reader: impl SlowReader, clock: Clock) -> Found {
        let (answer, answers) = sync_channel(MAX_WAITING);
        let (stop, stopped) = channel();
        let started =
            quiet_thread(&format!("eco2-{name}"), STACK_BYTES, move || serve(reader, &clock, &answer, &stopped));
        if started.is_err() {
            let (reason, remedy) =
                ("no thread could be started".into(), "raise the limit of processes (`ulimit -u`)".into());
            return Found::nothing(SourceStatus { status: Status::Denied, reason, remedy, ..waiting });
        }
        let source = Self {
            name,
            domains: Vec::new(),
            answers,
            _stop: stop,
            status: waiting.clone(),
            overdue_ns: None,
            hung_ns: None,
            has_ended: false,
            notes: Vec::new(),
            changes: Vec::new(),
        };
        Found::source(source, waiting)
    }

    /// Takes one answer of the thread.
    fn take(&mut self, answer: SlowAnswer, batch: &mut Batch) {
        let now_ns = batch.now_ns();
        self.overdue_ns = Some(later(now_ns, answer.wait));
        let from_ns = self.hung_ns.take();
        if from_ns.is_some() {
            self.note(now_ns, EventKind::SourceBack, "it answers again".to_owned());
            self.changes.push(Change::Answers(self.name.to_owned()));
        }
        if let Some(domains) = answer.domains {
            self.domains = domains;
        }
        let fresh = answer.readings.into_iter().filter(|(_, reading)| reading.before_ns >= from_ns.unwrap_or(0));
        fresh.for_each(|(domain, reading)| batch.push(domain, reading));
        if answer.status != self.status {
            let was_waiting = self.domains.is_empty() || self.status.status == Status::Hung;
            if !(was_waiting && answer.status.status == Status::Ok) {
                self.note(now_ns, EventKind::SourceNote, answer.status.reason.clone());
            }
            self.status = answer.status.clone();
            self.changes.push(Change::Described(answer.status));
        }
    }

    /// Reports all domains as hung if the thread has not answered for too long.
    fn check_deadline(&mut self, batch: &mut Batch) {
        let now_ns = batch.now_ns();
        let overdue_ns = *self.overdue_ns.get_or_insert(later(now_ns, Duration::ZERO));
        if self.hung_ns.is_none() && now_ns >= overdue_ns {
            self.silent(now_ns, Fault::Hung, EventKind::SourceHung, "has not answered for half a minute", batch);
        }
    }

    /// Reports for all domains that nothing comes any more.
    fn silent(&mut self, now_ns: u64, fault: Fault, kind: EventKind, text: &str, batch: &mut Batch) {
        let reading = Reading { before_ns: now_ns, after_ns: now_ns, value: Err(fault) };
        (0..self.domains.len()).for_each(|domain| batch.push(domain, reading));
        self.hung_ns = Some(now_ns);
        self.note(now_ns, kind, text.to_owned());
        let status = SourceStatus { status: Status::Hung, reason: text.to_owned(), ..self.status.clone() };
        self.changes.push(Change::Silent(status));
    }

    fn note(&mut self, at_ns: u64, kind: EventKind, text: String) {
        self.notes.push(SourceEvent { at_ns, kind, device: self.name.to_owned(), text });
    }
}

/// Returns when an answer is overdue that is announced for `wait` from now.
fn later(now_ns: u64, wait: Duration) -> u64 {
    let wait_ns = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
    now_ns.saturating_add(wait_ns).saturating_add(LATE_NS)
}

impl Source for SlowSource {
    fn name(&self) -> &str {
        self.name
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        loop {
            match self.answers.try_recv() {
                Ok(answer) => self.take(answer, batch),
                Err(TryRecvError::Empty) => return self.check_deadline(batch),
                Err(TryRecvError::Disconnected) if self.has_ended => return,
                Err(TryRecvError::Disconnected) => {
                    self.has_ended = true;
                    let text = "its thread ended; it is not read any more";
                    return self.silent(batch.now_ns(), Fault::Failed, EventKind::SourceStopped, text, batch);
                }
            }
        }
    }

    fn notes(&mut self, out: &mut Vec<SourceEvent>) {
        out.append(&mut self.notes);
    }

    fn changes(&mut self, out: &mut Vec<Change>) {
        out.append(&mut self.changes);
    }
}

/// Runs on the thread: reads, and waits in between, until the source is dropped.
fn serve(mut reader: impl SlowReader, clock: &Clock, answers: &SyncSender<SlowAnswer>, stopped: &Receiver<()>) {
    loop {
        let answer = reader.read(clock);
        let wait = answer.wait;
        if answers.send(answer).is_err() || stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return reader.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::found::status;

    /// A source whose thread is the test: it sends what it wants, when it wants.
    fn scripted() -> (SlowSource, SyncSender<SlowAnswer>) {
        let (answer, answers) = sync_channel(MAX_WAITING);
        let waiting = status("redfish", Status::Hung, "no answer yet", "");
        let source = SlowSource {
            name: "redfish",
            domains: Vec::new(),
            answers,
            _stop: channel().0,
            status: waiting,
            overdue_ns: None,
            hung_ns: None,
            has_ended: false,
            notes: Vec::new(),
            changes: Vec::new(),
        };
        (source, answer)
    }

    fn answer(at_ns: u64, value: Result<u64, Fault>, status: SourceStatus) -> SlowAnswer {
        let domain = Domain::power("redfish-1", eco2_core::Component::Other, Domain::HOST, "redfish");
        let reading = Reading { before_ns: at_ns, after_ns: at_ns, value };
        SlowAnswer { domains: Some(vec![domain]), readings: vec![(0, reading)], status, wait: Duration::from_secs(1) }
    }

    /// Readings, events and changes of one read at an instant.
    fn read_at(source: &mut SlowSource, at_ns: u64) -> (Vec<Result<u64, Fault>>, Vec<EventKind>, usize) {
        let mut batch = Batch::new(Clock::Scripted(Arc::new(AtomicU64::new(at_ns))));
        source.read(&mut batch);
        let (mut notes, mut changes) = (Vec::new(), Vec::new());
        source.notes(&mut notes);
        source.changes(&mut changes);
        let values = batch.readings().iter().map(|(_, reading)| reading.value).collect();
        (values, notes.iter().map(|note| note.kind).collect(), changes.len())
    }

    const S: u64 = 1_000_000_000;

    #[test]
    fn answers_are_handed_over_with_their_own_times_and_a_change_of_state_once() {
        let (mut source, thread) = scripted();
        assert_eq!(read_at(&mut source, S), (vec![], vec![], 0), "nothing yet, and no domain");
        let ok = status("redfish", Status::Ok, "reads 1", "");
        thread.send(answer(S, Ok(250), ok.clone())).unwrap();
        thread.send(answer(2 * S, Ok(260), ok.clone())).unwrap();
        assert_eq!(read_at(&mut source, 3 * S), (vec![Ok(250), Ok(260)], vec![], 1), "the first answer is no event");
        assert_eq!(source.domains().len(), 1);
        let refused = status("redfish", Status::Denied, "HTTP 401", "log in");
        for second in [4, 5] {
            thread.send(answer(second * S, Err(Fault::Denied), refused.clone())).unwrap();
        }
        let faults = vec![Err(Fault::Denied), Err(Fault::Denied)];
        assert_eq!(read_at(&mut source, 6 * S), (faults, vec![EventKind::SourceNote], 1));
        thread.send(answer(7 * S, Ok(250), ok)).unwrap();
        assert_eq!(read_at(&mut source, 8 * S), (vec![Ok(250)], vec![EventKind::SourceNote], 1));
    }

    #[test]
    fn a_thread_that_hangs_is_a_fault_once_and_what_it_had_read_before_is_dropped() {
        let (mut source, thread) = scripted();
        let ok = status("redfish", Status::Ok, "reads 1", "");
        thread.send(answer(S, Ok(250), ok.clone())).unwrap();
        read_at(&mut source, 2 * S);
        assert_eq!(read_at(&mut source, 32 * S), (vec![], vec![], 0));
        assert_eq!(read_at(&mut source, 33 * S), (vec![Err(Fault::Hung)], vec![EventKind::SourceHung], 1));
        assert_eq!(read_at(&mut source, 34 * S), (vec![], vec![], 0), "once");
        thread.send(answer(30 * S, Ok(250), ok.clone())).unwrap();
        thread.send(answer(35 * S, Ok(251), ok)).unwrap();
        assert_eq!(read_at(&mut source, 36 * S), (vec![Ok(251)], vec![EventKind::SourceBack], 1));
        drop(thread);
        assert_eq!(read_at(&mut source, 37 * S), (vec![Err(Fault::Failed)], vec![EventKind::SourceStopped], 1));
        assert_eq!(read_at(&mut source, 38 * S), (vec![], vec![], 0));
    }

    /// Reads at once and then in an hour, and sends what is called.
    struct Reporting(Sender<&'static str>);

    impl SlowReader for Reporting {
        fn read(&mut self, _: &Clock) -> SlowAnswer {
            self.0.send("read").unwrap();
            let wait = Duration::from_secs(3_600);
            SlowAnswer { wait, ..answer(S, Ok(250), status("redfish", Status::Ok, "reads 1", "")) }
        }

        fn close(&mut self) {
            self.0.send("close").unwrap();
        }
    }

    #[test]
    fn dropped_source_ends_its_thread_at_once_and_closes_the_reader() {
        let (called, calls) = channel();
        let waiting = status("redfish", Status::Hung, "no answer yet", "");
        let found = SlowSource::start("redfish", waiting, Reporting(called), Clock::Monotonic);
        assert_eq!(calls.recv(), Ok("read"));
        drop(found);
        // The thread ends during its wait of an hour, and drops its side of the channel.
        assert_eq!((calls.recv(), calls.recv().is_err()), (Ok("close"), true));
    }
}
