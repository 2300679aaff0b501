//! A bounded queue of alerts (events that a person may want to know at once) from the code that finds them to one
//! thread that handles them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::event::Alert;
use crate::sync::lock;

/// Largest number of alerts that wait; more are dropped and counted. Repetitions are held back before, so 64 different
/// alerts at once come from a faulty device, and the first of them are enough.
const MOST: usize = 64;

/// The alerts that wait for one thread.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    alerts: VecDeque<Alert>,
    /// Whether the thread is handling an alert that it took out.
    in_hand: bool,
    /// Whether there is a thread that takes alerts out.
    open: bool,
    closing: bool,
    ended: bool,
    dropped: u64,
    /// The instant by which the last alert should be handled; `None` while the run goes on.
    until: Option<Instant>,
}

/// The result of waiting for an alert.
#[derive(Debug, PartialEq)]
pub(super) enum Waited {
    Event(Alert),
    Nothing,
    /// The run is over and every alert was handled.
    Over,
}

/// Numbers of alerts that were not handled.
#[derive(Debug, PartialEq)]
pub(super) struct Lost {
    pub(super) waiting: usize,
    /// Number of alerts that are being handled: 0 or 1.
    pub(super) in_hand: usize,
    pub(super) dropped: u64,
}

impl Queue {
    /// Opens the queue and returns whether this was the first time. The caller then starts the thread.
    pub(super) fn begin(&self) -> bool {
        !std::mem::replace(&mut lock(&self.state).open, true)
    }

    /// Adds an alert if the queue is open and has room. Calls `alert` only then. Never waits for the thread.
    pub(super) fn put(&self, alert: impl FnOnce() -> Alert) {
        let mut state = lock(&self.state);
        if !state.open || state.ended {
            return;
        }
        if state.alerts.len() < MOST {
            state.alerts.push_back(alert());
            self.changed.notify_all();
        } else {
            state.dropped += 1;
        }
    }

    /// Returns the next alert. Calling it means that the alert returned before is handled.
    pub(super) fn wait(&self, at_most: Duration) -> Waited {
        let mut state = lock(&self.state);
        state.in_hand = false;
        let is_idle = |state: &mut State| state.alerts.is_empty() && !state.closing;
        let waited = self.changed.wait_timeout_while(state, at_most, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.alerts.pop_front() {
            Some(alert) => {
                state.in_hand = true;
                Waited::Event(alert)
            }
            None if state.closing => Waited::Over,
            None => Waited::Nothing,
        }
    }

    /// Declares that no more alerts come: the thread handles the remaining ones and ends.
    pub(super) fn finish(&self) {
        lock(&self.state).closing = true;
        self.changed.notify_all();
    }

    /// Records that the thread has ended.
    pub(super) fn end(&self) {
        lock(&self.state).ended = true;
        self.changed.notify_all();
    }

    /// Sets the instant by which the last alert should be handled.
    pub(super) fn hurry(&self, until: Instant) {
        lock(&self.state).until = Some(until);
    }

    /// Returns the time until that instant; `None` while the run goes on.
    pub(super) fn left(&self) -> Option<Duration> {
        lock(&self.state).until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Waits until the thread has ended or the time has run out.
    pub(super) fn await_end(&self) {
        let left = self.left().unwrap_or_default();
        let state = lock(&self.state);
        if state.open {
            drop(self.changed.wait_timeout_while(state, left, |state| !state.ended));
        }
    }

    /// Returns the numbers of alerts that are not handled yet.
    pub(super) fn lost(&self) -> Lost {
        let state = lock(&self.state);
        let in_hand = usize::from(state.in_hand && !state.ended);
        Lost { waiting: state.alerts.len(), in_hand, dropped: state.dropped }
    }

    /// Whether there is a thread that takes alerts out.
    pub(super) fn is_open(&self) -> bool {
        lock(&self.state).open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(text: &str) -> Alert {
        Alert { run: "r".into(), at: 0, kind: "hot".into(), device: String::new(), text: text.into() }
    }

    #[test]
    fn closed_queue_makes_no_alert_and_a_full_one_counts_what_it_drops() {
        let queue = Queue::default();
        queue.put(|| unreachable!("the queue is not open"));
        assert!(queue.begin() && !queue.begin());
        (0..100).for_each(|_| queue.put(|| alert("x")));
        assert_eq!(queue.lost(), Lost { waiting: MOST, in_hand: 0, dropped: 100 - MOST as u64 });
    }

    #[test]
    fn alerts_that_are_left_are_handled_before_the_end() {
        let queue = Queue::default();
        queue.begin();
        queue.put(|| alert("a"));
        queue.finish();
        assert_eq!(queue.wait(Duration::from_secs(60)), Waited::Event(alert("a")));
        assert_eq!(queue.lost(), Lost { waiting: 0, in_hand: 1, dropped: 0 }, "taken out, and not handled yet");
        assert_eq!(queue.wait(Duration::from_secs(60)), Waited::Over);
        assert_eq!(queue.lost(), Lost { waiting: 0, in_hand: 0, dropped: 0 });
    }
}
