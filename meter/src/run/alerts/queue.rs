//! A queue between whoever makes events and a thread that tells them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::event::Alert;
use crate::sync::lock;

/// Events that wait at most; more are dropped and counted.
const MOST: usize = 64;

/// Events on their way to one thread.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    events: VecDeque<Alert>,
    /// Whether an event was taken out and is being told.
    telling: bool,
    /// Whether a thread takes events out.
    listening: bool,
    closing: bool,
    ended: bool,
    dropped: u64,
    /// When the last words are over.
    until: Option<Instant>,
}

/// What waiting brought.
#[derive(Debug, PartialEq)]
pub(super) enum Waited {
    Event(Alert),
    Nothing,
    /// The run is over and everything is told.
    Over,
}

impl Queue {
    /// Whether the thread is still to be started; from now on it is not.
    pub(super) fn begin(&self) -> bool {
        !std::mem::replace(&mut lock(&self.state).listening, true)
    }

    /// Puts an event in, if somebody listens and there is room; made only then. Never waits for a listener.
    pub(super) fn put(&self, event: impl FnOnce() -> Alert) {
        let mut state = lock(&self.state);
        if !state.listening || state.ended {
            return;
        }
        if state.events.len() < MOST {
            state.events.push_back(event());
            self.changed.notify_all();
        } else {
            state.dropped += 1;
        }
    }

    /// The next event; whatever was taken out before is told by now.
    pub(super) fn wait(&self, at_most: Duration) -> Waited {
        let mut state = lock(&self.state);
        state.telling = false;
        let idle = |state: &mut State| state.events.is_empty() && !state.closing;
        let waited = self.changed.wait_timeout_while(state, at_most, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.events.pop_front() {
            Some(event) => {
                state.telling = true;
                Waited::Event(event)
            }
            None if state.closing => Waited::Over,
            None => Waited::Nothing,
        }
    }

    /// No more comes: the thread tells what is left and ends.
    pub(super) fn finish(&self) {
        lock(&self.state).closing = true;
        self.changed.notify_all();
    }

    pub(super) fn end(&self) {
        lock(&self.state).ended = true;
        self.changed.notify_all();
    }

    /// Whatever is still to be told has time until then.
    pub(super) fn hurry(&self, until: Instant) {
        lock(&self.state).until = Some(until);
    }

    /// How much time is left; `None` while the run goes on.
    pub(super) fn left(&self) -> Option<Duration> {
        lock(&self.state).until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Waits until the thread has ended, as long as there is time. What it has not told by then is not told.
    pub(super) fn await_end(&self) {
        let left = self.left().unwrap_or_default();
        let state = lock(&self.state);
        if state.listening {
            drop(self.changed.wait_timeout_while(state, left, |state| !state.ended));
        }
    }

    /// How many events wait, how many are being told, and how many were dropped.
    pub(super) fn lost(&self) -> (usize, usize, u64) {
        let state = lock(&self.state);
        (state.events.len(), usize::from(state.telling && !state.ended), state.dropped)
    }

    pub(super) fn is_heard(&self) -> bool {
        lock(&self.state).listening
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Alert {
        Alert { run: "r".into(), at: 0, kind: "hot".into(), device: String::new(), text: text.into() }
    }

    #[test]
    fn without_a_listener_no_event_is_even_made_and_what_finds_no_room_is_counted() {
        let queue = Queue::default();
        queue.put(|| unreachable!("nobody listens"));
        assert!(queue.begin() && !queue.begin());
        (0..100).for_each(|_| queue.put(|| event("x")));
        assert_eq!(queue.lost(), (MOST, 0, 100 - MOST as u64), "the queue is bounded");
    }

    #[test]
    fn what_is_left_is_told_before_the_end() {
        let queue = Queue::default();
        queue.begin();
        queue.put(|| event("a"));
        queue.finish();
        assert_eq!(queue.wait(Duration::from_secs(60)), Waited::Event(event("a")));
        assert_eq!(queue.lost(), (0, 1, 0), "taken out, and not told yet");
        assert_eq!(queue.wait(Duration::from_secs(60)), Waited::Over);
        assert_eq!(queue.lost(), (0, 0, 0));
    }
}
