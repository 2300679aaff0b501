//! Defines the values that go into and come out of the schedule, which decides when each source is read.
//!
//! In: what one read of a source returned ([`SourceAnswer`], [`Learned`]). Out: how the source is read from here on
//! ([`ReadDecision`]). A source reads one interface, such as RAPL; a domain is one sensor or counter of it. The account
//! (`eco2-core`) turns readings into energy.

use eco2_core::{Reading, UpdatePeriod};

/// Most decisions of one source that are reported; further ones add nothing to a log.
const MOST_A_SOURCE: u32 = 1_000;

/// How a source, or one domain of it, is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadMode {
    /// On a grid of absolute instants.
    Poll,
    /// Once in each interval, at a random instant of it.
    Random,
    /// When something needs a reading; see [`crate::schedule::Schedule`].
    OnDemand,
    /// Not any more.
    Off,
}

impl ReadMode {
    /// Returns its name in logs.
    ///
    /// ```
    /// assert_eq!(eco2_samplers::ReadMode::OnDemand.name(), "on-demand");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Random => "random",
            Self::OnDemand => "on-demand",
            Self::Off => "off",
        }
    }
}

/// How a source, or one domain of it, is read from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadDecision {
    /// Monotonic nanoseconds.
    pub at_ns: u64,
    /// The source, counted from 0 as the sampler holds them.
    pub source: usize,
    /// The domain, by its place in the source's list; `None`: all of them.
    pub domain: Option<usize>,
    /// How it is read.
    pub way: ReadMode,
    /// Time between two readings, nanoseconds: on demand the longest, else the mean; `None` where there are none, or
    /// where the decision does not concern it.
    pub every_ns: Option<u64>,
    /// Learned period of the domain's updates, nanoseconds; `None` where it led to nothing.
    pub period_ns: Option<u64>,
    /// Why: `start`, `period-learned`, `period-lost`, `wrap`, `pace`, `domains`, `source-ended`.
    pub reason: &'static str,
}

/// The decision about one source that was reported last, to be compared with how it is read now.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    last: Option<(ReadMode, u64)>,
    count: u32,
}

impl Reported {
    /// Whether one more decision is to be reported: not after too many.
    pub(crate) fn admits(&mut self) -> bool {
        let admitted = self.count < MOST_A_SOURCE;
        self.count += u32::from(admitted);
        admitted
    }

    /// The reason for a change since the last report; `None` without a change, and after too many decisions. `wrap_ns`
    /// is the longest interval in which no wrap is missed.
    pub(crate) fn change(&mut self, way: ReadMode, interval_ns: u64, wrap_ns: u64) -> Option<&'static str> {
        let last = self.last.replace((way, interval_ns));
        if last == self.last || !self.admits() {
            return None;
        }
        Some(match (last, way) {
            (None, _) => "start",
            (_, ReadMode::Off) => "source-ended",
            (Some((before, _)), _) if before != way => "domains",
            _ if interval_ns == wrap_ns => "wrap",
            _ => "pace",
        })
    }
}

/// What the account knows of the updates of one domain after a reading of it; see [`crate::Sink::readings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learned {
    /// The domain, by its place in the source's list.
    pub domain: usize,
    /// Times of the two reads between which its last change lies, monotonic nanoseconds.
    pub change_ns: (u64, u64),
    /// Present period of its updates; `None` until it is precise enough to predict the next ones.
    pub period: Option<UpdatePeriod>,
}

/// What one turn of a source (a read, or a look for the answer of an earlier one) returned.
///
/// An answer without readings is an answer: the source had nothing to read, or nothing that was due. Only a source that
/// was asked and has not answered is waited for.
#[derive(Debug, Clone, Copy)]
pub enum SourceAnswer<'a> {
    /// It was asked, and gave these readings, perhaps none.
    Given(&'a [(usize, Reading)]),
    /// It is being asked on a thread of its own and has not answered. The readings, if any, are those of the time
    /// before.
    Awaited(&'a [(usize, Reading)]),
}

impl<'a> SourceAnswer<'a> {
    pub(crate) fn readings(self) -> &'a [(usize, Reading)] {
        match self {
            Self::Given(readings) | Self::Awaited(readings) => readings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_reported_once_with_its_reason() {
        let mut reported = Reported::default();
        let mut change = |way, interval_ns| reported.change(way, interval_ns, 5);
        assert_eq!(
            [change(ReadMode::Poll, 10), change(ReadMode::Poll, 10), change(ReadMode::Poll, 20)],
            [Some("start"), None, Some("pace")]
        );
        assert_eq!([change(ReadMode::Poll, 5), change(ReadMode::Random, 5)], [Some("wrap"), Some("domains")]);
        assert_eq!([change(ReadMode::Off, 5), change(ReadMode::Off, 5)], [Some("source-ended"), None]);
    }

    #[test]
    fn decisions_of_an_unstable_source_are_reported_at_most_a_thousand_times() {
        let mut reported = Reported::default();
        let count = (0..5_000).filter(|turn| reported.change(ReadMode::Poll, turn % 2, 9).is_some()).count();
        assert_eq!(count, 1_000);
    }
}
