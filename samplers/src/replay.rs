//! Source `replay`: recorded readings, handed over when their time comes.
//!
//! The record's own clock is shifted so that its first reading starts now, and nothing else is changed: values, failed
//! reads and the width of every bracket stay. Time is the given clock's: a scripted clock plays as fast as it is moved.

use eco2_core::{Domain, Reading};

use crate::clock::Clock;
use crate::{Batch, Source};

/// The source that plays recorded readings.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// use eco2_core::{Component, Domain, Reading};
/// use eco2_samplers::{Batch, Source, clock::Clock, replay::Replay};
///
/// // A trace of two readings, 100 ns after each other, played by a clock that the test moves.
/// let now_ns = Arc::new(AtomicU64::new(0));
/// let domain = Domain::counter("gpu-0", Component::Gpu, "board", "nvml");
/// let at = |at_ns, uj| (0, Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(uj) });
/// let mut replay = Replay::new(vec![domain], vec![at(500, 7), at(600, 9)], Clock::Scripted(now_ns.clone()));
/// now_ns.store(100, Ordering::Relaxed);
/// let mut batch = Batch::default();
/// replay.read(&mut batch);
/// assert_eq!(batch.readings().len(), 2);
/// assert!(replay.finished());
/// ```
#[derive(Debug)]
pub struct Replay {
    domains: Vec<Domain>,
    readings: Vec<(usize, Reading)>,
    next: usize,
    clock: Clock,
    start_ns: u64,
    first_ns: u64,
}

impl Replay {
    /// Plays `readings` (index into `domains`, reading) from now on, in the order of their ends.
    ///
    /// Every domain's source becomes `replay`, whatever it was recorded from: the values are not this machine's.
    /// Readings of domains that are not there, and those whose bracket ends before it starts, are left out.
    #[must_use]
    pub fn new(mut domains: Vec<Domain>, mut readings: Vec<(usize, Reading)>, clock: Clock) -> Self {
        for domain in &mut domains {
            domain.source = "replay".to_owned();
        }
        readings.retain(|(domain, reading)| *domain < domains.len() && reading.before_ns <= reading.after_ns);
        readings.sort_by_key(|(_, reading)| reading.after_ns);
        let first_ns = readings.iter().map(|(_, reading)| reading.before_ns).min().unwrap_or(0);
        Self { domains, readings, next: 0, start_ns: clock.now_ns(), clock, first_ns }
    }

    /// Returns the clock's time when the last reading will have been played; `None` when there are none.
    #[must_use]
    pub fn end_ns(&self) -> Option<u64> {
        self.readings.last().map(|(_, reading)| self.shifted(reading.after_ns))
    }

    /// Whether everything was played.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.next == self.readings.len()
    }

    fn shifted(&self, ns: u64) -> u64 {
        self.start_ns.saturating_add(ns - self.first_ns)
    }
}

impl Source for Replay {
    fn name(&self) -> &str {
        "replay"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let now_ns = self.clock.now_ns();
        while let Some((domain, reading)) = self.readings.get(self.next).copied() {
            let (before_ns, after_ns) = (self.shifted(reading.before_ns), self.shifted(reading.after_ns));
            if after_ns > now_ns {
                break;
            }
            batch.push(domain, Reading { before_ns, after_ns, ..reading });
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use eco2_core::{Component, Fault, Quality};

    use super::*;

    fn reading(before_ns: u64, after_ns: u64, value: Result<u64, Fault>) -> Reading {
        Reading { before_ns, after_ns, value }
    }

    #[test]
    fn readings_come_when_their_time_has_come_and_unchanged() {
        let now = Arc::new(AtomicU64::new(1_000));
        let clock = Clock::Scripted(Arc::clone(&now));
        let domain = Domain::counter("package-0", Component::Cpu, "package", "rapl-perf");
        let recorded = vec![
            (0, reading(520, 530, Err(Fault::Failed))),
            (0, reading(500, 510, Ok(7))),
            (1, reading(501, 502, Ok(1))),
            (0, reading(600, 640, Ok(9))),
        ];
        let mut replay = Replay::new(vec![domain], recorded, clock.clone());
        assert_eq!(replay.end_ns(), Some(1_140));
        assert_eq!((replay.domains()[0].source.as_str(), replay.domains()[0].quality), ("replay", Quality::Measured));
        let mut played = Vec::new();
        for at in [1_009, 1_010, 1_139, 1_140, 9_999] {
            now.store(at, Ordering::Relaxed);
            let mut batch = Batch::new(clock.clone());
            replay.read(&mut batch);
            played.push(batch.readings().to_vec());
        }
        assert_eq!(
            played,
            [
                vec![],
                vec![(0, reading(1_000, 1_010, Ok(7)))],
                vec![(0, reading(1_020, 1_030, Err(Fault::Failed)))],
                vec![(0, reading(1_100, 1_140, Ok(9)))],
                vec![],
            ]
        );
        assert!(replay.finished());
    }

    #[test]
    fn an_empty_record_is_finished() {
        let replay = Replay::new(Vec::new(), vec![(0, reading(1, 2, Ok(3)))], Clock::default());
        assert!(replay.finished());
        assert_eq!(replay.end_ns(), None);
    }
}
