//! Writes the *host totals* of a report for people: the whole machine as a BMC or `psys` shows it, and the remainder that no
//! part explains. They are never in the sum of the parts.

use super::page::{Page, Tone};
use super::word;
use eco2_core::schema::{HostTotal, Report};
use eco2_core::{Bounded, RangeKind, Ranged};

/// Adds a row for each host total, and one for its remainder.
pub(super) fn host_totals(report: &Report, page: &mut Page) {
    for total in &report.host_totals {
        let spelling = page.spelling();
        let mut facts = format!("{} by {} ({})", spelling.energy(total.bounded()), total.source, total.device);
        if (total.from_ns, total.to_ns) != (0, report.run.duration_ns) {
            facts.push_str(&format!(", in {}", spelling.duration(total.to_ns.saturating_sub(total.from_ns))));
        }
        page.row("Host total", Tone::Normal, &format!("{facts}; not in the sum"));
        page.row("Unexplained", Tone::Normal, &remainder(total, page));
    }
}

/// Returns what is known of the part of the total that no part explains.
fn remainder(total: &HostTotal, page: &Page) -> String {
    let spelling = page.spelling();
    let amount = |uj: i64| spelling.energy_only(uj.unsigned_abs());
    match (total.remainder_uj, total.remainder_high_uj) {
        (Some(uj), _) if uj < 0 => format!(
            "none: the parts show {} more than this total, so it does not cover all of them, or a sensor is wrong",
            amount(uj)
        ),
        (Some(uj), high) => {
            let at_least_zero = |uj: i64| u64::try_from(uj).unwrap_or(0);
            let range = Bounded {
                value: Some(at_least_zero(uj)),
                low: total.remainder_low_uj.map_or(0, at_least_zero),
                high: high.map(at_least_zero),
                kind: RangeKind::Hard,
            };
            format!("{}, {}: the total without the sum of the parts", spelling.energy(range), word(&total.quality))
        }
        (None, Some(high)) if high >= 0 => {
            format!("at most {}: a part or the total was not read all the time", amount(high))
        }
        (None, _) => {
            "not known: a part or the total was not read all the time, or the sensor covers a part of the machine"
                .to_owned()
        }
    }
}
