//! Telling somebody: events of the budget and of devices go to callbacks and to a webhook, from a thread of its own.
//!
//! Whoever makes an event puts it into a bounded queue and goes on; what finds no room is dropped and counted, and the report
//! says how many. The thread exists only where somebody listens. It also looks at the budget now and then, so that a program
//! that never asks is told as well. A webhook has a thread of its own: nobody in this process waits for it.

mod event;
mod outbox;
mod queue;
mod repeat;
mod webhook;

use std::sync::Arc;
use std::time::{Duration, Instant};

use eco2_core::schema::{EventRecord, SpellRecord};

pub use event::Alert;
use event::Poster;
pub(crate) use outbox::Outbox;
use queue::Waited;
use repeat::Repeats;
pub(crate) use webhook::Webhook;

/// How often the budget is looked at where nobody else does.
const LOOK: Duration = Duration::from_secs(5);

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

/// Puts the events of a run that alerts are made of into its outbox.
pub(crate) fn observer(run: &str, outbox: &Arc<Outbox>) -> Box<dyn Fn(&EventRecord) + Send> {
    let (run, outbox) = (run.to_owned(), Arc::clone(outbox));
    Box::new(move |event| {
        if is_told(&event.kind) {
            outbox.put(|| Alert::of(&run, event));
        }
    })
}

/// What the threads need of the run.
#[derive(Clone)]
pub(crate) struct Run {
    /// Checks the limits; `false` once the run is gone.
    pub(crate) check_budget: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Adds an event about a failed delivery to the report.
    pub(crate) failed: Arc<dyn Fn(String) + Send + Sync>,
}

/// Starts the thread, unless it runs. One that cannot be started costs the alerts.
pub(crate) fn start(outbox: &Arc<Outbox>, run: Run) {
    if outbox.local.begin() {
        let outbox = Arc::clone(outbox);
        drop(std::thread::Builder::new().name("eco2-alerts".to_owned()).spawn(move || tell(&outbox, &run)));
    }
}

/// Starts the webhook's thread as well.
pub(crate) fn start_posting(outbox: &Arc<Outbox>, run: Run, poster: Poster) {
    if outbox.hook.begin() {
        let (outbox, run) = (Arc::clone(outbox), run.clone());
        let posting = move || post(&outbox, &run, poster);
        drop(std::thread::Builder::new().name("eco2-webhook".to_owned()).spawn(posting));
    }
    start(outbox, run);
}

fn tell(outbox: &Outbox, run: &Run) {
    let mut repeats = Repeats::default();
    loop {
        match outbox.local.wait(LOOK) {
            Waited::Event(event) => {
                let Some(event) = repeats.admit(event, Instant::now()) else { continue };
                outbox.hook.put(|| event.clone());
                outbox.deliver(&event).into_iter().for_each(|failure| (run.failed)(failure));
            }
            Waited::Nothing => {
                if !(run.check_budget)() {
                    break;
                }
            }
            Waited::Over => break,
        }
    }
    outbox.hook.finish();
    outbox.local.end();
}

fn post(outbox: &Outbox, run: &Run, mut poster: Poster) {
    loop {
        match outbox.hook.wait(LOOK) {
            Waited::Event(event) => {
                if let Err(failure) = poster(&event, &|| outbox.hook.left()) {
                    (run.failed)(failure);
                }
            }
            Waited::Nothing => {}
            Waited::Over => return outbox.hook.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn nobody() -> Run {
        Run { check_budget: Arc::new(|| true), failed: Arc::new(drop) }
    }

    #[test]
    fn a_slow_webhook_keeps_no_listener_waiting_and_what_it_was_not_told_is_said() {
        let event =
            |text: &str| Alert { run: "r".into(), at: 0, kind: "hot".into(), device: String::new(), text: text.into() };
        let outbox = Arc::new(Outbox::default());
        assert!(outbox.local.begin() && outbox.hook.begin());
        let (release, stuck) = channel::<()>();
        let poster: Poster = Box::new(move |_, _| stuck.recv().map_err(|_| "gone".to_owned()));
        let (own, telling) = (Arc::clone(&outbox), Arc::clone(&outbox));
        let posting = std::thread::spawn(move || post(&own, &nobody(), poster));
        std::thread::spawn(move || tell(&telling, &nobody()));
        let listen = || {
            let (sender, heard) = channel();
            outbox.listen(Box::new(move |event: &Alert| drop(sender.send(event.text.clone()))));
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
