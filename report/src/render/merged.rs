//! What a merged report was made from: ranks, attempts, and what lies beside its total.

use eco2_core::schema::{Attempt, Merge, Report};

use super::page::{Page, Tone};

/// Ranks that are named, and attempts that are listed.
const SHOWN: usize = 10;

/// Lines below the head of a merged report; none for the report of one process.
pub(super) fn parts(report: &Report, page: &mut Page) {
    let Some(merge) = &report.merge else { return };
    page.row("Merged", Tone::Normal, &made_of(merge, page.spelling().dot()));
    missing(merge, page);
    attempts(&report.run.attempts, page);
    if let Some(uj) = merge.overhead_uj {
        let energy = page.spelling().energy_only(uj);
        let time = page.spelling().duration(merge.overhead_ns);
        let facts = format!("{energy} in {time} around the attempts (start, between, end); not in the figures below");
        page.row("Overhead", Tone::Normal, &facts);
    }
    for replayed in &merge.replayed {
        let energy =
            replayed.energy_uj.map_or_else(|| "an unknown energy".to_owned(), |uj| page.spelling().energy_only(uj));
        let facts = format!(
            "{} steps of attempt {} were lost and done again: about {energy}, which is in the figures below",
            replayed.steps, replayed.attempt
        );
        page.row("Replayed", Tone::Warning, &facts);
    }
}

fn made_of(merge: &Merge, dot: &str) -> String {
    let records = merge.parts.len();
    let mut facts = vec![if records == 1 { "1 record".to_owned() } else { format!("{records} records") }];
    facts.extend(ranks(merge.ranks, merge.world_size));
    facts.push(if merge.machines == 1 { "1 machine".to_owned() } else { format!("{} machines", merge.machines) });
    facts.join(dot)
}

fn ranks(seen: Option<u32>, world: Option<u32>) -> Option<String> {
    match (seen, world) {
        (Some(seen), Some(world)) => Some(format!("{seen} of {world} ranks")),
        (Some(seen), None) => Some(format!("{seen} ranks")),
        _ => None,
    }
}

fn missing(merge: &Merge, page: &mut Page) {
    if merge.missing_ranks.is_empty() {
        return;
    }
    let named: Vec<String> = merge.missing_ranks.iter().take(SHOWN).map(u32::to_string).collect();
    let more = merge.missing_ranks.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let facts = format!(
        "no record of rank {}{more}: what their machines used counts only if another record covers it",
        named.join(", ")
    );
    page.row("Missing", Tone::Warning, &facts);
}

fn attempts(attempts: &[Attempt], page: &mut Page) {
    if attempts.len() < 2 {
        return;
    }
    for attempt in attempts.iter().take(SHOWN) {
        let energy = attempt.energy_uj.map_or_else(|| "not measured".to_owned(), |uj| page.spelling().energy_only(uj));
        let time = page.spelling().duration(attempt.duration_ns);
        let mut facts = vec![format!("{energy} in {time}")];
        facts.extend(ranks(attempt.ranks, attempt.world_size));
        page.row(&format!("Attempt {}", attempt.number), Tone::Normal, &facts.join(page.spelling().dot()));
    }
    if attempts.len() > SHOWN {
        page.row("", Tone::Normal, &format!("and {} more attempts", attempts.len() - SHOWN));
    }
}
