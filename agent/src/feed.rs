//! Leads what the sampling thread reads to the accounting thread ([`Feed`]), through a queue of fixed length.
//!
//! The accounting thread wakes once a second by itself, and takes what was read since ([`Received::rest`]). The sampling thread wakes it
//! only where that cannot wait: while a program wants current values, for a new list of domains, and after a gap in the readings.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eco2_core::{Domain, Gauge, Reading};
use eco2_samplers::schedule::Demand;
use eco2_samplers::{Change, DeviceUse, Learned, Sink, SourceEvent, Watched};

use crate::node::{Input, TEMPERATURE, UTILIZATION};
use crate::requests::Request;

/// Rounds and requests that wait: 2.5 s at the highest rate, 100 rounds per second.
const QUEUE: usize = 1 << 8;
/// Time since the round before from which on a round is passed on at once, nanoseconds: the pages are not published while no sensor is read,
/// and their readers take an agent for dead two seconds after the last time.
const LATE_NS: u64 = 1_250_000_000;
/// Inputs of one round up to which readings are added to it: more than every source together has.
const MOST_IN_ROUND: usize = 1 << 10;
/// Inputs of one round in all, but for lists of domains, of which there is one per source.
const MOST_KEPT: usize = 1 << 12;

/// The end at the sampling thread. It never waits for the other one: where the queue is full, it drops readings and counts them. What
/// later inputs depend on, such as the list of domains, is kept and passed on once there is room.
#[derive(Debug)]
pub(crate) struct Feed {
    queue: SyncSender<Message>,
    /// Whether a program wants current values.
    is_viewed: bool,
    /// Whether there is a list of domains that was not passed on.
    has_domains: bool,
    /// When the last round ended, monotonic nanoseconds; `None`: there was none.
    ticked_ns: Option<u64>,
    /// For each source, what each of its domains showed last.
    seen: Vec<Vec<Option<Seen>>>,
    shared: Arc<Shared>,
}

/// The last reading of a domain, from which the schedule learns that a counter moves. Without that it would take a counter for one
/// that does not count, and read the power of its device often instead.
#[derive(Debug, Clone, Copy)]
struct Seen {
    raw: u64,
    before_ns: u64,
    /// The two readings between which it changed last; `None`: it has not.
    change_ns: Option<(u64, u64)>,
}

/// The end at the accounting thread.
#[derive(Debug)]
pub(crate) struct Received {
    queue: Receiver<Message>,
    /// Number of rounds that came through the queue.
    taken: u64,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    /// Until when someone wants current values, monotonic nanoseconds.
    viewed_until_ns: AtomicU64,
    /// The processes whose use of devices the drivers are asked for.
    watched: Mutex<Vec<u32>>,
    waiting: Mutex<Waiting>,
}

/// What was read and is not in the queue. The lock is held for the time of adding one input, or of passing all of them on.
#[derive(Debug, Default)]
struct Waiting {
    /// The inputs since the last that were passed on or taken, and before them those that may not be lost and found no room.
    round: Vec<Input>,
    /// Number of rounds that were put into the queue.
    passed: u64,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the accounting thread takes.
#[derive(Debug)]
pub(crate) enum Message {
    /// Of the sampling thread: what came in one or more rounds of readings.
    Round(Vec<Input>),
    /// Of a client.
    Request(Request),
}

/// An end for requests to the accounting thread. Cloning shares the queue.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
}

impl Requests {
    /// Passes a request on; `false` where the queue is full or the thread has ended.
    pub(crate) fn pass(&self, request: Request) -> bool {
        self.queue.try_send(Message::Request(request)).is_ok()
    }

    /// Makes the sampling thread read at its full rate until `until_ns`, monotonic nanoseconds.
    pub(crate) fn view_until(&self, until_ns: u64) {
        // Relaxed: the sampling thread looks again at its next tick.
        self.shared.viewed_until_ns.fetch_max(until_ns, Ordering::Relaxed);
    }
}

/// Why there is no next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Empty {
    /// None came in time.
    Timeout,
    /// The sampling thread has ended.
    Ended,
}

impl Feed {
    /// Returns the two ends of a new queue.
    pub(crate) fn new() -> (Self, Received) {
        let (send, receive) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        (
            Self {
                queue: send,
                is_viewed: false,
                has_domains: false,
                ticked_ns: None,
                seen: Vec::new(),
                shared: Arc::clone(&shared),
            },
            Received { queue: receive, taken: 0, shared },
        )
    }

