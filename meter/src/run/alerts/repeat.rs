//! The same thing is told once in a while, not at every reading.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::event::Alert;

/// How long the same thing is held back after it was told.
const QUIET: Duration = Duration::from_secs(600);
/// Things remembered; more begin anew.
const MOST: usize = 256;

/// What was told, and when; figures in the texts do not make a thing new.
#[derive(Default)]
pub(super) struct Repeats(BTreeMap<(String, String, String), (Instant, u32)>);

impl Repeats {
    /// The event, unless the same thing was told within ten minutes; it then says how many were held back.
    pub(super) fn admit(&mut self, mut event: Alert, now: Instant) -> Option<Alert> {
        let what = event.text.split(|letter: char| letter.is_ascii_digit() || letter == ':').next().unwrap_or_default();
        let key = (event.kind.clone(), event.device.clone(), what.to_owned());
        if self.0.len() >= MOST {
            self.0.clear();
        }
        if let Some((told, held)) = self.0.get_mut(&key) {
            if now.duration_since(*told) < QUIET {
                *held += 1;
                return None;
            }
            if *held > 0 {
                event.text += &format!(" (and {held} times since it was last told)");
            }
        }
        self.0.insert(key, (now, 0));
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, device: &str, text: &str) -> Alert {
        Alert { run: "r".into(), at: 0, kind: kind.into(), device: device.into(), text: text.into() }
    }

    #[test]
    fn the_same_thing_is_told_once_in_ten_minutes_whatever_its_figures() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut told =
            |seconds, kind, device, text| repeats.admit(event(kind, device, text), at(seconds)).map(|event| event.text);
        assert!(told(0, "anomaly-hot", "GPU-1", "at 91 C").is_some());
        assert!(told(1, "anomaly-hot", "GPU-1", "at 92 C").is_none());
        assert!(told(1, "anomaly-hot", "GPU-2", "at 92 C").is_some(), "another device");
        assert!(told(2, "budget-stop", "", "carbon budget: 1 of 1").is_some());
        assert!(told(2, "budget-stop", "", "energy budget: 1 of 1").is_some(), "another limit");
        assert!(told(599, "anomaly-hot", "GPU-1", "at 93 C").is_none());
        let again = told(600, "anomaly-hot", "GPU-1", "at 94 C").unwrap();
        assert_eq!(again, "at 94 C (and 2 times since it was last told)");
    }
}
