//! Holds the queues of a run's alerts (events that a person may want to know at once): one for the thread that calls
//! listeners (functions of the program), and one for each service (webhook, e-mail).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use eco2_core::schema::EventKind;

use super::event::{Alert, Listener};
use super::queue::Queue;
use crate::sync::lock;

/// The longest that closing a run waits for alerts that are not sent yet. Two seconds allow about one attempt at a
/// service that answers.
const LAST_SENDING: Duration = Duration::from_secs(2);

/// A service outside this process that receives alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Webhook,
    Email,
}

impl Service {
    const ALL: [Self; 2] = [Self::Webhook, Self::Email];

    /// Returns the kind of the events about alerts that this service did not receive.
    pub(super) fn failed_kind(self) -> EventKind {
        match self {
            Self::Webhook => EventKind::WebhookFailed,
            Self::Email => EventKind::EmailFailed,
        }
    }

    /// Returns the name of the thread that sends to this service.
    pub(super) fn thread(self) -> &'static str {
        match self {
            Self::Webhook => "eco2-webhook",
            Self::Email => "eco2-email",
        }
    }

    /// Returns the text of the event about alerts that were not sent before the run ended.
    fn unsent(self, alerts: usize) -> String {
        let way = if self == Self::Webhook { "to the webhook" } else { "by e-mail" };
        format!("alerts not sent {way} before the end of the run: {alerts}")
    }
}

/// The alerts of a run that are not handled yet, and the listeners.
#[derive(Default)]
pub(crate) struct Outbox {
    /// Queue of the alerts' thread, which calls listeners and passes alerts on to the services.
    pub(super) local: Queue,
    /// Queues of the services, in the order of [`Service::ALL`].
    services: [Queue; 2],
    listeners: Mutex<Vec<Listener>>,
}

impl Outbox {
    /// Adds a listener. Does not wait for a listener that is being called.
    pub(crate) fn listen(&self, listener: Listener) {
        lock(&self.listeners).push(listener);
    }

    /// Adds an alert if a thread takes alerts out and there is room. Calls `alert` only then. Never waits for a
    /// listener.
    pub(crate) fn put(&self, alert: impl FnOnce() -> Alert) {
        self.local.put(alert);
    }

    /// Returns the queue of a service.
    pub(super) fn service(&self, service: Service) -> &Queue {
        &self.services[service as usize]
    }

    /// Returns the queues of all services.
    pub(super) fn services(&self) -> impl Iterator<Item = &Queue> {
        self.services.iter()
    }

    /// Calls every listener and returns the texts of those that failed. A listener that panics is removed.
    pub(super) fn call_listeners(&self, alert: &Alert) -> Vec<String> {
        let mut failures = Vec::new();
        // The listeners are taken out of the lock, so that a listener that adds another one does not wait for itself.
        let mut called = std::mem::take(&mut *lock(&self.listeners));
        called.retain_mut(|listener| {
            let is_well = catch_unwind(AssertUnwindSafe(|| listener(alert))).is_ok();
            if !is_well {
                failures.push("a listener panicked and gets no more alerts".to_owned());
            }
            is_well
        });
        let mut listeners = lock(&self.listeners);
        called.append(&mut listeners);
        *listeners = called;
        failures
    }

    /// Lets the threads send the remaining alerts and end, and waits for them for a bounded time unless `hurried`.
    /// Returns the kinds and texts of events about alerts that were not sent.
    pub(crate) fn close(&self, hurried: bool) -> Vec<(EventKind, String)> {
        let until = Instant::now() + if hurried { Duration::ZERO } else { LAST_SENDING };
        self.services().chain([&self.local]).for_each(|queue| queue.hurry(until));
        self.local.finish();
        self.local.await_end();
        self.services().for_each(Queue::await_end);
        self.lost()
    }

    /// Returns the kinds and texts of events about alerts that were dropped, or not handled in time.
    fn lost(&self) -> Vec<(EventKind, String)> {
        // An alert that listeners receive at this moment was passed on to the services already.
        let local = self.local.lost();
        let (mut events, mut dropped) = (Vec::new(), local.dropped);
        for service in Service::ALL.into_iter().filter(|service| self.service(*service).is_open()) {
            let lost = self.service(service).lost();
            dropped += lost.dropped;
            let unsent = local.waiting + lost.waiting + lost.in_hand;
            if unsent > 0 {
                events.push((service.failed_kind(), service.unsent(unsent)));
            }
        }
        if dropped > 0 {
            events.push((EventKind::AlertsDropped, format!("alerts dropped because they came too fast: {dropped}")));
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    fn alert(text: &str) -> Alert {
        Alert { run: "r".into(), at: 0, kind: "hot".into(), device: String::new(), text: text.into() }
    }

    #[test]
    fn listener_that_panics_is_removed_and_the_others_are_called() {
        let outbox = Outbox::default();
        let (sender, heard) = channel();
        outbox.listen(Box::new(|_| panic!("scripted")));
        outbox.listen(Box::new(move |alert| sender.send(alert.text.clone()).unwrap()));
        assert_eq!(outbox.call_listeners(&alert("a")).len(), 1);
        assert!(outbox.call_listeners(&alert("b")).is_empty());
        assert_eq!(heard.iter().take(2).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn listener_may_be_added_while_another_is_called() {
        let outbox = Arc::new(Outbox::default());
        let (own, (sender, heard)) = (Arc::clone(&outbox), channel());
        outbox.listen(Box::new(move |_| {
            let sender = sender.clone();
            own.listen(Box::new(move |alert| sender.send(alert.text.clone()).unwrap()));
        }));
        outbox.call_listeners(&alert("a"));
        assert!(heard.try_recv().is_err(), "it was not there yet");
        outbox.call_listeners(&alert("b"));
        assert_eq!(heard.try_recv().unwrap(), "b");
    }

    #[test]
    fn alerts_that_were_not_sent_in_time_are_counted_by_service() {
        let outbox = Outbox::default();
        outbox.local.begin();
        (0..70).for_each(|_| outbox.put(|| alert("x")));
        assert!(outbox.services().all(Queue::begin));
        outbox.service(Service::Webhook).put(|| alert("y"));
        let [webhook, email, dropped] = &outbox.close(true)[..] else { panic!("three events") };
        assert_eq!(
            *webhook,
            (EventKind::WebhookFailed, "alerts not sent to the webhook before the end of the run: 65".to_owned())
        );
        assert_eq!(
            *email,
            (EventKind::EmailFailed, "alerts not sent by e-mail before the end of the run: 64".to_owned())
        );
        assert_eq!(*dropped, (EventKind::AlertsDropped, "alerts dropped because they came too fast: 6".to_owned()));
    }
}