    /// Returns another end, for requests to the accounting thread.
    pub(crate) fn requests(&self) -> Requests {
        Requests { queue: self.queue.clone(), shared: Arc::clone(&self.shared) }
    }

    /// Takes a reading, and returns what it shows of the domain's changes.
    fn learn(&mut self, source: usize, domain: usize, reading: &Reading) -> Option<Learned> {
        if self.seen.len() <= source {
            self.seen.resize_with(source + 1, Vec::new);
        }
        let seen = self.seen.get_mut(source)?;
        if seen.len() <= domain {
            seen.resize(domain + 1, None);
        }
        let (raw, before_ns) = (reading.value.ok()?, reading.before_ns);
        let last = seen.get_mut(domain)?.replace(Seen { raw, before_ns, change_ns: None });
        let changed_ns = last.filter(|last| last.raw != raw).map(|last| (last.before_ns, reading.after_ns));
        let change_ns = changed_ns.or(last.and_then(|last| last.change_ns));
        seen.get_mut(domain)?.as_mut()?.change_ns = change_ns;
        // No period: the accounting thread has it.
        Some(Learned { domain, change_ns: change_ns?, period: None })
    }

    /// Adds an input to the round. Readings are dropped first; a list of domains is never dropped.
    fn add(&mut self, input: Input) {
        let most = if input.may_be_dropped() { MOST_IN_ROUND } else { MOST_KEPT };
        let mut waiting = self.shared.waiting();
        if waiting.round.len() < most {
            waiting.round.push(input);
        } else {
            let lost = if input.may_be_dropped() { input.readings() } else { 1 };
            // Relaxed: a count that nothing is ordered by.
            self.shared.dropped.fetch_add(lost, Ordering::Relaxed);
        }
    }

    /// Adds a list of domains. In the place of an older list of the source that still waits, it also serves the readings after that one.
    fn add_domains(&mut self, source: usize, list: &[Domain]) {
        let is_older = |input: &&mut Input| matches!(input, Input::Domains { source: of, .. } if *of == source);
        let domains = list.to_vec();
        self.has_domains = true;
        let mut waiting = self.shared.waiting();
        match waiting.round.iter_mut().find(is_older) {
            Some(older) => *older = Input::Domains { source, domains },
            None => waiting.round.push(Input::Domains { source, domains }),
        }
    }

    /// Passes on what waits, and goes on with what found no room and may not be lost.
    fn pass(&mut self) {
        // Held until it is in the queue: the accounting thread takes nothing newer meanwhile.
        let mut waiting = self.shared.waiting();
        if waiting.round.is_empty() {
            return;
        }
        let round = std::mem::take(&mut waiting.round);
        match self.queue.try_send(Message::Round(round)) {
            Ok(()) => (waiting.passed, self.has_domains) = (waiting.passed + 1, false),
            Err(TrySendError::Full(Message::Round(round))) => {
                let (dropped, kept): (Vec<Input>, Vec<Input>) = round.into_iter().partition(Input::may_be_dropped);
                let readings = dropped.iter().map(Input::readings).sum();
                // Relaxed: a count that nothing is ordered by.
                self.shared.dropped.fetch_add(readings, Ordering::Relaxed);
                waiting.round = kept;
            }
            Err(_) => {}
        }
    }
}

impl Drop for Feed {
    /// Passes on what came last.
    fn drop(&mut self) {
        self.pass();
    }
}

impl Received {
    /// Returns the next message, waiting at most `patience` for it.
    ///
    /// # Errors
    /// [`Empty`] where none came.
    pub(crate) fn next(&mut self, patience: Duration) -> Result<Message, Empty> {
        let message = self.queue.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => Empty::Timeout,
            RecvTimeoutError::Disconnected => Empty::Ended,
        })?;
        self.taken += u64::from(matches!(message, Message::Round(_)));
        Ok(message)
    }

    /// Returns what was read and was not put into the queue. Nothing, where a round in the queue comes before it.
    pub(crate) fn rest(&self) -> Vec<Input> {
        let mut waiting = self.shared.waiting();
        if waiting.passed == self.taken { std::mem::take(&mut waiting.round) } else { Vec::new() }
    }

    /// Returns the number of inputs that were dropped so far.
    #[must_use]
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Sets the processes whose use of devices is wanted.
    pub(crate) fn watch(&self, pids: Vec<u32>) {
        *self.shared.watched.lock().unwrap_or_else(PoisonError::into_inner) = pids;
    }
}

