//! [`Lane`] is what the schedule keeps of one source: which of its domains a wake-up reads, and until when it must be
//! read again for fear of a wrap.
//!
//! A domain is one sensor or counter. There are three classes of them:
//!
//! - *power*: read at random instants only. Readings near the edges of spans would show the power at edges.
//! - *slow* counters, whose period of 20 ms or more was learned: read where an update is due or an edge has passed.
//! - *fast* counters, all others: read in each wake-up that concerns counters.
//!
//! A counter that wraps (starts again at 0) is read four times in the shortest time in which it can wrap (range ÷
//! greatest power) or, where its greatest power is not known, in the shortest time in which it did.

use eco2_core::{Component, Domain, Kind, Quality, Reading};

use super::updates::Updates;
use crate::decision::Learned;

/// Shortest period of a slow counter: 20 ms (two polls of 10 ms), less a fiftieth, as a learned period may be that much
/// short.
const SLOW_NS: u64 = 20_000_000 - 20_000_000 / 50;
/// Reads in the shortest time in which a counter can wrap. Two would do; four leave room for late ticks.
const READS_A_WRAP: u64 = 4;
/// No counter is read more often than this for fear of a wrap.
const SHORTEST_NS: u64 = 1_000_000;
/// A slow counter whose last narrow bracket is older than this gets another one, nanoseconds.
pub(super) const KEEP_NS: u64 = 8_000_000_000;
/// Reads after which an edge no longer waits for a slow counter that does not change.
const MOST_TRIES: u32 = 4;

/// What one wake-up is for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Round {
    pub(super) now_ns: u64,
    /// Every domain is read, those of power too.
    pub(super) whole: bool,
    /// Sources whose energy is known from power only are read: a random instant of the interval.
    pub(super) random: bool,
    /// Power that checks a counter is read along with it.
    pub(super) checks: bool,
    /// Every counter is read: the run begins, or periods are learned.
    pub(super) learns: bool,
    /// Counters are polled until `polled_until_ns`, the next poll: a slow one is read last before an update and first
    /// after it.
    pub(super) polled_until_ns: Option<u64>,
    /// Fast counters are read, because an edge was found or is expected.
    pub(super) near: bool,
    /// The first wake-up in a window in which an edge is expected.
    pub(super) opens_window: bool,
    /// The window goes on until the next wake-up at this instant; `None` outside a window.
    pub(super) window_until_ns: Option<u64>,
    /// The last edge of any span.
    pub(super) edge_ns: Option<u64>,
    /// The counter that is read now for a narrow bracket: source and domain.
    pub(super) probes: Option<(usize, usize)>,
}

/// What the schedule keeps of one source.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) counters: Vec<ScheduledCounter>,
    /// Longest time between two reads that leaves no wrap unseen.
    pub(super) wrap_ns: u64,
    /// When it was read, or asked, last.
    pub(super) read_ns: u64,
    pub(super) closed: bool,
    /// Whether it reads on a thread of its own and has not answered yet.
    pub(super) awaited: bool,
    /// Whether each domain is read in this wake-up.
    pub(super) wanted: Vec<bool>,
    /// The last edge after which no fast counter has changed yet.
    pub(super) unconfirmed_ns: Option<u64>,
    from_gauges: bool,
}

/// What the schedule keeps of one domain.
#[derive(Debug, Default)]
pub(super) struct ScheduledCounter {
    wraps: bool,
    pub(super) power: bool,
    /// Whether it shows the power of something whose energy a counter shows.
    check: bool,
    raw: Option<u64>,
    /// When its first and its last reading began.
    first_read_ns: Option<u64>,
    last_read_ns: Option<u64>,
    wrapped_ns: Option<u64>,
    /// When it was asked for last.
    asked_ns: Option<u64>,
    /// The two reads between which its last change lies, nanoseconds.
    change: Option<(u64, u64)>,
    /// Prediction of a slow counter's updates.
    pub(super) updates: Option<Updates>,
    /// Whether its last reading failed: no edge waits for it, so that a lost GPU causes no wake-ups.
    fails: bool,
    /// The edge that waits for a change of this slow counter.
    owed_ns: Option<u64>,
    tries: u32,
}

