//! What stands beside the merged grams: computed again, by the terms that the longest part was given.

use eco2_core::report::{Carbon, Report};
use eco2_grid::carbon::{Facts, Terms};

/// Fills it in. The making of several machines' hardware is not known from one part's terms, so it is left out there, and
/// the merged cost has no bounds of its own.
pub(super) fn fill(report: &mut Report, parts: &[Report], machines: usize) {
    let Some(mut carbon) = report.carbon.take() else { return };
    if let Some(terms) = terms(parts) {
        let hardware = terms.hardware.clone().filter(|_| machines == 1);
        let facts = Facts { energy: &report.energy, work: &report.work, reserved_ns: report.run.duration_ns };
        let cost = carbon.cost;
        Terms { hardware, ..terms }.apply(&mut carbon, facts, None);
        carbon.cost = cost;
    }
    report.carbon = Some(carbon);
}

/// Of the parts that have terms those of the longest, and of several the first.
fn terms(parts: &[Report]) -> Option<Terms> {
    let beside =
        |part: &Report| part.carbon.as_ref().and_then(|carbon: &Carbon| carbon.beside.as_deref()).map(Terms::of);
    let with_terms = parts.iter().filter_map(|part| beside(part).map(|terms| (part.run.duration_ns, terms)));
    let longest = with_terms.fold(None, |best: Option<(u64, Terms)>, next| match best {
        Some(best) if best.0 >= next.0 => Some(best),
        _ => Some(next),
    });
    longest.map(|(_, terms)| terms)
}
