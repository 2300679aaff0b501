//! A stretch: what one reader saw of one counter, as a few points of a curve that only grows; and the stretches of one
//! counter that a union keeps: by tier, none within another.
//!
//! Within a tier no stretch holds another, so one that starts later also ends later: a search by the start answers whether
//! a new one is held by any, and which it holds. Inserting n stretches takes n log n steps.

use crate::Quality;
use crate::curve::straight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A half-open interval of boot time, `[from_ns, to_ns)`, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// First instant.
    pub from_ns: u64,
    /// First instant after it.
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
    /// How far above; `None`: unbounded.
    pub above_uj: Option<u64>,
    /// As `below_uj`, without any assumption on power.
    pub free_below_uj: u64,
    /// As `above_uj`, without any assumption on power.
    pub free_above_uj: Option<u64>,
}

/// Quality, and how many of its two upper bounds a stretch lacks.
pub(super) type Tier = (Quality, u8);

/// What is known of the energy from a stretch's beginning until an instant, microjoules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cumulative {
    pub(super) low_uj: u64,
    pub(super) uj: u64,
    pub(super) high_uj: u64,
}

impl Stretch {
    /// Whether it is usable: as many energies as instants, at least one, rising in time and not falling in energy.
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

    /// Its first instant.
    pub(super) fn begin_ns(&self) -> u64 {
        self.at_ns.first().copied().unwrap_or(0)
    }

    /// Its last instant.
    pub(super) fn end_ns(&self) -> u64 {
        self.at_ns.last().copied().unwrap_or(0)
    }

    /// Tiers are taken in order: by quality, and of one quality what is bounded without any assumption, as a record is
    /// whose end was read, before what a limit of power bounds, and that before what nothing bounds.
    pub(super) fn tier(&self) -> Tier {
        (self.quality, u8::from(self.above_uj.is_none()) + u8::from(self.free_above_uj.is_none()))
    }

    /// Whether no instant of `other` would be taken where this one is there: it covers it all and is no worse. Of two
    /// that are alike in this, one replaces the other, so that a set of them has one shape whatever order it was made
    /// in.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        let (own, others) = ((self.begin_ns(), self.end_ns()), (other.begin_ns(), other.end_ns()));
        let contains = own.0 <= others.0 && own.1 >= others.1 && self.tier() <= other.tier();
        let alike = own == others && self.tier() == other.tier();
        contains && (!alike || self <= other)
    }

    /// Energy from its beginning until `t_ns`: straight between points, bounded by the points around it.
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

    fn uj_at(&self, t_ns: u64) -> u64 {
        let next = self.at_ns.partition_point(|at| *at <= t_ns);
        let point = |at: usize| Some((*self.at_ns.get(at)?, *self.uj.get(at)?));
        let Some((from_ns, from_uj)) = next.checked_sub(1).and_then(point) else { return 0 };
        let Some((to_ns, to_uj)) = point(next) else { return from_uj };
        straight((from_ns, from_uj), (to_ns, to_uj), t_ns)
    }
}

/// Stretches of one counter, by tier and beginning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct KeptStretches {
    tiers: BTreeMap<Tier, BTreeMap<u64, Stretch>>,
}

impl KeptStretches {
    /// Keeps a stretch unless one that is there replaces it; what it replaces goes.
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

    /// Whether a stretch is there that replaces this one: of those of a tier that start no later, the last reaches
    /// furthest.
    fn holds(&self, stretch: &Stretch) -> bool {
        let tiers = self.tiers.range(..=stretch.tier()).map(|(_, tier)| tier);
        let furthest =
            |tier: &BTreeMap<u64, Stretch>| Some(tier.range(..=stretch.begin_ns()).next_back()?.1.replaces(stretch));
        tiers.filter_map(furthest).any(|replaces| replaces)
    }

    /// All, in the order of stretches.
    pub(super) fn sorted(&self) -> Vec<&Stretch> {
        let mut all: Vec<&Stretch> = self.tiers.values().flat_map(BTreeMap::values).collect();
        all.sort_unstable();
        all
    }

    /// The tiers of at least a quality, best first.
    pub(super) fn tiers(&self, worst: Quality) -> impl Iterator<Item = TierStretches<'_>> {
        self.tiers.iter().filter(move |((quality, _), _)| *quality <= worst).map(|(_, tier)| TierStretches(tier))
    }
}

/// The stretches of one tier.
#[derive(Clone, Copy)]
pub(super) struct TierStretches<'a>(&'a BTreeMap<u64, Stretch>);

impl<'a> TierStretches<'a> {
    /// Of the stretches that cover an instant the one that reaches furthest.
    pub(super) fn at(self, at_ns: u64) -> Option<&'a Stretch> {
        let (_, last) = self.0.range(..=at_ns).next_back()?;
        (last.end_ns() > at_ns).then_some(last)
    }

    /// The instant at which the next one starts, within the window and after its first instant.
    pub(super) fn next_ns(self, window: Window) -> u64 {
        let after = window.from_ns.saturating_add(1);
        self.0
            .range(after.min(window.to_ns)..)
            .next()
            .map_or(window.to_ns, |(begin_ns, _)| (*begin_ns).min(window.to_ns))
    }
}
