//! [`Schedule`] decides when each source is read next. It is arithmetic only: the caller reads the clock.
//!
//! A source reads one interface, such as RAPL or NVML; a domain is one sensor or counter of it. A lane is what the
//! schedule keeps of one source. The account (`eco2-core`) turns readings into energy and learns counters' periods.
//!
//! Polling: a source is read once in each interval, on a grid of absolute instants. Once every counter in it has shown
//! a period of 20 ms or more, the source is locked: it is read about twice an update, around the predicted updates
//! (`phase.rs`), if that is no more reads than polling. In either case a counter that wraps (starts again at 0) is read
//! four times in the shortest time in which it can wrap (range ÷ greatest power) or, where its greatest power is not
//! known, in the shortest time in which it did. A read that came too late is counted and skipped, never caught up.
//!
//! Power that no counter has is read once in each interval, at a random instant of it: on a grid, a load that repeats
//! itself in the interval would always show the same one of its powers, and no range would cover the error.

use eco2_core::{Domain, Kind, Reading, UpdatePeriod};

pub use crate::decision::{Learned, SourceAnswer};
use crate::decision::{ReadDecision, ReadMode, Reported};
use crate::phase::PhaseLock;

/// Shortest period that is worth a lock: 20 ms (two polls of the default 10 ms), less a fiftieth, as a learned period
/// may be that much short.
const LOCKABLE_NS: u64 = 20_000_000 - 20_000_000 / 50;
/// How long after the read the answer of a source on a thread of its own is first looked for.
const COLLECT_NS: u64 = 1_000_000;
/// Longest time between two looks for such an answer; each look is twice as late as the one before.
const LONGEST_COLLECT_NS: u64 = 16 * COLLECT_NS;
/// Longest time between two ticks, unless the interval is longer: event rings are drained in it.
const LONGEST_TICK_NS: u64 = 50_000_000;
/// Time between two readings of gauges (utilisation and other values that are not energy).
const GAUGES_NS: u64 = 1_000_000_000;
/// Reads in the shortest time in which a counter can wrap. Two would do; four leave room for late ticks.
const READS_A_WRAP: u64 = 4;
/// No counter is read more often than this for fear of a wrap.
const SHORTEST_NS: u64 = 1_000_000;
/// A counter that never changed for this long, 2 s, does not keep the others of its source from being locked.
const DORMANT_NS: u64 = 2_000_000_000;

/// When each source is due.
///
/// ```
/// use eco2_core::{Component, Domain};
/// use eco2_samplers::schedule::Schedule;
///
/// let mut schedule = Schedule::new(10_000_000, 0); // 100 Hz
/// schedule.domains(0, &[Domain::counter("gpu-0", Component::Gpu, "board", "nvml")]);
/// assert!(schedule.is_due(0, 0));
/// assert!(!schedule.is_locked(0)); // polled until the counter's period is known
/// ```
#[derive(Debug)]
pub struct Schedule {
    interval_ns: u64,
    start_ns: u64,
    lanes: Vec<Lane>,
    gauges_ns: u64,
    /// When the last tick (wake-up of the sampling thread) began.
    ticked_ns: u64,
    missed: u64,
    seed: u64,
    /// Decisions that have not been collected yet.
    decisions: Vec<ReadDecision>,
}

/// What the schedule keeps of one source.
#[derive(Debug)]
struct Lane {
    counters: Vec<ScheduledCounter>,
    interval_ns: u64,
    /// Longest time between two reads that leaves no wrap unseen.
    wrap_ns: u64,
    grid_ns: u64,
    read_ns: u64,
    /// Whether it is read around the predicted updates rather than polled.
    locked: bool,
    closed: bool,
    /// When to look for the answer of a source that reads on a thread of its own; `None` while none is awaited.
    collect: Option<Collect>,
    reported: Reported,
}

/// A look for an answer: when it is due, and how long the wait before it was.
#[derive(Debug, Clone, Copy)]
struct Collect {
    at_ns: u64,
    wait_ns: u64,
}

impl Collect {
    /// Returns the look that follows `earlier`: the first after 1 ms, each further one after twice the wait, 16 ms at
    /// most.
    fn after(earlier: Option<Self>, now_ns: u64) -> Self {
        let wait_ns = earlier.map_or(COLLECT_NS, |earlier| (2 * earlier.wait_ns).min(LONGEST_COLLECT_NS));
        Self { at_ns: now_ns + wait_ns, wait_ns }
    }
}

