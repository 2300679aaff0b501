//! Telling somebody: events of the budget and of devices go to callbacks and to a webhook, from a thread of its own.
//!
//! Whoever makes an event puts it into a bounded queue and goes on; what finds no room is dropped and counted. The thread
//! exists only where somebody listens. It also looks at the budget now and then, so that a program that never asks is told
//! as well.

mod queue;
mod repeat;
mod webhook;

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use eco2_core::report::EventRecord;

use crate::budget;
use crate::shared::{Shared, lock};
pub(crate) use queue::Outbox;
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

/// Kinds that are told; others stay in the report. Any kind that begins with `anomaly-` is told, too.
const TOLD: &[&str] = &["budget-warn", "budget-pause", "budget-stop", "gpu-lost", "frozen"];

/// Whether an event of that kind is told.
pub(crate) fn is_told(kind: &str) -> bool {
    TOLD.contains(&kind) || kind.starts_with("anomaly-")
}

/// What is done with an event.
pub(crate) type Listener = Box<dyn FnMut(&Event) -> Result<(), String> + Send>;

/// Starts the thread, unless it runs. One that cannot be started costs the alerts.
pub(crate) fn start(shared: &Arc<Shared>) {
    if shared.alerts.begin() {
        let (outbox, shared) = (Arc::clone(&shared.alerts), Arc::downgrade(shared));
        drop(std::thread::Builder::new().name("eco2-alerts".to_owned()).spawn(move || tell(&outbox, &shared)));
    }
}

fn tell(outbox: &Outbox, shared: &Weak<Shared>) {
    let mut repeats = Repeats::default();
    loop {
        match outbox.wait(LOOK) {
            Waited::Event(event) => {
                let Some(event) = repeats.admit(event, Instant::now()) else { continue };
                for failure in outbox.deliver(&event) {
                    failed(shared, failure);
                }
            }
            Waited::Nothing => {
                let Some(shared) = shared.upgrade() else { return };
                budget::look(&shared, eco2_samplers::clock::monotonic_ns(), budget::Asks::Thread);
            }
            Waited::Over => return outbox.end(),
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
