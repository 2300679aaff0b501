//! The stretches of one counter that a union keeps: by tier, none within another.
//!
//! Within a tier no stretch holds another, so one that starts later also ends later: a search by the start answers
//! whether a new one is held by any, and which it holds. Inserting n stretches takes n log n steps.

use std::collections::BTreeMap;

use super::stretch::{Stretch, Tier, Window};
use crate::Quality;

/// Stretches of one counter, by tier and beginning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Kept {
    tiers: BTreeMap<Tier, BTreeMap<u64, Stretch>>,
}

impl Kept {
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
    pub(super) fn tiers(&self, worst: Quality) -> impl Iterator<Item = Members<'_>> {
        self.tiers.iter().filter(move |((quality, _), _)| *quality <= worst).map(|(_, tier)| Members(tier))
    }
}

/// The stretches of one tier.
#[derive(Clone, Copy)]
pub(super) struct Members<'a>(&'a BTreeMap<u64, Stretch>);

impl<'a> Members<'a> {
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
