//! What the energies of a run were computed from when it ended ([`RunEnds`]): the closing record of a run log has it, so that
//! `eco2 verify` computes the energy of each device again, to the microjoule. The account uses the same functions.
//!
//! A *domain* is one sensor or counter. It counts energy since its first reading, so that the energy of the run is the difference of
//! two counts. The *free* range of a count holds for any load, the *limited* one while the device keeps to its power limit.

use serde::{Deserialize, Serialize};

use crate::curve::straight;
use crate::knot::{Bounds, Changes, Side};
use crate::overlap::{self, Shown};
use crate::{Bounded, Domain, Edge, Kind, Knot, Ledger, Quality, RangeKind};

/// The counts of all domains at the two ends of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunEnds {
    /// Start of the run, monotonic nanoseconds.
    pub begin_ns: u64,
    /// End of the run, monotonic nanoseconds.
    pub end_ns: u64,
    /// One entry per domain, in the order of the account.
    pub domains: Vec<DomainEnds>,
}

/// The counts of one domain at the two ends of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainEnds {
    /// Id of the domain.
    pub id: String,
    /// What its readings have shown.
    pub shown: Shown,
    /// What its range promises.
    pub range_kind: RangeKind,
    /// The count at the start.
    pub start: EndCount,
    /// The count at the end.
    pub end: EndCount,
    /// How far the integral of power may be off because power was read at some instants only, microjoules; 0 for a counter.
    #[serde(default)]
    pub margin_uj: u64,
    /// Index of the domain whose energy the device reports in place of this one; `None`: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_by: Option<usize>,
    /// Number of times that another domain counted for this one, because its sensor had stopped working.
    #[serde(default)]
    pub replaced: u64,
    /// How often the counter passed the end of its range and was continued.
    pub wraps: u64,
    /// How often the counter started again.
    pub resets: u64,
}

/// What a domain had counted until an instant, microjoules since its first reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EndCount {
    /// The estimate: on the straight line between the two changes, for a counter.
    pub uj: u64,
    /// The range of the count for any load.
    pub free: CountRange,
    /// The range with the power limit of the device.
    pub limited: CountRange,
    /// The last change of the count until the instant; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<CountChange>,
    /// The first change after the instant; `None`: none was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<CountChange>,
}

/// Bounds of a count, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CountRange {
    /// The least that may have been counted.
    pub least_uj: u64,
    /// The most that may have been counted; 2^64 − 1: there is no limit.
    pub most_uj: u64,
    /// Number of gaps of unbounded energy before the instant. An energy has an upper bound only if both its counts have the same number.
    pub open_gaps: u32,
}

/// A change of a count, with the two readings between which it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountChange {
    /// Clock before the reading that still had the old value, monotonic nanoseconds.
    pub lo_ns: u64,
    /// Clock after the reading that had the new value.
    pub hi_ns: u64,
    /// The most likely instant of the change.
    pub at_ns: u64,
    /// The count from then on, microjoules.
    pub uj: u64,
}

/// The energy of a device with its two ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceEnergy {
    /// The energy with the device's power limits used where they are known, microjoules.
    pub limited: Bounded<u64>,
    /// The same with the range that holds for any load.
    pub free: Bounded<u64>,
}

impl RunEnds {
    /// Returns the energy that the report has of each domain; `None` where nothing was read.
    #[must_use]
    pub fn energies(&self) -> Vec<Option<DeviceEnergy>> {
        let reported = |domain: &DomainEnds| {
            let power = domain.reported_by.and_then(|by| self.domains.get(by)).and_then(DomainEnds::energy);
            Some(power.map_or(domain.energy()?, |power| domain.energy().unwrap_or(power).replaced_by(&power)))
        };
        self.domains.iter().map(reported).collect()
    }

    /// Returns for each domain the ids of those that count the same energy, by the definitions of all; a domain without any is in sums.
    /// `None`: the report leaves it out. `domains`: the definitions in the order of the counts.
    #[must_use]
    pub fn overlaps(&self, domains: &[&Domain]) -> Vec<Option<Vec<String>>> {
        let shown = self.domains.iter().map(|domain| domain.shown);
        let overlaps = overlap::of(domains.iter().copied().zip(shown));
        overlaps.into_iter().map(|ids| (!overlap::leaves_out(&ids)).then_some(ids)).collect()
    }
}

impl DomainEnds {
    /// Returns the energy of the domain over the run; `None` if nothing was read.
    #[must_use]
    pub fn energy(&self) -> Option<DeviceEnergy> {
        if self.shown == Shown::Nothing {
            return None;
        }
        let uj = self.end.uj.saturating_sub(self.start.uj);
        let free = self.start.free.until(self.end.free);
        let limited = self.start.limited.until(self.end.limited).widened(self.margin_uj, free);
        let around = |bounds: Bounds, kind| {
            Bounded { value: Some(uj), low: bounds.low_uj, high: bounds.high_uj, kind }.around_value()
        };
        Some(DeviceEnergy { limited: around(limited, self.range_kind), free: around(free, RangeKind::Hard) })
    }