/// What the schedule keeps of one domain.
#[derive(Debug)]
struct ScheduledCounter {
    wraps: bool,
    power: bool,
    /// Whether it shows the power of something whose energy a counter shows. It is read along with that counter, and
    /// neither prevents nor ends a lock.
    check: bool,
    raw: Option<u64>,
    read_ns: Option<u64>,
    wrapped_ns: Option<u64>,
    learned: Option<Learned>,
    /// The two reads between which its last change lies, nanoseconds.
    change: Option<(u64, u64)>,
    period: Option<UpdatePeriod>,
    /// Changes seen since polling began.
    changes: u64,
    lock: Option<PhaseLock>,
}

impl Schedule {
    /// Returns a schedule that polls every `interval_ns` (at least 1 µs) from `start_ns` on; everything is due at once.
    #[must_use]
    pub fn new(interval_ns: u64, start_ns: u64) -> Self {
        let interval_ns = interval_ns.max(1_000);
        let (gauges_ns, ticked_ns) = (start_ns, start_ns);
        Self {
            interval_ns,
            start_ns,
            lanes: Vec::new(),
            gauges_ns,
            ticked_ns,
            missed: 0,
            seed: 0,
            decisions: Vec::new(),
        }
    }

    /// Returns the same schedule with the random instants of `seed`.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Takes note of the domains that source number `source` (from 0) reads. Call it again when the list has grown.
    pub fn domains(&mut self, source: usize, domains: &[Domain]) {
        while self.lanes.len() <= source {
            self.lanes.push(Lane::new(self.interval_ns, self.start_ns));
        }
        if let Some(lane) = self.lanes.get_mut(source) {
            for domain in domains.iter().skip(lane.counters.len()) {
                lane.add(domain);
            }
        }
    }

    /// Polls every `interval_ns` from now on, a counter that wraps still often enough to miss no wrap.
    pub(crate) fn pace(&mut self, interval_ns: u64) {
        self.interval_ns = interval_ns.max(1_000);
        for lane in &mut self.lanes {
            lane.interval_ns = self.interval_ns.min(lane.wrap_ns);
        }
    }

    /// Whether `source`, when it is due, is only to hand over the answer to an earlier read.
    #[must_use]
    pub fn only_collects(&self, source: usize) -> bool {
        self.lanes.get(source).is_some_and(|lane| lane.locked && lane.collect.is_some())
    }

    pub(crate) fn close(&mut self, source: usize) {
        if let Some(lane) = self.lanes.get_mut(source) {
            lane.closed = true;
            lane.report_decision(source, self.ticked_ns, &mut self.decisions);
        }
    }

    pub(crate) fn decided(&mut self) -> std::vec::Drain<'_, ReadDecision> {
        self.decisions.drain(..)
    }

    /// Returns the absolute instant to sleep until: then a source or the gauges are due, or the buffers (rings) of
    /// events must be drained.
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        let tick_ns = self.ticked_ns + self.interval_ns.max(LONGEST_TICK_NS);
        let lanes = self.lanes.iter().filter(|lane| !lane.closed).map(Lane::due_ns);
        lanes.chain([self.gauges_ns, tick_ns]).min().unwrap_or(tick_ns)
    }

    /// Takes note that the tick of [`Schedule::next_ns`] began at `now_ns`; whole intervals late count as missed ticks.
    pub fn wake(&mut self, now_ns: u64) {
        let shortest = self.lanes.iter().filter(|lane| !lane.closed).map(|lane| lane.interval_ns).min();
        self.missed += now_ns.saturating_sub(self.next_ns()) / shortest.unwrap_or(self.interval_ns);
        self.ticked_ns = now_ns;
    }

    #[must_use]
    pub(crate) fn missed(&self) -> u64 {
        self.missed
    }

    /// Whether `source` is to be read in a tick at `now_ns`. A polled source that is due within an eighth of its
    /// interval is, so that sources share ticks.
    #[must_use]
    pub fn is_due(&self, source: usize, now_ns: u64) -> bool {
        self.lanes.get(source).is_some_and(|lane| !lane.closed && lane.due_ns() <= now_ns + lane.slack_ns())
    }

    /// Whether gauges are to be read in a tick at `now_ns`; if so, they are due again a second later.
    pub fn gauges_due(&mut self, now_ns: u64) -> bool {
        let due = self.gauges_ns <= now_ns;
        if due {
            self.gauges_ns += ((now_ns - self.gauges_ns) / GAUGES_NS + 1) * GAUGES_NS;
        }
        due
    }

    /// Takes note that `source` was read, or an answer looked for, in the tick at `now_ns`, and sets when it is due
    /// next.
    ///
    /// `learned` is what the account, which has taken the readings of `answer`, returned for them.
    pub fn was_read(&mut self, source: usize, now_ns: u64, answer: SourceAnswer<'_>, learned: &[Learned]) {
        let (start_ns, seed) = (self.start_ns, self.seed);
        let Some(lane) = self.lanes.get_mut(source) else { return };
        lane.note_readings(answer.readings());
        lane.note_learned(learned);
        lane.collect = match answer {
            SourceAnswer::Awaited(_) if lane.locked => Some(Collect::after(lane.collect, now_ns)),
            _ => None,
        };
        if lane.collect.is_some() {
            return;
        }
        lane.watch_changes(now_ns);
        if !lane.locked {
            lane.try_lock(now_ns, start_ns);
        }
        lane.read_ns = now_ns;
        let past = (now_ns + lane.slack_ns()).saturating_sub(start_ns) / lane.interval_ns;
        lane.grid_ns = start_ns + (past + 1) * lane.interval_ns;
        if lane.is_at_random() {
            // Sources of one interval share their instants, and so the wake-ups.
            lane.grid_ns += random_below(lane.interval_ns, seed, past);
        }
        lane.report_decision(source, now_ns, &mut self.decisions);
    }

    /// Whether `source` is read around its predicted updates rather than polled.
    #[must_use]
    pub fn is_locked(&self, source: usize) -> bool {
        self.lanes.get(source).is_some_and(|lane| lane.locked)
    }
}

