//! An event as listeners and webhooks receive it.

use std::time::Duration;

use eco2_core::schema::EventRecord;

/// Something that a person may want to be told at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
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

impl Alert {
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

/// What is done with an event in this process.
pub(crate) type Listener = Box<dyn FnMut(&Alert) + Send>;

/// What is done with an event elsewhere: it may take long, and asks how much time is left (`None`: as much as it takes).
pub(crate) type Poster = Box<dyn FnMut(&Alert, &dyn Fn() -> Option<Duration>) -> Result<(), String> + Send>;
