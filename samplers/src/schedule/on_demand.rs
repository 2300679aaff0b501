//! [`OnDemand`] is the state machine of sampling on demand: the table in the header of `schedule.rs` lists its states.
//!
//! Each tick (wake-up of the sampling thread) passes through it once: [`OnDemand::wake`] takes what the sink needs and
//! returns what the tick is for, and [`OnDemand::next_ns`] gives the next tick. An *edge* is the start or end of a span
//! (a named stretch of time of the measured program).

use super::lane::{KEEP_NS, Lane, Round};
use super::spans::{SpanEdge, Threads};

/// Time between two polls, nanoseconds.
pub(super) const POLL_NS: u64 = 10_000_000;
/// Time between two looks for an edge in its window: as good as polls, because a second look follows the one that
/// finds it after [`CONFIRM_NS`].
const SPACING_NS: u64 = 15_000_000;
/// The same with a limit of CPU time that polls every 20 ms do not keep.
const WIDER_SPACING_NS: u64 = 24_000_000;
/// Time between the look that finds an edge and the next: the fastest counters (RAPL, 1 ms) change in it.
const CONFIRM_NS: u64 = 2_000_000;
/// Looks after an edge for a change of fast counters, each after twice the wait.
const MOST_CONFIRMS: u32 = 5;
/// Time between two readings of everything while nothing else needs them.
pub(super) const QUIET_NS: u64 = 1_000_000_000;
/// Time between two looks into the rings while names of spans exist.
const RING_LOOK_NS: u64 = 500_000_000;
/// After this long without an edge, rings are looked into as seldom as everything is read.
const RING_QUIET_NS: u64 = 60_000_000_000;
/// How long everything is polled to learn the periods of slow counters: 20 updates of one of 100 ms, and some more.
const LEARN_NS: u64 = 2_600_000_000;
/// Shortest time between two times of learning because a counter's period was lost; it doubles each time.
const LEARN_AGAIN_NS: u64 = 4_000_000_000;
/// Longest opening: two updates of a slow counter (100 ms), and some more.
const OPENING_NS: u64 = 350_000_000;
/// Time between two looks for the first answer of a source that is still starting, and how long they go on.
const STARTING_LOOK_NS: u64 = 50_000_000;
const STARTING_NS: u64 = 60_000_000_000;
/// How long a reader of current values keeps the rate up, nanoseconds.
pub const VIEWED_NS: u64 = 1_000_000_000;
/// Half the width of the bracket in which a stale counter's update is caught.
const PROBE_NS: u64 = 6_000_000;
/// Shortest time between two wake-ups for slow counters that an edge waits for.
const OWED_NS: u64 = 5_000_000;

/// What the sink needs to have read, besides the run as a whole; see [`crate::Sink::look`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// Edges of spans that were found since the last look, each thread's in the order of time.
    pub edges: Vec<SpanEdge>,
    /// Whether spans have names, so that edges may come.
    pub named: bool,
    /// Whether a current value was read since the last look.
    pub viewed: bool,
}

/// In which of its states the schedule is; see the header of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleState {
    /// The run begins.
    Opening,
    /// No edge is expected.
    Quiet,
    /// Periods are learned.
    Learning,
    /// Current values are read.
    Viewed,
    /// An edge is expected later.
    Before,
    /// An edge is expected now, or late.
    Window,
    /// Edges come so often, or so irregularly, that windows do not pay.
    Polled,
}

/// The state machine of sampling on demand.
#[derive(Debug)]
pub(super) struct OnDemand {
    start_ns: u64,
    tight: bool,
    threads: Threads,
    /// Whether every counter has changed since the run's begin, or the time for that is over.
    opened: bool,
    named: bool,
    learns_until_ns: u64,
    /// When a lost period may be learned again, and how long the time to the one after that is.
    learns_again_ns: u64,
    learns_again_after_ns: u64,
    viewed_until_ns: u64,
    /// Looks after the last edge for a change of the fast counters; `None` when there was one.
    confirms: Option<u32>,
    /// Whether the present window was looked into.
    window_is_open: bool,
    probe: Option<Probe>,
    /// When everything was read last, and whether it ever was.
    whole_ns: u64,
    has_read: bool,
}

