//! Stalls and hot GPUs in one line: what was wrong, how often, for how long, and what it drew.

use eco2_core::schema::{Report, SpellRecord};

use super::figures::{Spelling, count, percent};
use super::page::{Page, Tone};

/// Anomalies of a run; nothing where there were none.
pub(super) fn spells(report: &Report, page: &mut Page) {
    let spelling = page.spelling();
    let anomalies = report.spells.iter().filter(|spell| spell.is_anomaly() && spell.energy_uj != Some(0));
    let facts: Vec<String> =
        anomalies.map(|spell| told(spell, report.energy.total_uj.unwrap_or(0), spelling)).collect();
    if !facts.is_empty() {
        page.row("Anomalies", Tone::Warning, &facts.join(spelling.dot()));
    }
}

/// `stalled 2 times for 6.10 s, 123 J (10 % of the energy)`.
fn told(spell: &SpellRecord, total_uj: u64, spelling: Spelling) -> String {
    let device = if spell.device.is_empty() { String::new() } else { format!("{} ", spell.device) };
    let times = if spell.count == 1 { "once".to_owned() } else { format!("{} times", count(spell.count)) };
    let energy = spell.energy_uj.map_or_else(String::new, |uj| {
        format!(", {} ({} of the energy)", spelling.energy_only(uj), percent(uj as f64, total_uj as f64))
    });
    format!("{device}{} {times} for {}{energy}", spell.kind, spelling.duration(spell.duration_ns))
}
