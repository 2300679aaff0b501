//! Defines a stretch (what one reader saw of one counter, as points of an energy curve that never falls), and keeps the
//! stretches of one counter.
//!
//! They are kept by *tier*: by quality, and within a quality by how many of a stretch's two upper bounds are missing.
//! Within a tier no stretch contains another in time, so one that starts later also ends later. A search by the start
//! therefore finds whether any contains a new one, and which ones the new one contains. Inserting n stretches takes
//! n log n steps.

use crate::Quality;
use crate::curve::straight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A half-open interval of boot time, `[from_ns, to_ns)`, in nanoseconds.
///
/// ```
/// use eco2_core::Window;
///
/// let windows = [Window { from_ns: 5, to_ns: 9 }, Window { from_ns: 0, to_ns: 5 }];
/// assert_eq!(windows.iter().min().map(|first| first.to_ns), Some(5)); // they adjoin
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// First instant of the interval.
    pub from_ns: u64,
    /// First instant after the interval.
    pub to_ns: u64,
}

/// What one reader saw of a counter: energy since the stretch began, at points of boot time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stretch {
    /// How the values came about; a better quality is used before a worse one.
    pub quality: Quality,
    /// Points of `CLOCK_BOOTTIME`, nanoseconds, rising; at least one.
    pub at_ns: Vec<u64>,
    /// Energy since the first point, microjoules, at each of them; never falling.
    pub uj: Vec<u64>,
    /// How far a point may be off in time, either way, nanoseconds.
    pub slack_ns: u64,
    /// How far the energy of the whole stretch may lie below the last point's, microjoules.
    pub below_uj: u64,
    /// How far the energy of the whole stretch may lie above the last point's, microjoules; `None`: unbounded.
    pub above_uj: Option<u64>,
    /// As `below_uj`, without any assumption on power.
    pub free_below_uj: u64,
    /// As `above_uj`, without any assumption on power.
    pub free_above_uj: Option<u64>,
}

/// Rank of a stretch, the smaller the better: its quality, and how many of its two upper bounds are missing.
pub(super) type Tier = (Quality, u8);

/// What is known of the energy from a stretch's beginning until an instant, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cumulative {
    pub(super) low_uj: u64,
    pub(super) uj: u64,
    pub(super) high_uj: u64,
}

impl Stretch {
    /// Whether it is usable: as many energies as instants and at least one, the first energy 0, instants rising and
    /// energies not falling.
    ///
    /// ```
    /// use eco2_core::{Quality, Stretch};
    ///
    /// let seen = Stretch {
    ///     quality: Quality::Measured,
    ///     at_ns: vec![1_000, 2_000],
    ///     uj: vec![0, 50],
    ///     slack_ns: 0,
    ///     below_uj: 0,
    ///     above_uj: Some(0),
    ///     free_below_uj: 0,
    ///     free_above_uj: Some(0),
    /// };
    /// assert!(seen.is_sound());
    /// assert!(!Stretch { at_ns: vec![2_000, 1_000], ..seen }.is_sound()); // backwards in time
    /// ```
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let rises = self.at_ns.windows(2).all(|pair| pair[0] < pair[1]);
        let grows = self.uj.windows(2).all(|pair| pair[0] <= pair[1]);
        !self.at_ns.is_empty() && self.at_ns.len() == self.uj.len() && self.uj.first() == Some(&0) && rises && grows
    }

    /// Returns the energy from its first point until an instant, microjoules, as merging computes it: a straight line between points; 0
    /// before the stretch, and that of the last point after it.
    ///
    /// ```
    /// use eco2_core::{Quality, Stretch};
    ///
    /// let seen = Stretch {
    ///     quality: Quality::Measured,
    ///     at_ns: vec![1_000, 2_000],
    ///     uj: vec![0, 50],
    ///     slack_ns: 0,
    ///     below_uj: 0,
    ///     above_uj: Some(0),
    ///     free_below_uj: 0,
    ///     free_above_uj: Some(0),
    /// };
    /// assert_eq!([500, 1_500, 3_000].map(|at_ns| seen.energy_at(at_ns)), [0, 25, 50]);
    /// ```
    #[must_use]
    pub fn energy_at(&self, at_ns: u64) -> u64 {
        self.cumulative(at_ns).uj
    }

    /// Returns its first instant, nanoseconds of boot time.
    pub(super) fn begin_ns(&self) -> u64 {
        self.at_ns.first().copied().unwrap_or(0)
    }

    /// Returns its last instant, nanoseconds of boot time.
    pub(super) fn end_ns(&self) -> u64 {
        self.at_ns.last().copied().unwrap_or(0)
    }

    /// Returns its tier. Tiers are used in order: by quality; within a quality first what has both upper bounds, as a
    /// record whose end was read; then what only a power limit bounds; then what nothing bounds.
    pub(super) fn tier(&self) -> Tier {
        (self.quality, u8::from(self.above_uj.is_none()) + u8::from(self.free_above_uj.is_none()))
    }

    /// Whether `other` is useless next to this one: this one covers all of it and its tier is no worse. Of two with the
    /// same times and tier the smaller in order replaces the other, so the kept set does not depend on the order of
    /// insertion.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        let (own, others) = ((self.begin_ns(), self.end_ns()), (other.begin_ns(), other.end_ns()));
        let contains = own.0 <= others.0 && own.1 >= others.1 && self.tier() <= other.tier();
        let alike = own == others && self.tier() == other.tier();
        contains && (!alike || self <= other)
    }

    /// Returns the energy from its first instant until `t_ns`: a straight line between points. The bounds are the
    /// energies of the last point surely passed and of the first surely ahead, as each may be off by `slack_ns`.
    pub(super) fn cumulative(&self, t_ns: u64) -> Cumulative {
        let total = self.uj.last().copied().unwrap_or(0);
        if t_ns <= self.begin_ns() {
            return Cumulative { low_uj: 0, uj: 0, high_uj: 0 };
        }
        if t_ns >= self.end_ns() {
            return Cumulative { low_uj: total, uj: total, high_uj: total };
        }
        let passed = self.at_ns.partition_point(|at| at.saturating_add(self.slack_ns) <= t_ns);
        let ahead = self.at_ns.partition_point(|at| at.saturating_sub(self.slack_ns) < t_ns);
        let low_uj = passed.checked_sub(1).and_then(|at| self.uj.get(at)).copied().unwrap_or(0);
        let high_uj = self.uj.get(ahead).copied().unwrap_or(total);
        Cumulative { low_uj, uj: self.uj_at(t_ns).clamp(low_uj, high_uj), high_uj }
    }

    /// Returns the energy at `t_ns` on the straight line between the two points around it.
    fn uj_at(&self, t_ns: u64) -> u64 {
        let next = self.at_ns.partition_point(|at| *at <= t_ns);
        let point = |at: usize| Some((*self.at_ns.get(at)?, *self.uj.get(at)?));
        let Some((from_ns, from_uj)) = next.checked_sub(1).and_then(point) else { return 0 };
        let Some((to_ns, to_uj)) = point(next) else { return from_uj };
        straight((from_ns, from_uj), (to_ns, to_uj), t_ns)
    }
}