/// A slow counter that is to get a narrow bracket.
#[derive(Debug, Clone, Copy)]
struct Probe {
    source: usize,
    domain: usize,
    /// Its next update, as predicted.
    update_ns: u64,
}

/// What the state machine decides from: the present tick, the time between two polls, and the sources.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tick<'a> {
    pub(super) now_ns: u64,
    pub(super) poll_ns: u64,
    pub(super) lanes: &'a [Lane],
}

impl Tick<'_> {
    fn open_lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().filter(|lane| !lane.closed)
    }

    /// The longest period of a slow counter, nanoseconds; 0 without any.
    fn slowest_ns(&self) -> u64 {
        self.open_lanes().map(Lane::slowest_ns).max().unwrap_or(0)
    }

    /// The longest time between two readings of everything. Where power is read with them, they are at one random instant
    /// of each second, so that there are up to two seconds between them.
    fn quiet_ns(&self) -> u64 {
        let at_random = self.open_lanes().any(Lane::has_power);
        if at_random { 2 * QUIET_NS } else { QUIET_NS }.max(self.poll_ns)
    }

    /// The next poll on a grid, which all polls share.
    pub(super) fn poll_after(&self, start_ns: u64) -> u64 {
        let past = (self.now_ns + self.poll_ns / 8).saturating_sub(start_ns) / self.poll_ns;
        start_ns + (past + 1) * self.poll_ns
    }
}

impl OnDemand {
    pub(super) fn new(start_ns: u64, tight: bool) -> Self {
        Self {
            start_ns,
            tight,
            threads: Threads::default(),
            opened: false,
            named: false,
            learns_until_ns: start_ns,
            learns_again_ns: start_ns,
            learns_again_after_ns: LEARN_AGAIN_NS,
            viewed_until_ns: start_ns,
            confirms: None,
            window_is_open: false,
            probe: None,
            whole_ns: start_ns,
            has_read: false,
        }
    }

    /// Begins at the first tick.
    pub(super) fn begin(&mut self, now_ns: u64) {
        (self.start_ns, self.whole_ns, self.learns_until_ns, self.viewed_until_ns) = (now_ns, now_ns, now_ns, now_ns);
    }

