//! Leads what the sampling thread reads to the accounting thread ([`Feed`]), through a queue of fixed length.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eco2_core::{Domain, Gauge, Reading};
use eco2_samplers::schedule::Demand;
use eco2_samplers::{Change, DeviceUse, Learned, Sink, SourceEvent, Watched};

use crate::node::{Input, TEMPERATURE, UTILIZATION};
use crate::requests::Request;

/// Inputs that wait: some seconds at the highest rate, a few hundred kilobytes.
const QUEUE: usize = 1 << 10;

/// The end at the sampling thread. It never waits: where the queue is full, it drops readings and counts them. What later
/// inputs depend on, such as the list of domains, is kept and passed on once there is room.
#[derive(Debug)]
pub(crate) struct Feed {
    queue: SyncSender<Message>,
    /// Inputs that may not be lost and found no room, oldest first.
    kept: VecDeque<Input>,
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
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    /// Until when someone wants current values, monotonic nanoseconds.
    viewed_until_ns: AtomicU64,
    /// The processes whose use of devices the drivers are asked for.
    watched: Mutex<Vec<u32>>,
}

/// What the accounting thread takes.
#[derive(Debug)]
pub(crate) enum Message {
    /// Of the sampling thread.
    Input(Input),
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
            Self { queue: send, kept: VecDeque::new(), seen: Vec::new(), shared: Arc::clone(&shared) },
            Received { queue: receive, shared },
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

    /// Passes `input` on, after those that were kept.
    fn pass(&mut self, input: Input) {
        while let Some(kept) = self.kept.pop_front() {
            if let Err(TrySendError::Full(Message::Input(kept))) = self.queue.try_send(Message::Input(kept)) {
                self.kept.push_front(kept);
                return self.refused(input);
            }
        }
        if let Err(TrySendError::Full(Message::Input(input))) = self.queue.try_send(Message::Input(input)) {
            self.refused(input);
        }
    }

    /// Keeps or drops an input for which there is no room.
    fn refused(&mut self, input: Input) {
        if input.may_be_dropped() || self.kept.len() >= QUEUE {
            // Relaxed: a count that nothing is ordered by.
            self.shared.dropped.fetch_add(input.readings(), Ordering::Relaxed);
        } else {
            self.kept.push_back(input);
        }
    }
}

impl Received {
    /// Returns the next message, waiting at most `patience` for it.
    ///
    /// # Errors
    /// [`Empty`] where none came.
    pub(crate) fn next(&self, patience: Duration) -> Result<Message, Empty> {
        self.queue.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => Empty::Timeout,
            RecvTimeoutError::Disconnected => Empty::Ended,
        })
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
        self.pass(Input::Domains { source, domains: domains.to_vec() });
    }

    fn readings(&mut self, source: usize, readings: &[(usize, Reading)], learned: &mut Vec<Learned>) {
        learned.extend(readings.iter().filter_map(|(domain, reading)| self.learn(source, *domain, reading)));
        self.pass(Input::Readings { source, readings: readings.to_vec() });
    }

    fn suspended(&mut self, from_ns: u64, to_ns: u64) {
        self.pass(Input::Suspended { from_ns, to_ns });
    }

    fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]) {
        let is_shown = |gauge: &&Gauge| matches!(&gauge.name[..], TEMPERATURE | UTILIZATION);
        let gauges: Vec<Gauge> = gauges.iter().filter(is_shown).cloned().collect();
        if !gauges.is_empty() {
            self.pass(Input::Gauges { at_ns, gauges });
        }
    }

    fn note(&mut self, note: SourceEvent) {
        self.pass(Input::Note(note));
    }

    fn changed(&mut self, change: Change) {
        self.pass(Input::Changed(change));
    }

    fn look(&mut self, now_ns: u64, demand: &mut Demand) {
        demand.viewed = now_ns < self.shared.viewed_until_ns.load(Ordering::Relaxed);
    }

    fn tick(&mut self, now_ns: u64) {
        self.pass(Input::Tick { now_ns });
    }

    fn settled(&self) -> bool {
        true
    }

    fn watched(&mut self, out: &mut Watched) {
        out.pids.clone_from(&self.shared.watched.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn users(&mut self, source: usize, uses: &[DeviceUse]) {
        self.pass(Input::Users { source, uses: uses.to_vec() });
    }
}

#[cfg(test)]
mod tests {
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
