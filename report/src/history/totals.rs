//! Sums over runs of the history ([`RunTotals`]), with what is not known in them.

use eco2_core::{Bounded, RangeKind};
use serde::{Deserialize, Serialize};

use super::{RunEnd, StoredRun};

/// Sums over runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct RunTotals {
    /// Number of runs.
    pub runs: u64,
    /// Number of runs that go on or were killed: their values are provisional.
    pub open_runs: u64,
    /// Number of runs that cannot be read; they add nothing, and the sums are lower bounds.
    pub unreadable_runs: u64,
    /// Number of runs whose energy is not known.
    pub unknown_runs: u64,
    /// Number of runs that were measured on one machine at the same time as another run. The energy of a device that two
    /// of them read is in both, so the lower bound counts only the largest of them.
    pub overlapping_runs: u64,
    /// Sum of the durations, nanoseconds.
    pub duration_ns: u128,
    /// Sum of the known energies, microjoules; `None` if none is known.
    pub energy_uj: Option<u128>,
    /// Lower bound of the energy, microjoules.
    pub low_uj: u128,
    /// Upper bound, microjoules; `None` if a run has none.
    pub high_uj: Option<u128>,
    /// Part of the energy that models estimated, microjoules.
    pub estimated_uj: u128,
    /// Part of the energy that was generated for demonstrations and tests, microjoules.
    pub synthetic_uj: u128,
    /// Number of runs that failed: exit code other than 0, or killed with eco2.
    pub failed_runs: u64,
    /// Sum of the energies of failed runs, microjoules.
    pub wasted_uj: u128,
    /// Sum of the known emissions, grams CO2e; `None` if none is known, or if kinds of intensity differ.
    pub grams: Option<f64>,
    /// Lower bound of the emissions, grams; 0 where `grams` is `None`.
    pub grams_low: f64,
    /// Upper bound, grams; `None`: a run has none.
    pub grams_high: Option<f64>,
    /// Number of runs without emissions.
    pub unpriced_runs: u64,
    /// Kinds of the intensities behind the grams.
    pub kinds: Vec<String>,
}

/// Runs of the history that were selected, and the sums over all that match.
#[derive(Debug, Clone, PartialEq)]
pub struct RunList {
    /// The runs that are listed, newest first.
    pub runs: Vec<StoredRun>,
    /// Sums over all runs that match, also those that are not listed.
    pub totals: RunTotals,
}

/// The sums of which [`RunTotals`] is made, as a list or an index has them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RunSums {
    pub(super) runs: u64,
    pub(super) open_runs: u64,
    pub(super) unreadable_runs: u64,
    pub(super) unknown_runs: u64,
    pub(super) overlapping_runs: u64,
    pub(super) failed_runs: u64,
    pub(super) unpriced_runs: u64,
    pub(super) duration_ns: u128,
    /// Sum of the values; of a run without a value its lower bound.
    pub(super) value_uj: u128,
    /// Sum of the lower bounds of runs that overlap no other.
    pub(super) low_uj: u128,
    /// Largest lower bound of runs that overlap others.
    pub(super) overlap_low_uj: u128,
    /// Sum of the upper bounds.
    pub(super) high_uj: u128,
    /// Number of runs without an upper bound.
    pub(super) unbounded_runs: u64,
    pub(super) estimated_uj: u128,
    pub(super) synthetic_uj: u128,
    pub(super) wasted_uj: u128,
    pub(super) grams: f64,
    pub(super) grams_low: f64,
    /// Largest lower bound of the grams of runs that overlap others.
    pub(super) overlap_grams_low: f64,
    pub(super) grams_high: f64,
    /// Number of runs without an upper bound of the grams.
    pub(super) unbounded_grams: u64,
    /// Kinds of intensities, each once, sorted.
    pub(super) kinds: Vec<String>,
}

impl RunTotals {
    /// Returns the energy with its bounds, microjoules.
    #[must_use]
    pub fn energy(&self) -> Bounded<u128> {
        Bounded { value: self.energy_uj, low: self.low_uj, high: self.high_uj, kind: RangeKind::Plausible }
    }

    /// Returns the emissions with their bounds, grams CO2e.
    #[must_use]
    pub fn emissions(&self) -> Bounded<f64> {
        Bounded { value: self.grams, low: self.grams_low, high: self.grams_high, kind: RangeKind::Plausible }
    }

    /// Returns the sums of runs.
    #[must_use]
    pub fn of<'a>(runs: impl IntoIterator<Item = &'a StoredRun>) -> Self {
        let mut sums = RunSums::default();
        runs.into_iter().for_each(|run| sums.add(run));
        sums.into_totals()
    }
}