    /// Whether everything was read last long enough ago to read it at a random instant.
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        !self.has_read || now_ns >= self.whole_ns + QUIET_NS / 2
    }

    pub(super) fn is_viewed(&self, now_ns: u64) -> bool {
        now_ns < self.viewed_until_ns
    }

    /// Returns the state since the tick.
    pub(super) fn state(&self, tick: &Tick<'_>) -> ScheduleState {
        let (now_ns, spacing_ns) = (tick.now_ns, self.spacing_ns(tick));
        if !self.opened {
            ScheduleState::Opening
        } else if now_ns < self.learns_until_ns {
            ScheduleState::Learning
        } else if self.is_viewed(now_ns) {
            ScheduleState::Viewed
        } else if self.threads.next_look_ns(now_ns, spacing_ns, 0).is_none() {
            ScheduleState::Quiet
        } else if self.threads.are_better_polled(now_ns, spacing_ns, tick.poll_ns) {
            ScheduleState::Polled
        } else if self.threads.is_expected(now_ns) {
            ScheduleState::Window
        } else {
            ScheduleState::Before
        }
    }

    /// Returns when the tick after this one is due, not counting wraps and random instants.
    pub(super) fn next_ns(&self, tick: &Tick<'_>) -> u64 {
        let next_ns = match self.state(tick) {
            ScheduleState::Opening if tick.now_ns == self.start_ns => tick.now_ns + CONFIRM_NS,
            ScheduleState::Quiet => u64::MAX,
            ScheduleState::Before | ScheduleState::Window => self.next_near_ns(tick),
            _ => tick.poll_after(self.start_ns),
        };
        next_ns.min(self.next_quiet_ns(tick))
    }

    /// When everything, or the rings, were left alone for long enough.
    fn next_quiet_ns(&self, tick: &Tick<'_>) -> u64 {
        let every_ns = tick.quiet_ns();
        let recent = self.threads.last_ns().is_none_or(|last_ns| tick.now_ns < last_ns + RING_QUIET_NS);
        let young = tick.now_ns < self.start_ns + STARTING_NS;
        let look_ns = match self.named && recent {
            // A driver that is slow to start is read as soon as it has started.
            _ if young && tick.open_lanes().any(Lane::is_starting) => STARTING_LOOK_NS,
            true => RING_LOOK_NS,
            false => QUIET_NS,
        };
        (self.asked_since_ns(tick) + every_ns).min(tick.now_ns + look_ns.max(tick.poll_ns))
    }

    /// The next look around edges.
    fn next_near_ns(&self, tick: &Tick<'_>) -> u64 {
        let now_ns = tick.now_ns;
        let early_ns = self.early_ns(tick);
        let look_ns = self.threads.next_look_ns(now_ns, self.spacing_ns(tick), early_ns).unwrap_or(u64::MAX);
        let waits = tick.open_lanes().any(|lane| lane.unconfirmed_ns.is_some());
        let confirms = self.confirms.filter(|_| waits);
        let confirm_ns = confirms.map_or(u64::MAX, |count| now_ns + (CONFIRM_NS << count.saturating_sub(1)));
        if confirms.is_some() && self.threads.next_start_ns(now_ns).is_some_and(|start_ns| start_ns <= confirm_ns) {
            // The next edge is that near: one read confirms the last one and comes before the next.
            return confirm_ns.max(look_ns);
        }
        let owed_ns = tick.open_lanes().filter_map(Lane::owed_by_ns).max().map_or(u64::MAX, |owed_ns| {
            let owed_ns = owed_ns.max(now_ns + OWED_NS);
            if self.is_tight(tick) { owed_ns.min(now_ns + tick.poll_ns) } else { owed_ns }
        });
        let around = |probe: &Probe| [probe.update_ns.saturating_sub(PROBE_NS), probe.update_ns + PROBE_NS];
        let probe_ns = self.probe.iter().flat_map(around).filter(|at_ns| *at_ns > now_ns + PROBE_NS / 12).min();
        look_ns.min(confirm_ns).min(owed_ns).min(probe_ns.unwrap_or(u64::MAX))
    }

    /// How long before a window slow counters are polled, so that their last update before the edge is seen.
    fn early_ns(&self, tick: &Tick<'_>) -> u64 {
        if self.is_tight(tick) { tick.slowest_ns() + CONFIRM_NS } else { 0 }
    }

    /// Whether both neighbouring updates of slow counters are read around an edge.
    fn is_tight(&self, tick: &Tick<'_>) -> bool {
        let slowest_ns = tick.slowest_ns();
        slowest_ns > 0 && (self.tight || self.threads.are_short(tick.now_ns, slowest_ns))
    }

    fn spacing_ns(&self, tick: &Tick<'_>) -> u64 {
        match tick.poll_ns / POLL_NS {
            0 | 1 if !self.is_tight(tick) => SPACING_NS,
            0 | 1 => POLL_NS,
            2 | 3 => WIDER_SPACING_NS,
            _ => tick.poll_ns,
        }
    }

    /// Since when every counter was asked for.
    fn asked_since_ns(&self, tick: &Tick<'_>) -> u64 {
        let since_ns = tick.open_lanes().map(Lane::asked_since_ns).min().unwrap_or(u64::MAX);
        if since_ns == u64::MAX { self.whole_ns } else { since_ns }
    }

    /// Takes what the sink needs from now on; `lanes` learn of an edge.
    pub(super) fn take(&mut self, now_ns: u64, demand: &Demand, lanes: &mut [Lane]) {
        if demand.viewed {
            self.viewed_until_ns = now_ns + VIEWED_NS;
        }
        let first = !demand.edges.is_empty() && self.threads.last_ns().is_none();
        if first || (demand.named && !self.named) {
            self.learns_until_ns = now_ns + LEARN_NS;
        }
        self.named |= demand.named || !demand.edges.is_empty();
        self.threads.add(&demand.edges);
        let Some(edge_ns) = demand.edges.iter().map(|edge| edge.at_ns).max() else { return };
        lanes.iter_mut().for_each(|lane| lane.confirm(edge_ns));
        (self.confirms, self.window_is_open) = (Some(0), false);
        self.probe = stalest(now_ns, lanes);
    }

    /// Returns what the tick is for; `found` is whether an edge was found in it, `last_ns` the tick before.
    pub(super) fn wake(&mut self, tick: &Tick<'_>, mut round: Round, found: bool, last_ns: u64) -> Round {
        let now_ns = tick.now_ns;
        if !self.opened {
            let open = last_ns > self.start_ns && tick.lanes.iter().all(Lane::is_open);
            self.opened = open || now_ns >= self.start_ns + OPENING_NS;
        }
        if let Some(count) = self.confirms.filter(|_| !found) {
            let waits = tick.open_lanes().any(|lane| lane.unconfirmed_ns.is_some());
            self.confirms = (waits && count + 1 < MOST_CONFIRMS).then_some(count + 1);
        }
        let state = self.state(tick);
        round.whole |= now_ns + POLL_NS / 10 >= self.asked_since_ns(tick) + tick.quiet_ns();
        if round.whole {
            (self.whole_ns, self.has_read) = (now_ns, true);
        }
        round.edge_ns = self.threads.last_ns();
        round.learns = matches!(state, ScheduleState::Opening | ScheduleState::Learning);
        // In a window that is polled, the last poll before its start counts.
        let ahead_ns = if self.is_tight(tick) { self.spacing_ns(tick) } else { POLL_NS / 100 };
        let in_window = self.threads.is_expected(now_ns + ahead_ns);
        let early = self.is_tight(tick) && self.threads.is_expected(now_ns + self.early_ns(tick));
        if early || matches!(state, ScheduleState::Viewed | ScheduleState::Polled) {
            round.polled_until_ns = Some(now_ns + tick.poll_ns);
        }
        round.near = found || self.confirms.is_some() || in_window || state == ScheduleState::Viewed;
        if in_window && !found && round.polled_until_ns.is_none() {
            round.opens_window = !std::mem::replace(&mut self.window_is_open, true);
            round.window_until_ns = Some(now_ns + self.spacing_ns(tick));
        }
        if let Some(Probe { source, domain, update_ns }) = self.probe {
            round.probes = (now_ns.abs_diff(update_ns) <= PROBE_NS + CONFIRM_NS).then_some((source, domain));
            self.probe = self.probe.filter(|_| now_ns < update_ns + PROBE_NS);
        }
        round
    }

    /// Polls the counters of a source that were found now, until they have changed.
    pub(super) fn found(&mut self, now_ns: u64) {
        if now_ns > self.start_ns {
            self.learns_until_ns = self.learns_until_ns.max(now_ns + OPENING_NS);
        }
    }

    /// Learns again, because the period of a counter was lost. Each time later, so that a counter without any period does
    /// not keep the rate up.
    pub(super) fn lost(&mut self, now_ns: u64) {
        if now_ns >= self.learns_again_ns {
            self.learns_until_ns = now_ns + LEARN_NS;
            self.learns_again_ns = now_ns + self.learns_again_after_ns;
            self.learns_again_after_ns = self.learns_again_after_ns.saturating_mul(2);
        }
    }
}

/// Returns the slow counter that had no narrow bracket for the longest time, if that is too long.
fn stalest(now_ns: u64, lanes: &[Lane]) -> Option<Probe> {
    let stalest = lanes.iter().enumerate().filter_map(|(source, lane)| Some((source, lane.stalest(now_ns)?)));
    let (source, (domain, narrow_ns, update_ns)) = stalest.min_by_key(|(_, (_, narrow_ns, _))| *narrow_ns)?;
    (now_ns.saturating_sub(narrow_ns) > KEEP_NS).then_some(Probe { source, domain, update_ns })
}