impl Lane {
    fn new(interval_ns: u64, start_ns: u64) -> Self {
        Self {
            counters: Vec::new(),
            interval_ns,
            wrap_ns: u64::MAX,
            grid_ns: start_ns,
            read_ns: start_ns,
            locked: false,
            closed: false,
            collect: None,
            reported: Reported::default(),
        }
    }

    fn mode(&self) -> ReadMode {
        match self {
            Self { closed: true, .. } => ReadMode::Off,
            Self { locked: true, .. } => ReadMode::Locked,
            _ if self.is_at_random() => ReadMode::Random,
            _ => ReadMode::Poll,
        }
    }

    /// Adds the decisions about this lane, which is that of source number `source`, if it is read otherwise than
    /// before.
    fn report_decision(&mut self, source: usize, at_ns: u64, out: &mut Vec<ReadDecision>) {
        let way = self.mode();
        if self.counters.is_empty() {
            return;
        }
        let Some(reason) = self.reported.change(way, self.interval_ns, self.wrap_ns) else { return };
        let every_ns = (way != ReadMode::Off).then_some(self.interval_ns);
        let all = ReadDecision { at_ns, source, domain: None, way, every_ns, period_ns: None, reason };
        if way != ReadMode::Locked {
            return out.push(all);
        }
        for (index, counter) in self.counters.iter().enumerate().filter(|(_, counter)| counter.lock.is_some()) {
            let period_ns = counter.period.map_or(0, |period| period.mean_ns);
            let every_ns = Some((period_ns / 2).min(self.wrap_ns));
            out.push(ReadDecision { domain: Some(index), every_ns, period_ns: Some(period_ns), ..all });
        }
    }

    fn add(&mut self, domain: &Domain) {
        self.shorten(longest_interval_ns(domain));
        self.unlock();
        self.counters.push(ScheduledCounter {
            wraps: domain.range.is_some(),
            power: domain.kind == Kind::Power,
            check: domain.kind == Kind::Power && domain.parent.is_some(),
            raw: None,
            read_ns: None,
            wrapped_ns: None,
            learned: None,
            change: None,
            period: None,
            changes: 0,
            lock: None,
        });
    }

    fn shorten(&mut self, longest_ns: Option<u64>) {
        if let Some(longest_ns) = longest_ns {
            self.wrap_ns = self.wrap_ns.min(longest_ns.max(SHORTEST_NS));
            self.interval_ns = self.interval_ns.min(self.wrap_ns);
        }
    }

    fn due_ns(&self) -> u64 {
        if !self.locked {
            return self.grid_ns;
        }
        if let Some(collect) = self.collect {
            return collect.at_ns;
        }
        let probes = self.counters.iter().filter_map(|c| c.lock.as_ref()).map(PhaseLock::due_ns);
        probes.chain([self.read_ns.saturating_add(self.wrap_ns)]).min().unwrap_or(self.grid_ns)
    }