    /// Whether the counts follow from the changes around them, as far as these determine them. `domain`: its definition.
    #[must_use]
    pub fn follow_from_changes(&self, domain: &Domain, [begin_ns, end_ns]: [u64; 2]) -> bool {
        let is_counter = domain.kind == Kind::Energy || domain.quality == Quality::Estimated;
        // What another domain counted is in the count, and in no change of this one.
        let is_own = self.replaced == 0;
        let follows = |count: &EndCount, at_ns| match count.before {
            Some(before) if is_counter => count.uj == count.on_line(before, at_ns),
            Some(before) => count.uj >= before.uj,
            None => true,
        };
        !is_own || (follows(&self.start, begin_ns) && follows(&self.end, end_ns))
    }
}

impl DeviceEnergy {
    /// Returns the energy by a device's power sensor, which its counter contradicts. The range holds both, but a counter that never
    /// moved gives no bound.
    pub(crate) fn replaced_by(&self, power: &Self) -> Self {
        let counted = if self.limited.value == Some(0) { power.limited } else { self.limited };
        Self {
            limited: range_around_both(counted, power.limited),
            free: Bounded {
                kind: RangeKind::Hard,
                ..range_around_both(Bounded { high: None, ..self.free }, power.free)
            },
        }
    }
}

/// Returns the range that holds two values of one energy. The integrated power is its value.
pub(crate) fn range_around_both(counted: Bounded<u64>, by_power: Bounded<u64>) -> Bounded<u64> {
    Bounded {
        value: by_power.value,
        low: counted.low.min(by_power.low),
        high: counted.high.zip(by_power.high).map(|(counted_high, power_high)| counted_high.max(power_high)),
        kind: RangeKind::Plausible,
    }
    .around_value()
}

impl EndCount {
    /// Returns the count on the straight line between the two changes.
    fn on_line(&self, before: CountChange, at_ns: u64) -> u64 {
        let line = |after: CountChange| straight((before.at_ns, before.uj), (after.at_ns, after.uj), at_ns);
        self.after.map_or(before.uj, line)
    }

    fn of_start(edge: &Edge, changes: Changes) -> Self {
        let of = |side: &Side| CountRange {
            least_uj: side.ceil_start,
            most_uj: side.floor_start,
            open_gaps: side.open_start,
        };
        Self::new(edge, changes, of)
    }

    fn of_end(edge: &Edge, changes: Changes) -> Self {
        let of =
            |side: &Side| CountRange { least_uj: side.floor_end, most_uj: side.ceil_end, open_gaps: side.open_end };
        Self::new(edge, changes, of)
    }

    fn new(edge: &Edge, changes: Changes, range_of: impl Fn(&Side) -> CountRange) -> Self {
        let [before, after] = changes.map(|knot| knot.map(CountChange::from));
        Self { uj: edge.uj, free: range_of(&edge.free), limited: range_of(&edge.limited), before, after }
    }
}

impl CountRange {
    /// Returns the bounds of the energy between two counts.
    fn until(self, end: Self) -> Bounds {
        let high_uj = (self.open_gaps == end.open_gaps).then(|| end.most_uj.saturating_sub(self.least_uj));
        Bounds { low_uj: end.least_uj.saturating_sub(self.most_uj), high_uj }
    }
}

impl From<Knot> for CountChange {
    fn from(Knot { lo_ns, hi_ns, at_ns, uj, .. }: Knot) -> Self {
        Self { lo_ns, hi_ns, at_ns, uj }
    }
}

impl Ledger {
    /// Returns what the energies of a run until `end_ns` are computed from.
    #[must_use]
    pub fn run_ends(&self, end_ns: u64) -> RunEnds {
        let account = self.account(end_ns);
        let mut domains = self.domain_ends(account.end_ns);
        for (at, (domain, source)) in domains.iter_mut().zip(account.sources).enumerate() {
            domain.reported_by = (source != at).then_some(source);
        }
        RunEnds { begin_ns: account.begin_ns, end_ns: account.end_ns, domains }
    }

    /// Returns the counts of all domains at the start of the run and at `end_ns`.
    pub(crate) fn domain_ends(&self, end_ns: u64) -> Vec<DomainEnds> {
        let edges = self.run_start().into_iter().zip(self.run_end(end_ns)).enumerate();
        edges
            .map(|(at, (start, end))| {
                let (track, parts) = (&self.tracks[at], self.parts(at).len() as u64);
                let (domain, counts) = (track.domain(), track.counts());
                DomainEnds {
                    id: domain.id.clone(),
                    shown: self.shown(at),
                    range_kind: if parts == 0 { domain.range_kind() } else { RangeKind::Plausible },
                    start: EndCount::of_start(&start, self.changes_at_start(at)),
                    end: EndCount::of_end(&end, self.changes_at_end(at, end_ns)),
                    margin_uj: Edge::margin_uj(&start, &end),
                    reported_by: None,
                    replaced: parts,
                    wraps: counts.wraps,
                    resets: counts.resets,
                }
            })
            .collect()
    }
}