/// What the readings of a turn showed of a domain's updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) domain: usize,
    /// Period by which it is predicted from now on, nanoseconds; `None`: it is no longer predicted.
    pub(super) period_ns: Option<u64>,
}

impl Lane {
    pub(super) fn new(start_ns: u64) -> Self {
        Self {
            counters: Vec::new(),
            wrap_ns: u64::MAX,
            read_ns: start_ns,
            closed: false,
            awaited: false,
            wanted: Vec::new(),
            unconfirmed_ns: None,
            from_gauges: false,
        }
    }

    pub(super) fn add(&mut self, domain: &Domain) {
        self.shorten(longest_interval_ns(domain));
        let power = domain.kind == Kind::Power;
        let check = power && domain.parent.is_some();
        self.from_gauges |= domain.component == Component::Gpu && domain.quality == Quality::Estimated;
        self.counters.push(ScheduledCounter { wraps: domain.range.is_some(), power, check, ..Default::default() });
        self.wanted.push(true);
    }

    fn shorten(&mut self, longest_ns: Option<u64>) {
        if let Some(longest_ns) = longest_ns {
            self.wrap_ns = self.wrap_ns.min(longest_ns.max(SHORTEST_NS));
        }
    }

    /// Whether energy is known here from power only: no counter has it, or none that ever moved.
    pub(super) fn is_at_random(&self) -> bool {
        let counted = || self.counters.iter().any(|c| !c.power && c.change.is_some());
        self.counters.iter().any(|c| c.power && !c.check) || (self.counters.iter().any(|c| c.power) && !counted())
    }

    /// Whether it estimates a GPU from its utilisation, which is a gauge.
    pub(super) fn estimates_from_gauges(&self) -> bool {
        !self.closed && self.from_gauges
    }

    /// Whether it has a sensor of power, which is read at random instants.
    pub(super) fn has_power(&self) -> bool {
        self.counters.iter().any(|counter| counter.power)
    }

    /// When it must be read so that no wrap is missed.
    pub(super) fn wrap_due_ns(&self) -> u64 {
        if self.is_out() { u64::MAX } else { self.read_ns.saturating_add(self.wrap_ns) }
    }

    /// Whether nothing can be asked of it now: it is closed, or has not answered yet.
    fn is_out(&self) -> bool {
        self.closed || self.awaited
    }

    /// Whether it has not answered yet since it was found, so that its domains are not known.
    pub(super) fn is_starting(&self) -> bool {
        self.awaited && self.counters.is_empty()
    }

    /// Since when all counters were asked for, nanoseconds: 0 where one was never, `u64::MAX` without counters.
    pub(super) fn asked_since_ns(&self) -> u64 {
        let counters = self.counters.iter().filter(|counter| !counter.power && !self.is_out());
        counters.map(|counter| counter.asked_ns.unwrap_or(0)).min().unwrap_or(u64::MAX)
    }

    /// Whether every counter has changed surely after the first readings of the run.
    pub(super) fn is_open(&self) -> bool {
        let opened =
            |c: &ScheduledCounter| c.change.zip(c.first_read_ns).is_some_and(|(change, first)| change.0 > first);
        self.closed || self.counters.iter().all(|counter| counter.power || opened(counter))
    }

    /// Chooses the domains that are read in this round; `false` if there is none. `source` is its own number.
    pub(super) fn plan(&mut self, source: usize, round: &Round) -> bool {
        if self.is_out() {
            return false;
        }
        let at_random = self.is_at_random();
        let all = round.whole || (round.random && at_random) || self.wrap_due_ns() <= round.now_ns;
        let checks = round.checks && !at_random;
        for (index, counter) in self.counters.iter_mut().enumerate() {
            let probed = round.probes == Some((source, index));
            let wanted = if counter.power { checks } else { counter.is_wanted(round, probed) };
            self.wanted[index] = all || wanted;
        }
        // A source without domains may find some when it is read.
        if self.counters.is_empty() { round.whole || round.learns } else { self.wanted.contains(&true) }
    }

