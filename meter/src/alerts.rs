//! Telling somebody: events of the budget and of devices go to callbacks and to a webhook, from a thread of its own.
//!
//! Whoever makes an event puts it into a bounded queue and goes on; what finds no room is dropped and counted, and the report
//! says how many. The thread exists only where somebody listens. It also looks at the budget now and then, so that a program
//! that never asks is told as well. A webhook has a thread of its own: nobody in this process waits for it.

mod outbox;
mod queue;
mod repeat;
mod webhook;

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use eco2_core::report::{EventRecord, SpellRecord};

use crate::budget;
use crate::shared::{Shared, lock};
pub(crate) use outbox::Outbox;
use queue::Waited;
use repeat::Repeats;
pub(crate) use webhook::Webhook;

/// How often the budget is looked at where nobody else does.
const LOOK: Duration = Duration::from_secs(5);

/// Something that a person may want to be told at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Id of the run.
    pub run: String,
    /// Nanoseconds since the run began.
    pub at: u64,
    /// What: `budget-stop`, `gpu-lost`, …, as in the report's events.
    pub kind: String,
    /// Device or source; empty for the run.
    pub device: String,
    /// For people.
    pub text: String,
}

impl Event {
    /// An event of a run's report.
    #[must_use]
    pub fn of(run: &str, record: &EventRecord) -> Self {
        Self {
            run: run.to_owned(),
            at: record.at,
            kind: record.kind.clone(),
            device: record.device.clone(),
            text: record.text.clone(),
        }
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let device = if self.device.is_empty() { String::new() } else { format!("{}: ", self.device) };
        format!("eco2 run {}: {device}{}", self.run, self.text)
    }
}

/// Kinds of which alerts are made; others stay in the report. Each is an event of the run while it goes on.
const TOLD: &[&str] = &[
    "budget-warn",
    "budget-pause",
    "budget-stop",
    "gpu-lost",
    "xid",
    "source-hung",
    "frozen",
    SpellRecord::STALLED,
    SpellRecord::HOT,
];

/// Whether an event of that kind is told.
pub(crate) fn is_told(kind: &str) -> bool {
    TOLD.contains(&kind)
}

/// What is done with an event in this process.
pub(crate) type Listener = Box<dyn FnMut(&Event) + Send>;

/// What is done with an event elsewhere: it may take long, and asks how much time is left (`None`: as much as it takes).
pub(crate) type Poster = Box<dyn FnMut(&Event, &dyn Fn() -> Option<Duration>) -> Result<(), String> + Send>;

/// Starts the thread, unless it runs. One that cannot be started costs the alerts.
pub(crate) fn start(shared: &Arc<Shared>) {
    if shared.alerts.local.begin() {
        let (outbox, shared) = (Arc::clone(&shared.alerts), Arc::downgrade(shared));
        drop(std::thread::Builder::new().name("eco2-alerts".to_owned()).spawn(move || tell(&outbox, &shared)));
    }
}

/// Starts the webhook's thread as well.
pub(crate) fn start_posting(shared: &Arc<Shared>, poster: Poster) {
    if shared.alerts.hook.begin() {
        let (outbox, weak) = (Arc::clone(&shared.alerts), Arc::downgrade(shared));
        let posting = move || post(&outbox, &weak, poster);
        drop(std::thread::Builder::new().name("eco2-webhook".to_owned()).spawn(posting));
    }
    start(shared);
}

fn tell(outbox: &Outbox, shared: &Weak<Shared>) {
    let mut repeats = Repeats::default();
    loop {
        match outbox.local.wait(LOOK) {
            Waited::Event(event) => {
                let Some(event) = repeats.admit(event, Instant::now()) else { continue };
                outbox.hook.put(|| event.clone());
                for failure in outbox.deliver(&event) {
                    failed(shared, failure);
                }
            }
            Waited::Nothing => {
                let Some(shared) = shared.upgrade() else { break };
                budget::look(&shared, eco2_samplers::clock::monotonic_ns(), budget::Asks::Thread);
            }
            Waited::Over => break,
        }
    }
    outbox.hook.finish();
    outbox.local.end();
}

fn post(outbox: &Outbox, shared: &Weak<Shared>, mut poster: Poster) {
    loop {
        match outbox.hook.wait(LOOK) {
            Waited::Event(event) => {
                if let Err(failure) = poster(&event, &|| outbox.hook.left()) {
                    failed(shared, failure);
                }
            }
            Waited::Nothing => {}
            Waited::Over => return outbox.hook.end(),
        }
    }
}

/// A webhook that cannot be told is an event of the report, which is told to nobody.
fn failed(shared: &Weak<Shared>, text: String) {
    if let Some(shared) = shared.upgrade() {
        let now_ns = eco2_samplers::clock::monotonic_ns();
        lock(&shared.engine).event(now_ns, "webhook-failed", "", text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_slow_webhook_keeps_no_listener_waiting_and_what_it_was_not_told_is_said() {
        let event =
            |text: &str| Event { run: "r".into(), at: 0, kind: "hot".into(), device: String::new(), text: text.into() };
        let outbox = Arc::new(Outbox::default());
        assert!(outbox.local.begin() && outbox.hook.begin());
        let (release, stuck) = channel::<()>();
        let poster: Poster = Box::new(move |_, _| stuck.recv().map_err(|_| "gone".to_owned()));
        let (own, telling) = (Arc::clone(&outbox), Arc::clone(&outbox));
        let posting = std::thread::spawn(move || post(&own, &Weak::new(), poster));
        std::thread::spawn(move || tell(&telling, &Weak::new()));
        let listen = || {
            let (sender, heard) = channel();
            outbox.listen(Box::new(move |event: &Event| drop(sender.send(event.text.clone()))));
            heard
        };
        let wait = Duration::from_secs(30);
        let heard = listen();
        outbox.put(|| event("a"));
        assert_eq!(heard.recv_timeout(wait).unwrap(), "a");
        let later = listen();
        outbox.put(|| event("b"));
        assert_eq!((heard.recv_timeout(wait).unwrap(), later.recv_timeout(wait).unwrap()), ("b".into(), "b".into()));
        let said = outbox.close(true);
        assert_eq!(said[0], ("webhook-failed", "the run ended before the webhook was told of 2 events".to_owned()));
        drop(release);
        posting.join().unwrap();
    }
}
