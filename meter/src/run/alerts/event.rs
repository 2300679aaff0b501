//! Defines [`Alert`], an event as functions of the program and services (webhook, e-mail) receive it, and the rule that
//! holds back an alert that repeats a recent one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eco2_core::schema::EventRecord;

/// An event of a run that a person may want to know at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Id of the run.
    pub run: String,
    /// Nanoseconds from the start of the run to the event.
    pub at: u64,
    /// Kind of the event, as in the report's events: `budget-stop`, `gpu-lost`, …
    pub kind: String,
    /// Device or source that the event is about; empty for the whole run.
    pub device: String,
    /// Text for people.
    pub text: String,
}

impl Alert {
    /// Returns the alert for an event of a run's report.
    #[must_use]
    pub(crate) fn of(run: &str, record: &EventRecord) -> Self {
        Self {
            run: run.to_owned(),
            at: record.at,
            kind: record.kind.clone(),
            device: record.device.clone(),
            text: record.text.clone(),
        }
    }

    /// Returns the alert as one line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let device = if self.device.is_empty() { String::new() } else { format!("{}: ", self.device) };
        format!("eco2 run {}: {device}{}", self.run, self.text)
    }
}

/// A function of this process that receives alerts.
pub(crate) type Listener = Box<dyn FnMut(&Alert) + Send>;

/// A function that sends an alert to a service. It may take long, and calls its second argument for the time that is
/// left (`None`: no limit).
pub(crate) type Poster = Box<dyn FnMut(&Alert, &dyn Fn() -> Option<Duration>) -> Result<(), String> + Send>;

/// Time for which a repetition is held back. A condition that lasts makes events at every reading; ten minutes is
/// short enough to notice that it lasts.
const HOLD_BACK: Duration = Duration::from_secs(600);
/// Largest number of alerts that are remembered. Beyond that all are forgotten, which only lets a repetition through.
const MOST_REMEMBERED: usize = 256;

/// The values that are equal in two alerts if one repeats the other: kind, device, and the text up to its first number.
type Subject = (String, String, String);

/// The alerts that were let through: when each was last, and how many repetitions were held back since then.
#[derive(Default)]
pub(super) struct Repeats(BTreeMap<Subject, (Instant, u32)>);

impl Repeats {
    /// Returns the alert, unless it repeats one of the last ten minutes. Its text then has the number of alerts held
    /// back.
    pub(super) fn admit(&mut self, mut alert: Alert, now: Instant) -> Option<Alert> {
        let words =
            alert.text.split(|letter: char| letter.is_ascii_digit() || letter == ':').next().unwrap_or_default();
        let subject = (alert.kind.clone(), alert.device.clone(), words.to_owned());
        if self.0.len() >= MOST_REMEMBERED {
            self.0.clear();
        }
        if let Some((last, held_back)) = self.0.get_mut(&subject) {
            if now.duration_since(*last) < HOLD_BACK {
                *held_back += 1;
                return None;
            }
            if *held_back > 0 {
                alert.text += &format!(" (further events since the last alert of this kind: {held_back})");
            }
        }
        self.0.insert(subject, (now, 0));
        Some(alert)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetition_within_ten_minutes_is_held_back_whatever_its_numbers() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let mut admit = |seconds: u64, kind: &str, device: &str, text: &str| {
            let alert = Alert { run: "r".into(), at: 0, kind: kind.into(), device: device.into(), text: text.into() };
            repeats.admit(alert, start + Duration::from_secs(seconds)).map(|alert| alert.text)
        };
        assert!(admit(0, "hot", "GPU-1", "at 91 C").is_some());
        assert!(admit(1, "hot", "GPU-1", "at 92 C").is_none());
        assert!(admit(1, "hot", "GPU-2", "at 92 C").is_some(), "another device");
        assert!(admit(2, "budget-stop", "", "carbon budget: 1 of 1").is_some());
        assert!(admit(2, "budget-stop", "", "energy budget: 1 of 1").is_some(), "another limit");
        assert!(admit(599, "hot", "GPU-1", "at 93 C").is_none());
        let again = admit(600, "hot", "GPU-1", "at 94 C").unwrap();
        assert_eq!(again, "at 94 C (further events since the last alert of this kind: 2)");
    }
}