    fn slack_ns(&self) -> u64 {
        if self.locked || self.is_at_random() { 0 } else { self.interval_ns / 8 }
    }

    /// Whether energy is known here from power only: no counter has it, or none that ever moved.
    fn is_at_random(&self) -> bool {
        let counted = || self.counters.iter().any(|c| !c.power && c.change.is_some());
        self.counters.iter().any(|c| c.power && !c.check) || (self.counters.iter().any(|c| c.power) && !counted())
    }

    /// Takes the values: a counter that fell has wrapped, and is read four times in the time between two wraps from now
    /// on.
    fn note_readings(&mut self, readings: &[(usize, Reading)]) {
        for (index, reading) in readings {
            let (Some(counter), Ok(raw)) = (self.counters.get_mut(*index), reading.value) else { continue };
            counter.read_ns = Some(reading.before_ns);
            let fell = counter.wraps && counter.raw.replace(raw).is_some_and(|before| raw < before);
            if fell {
                let last_ns = counter.wrapped_ns.replace(reading.before_ns);
                let since_ns = last_ns.map(|last_ns| reading.before_ns.saturating_sub(last_ns));
                self.shorten(since_ns.map(|ns| ns / READS_A_WRAP));
            }
        }
    }

    /// Keeps what the account learned until the answer of this turn is complete.
    fn note_learned(&mut self, learned: &[Learned]) {
        for domain in learned {
            if let Some(counter) = self.counters.get_mut(domain.domain) {
                counter.learned = Some(*domain);
            }
        }
    }

    /// Passes this turn's changes on to the counters' locks; polls again where a lock was lost.
    fn watch_changes(&mut self, now_ns: u64) {
        let mut lost = false;
        for counter in &mut self.counters {
            let learned = counter.learned.take();
            let change_ns = learned.map(|learned| learned.change_ns);
            let change = change_ns.filter(|_| change_ns != counter.change);
            counter.change = change.or(counter.change);
            counter.changes += u64::from(change.is_some());
            // A domain that gave no value was looked at now, and did not change.
            let read_ns = counter.read_ns.take().unwrap_or(now_ns);
            match counter.lock.as_mut() {
                Some(lock) => lost |= !lock.was_read(read_ns, change),
                // It began to change after the others were locked: polling has to learn its period first.
                None => lost |= self.locked && change.is_some() && !counter.check,
            }
            if !self.locked
                && let Some(learned) = learned
            {
                counter.period = learned.period;
            }
        }
        if lost {
            self.unlock();
        }
    }

    fn unlock(&mut self) {
        self.locked = false;
        self.collect = None;
        for counter in &mut self.counters {
            counter.lock = None;
            counter.period = None;
            counter.changes = 0;
        }
    }

    /// Locks the source if every counter's period is known (or the counter never moves) and that saves reads.
    fn try_lock(&mut self, now_ns: u64, start_ns: u64) {
        let young = now_ns.saturating_sub(start_ns) < DORMANT_NS;
        let ready = |c: &ScheduledCounter| c.lockable() || c.check || (c.change.is_none() && !c.power && !young);
        if !self.counters.iter().all(ready) || !self.saves_reads() {
            return;
        }
        for counter in self.counters.iter_mut().filter(|c| c.lockable() && !c.check) {
            let (Some(change), Some(period)) = (counter.change, counter.period) else { continue };
            counter.lock = Some(PhaseLock::new(change, period, now_ns));
            self.locked = true;
        }
    }

    /// Whether two reads an update of every counter are no more than one read an interval.
    fn saves_reads(&self) -> bool {
        let periods = || self.counters.iter().filter(|c| !c.check).filter_map(|c| c.period);
        let locked: u128 = periods().map(|p| 2_000_000_000_000 / u128::from(p.mean_ns.max(1))).sum();
        // A sixteenth more, for periods that are a little short of what they are called.
        locked * 16 <= 17 * 1_000_000_000_000 / u128::from(self.interval_ns)
    }
}

impl ScheduledCounter {
    /// Whether its period is long enough, and known from updates that were all seen since polling began.
    fn lockable(&self) -> bool {
        self.period.is_some_and(|period| period.mean_ns >= LOCKABLE_NS && self.changes > period.updates)
    }
}

/// Returns number `place` of the random sequence of `seed` (generator SplitMix64), scaled to 0 up to `limit`.
fn random_below(limit: u64, seed: u64, place: u64) -> u64 {
    let mut bits = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    u64::try_from((u128::from(bits) * u128::from(limit)) >> 64).unwrap_or(0)
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
