//! The queue between whoever makes events and the thread that tells them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{Event, Listener};
use crate::shared::lock;

/// Events that wait at most; more are dropped.
const MOST: usize = 64;
/// The longest that closing waits for the last to be told.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Events on their way, and who hears them.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
    /// Held while somebody is told, never by whoever makes events.
    listeners: Mutex<Vec<Listener>>,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    /// Whether a thread takes events out.
    listening: bool,
    closing: bool,
    ended: bool,
}

/// What waiting brought.
#[derive(Debug, PartialEq)]
pub(super) enum Waited {
    Event(Event),
    Nothing,
    /// The run is over and everything is told.
    Over,
}

impl Outbox {
    /// Adds somebody who hears events.
    pub(crate) fn listen(&self, listener: Listener) {
        lock(&self.listeners).push(listener);
    }

    /// Whether the thread is still to be started; from now on it is not.
    pub(super) fn begin(&self) -> bool {
        !std::mem::replace(&mut lock(&self.state).listening, true)
    }

    /// Puts an event in, if somebody listens and there is room; made only then. Never waits for a listener.
    pub(crate) fn put(&self, event: impl FnOnce() -> Event) {
        let mut state = lock(&self.state);
        if state.listening && !state.ended && state.events.len() < MOST {
            state.events.push_back(event());
            self.changed.notify_all();
        }
    }

    pub(super) fn wait(&self, at_most: Duration) -> Waited {
        let idle = |state: &mut State| state.events.is_empty() && !state.closing;
        let waited = self.changed.wait_timeout_while(lock(&self.state), at_most, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.events.pop_front() {
            Some(event) => Waited::Event(event),
            None if state.closing => Waited::Over,
            None => Waited::Nothing,
        }
    }

    /// Tells everybody; returns what failed. A listener that panics is not asked again.
    pub(super) fn deliver(&self, event: &Event) -> Vec<String> {
        let mut failures = Vec::new();
        lock(&self.listeners).retain_mut(|listener| match catch_unwind(AssertUnwindSafe(|| listener(event))) {
            Ok(Ok(())) => true,
            Ok(Err(failure)) => {
                failures.push(failure);
                true
            }
            Err(_) => {
                failures.push("a listener panicked and is told no more".to_owned());
                false
            }
        });
        failures
    }

    pub(super) fn end(&self) {
        lock(&self.state).ended = true;
        self.changed.notify_all();
    }

    /// Lets the thread tell what is left and end; waits for it for a bounded time unless `hurried`.
    pub(crate) fn close(&self, hurried: bool) {
        let mut state = lock(&self.state);
        state.closing = true;
        self.changed.notify_all();
        if state.listening && !hurried {
            drop(self.changed.wait_timeout_while(state, LAST_WORDS, |state| !state.ended));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        Event { run: "r".into(), at: 0, kind: "hot".into(), device: String::new(), text: text.into() }
    }

    #[test]
    fn without_a_listener_no_event_is_even_made() {
        let outbox = Outbox::default();
        outbox.put(|| unreachable!("nobody listens"));
        assert!(outbox.begin() && !outbox.begin());
        (0..100).for_each(|_| outbox.put(|| event("x")));
        assert_eq!(lock(&outbox.state).events.len(), MOST, "the queue is bounded");
    }

    #[test]
    fn what_is_left_is_told_before_the_end() {
        let outbox = Outbox::default();
        outbox.begin();
        outbox.put(|| event("a"));
        outbox.close(true);
        assert_eq!(outbox.wait(Duration::from_secs(60)), Waited::Event(event("a")));
        assert_eq!(outbox.wait(Duration::from_secs(60)), Waited::Over);
    }

    #[test]
    fn a_listener_that_panics_is_asked_no_more_and_the_others_are() {
        let outbox = Outbox::default();
        outbox.listen(Box::new(|_| panic!("scripted")));
        outbox.listen(Box::new(|_| Err("no".to_owned())));
        assert_eq!(outbox.deliver(&event("a")).len(), 2);
        assert_eq!(outbox.deliver(&event("b")), ["no"]);
    }
}