    /// Chooses every domain.
    pub(super) fn plan_all(&mut self) {
        self.wanted.fill(true);
    }

    /// Takes note that the chosen domains were asked for.
    pub(super) fn asked(&mut self, round: &Round) {
        self.read_ns = round.now_ns;
        for (counter, _) in self.counters.iter_mut().zip(&self.wanted).filter(|(_, wanted)| **wanted) {
            if counter.updates.is_some() && !counter.fails && round.edge_ns > counter.asked_ns {
                (counter.owed_ns, counter.tries) = (round.edge_ns, 0);
            } else if counter.owed_ns.is_some() {
                counter.tries += 1;
            }
            counter.asked_ns = Some(round.now_ns);
        }
    }

    /// Takes readings, and what the account has learned from them. Returns domains whose updates are predicted from now
    /// on, or no longer.
    pub(super) fn take(&mut self, readings: &[(usize, Reading)], learned: &[Learned], out: &mut Vec<Turn>) {
        for (domain, reading) in readings {
            let Some(counter) = self.counters.get_mut(*domain) else { continue };
            counter.fails = reading.value.is_err();
            let Ok(raw) = reading.value else {
                counter.owed_ns = None;
                continue;
            };
            let since_wrap_ns = counter.note_wrap(reading, raw);
            let known = learned.iter().find(|learned| learned.domain == *domain);
            let before = counter.updates.is_some();
            let changed_ns = counter.note_change(reading, known);
            let confirms =
                |edge_ns: u64| counter.updates.is_none() && changed_ns.is_some_and(|from_ns| from_ns >= edge_ns);
            self.unconfirmed_ns = self.unconfirmed_ns.filter(|edge_ns| !confirms(*edge_ns));
            if before != counter.updates.is_some() {
                out.push(Turn { domain: *domain, period_ns: counter.updates.as_ref().map(Updates::period_ns) });
            }
            self.shorten(since_wrap_ns.map(|ns| ns / READS_A_WRAP));
        }
    }

    /// Begins to wait for a change of the fast counters after an edge, if it has any that move.
    pub(super) fn confirm(&mut self, edge_ns: u64) {
        let moves = |c: &ScheduledCounter| !c.power && c.updates.is_none() && c.change.is_some();
        if !self.closed && self.counters.iter().any(moves) {
            self.unconfirmed_ns = Some(edge_ns);
        }
    }

    /// When the last slow counter that an edge waits for should have changed; `None` where none is waited for.
    pub(super) fn owed_by_ns(&self) -> Option<u64> {
        let counters = self.counters.iter().filter(|_| !self.is_out());
        counters.filter_map(ScheduledCounter::owed_by_ns).max()
    }

    /// The longest period of its slow counters, nanoseconds; 0 without any.
    pub(super) fn slowest_ns(&self) -> u64 {
        self.counters.iter().filter_map(|c| c.updates.as_ref()).map(Updates::period_ns).max().unwrap_or(0)
    }

    /// The slow counter that had no narrow bracket for the longest time, with that bracket's end and its next update.
    pub(super) fn stalest(&self, now_ns: u64) -> Option<(usize, u64, u64)> {
        let working = self.counters.iter().enumerate().filter(|(_, counter)| !counter.fails);
        let slow = working.filter_map(|(index, counter)| Some((index, counter.updates.as_ref()?)));
        let (index, updates) = slow.min_by_key(|(_, updates)| updates.narrow_ns())?;
        Some((index, updates.narrow_ns(), updates.next_ns(now_ns)))
    }
}

