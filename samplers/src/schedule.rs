//! [`Schedule`] decides when the sampling thread wakes up, and which domains each wake-up reads. It is arithmetic only:
//! the caller reads the clock.
//!
//! A source reads one interface, such as RAPL or NVML; a domain is one sensor or counter of it (`schedule/lane.rs` has
//! their three classes). A *tick* is one wake-up of the sampling thread. It is the expensive part: it costs more than
//! the reads of ten counters. The account (`eco2-core`) turns readings into energy and learns counters' periods.
//!
//! There are two paces. With a *fixed* interval every counter is read in each interval, on a grid of absolute instants.
//! *On demand*, the default, a reading is taken because something needs it. The schedule is then in one of these
//! states; in each of them the deadlines of wraps hold, too:
//!
//! | state | from | until | wakes up |
//! |---|---|---|---|
//! | `Opening` | the run's begin | every counter has changed after it, 350 ms at most | after 2 ms, then every 10 ms |
//! | `Quiet` | no edge of a span is expected | an edge | once a second; every half second while spans have names |
//! | `Learning` | the first span's name, the first edge, a lost period | 2.6 s later | every 10 ms |
//! | `Viewed` | a current value was read | no value was read for 1 s | every 10 ms |
//! | `Before` | an edge | the window of the next one begins | 2 ms after the edge; after the slow counters' updates |
//! | `Window` | the window begins | the edge is found | every 15 ms; more and more seldom once it is late |
//! | `Polled` | windows would cost as much | they do not | every 10 ms |
//!
//! An edge is thus read around on both sides: at the last look before it, at the look that finds it and 2 ms later; a
//! slow counter after its next update. Edges are predicted in `schedule/spans.rs`, updates of slow counters in
//! `schedule/updates.rs`. A limit of CPU time (`schedule/governor.rs`) makes all of these times longer.
//!
//! Power is read at random instants, alone of all: on a grid, a load that repeats itself in the interval would always
//! show the same one of its powers, and no range would cover the error. Power that only checks a counter is read in
//! the readings of `Quiet`, and along with the counter if the interval is fixed.

pub(crate) mod governor;
mod lane;
mod on_demand;
mod spans;
mod updates;

use eco2_core::Domain;

pub use crate::decision::{Learned, SourceAnswer};
use crate::decision::{ReadDecision, ReadMode, Reported};
pub use lane::longest_interval_ns;
use lane::{Lane, Round, Turn};
pub use on_demand::{Demand, ScheduleState, VIEWED_NS};
use on_demand::{OnDemand, POLL_NS, QUIET_NS, Tick};
pub use spans::SpanEdge;

/// Time between two readings of gauges (utilisation and other values that are not energy) and of the process table: a tenth
/// of the run so far, and as many times the least as a limit of CPU time makes polls slower, within these limits.
const GAUGES_NS: (u64, u64) = (1_000_000_000, 10_000_000_000);
/// Interval of power that no counter has: within these limits, the time so far divided by [`RANDOM_READS`]. That many
/// random instants give the mean of a load that switches between two powers to about 1 %.
const RANDOM_NS: (u64, u64) = (100_000_000, 1_000_000_000);
const RANDOM_READS: u64 = 2_500;

/// When sources are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Once in each interval of this length, nanoseconds (at least 1 µs).
    Fixed(u64),
    /// When something needs a reading.
    OnDemand {
        /// Whether slow counters are polled around each edge, for narrower bounds of spans at a higher cost.
        tight: bool,
    },
}