impl Sink for Feed {
    fn domains(&mut self, source: usize, domains: &[Domain]) {
        self.add_domains(source, domains);
    }

    fn readings(&mut self, source: usize, readings: &[(usize, Reading)], learned: &mut Vec<Learned>) {
        learned.extend(readings.iter().filter_map(|(domain, reading)| self.learn(source, *domain, reading)));
        self.add(Input::Readings { source, readings: readings.to_vec() });
    }

    fn suspended(&mut self, from_ns: u64, to_ns: u64) {
        self.add(Input::Suspended { from_ns, to_ns });
    }

    fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]) {
        let is_shown = |gauge: &&Gauge| matches!(&gauge.name[..], TEMPERATURE | UTILIZATION);
        let gauges: Vec<Gauge> = gauges.iter().filter(is_shown).cloned().collect();
        if !gauges.is_empty() {
            self.add(Input::Gauges { at_ns, gauges });
        }
    }

    fn note(&mut self, note: SourceEvent) {
        self.add(Input::Note(note));
    }

    fn changed(&mut self, change: Change) {
        self.add(Input::Changed(change));
    }

    fn look(&mut self, now_ns: u64, demand: &mut Demand) {
        self.is_viewed = now_ns < self.shared.viewed_until_ns.load(Ordering::Relaxed);
        demand.viewed = self.is_viewed;
    }

    fn tick(&mut self, now_ns: u64) {
        self.add(Input::Tick { now_ns });
        let is_late = self.ticked_ns.replace(now_ns).is_some_and(|last_ns| now_ns.saturating_sub(last_ns) > LATE_NS);
        if self.is_viewed || self.has_domains || is_late || self.shared.waiting().round.len() >= MOST_IN_ROUND / 2 {
            self.pass();
        }
    }

    fn settled(&self) -> bool {
        true
    }

    fn watched(&mut self, out: &mut Watched) {
        out.pids.clone_from(&self.shared.watched.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn users(&mut self, source: usize, uses: &[DeviceUse]) {
        self.add(Input::Users { source, uses: uses.to_vec() });
    }
}

#[cfg(test)]
mod tests {
    use eco2_core::schema::EventKind;

    use super::*;

    const MS: u64 = 1_000_000;

    fn learned(feed: &mut Feed, at_ms: u64, raw: u64) -> Option<(u64, u64)> {
        let reading = Reading { before_ns: at_ms * MS, after_ns: at_ms * MS + 1, value: Ok(raw) };
        let mut learned = Vec::new();
        feed.readings(1, &[(2, reading)], &mut learned);
        assert!(learned.iter().all(|learned| (learned.domain, learned.period) == (2, None)));
        learned.first().map(|learned| learned.change_ns)
    }

    /// A GPU's power was read ten times per second, because its counter was never seen to count.
    #[test]
    fn schedule_learns_when_a_counter_changed() {
        let (mut feed, _received) = Feed::new();
        assert_eq!(learned(&mut feed, 10, 5), None, "the first value");
        assert_eq!(learned(&mut feed, 20, 5), None);
        let change_ns = Some((20 * MS, 30 * MS + 1));
        assert_eq!(learned(&mut feed, 30, 6), change_ns);
        assert_eq!(learned(&mut feed, 40, 6), change_ns, "the last change");
    }

    fn next(received: &mut Received) -> Option<Vec<Input>> {
        match received.next(Duration::ZERO) {
            Ok(Message::Round(round)) => Some(round),
            _ => None,
        }
    }

    /// The accounting thread woke for each round of readings, and once more per second.
    #[test]
    fn rounds_wait_until_they_are_taken_unless_a_program_wants_current_values() {
        let (mut feed, mut received) = Feed::new();
        let requests = feed.requests();
        let tick = |feed: &mut Feed, at_ms: u64| {
            feed.look(at_ms * MS, &mut Demand::default());
            feed.tick(at_ms * MS);
        };
        (1..=10).for_each(|round| tick(&mut feed, round * 100));
        assert!(next(&mut received).is_none(), "no wake");
        let times = |round: &[Input]| {
            let at_ms = |input: &Input| if let Input::Tick { now_ns } = input { now_ns / MS } else { 0 };
            round.iter().map(at_ms).collect::<Vec<_>>()
        };
        assert_eq!(times(&received.rest()), (1..=10).map(|round| round * 100).collect::<Vec<_>>());
        assert!(received.rest().is_empty(), "each once");
        tick(&mut feed, 1_100);
        requests.view_until(5_000 * MS);
        tick(&mut feed, 1_200);
        requests.shared.viewed_until_ns.store(0, Ordering::Relaxed);
        tick(&mut feed, 1_300);
        assert!(received.rest().is_empty(), "the round in the queue is older");
        assert_eq!(times(&next(&mut received).unwrap()), [1_100, 1_200]);
        assert_eq!(times(&received.rest()), [1_300]);
    }

    /// The accounting thread publishes no page while no sensor is read, and looked a second later only.
    #[test]
    fn a_round_that_comes_late_is_passed_on_at_once() {
        let (mut feed, mut received) = Feed::new();
        [0, 1_000, 2_200].into_iter().for_each(|at_ms| feed.tick(at_ms * MS));
        assert!(next(&mut received).is_none());
        feed.tick(3_850 * MS);
        assert_eq!(next(&mut received).unwrap().len(), 4);
    }

    #[test]
    fn round_is_one_message_and_what_later_rounds_need_is_kept_while_there_is_no_room() {
        let (mut feed, mut received) = Feed::new();
        feed.is_viewed = true;
        let reading = |at_ns| Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(1) };
        feed.domains(0, &[]);
        feed.readings(0, &[(0, reading(1))], &mut Vec::new());
        assert!(next(&mut received).is_none(), "the round goes on");
        feed.tick(2);
        let round = next(&mut received).unwrap();
        assert!(
            matches!(round[..], [Input::Domains { .. }, Input::Readings { .. }, Input::Tick { now_ns: 2 }]),
            "{round:?}"
        );
        (0..QUEUE as u64).for_each(|at_ns| feed.tick(at_ns));
        feed.domains(1, &[]);
        feed.readings(1, &[(0, reading(5)), (1, reading(5))], &mut Vec::new());
        feed.tick(6);
        assert_eq!(received.dropped(), 2, "no room");
        while next(&mut received).is_some() {}
        feed.tick(7);
        let round = next(&mut received).unwrap();
        assert!(matches!(round[..], [Input::Domains { source: 1, .. }, Input::Tick { now_ns: 7 }]), "{round:?}");
    }

    #[test]
    fn list_of_domains_is_kept_however_much_waits_and_the_rest_is_counted() {
        let (mut feed, mut received) = Feed::new();
        feed.domains(0, &[]);
        for _ in 0..MOST_KEPT {
            feed.suspended(1, 2);
        }
        let reading = Reading { before_ns: 5, after_ns: 5, value: Ok(1) };
        feed.readings(0, &[(0, reading), (1, reading)], &mut Vec::new());
        let domain = Domain::counter("package-0", eco2_core::Component::Cpu, "package", "rapl-perf");
        feed.domains(0, std::slice::from_ref(&domain));
        feed.domains(1, &[domain]);
        assert_eq!(received.dropped(), 3, "one input that may not be lost, and two readings");
        feed.note(SourceEvent { at_ns: 6, kind: EventKind::SourceNote, device: "a".into(), text: "b".into() });
        // The sampling thread ends without another round.
        drop(feed);
        let Ok(Message::Round(round)) = received.next(Duration::ZERO) else { panic!("nothing was passed on") };
        assert_eq!(round.len(), MOST_KEPT + 1);
        assert!(
            matches!(&round[0], Input::Domains { source: 0, domains } if domains.len() == 1),
            "in the place of the older"
        );
        assert!(matches!(round.last(), Some(Input::Domains { source: 1, .. })));
    }

    #[test]
    fn lease_holds_until_its_end_by_the_clock_of_the_sampling_thread() {
        let (mut feed, _received) = Feed::new();
        let requests = feed.requests();
        let mut viewed = |now_ns| {
            let mut demand = Demand::default();
            feed.look(now_ns, &mut demand);
            demand.viewed
        };
        assert!(!viewed(0), "without a lease");
        requests.view_until(5_000 * MS);
        requests.view_until(3_000 * MS);
        assert!(viewed(4_999 * MS) && !viewed(5_000 * MS), "a shorter lease does not end a longer one");
    }
}
