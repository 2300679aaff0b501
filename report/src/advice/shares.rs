//! Shares of a run in percent, with what the bounds of both sides leave open.

use eco2_core::Bounded;
use eco2_core::schema::{Report, SpellRecord};

use super::Saving;

/// `part` of `whole`, percent; 0 of nothing.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (100.0 * part as f64 / whole as f64).min(100.0) }
}

/// The share of a run's energy that went into spells, and the grams that it weighs at the run's mean intensity.
pub(super) fn of_energy(report: &Report, spells: &[&SpellRecord]) -> Option<Saving> {
    let energy = &report.energy;
    if spells.iter().any(|spell| spell.energy_uj.is_none()) {
        return None;
    }
    let sum: Bounded<u64> = spells.iter().map(|spell| spell.bounded()).sum();
    let share = percent(sum.value?, energy.total_uj?);
    let low_percent = energy.high_uj.map_or(0.0, |high_uj| percent(sum.low, high_uj)).min(share);
    let high_percent = sum.high.filter(|_| energy.low_uj > 0).map_or(100.0, |high_uj| percent(high_uj, energy.low_uj));
    let grams = report.carbon.as_ref().and_then(|carbon| carbon.grams).map(|grams| grams * share / 100.0);
    Some(Saving { percent: share, low_percent, high_percent: high_percent.max(share), grams })
}