impl Pace {
    /// Returns the time between two polls, nanoseconds.
    pub(crate) fn poll_ns(self) -> u64 {
        match self {
            Self::Fixed(interval_ns) => interval_ns.max(1_000),
            Self::OnDemand { .. } => POLL_NS,
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::OnDemand { tight: false }
    }
}

/// When each source is due.
///
/// ```
/// use eco2_core::{Component, Domain};
/// use eco2_samplers::schedule::{Demand, Pace, Schedule};
///
/// let mut schedule = Schedule::new(Pace::Fixed(10_000_000), 0); // 100 Hz
/// schedule.domains(0, &[Domain::counter("gpu-0", Component::Gpu, "board", "nvml")]);
/// schedule.wake(0, &Demand::default());
/// assert!(schedule.gauges_due() && schedule.plan(0));
/// assert_eq!(schedule.next_ns(), 10_000_000);
/// ```
#[derive(Debug)]
pub struct Schedule {
    /// The state machine; `None` for a fixed interval.
    on_demand: Option<OnDemand>,
    start_ns: u64,
    lanes: Vec<Lane>,
    reported: Vec<Reported>,
    /// Time between two polls: the fixed interval, or what the limit of CPU time allows.
    poll_ns: u64,
    /// Time between two polls without that limit.
    fastest_ns: u64,
    gauges_ns: u64,
    /// When the last tick began.
    ticked_ns: u64,
    /// Whether there was a tick. The schedule begins with the first one.
    has_begun: bool,
    missed: u64,
    seed: u64,
    /// What the present tick is for.
    round: Round,
    /// The next poll of a fixed interval.
    grid_ns: u64,
    /// The next random instant.
    random_ns: u64,
    turns: Vec<Turn>,
    /// Decisions that have not been collected yet.
    decisions: Vec<ReadDecision>,
}

impl Schedule {
    /// Returns a schedule that begins at `start_ns`; everything is due at once.
    #[must_use]
    pub fn new(pace: Pace, start_ns: u64) -> Self {
        let on_demand = match pace {
            Pace::Fixed(_) => None,
            Pace::OnDemand { tight } => Some(OnDemand::new(start_ns, tight)),
        };
        Self {
            on_demand,
            start_ns,
            lanes: Vec::new(),
            reported: Vec::new(),
            poll_ns: pace.poll_ns(),
            fastest_ns: pace.poll_ns(),
            gauges_ns: start_ns,
            ticked_ns: start_ns,
            has_begun: false,
            missed: 0,
            seed: 0,
            round: Round::default(),
            grid_ns: start_ns,
            random_ns: start_ns,
            turns: Vec::with_capacity(16),
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
            self.lanes.push(Lane::new(self.start_ns));
            self.reported.push(Reported::default());
        }
        if let Some(lane) = self.lanes.get_mut(source) {
            let known = lane.counters.len();
            domains.iter().skip(known).for_each(|domain| lane.add(domain));
            if let Some(on_demand) = self.on_demand.as_mut().filter(|_| domains.len() > known) {
                on_demand.found(self.ticked_ns);
            }
        }
    }

    /// Polls every `poll_ns` from now on, and takes longer between other reads accordingly. No wrap is missed for it.
    pub(crate) fn pace(&mut self, poll_ns: u64) {
        self.poll_ns = poll_ns.max(1_000);
    }

    pub(crate) fn close(&mut self, source: usize) {
        if let Some(lane) = self.lanes.get_mut(source) {
            (lane.closed, lane.awaited) = (true, false);
            self.report_decision(source);
        }
    }

    pub(crate) fn decided(&mut self) -> std::vec::Drain<'_, ReadDecision> {
        self.decisions.drain(..)
    }

    #[must_use]
    pub(crate) fn missed(&self) -> u64 {
        self.missed
    }