/// Stretches of one counter, by tier and, within a tier, by first instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct KeptStretches {
    tiers: BTreeMap<Tier, BTreeMap<u64, Stretch>>,
}

impl KeptStretches {
    /// Keeps a stretch unless a kept one replaces it; those that it replaces are removed.
    pub(super) fn insert(&mut self, stretch: Stretch) {
        if self.holds(&stretch) {
            return;
        }
        for tier in self.tiers.range_mut(stretch.tier()..).map(|(_, tier)| tier) {
            let later = tier.range(stretch.begin_ns()..);
            let held: Vec<u64> = later
                .take_while(|(_, other)| other.end_ns() <= stretch.end_ns())
                .map(|(begin_ns, _)| *begin_ns)
                .collect();
            held.iter().for_each(|begin_ns| drop(tier.remove(begin_ns)));
        }
        self.tiers.retain(|_, tier| !tier.is_empty());
        self.tiers.entry(stretch.tier()).or_default().insert(stretch.begin_ns(), stretch);
    }

    /// Whether a kept stretch replaces this one. In each tier only one has to be compared: of those that start no
    /// later, the last one reaches furthest.
    fn holds(&self, stretch: &Stretch) -> bool {
        let tiers = self.tiers.range(..=stretch.tier()).map(|(_, tier)| tier);
        let furthest =
            |tier: &BTreeMap<u64, Stretch>| Some(tier.range(..=stretch.begin_ns()).next_back()?.1.replaces(stretch));
        tiers.filter_map(furthest).any(|replaces| replaces)
    }

    /// Returns all kept stretches, sorted.
    pub(super) fn sorted(&self) -> Vec<&Stretch> {
        let mut all: Vec<&Stretch> = self.tiers.values().flat_map(BTreeMap::values).collect();
        all.sort_unstable();
        all
    }

    /// Returns all kept stretches, sorted, without a copy of them.
    pub(super) fn into_sorted(self) -> Vec<Stretch> {
        let mut all: Vec<Stretch> = self.tiers.into_values().flat_map(BTreeMap::into_values).collect();
        all.sort_unstable();
        all
    }

    /// Returns the tiers of at least the quality `worst`, best first.
    pub(super) fn tiers(&self, worst: Quality) -> impl Iterator<Item = TierStretches<'_>> {
        self.tiers.iter().filter(move |((quality, _), _)| *quality <= worst).map(|(_, tier)| TierStretches(tier))
    }
}

/// The stretches of one tier, by first instant.
#[derive(Clone, Copy)]
pub(super) struct TierStretches<'a>(&'a BTreeMap<u64, Stretch>);

impl<'a> TierStretches<'a> {
    /// Returns the stretch that covers an instant, the one that reaches furthest if several do.
    pub(super) fn at(self, at_ns: u64) -> Option<&'a Stretch> {
        let (_, last) = self.0.range(..=at_ns).next_back()?;
        (last.end_ns() > at_ns).then_some(last)
    }

    /// Returns the first instant after the window's first at which a stretch starts; the window's end if none does.
    pub(super) fn next_ns(self, window: Window) -> u64 {
        let after = window.from_ns.saturating_add(1);
        self.0
            .range(after.min(window.to_ns)..)
            .next()
            .map_or(window.to_ns, |(begin_ns, _)| (*begin_ns).min(window.to_ns))
    }
}
