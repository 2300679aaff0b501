//! Who is told: listeners in this process on one thread, the webhook on another, so that no slow service keeps a listener
//! waiting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::event::{Alert, Listener};
use super::queue::Queue;
use crate::sync::lock;

/// The longest that closing waits for the last to be told.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Events on their way, and who hears them.
#[derive(Default)]
pub(crate) struct Outbox {
    /// To the thread that tells listeners, and passes events on to the webhook.
    pub(super) local: Queue,
    /// To the thread that tells the webhook.
    pub(super) hook: Queue,
    listeners: Mutex<Vec<Listener>>,
}

impl Outbox {
    /// Adds somebody who hears events. Never waits for one who is being told.
    pub(crate) fn listen(&self, listener: Listener) {
        lock(&self.listeners).push(listener);
    }

    /// Puts an event in, if somebody listens and there is room; made only then. Never waits for a listener.
    pub(crate) fn put(&self, event: impl FnOnce() -> Alert) {
        self.local.put(event);
    }

    /// Tells every listener; returns what failed. A listener that panics is not asked again.
    pub(super) fn deliver(&self, event: &Alert) -> Vec<String> {
        let mut failures = Vec::new();
        // Out of the lock: who adds a listener meanwhile, even from within one, must not wait.
        let mut told = std::mem::take(&mut *lock(&self.listeners));
        told.retain_mut(|listener| {
            let heard = catch_unwind(AssertUnwindSafe(|| listener(event))).is_ok();
            if !heard {
                failures.push("a listener panicked and is told no more".to_owned());
            }
            heard
        });
        let mut listeners = lock(&self.listeners);
        told.append(&mut listeners);
        *listeners = told;
        failures
    }

    /// Lets the threads tell what is left and end; waits for them for a bounded time unless `hurried`. Returns what was not
    /// told: kinds and texts of events.
    pub(crate) fn close(&self, hurried: bool) -> Vec<(&'static str, String)> {
        let until = Instant::now() + if hurried { Duration::ZERO } else { LAST_WORDS };
        self.hook.hurry(until);
        self.local.hurry(until);
        self.local.finish();
        self.local.await_end();
        self.hook.await_end();
        self.untold()
    }

    fn untold(&self) -> Vec<(&'static str, String)> {
        // What the listeners are being told has been passed on already.
        let ((waiting, _, dropped), (queued, posting, refused)) = (self.local.lost(), self.hook.lost());
        let unsent = if self.hook.is_heard() { waiting + queued + posting } else { 0 };
        let mut said = Vec::new();
        if unsent > 0 {
            said.push(("webhook-failed", format!("the run ended before the webhook was told of {unsent} events")));
        }
        if dropped + refused > 0 {
            let text = format!("{} events came too fast and were told to nobody", dropped + refused);
            said.push(("alerts-dropped", text));
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    fn event(text: &str) -> Alert {
        Alert { run: "r".into(), at: 0, kind: "hot".into(), device: String::new(), text: text.into() }
    }

    #[test]
    fn a_listener_that_panics_is_asked_no_more_and_the_others_are() {
        let outbox = Outbox::default();
        let (sender, heard) = channel();
        outbox.listen(Box::new(|_| panic!("scripted")));
        outbox.listen(Box::new(move |event| sender.send(event.text.clone()).unwrap()));
        assert_eq!(outbox.deliver(&event("a")).len(), 1);
        assert!(outbox.deliver(&event("b")).is_empty());
        assert_eq!(heard.iter().take(2).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_listener_may_be_added_while_another_is_being_told() {
        let outbox = Arc::new(Outbox::default());
        let (own, (sender, heard)) = (Arc::clone(&outbox), channel());
        outbox.listen(Box::new(move |_| {
            let sender = sender.clone();
            own.listen(Box::new(move |event| sender.send(event.text.clone()).unwrap()));
        }));
        outbox.deliver(&event("a"));
        assert!(heard.try_recv().is_err(), "it was not there yet");
        outbox.deliver(&event("b"));
        assert_eq!(heard.try_recv().unwrap(), "b");
    }

    #[test]
    fn what_was_not_told_in_time_is_said() {
        let outbox = Outbox::default();
        outbox.local.begin();
        (0..70).for_each(|_| outbox.put(|| event("x")));
        outbox.hook.begin();
        outbox.hook.put(|| event("y"));
        let said = outbox.close(true);
        assert_eq!(said[0], ("webhook-failed", "the run ended before the webhook was told of 65 events".to_owned()));
        assert_eq!(said[1], ("alerts-dropped", "6 events came too fast and were told to nobody".to_owned()));
    }
}