impl ScheduledCounter {
    fn is_wanted(&self, round: &Round, probed: bool) -> bool {
        if round.learns {
            return true;
        }
        let Some(updates) = &self.updates else { return round.near };
        let margin_ns = updates.margin_ns();
        let asked_ns = self.asked_ns.unwrap_or(0);
        // The next update that the last read may not have seen.
        let due_ns = updates.next_ns(asked_ns.saturating_sub(margin_ns));
        let passed_edge = round.edge_ns.is_some_and(|edge_ns| asked_ns < edge_ns);
        let owed = self.owed_by_ns().is_some_and(|by_ns| by_ns <= round.now_ns);
        let polled = round.polled_until_ns.is_some_and(|until_ns| due_ns < until_ns + margin_ns);
        let in_window = round.window_until_ns.is_some_and(|until_ns| {
            let stale = round.now_ns.saturating_sub(updates.narrow_ns()) > KEEP_NS;
            round.opens_window || due_ns <= round.now_ns || (stale && due_ns < until_ns + margin_ns)
        });
        probed || passed_edge || owed || polled || in_window
    }

    /// When the update that an edge waits for should be there: the next one after the last read, which came after the edge.
    fn owed_by_ns(&self) -> Option<u64> {
        let updates = self.updates.as_ref().filter(|_| self.owed_ns.is_some() && self.tries < MOST_TRIES)?;
        Some(updates.next_ns(self.asked_ns?) + updates.margin_ns())
    }

    /// Returns the time since the counter wrapped before, if it has wrapped now; nanoseconds.
    fn note_wrap(&mut self, reading: &Reading, raw: u64) -> Option<u64> {
        let fell = self.wraps && self.raw.replace(raw).is_some_and(|before| raw < before);
        let last_ns = fell.then(|| self.wrapped_ns.replace(reading.before_ns)).flatten();
        last_ns.map(|last_ns| reading.before_ns.saturating_sub(last_ns))
    }

    /// Takes the time of a reading and what is known of the counter's changes. Returns the start of the bracket of a
    /// change that this reading has shown.
    fn note_change(&mut self, reading: &Reading, learned: Option<&Learned>) -> Option<u64> {
        let now_ns = reading.before_ns;
        let last_ns = self.last_read_ns.replace(now_ns);
        self.first_read_ns.get_or_insert(now_ns);
        let change = learned.map(|learned| learned.change_ns).filter(|change| self.change != Some(*change));
        self.change = change.or(self.change);
        if self.power {
            return None;
        }
        if let (Some(updates), Some(last_ns)) = (&mut self.updates, last_ns) {
            updates.was_read(last_ns, now_ns, change.is_some());
        }
        self.owed_ns = self.owed_ns.filter(|edge_ns| change.is_none_or(|change| change.0 < *edge_ns));
        let period = learned.and_then(|learned| learned.period).filter(|period| period.mean_ns >= SLOW_NS);
        match (&self.updates, period, change) {
            (Some(updates), ..) if updates.is_lost() => self.updates = None,
            (Some(updates), Some(period), Some(change)) if updates.differs_from(period) => {
                self.updates = Some(Updates::new(change, period));
            }
            (None, Some(period), Some(change)) if change.1 - change.0 < period.mean_ns => {
                self.updates = Some(Updates::new(change, period));
            }
            _ => {}
        }
        change.map(|change| change.0)
    }
}

/// Returns the longest time between two reads of a counter with which four fit in the shortest time in which it can
/// wrap; `None` where it does not wrap.
#[must_use]
pub fn longest_interval_ns(domain: &Domain) -> Option<u64> {
    let (range, max_uw) = (domain.range?, domain.max_uw.unwrap_or_else(|| domain.most_uw()));
    // µJ ÷ µW is seconds.
    let wrap_ns = u128::from(domain.scale.micro(range)) * 1_000_000_000 / u128::from(max_uw.max(1));
    Some(u64::try_from(wrap_ns / u128::from(READS_A_WRAP)).unwrap_or(u64::MAX))
}