    fn tick(&self) -> Tick<'_> {
        Tick { now_ns: self.ticked_ns, poll_ns: self.poll_ns, lanes: &self.lanes }
    }

    /// Returns the state on demand since the last tick; `None` with a fixed interval.
    #[must_use]
    pub fn state(&self) -> Option<ScheduleState> {
        self.on_demand.as_ref().map(|on_demand| on_demand.state(&self.tick()))
    }

    /// Returns the absolute instant to sleep until.
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        if !self.has_begun {
            return self.start_ns;
        }
        let wraps = self.lanes.iter().map(Lane::wrap_due_ns).min().unwrap_or(u64::MAX);
        let random_ns = if self.reads_at_random() { self.random_ns } else { u64::MAX };
        let next_ns = match &self.on_demand {
            Some(on_demand) => on_demand.next_ns(&self.tick()),
            None => self.grid_ns.min(self.gauges_ns),
        };
        next_ns.min(random_ns).min(wraps).max(self.ticked_ns)
    }

    /// Whether random instants have something to read.
    fn reads_at_random(&self) -> bool {
        let reads = |lane: &Lane| lane.is_at_random() || (self.on_demand.is_some() && lane.has_power());
        self.lanes.iter().any(|lane| !lane.closed && reads(lane))
    }

    /// The interval in which power is read once, at a random instant.
    fn random_interval_ns(&self) -> u64 {
        if self.on_demand.is_none() {
            return self.poll_ns;
        }
        let (least_ns, most_ns) = RANDOM_NS;
        let only_power = self.lanes.iter().any(|lane| !lane.closed && lane.is_at_random());
        let since_ns = self.ticked_ns.saturating_sub(self.start_ns);
        let every_ns = if only_power { (since_ns / RANDOM_READS).clamp(least_ns, most_ns) } else { most_ns };
        every_ns.max(self.poll_ns)
    }

    /// Begins the tick of [`Schedule::next_ns`] at `now_ns`, or one that was asked for before it; `demand` is what the
    /// sink needs. Whole intervals late count as missed ticks.
    pub fn wake(&mut self, now_ns: u64, demand: &Demand) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.begin(now_ns);
        }
        let due_ns = self.next_ns();
        self.missed += now_ns.saturating_sub(due_ns) / self.shortest_ns(due_ns);
        let last_ns = std::mem::replace(&mut self.ticked_ns, now_ns);
        let mut round = Round { now_ns, ..Round::default() };
        if now_ns >= self.random_ns {
            round.random = true;
            // Power that checks a counter is read with everything, about once a second.
            round.whole = self.on_demand.as_ref().is_some_and(|on_demand| on_demand.is_due(now_ns))
                && self.lanes.iter().any(|lane| !lane.closed && lane.has_power());
            let every_ns = self.random_interval_ns();
            let slot = now_ns.saturating_sub(self.start_ns) / every_ns;
            self.random_ns = self.start_ns + (slot + 1) * every_ns + random_below(every_ns, self.seed, slot);
        }
        // Within an eighth of the interval, so that sources share ticks.
        if self.on_demand.is_none() && now_ns + self.poll_ns / 8 >= self.grid_ns {
            (round.learns, round.checks) = (true, true);
            self.grid_ns = self.tick().poll_after(self.start_ns);
        }
        if let Some(on_demand) = &mut self.on_demand {
            on_demand.take(now_ns, demand, &mut self.lanes);
            let tick = Tick { now_ns, poll_ns: self.poll_ns, lanes: &self.lanes };
            round = on_demand.wake(&tick, round, !demand.edges.is_empty(), last_ns);
        }
        self.round = round;
    }

    /// Moves the start to the first tick, which a thread that starts late takes later than planned.
    fn begin(&mut self, now_ns: u64) {
        (self.start_ns, self.ticked_ns, self.gauges_ns) = (now_ns, now_ns, now_ns);
        (self.grid_ns, self.random_ns) = (now_ns, now_ns);
        self.lanes.iter_mut().for_each(|lane| lane.read_ns = now_ns);
        if let Some(on_demand) = &mut self.on_demand {
            on_demand.begin(now_ns);
        }
    }

    /// The shortest interval that can be missed: of polling, or the wait that ended at `due_ns`.
    fn shortest_ns(&self, due_ns: u64) -> u64 {
        let wrap_ns = self.lanes.iter().filter(|lane| !lane.closed).map(|lane| lane.wrap_ns).min();
        let waited_ns = if self.on_demand.is_some() { due_ns.saturating_sub(self.ticked_ns) } else { 0 };
        waited_ns.max(self.poll_ns).min(wrap_ns.unwrap_or(u64::MAX))
    }

    /// Whether `source` is to be read in the present tick; [`Schedule::wanted`] then has its domains.
    pub fn plan(&mut self, source: usize) -> bool {
        let round = self.round;
        self.lanes.get_mut(source).is_some_and(|lane| lane.plan(source, &round))
    }

    /// Chooses every domain of `source` for the present tick: a flush, or the end of the run.
    pub(crate) fn plan_all(&mut self, source: usize) {
        if let Some(lane) = self.lanes.get_mut(source) {
            lane.plan_all();
        }
    }

    /// Returns whether each domain of `source` is to be read in the present tick.
    #[must_use]
    pub fn wanted(&self, source: usize) -> &[bool] {
        self.lanes.get(source).map_or(&[], |lane| &lane.wanted)
    }

    /// Whether an answer of `source` is still to come.
    #[must_use]
    pub fn awaits(&self, source: usize) -> bool {
        self.lanes.get(source).is_some_and(|lane| lane.awaited)
    }

    /// Whether gauges are to be read in the present tick; if so, sets when they are due again. On demand everything is read
    /// then. Ask before [`Schedule::plan`].
    pub fn gauges_due(&mut self) -> bool {
        let now_ns = self.ticked_ns;
        let due = self.gauges_ns <= now_ns;
        if due {
            let (least_ns, most_ns) = GAUGES_NS;
            let aged_ns = match &self.on_demand {
                Some(on_demand) if !on_demand.is_viewed(now_ns) => now_ns.saturating_sub(self.start_ns) / 10,
                _ => least_ns,
            };
            let slowed_ns = least_ns.saturating_mul(self.poll_ns / self.fastest_ns.max(1));
            let estimates = self.lanes.iter().any(Lane::estimates_from_gauges);
            let every_ns = if estimates { least_ns } else { aged_ns.max(slowed_ns).clamp(least_ns, most_ns) };
            self.gauges_ns += ((now_ns - self.gauges_ns) / every_ns + 1) * every_ns;
            // Sources on threads of their own read gauges along with domains.
            self.round.whole |= self.on_demand.is_some();
        }
        due
    }

    /// Takes note that the chosen domains of `source` were read in the present tick, or asked for, and what was answered.
    ///
    /// `learned` is what the account, which has taken the readings of `answer`, returned for them.
    pub fn was_read(&mut self, source: usize, answer: SourceAnswer<'_>, learned: &[Learned]) {
        let round = self.round;
        if let Some(lane) = self.lanes.get_mut(source) {
            lane.asked(&round);
        }
        self.was_answered(source, answer, learned);
    }

    /// Takes what `source` has answered since it was asked.
    pub fn was_answered(&mut self, source: usize, answer: SourceAnswer<'_>, learned: &[Learned]) {
        let Some(lane) = self.lanes.get_mut(source) else { return };
        lane.awaited = matches!(answer, SourceAnswer::Awaited(_)) && !lane.closed;
        lane.take(answer.readings(), learned, &mut self.turns);
        self.report_decision(source);
        let Some(on_demand) = &mut self.on_demand else { return self.turns.clear() };
        let (at_ns, way) = (self.ticked_ns, ReadMode::OnDemand);
        for Turn { domain, period_ns } in self.turns.drain(..) {
            if period_ns.is_none() {
                on_demand.lost(at_ns);
            }
            if self.reported.get_mut(source).is_some_and(Reported::admits) {
                let reason = if period_ns.is_some() { "period-learned" } else { "period-lost" };
                let domain = Some(domain);
                self.decisions.push(ReadDecision { at_ns, source, domain, way, every_ns: None, period_ns, reason });
            }
        }
    }

    /// Adds the decision about a source if it is read otherwise than before.
    fn report_decision(&mut self, source: usize) {
        let (Some(lane), Some(reported)) = (self.lanes.get(source), self.reported.get_mut(source)) else { return };
        if lane.counters.is_empty() {
            return;
        }
        let fixed = self.on_demand.is_none();
        let way = match lane {
            Lane { closed: true, .. } => ReadMode::Off,
            _ if lane.is_at_random() => ReadMode::Random,
            _ if fixed => ReadMode::Poll,
            _ => ReadMode::OnDemand,
        };
        let every_ns = match way {
            ReadMode::Off => 0,
            ReadMode::Random if !fixed => RANDOM_NS.0.max(self.poll_ns).min(lane.wrap_ns),
            ReadMode::OnDemand => QUIET_NS.max(self.poll_ns).min(lane.wrap_ns),
            ReadMode::Random | ReadMode::Poll => self.poll_ns.min(lane.wrap_ns),
        };
        let Some(reason) = reported.change(way, every_ns, lane.wrap_ns) else { return };
        let every_ns = (way != ReadMode::Off).then_some(every_ns);
        let at_ns = self.ticked_ns;
        self.decisions.push(ReadDecision { at_ns, source, domain: None, way, every_ns, period_ns: None, reason });
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

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    /// Seconds at which gauges are read in a minute of polling every 10 ms, and of polling `slower` times less often.
    fn gauges(slower: u64) -> Vec<u64> {
        let mut schedule = Schedule::new(Pace::Fixed(S / 100), 0);
        let looked = (0..60 * 100).filter(|tick| {
            if *tick == 100 {
                schedule.pace(slower * S / 100);
            }
            schedule.wake(tick * S / 100, &Demand::default());
            schedule.gauges_due()
        });
        looked.map(|tick| tick / 100).collect()
    }

    #[test]
    fn a_limit_of_cpu_time_slows_gauges_as_it_slows_polls() {
        assert_eq!(gauges(1).len(), 60);
        assert_eq!(gauges(3), [[0].as_slice(), &(0..60).skip(1).step_by(3).collect::<Vec<_>>()].concat());
        assert_eq!(gauges(100), [0, 1, 11, 21, 31, 41, 51], "every ten seconds at most");
    }
}