impl RunSums {
    /// Adds a run.
    pub(super) fn add(&mut self, run: &StoredRun) {
        let (energy, grams) = (run.energy().map(u128::from), run.grams());
        let count = |condition: bool| u64::from(condition);
        self.runs += 1;
        self.open_runs += count(run.end == RunEnd::Open);
        self.unreadable_runs += count(run.end == RunEnd::Unreadable);
        self.unknown_runs += count(!energy.is_known());
        self.overlapping_runs += count(run.overlaps);
        self.failed_runs += count(run.failed());
        self.unpriced_runs += count(!grams.is_known());
        self.duration_ns += u128::from(run.summary.duration_ns);
        let value = energy.value.unwrap_or(energy.low);
        self.value_uj += value;
        self.wasted_uj += if run.failed() { value } else { 0 };
        self.high_uj += energy.high.unwrap_or(0);
        self.unbounded_runs += count(energy.high.is_none());
        self.estimated_uj += u128::from(run.summary.energy.estimated_uj);
        self.synthetic_uj += u128::from(run.summary.energy.synthetic_uj);
        self.grams += grams.value.unwrap_or(grams.low);
        self.grams_high += grams.high.unwrap_or(0.0);
        self.unbounded_grams += count(grams.high.is_none());
        if run.overlaps {
            self.overlap_low_uj = self.overlap_low_uj.max(energy.low);
            self.overlap_grams_low = self.overlap_grams_low.max(grams.low);
        } else {
            self.low_uj += energy.low;
            self.grams_low += grams.low;
        }
        for kind in &run.summary.kinds {
            self.add_kind(kind);
        }
    }

    /// Adds a kind of intensity; they stay sorted.
    fn add_kind(&mut self, kind: &str) {
        if let Err(place) = self.kinds.binary_search_by(|known| known.as_str().cmp(kind)) {
            self.kinds.insert(place, kind.to_owned());
        }
    }

    /// Adds the sums of other runs.
    #[cfg(feature = "history")]
    pub(super) fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.open_runs += other.open_runs;
        self.unreadable_runs += other.unreadable_runs;
        self.unknown_runs += other.unknown_runs;
        self.overlapping_runs += other.overlapping_runs;
        self.failed_runs += other.failed_runs;
        self.unpriced_runs += other.unpriced_runs;
        self.duration_ns += other.duration_ns;
        self.value_uj += other.value_uj;
        self.low_uj += other.low_uj;
        self.overlap_low_uj = self.overlap_low_uj.max(other.overlap_low_uj);
        self.high_uj += other.high_uj;
        self.unbounded_runs += other.unbounded_runs;
        self.estimated_uj += other.estimated_uj;
        self.synthetic_uj += other.synthetic_uj;
        self.wasted_uj += other.wasted_uj;
        self.grams += other.grams;
        self.grams_low += other.grams_low;
        self.overlap_grams_low = self.overlap_grams_low.max(other.overlap_grams_low);
        self.grams_high += other.grams_high;
        self.unbounded_grams += other.unbounded_grams;
        for kind in &other.kinds {
            self.add_kind(kind);
        }
    }

    /// Returns the totals.
    pub(super) fn into_totals(self) -> RunTotals {
        let is_known = self.unknown_runs < self.runs;
        // Grams of different kinds are not added: they do not count the same emissions.
        let is_priced = self.unpriced_runs < self.runs && self.kinds.len() <= 1;
        RunTotals {
            runs: self.runs,
            open_runs: self.open_runs,
            unreadable_runs: self.unreadable_runs,
            unknown_runs: self.unknown_runs,
            overlapping_runs: self.overlapping_runs,
            duration_ns: self.duration_ns,
            energy_uj: is_known.then_some(self.value_uj),
            low_uj: self.low_uj + self.overlap_low_uj,
            high_uj: (self.unbounded_runs == 0).then_some(self.high_uj),
            estimated_uj: self.estimated_uj,
            synthetic_uj: self.synthetic_uj,
            failed_runs: self.failed_runs,
            wasted_uj: self.wasted_uj,
            grams: is_priced.then_some(self.grams),
            grams_low: if is_priced { self.grams_low + self.overlap_grams_low } else { 0.0 },
            grams_high: (is_priced && self.unbounded_grams == 0).then_some(self.grams_high),
            unpriced_runs: self.unpriced_runs,
            kinds: self.kinds,
        }
    }
}
