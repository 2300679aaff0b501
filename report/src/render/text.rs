//! Writes the summary of a report for people (`eco2 run`, `eco2 show`): its head, the parts of a merged report, and
//! then the sections in their order.

use super::figures::counted;
pub use super::page::TextStyle;
use super::page::{Page, Tone};
use super::provisional::provisional_text;
use super::{budget, host_total, presentable, sections};
use crate::wall::wall_clock;
use eco2_core::schema::{Attempt, Merge, Report};

/// Returns the report as a summary for people; every line ends with `\n`.
///
/// Numbers have three to six digits, as many as their bounds allow. The first line of a run with synthetic data states
/// that; estimated and provisional values are labelled.
#[must_use]
pub fn text(report: &Report, style: &TextStyle) -> String {
    let report = presentable(report);
    let mut page = Page::new(*style, is_synthetic(&report));
    head(&report, &mut page);
    sections::energy(&report, &mut page);
    host_total::host_totals(&report, &mut page);
    sections::by_layer(&report, &mut page);
    sections::devices(&report, &mut page);
    sections::missing(&report, &mut page);
    sections::attribution(&report, &mut page);
    sections::carbon(&report, &mut page);
    budget::budget(&report, &mut page);
    sections::work(&report, &mut page);
    sections::spans(&report, &mut page);
    sections::anomalies(&report, &mut page);
    sections::events(&report, &mut page);
    sections::own_cost(&report, &mut page);
    page.finish()
}

/// Whether a part of the energy was generated for demonstrations and tests.
fn is_synthetic(report: &Report) -> bool {
    use eco2_core::Quality::Synthetic;
    report.energy.synthetic_uj > 0 || report.devices.iter().any(|device| device.quality == Synthetic)
}

/// Adds the head of the summary: name and id of the run, exit code, duration, time and command.
fn head(report: &Report, page: &mut Page) {
    let run = &report.run;
    let dot = page.spelling().dot();
    let mut facts = vec![if run.name.is_empty() { run.id.clone() } else { format!("{} ({})", run.name, run.id) }];
    if let Some(code) = run.exit_code {
        facts.push(format!("exit {code}"));
    }
    facts.push(page.spelling().duration(run.duration_ns));
    facts.extend(wall_clock(&run.started_at).map(|at| format!("from {}", to_the_second(at))));
    facts.extend(Some(&run.host.hostname).filter(|host| !host.is_empty()).map(|host| format!("on {host}")));
    page.row("Run", Tone::Strong, &facts.join(dot));
    if !run.command.is_empty() {
        page.row("Command", Tone::Normal, &command_line(&run.command));
    }
    if let Some(why) = provisional_text(run) {
        page.row("Provisional", Tone::Warning, why);
    }
    merged_from(report, page);
}

/// Returns a wall-clock time without the fraction of its second.
fn to_the_second(at: &str) -> String {
    match at.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => at.to_owned(),
    }
}

/// Largest number of characters of a command line; the report as JSON has all of them.
const MAX_COMMAND_CHARS: usize = 300;

/// Returns the command line, cut if it is long.
pub(super) fn command_line(command: &[String]) -> String {
    let bytes = command.iter().map(|word| word.len() + 1).sum::<usize>().saturating_sub(1);
    let mut shown = String::new();
    for word in command {
        if shown.len() > 4 * MAX_COMMAND_CHARS {
            break;
        }
        shown.push_str(if shown.is_empty() { "" } else { " " });
        shown.extend(word.chars().take(MAX_COMMAND_CHARS + 1));
    }
    match shown.char_indices().nth(MAX_COMMAND_CHARS) {
        Some((cut, _)) => format!("{}… ({bytes} bytes)", &shown[..cut]),
        None => shown,
    }
}

/// Largest number of ranks and of attempts that are listed.
const MAX_SHOWN: usize = 10;

/// Adds the records, ranks and attempts (starts of the run) of a merged report; nothing for the report of one process.
fn merged_from(report: &Report, page: &mut Page) {
    let Some(merge) = &report.merge else { return };
    page.row("Merged", Tone::Normal, &made_of(merge, page.spelling().dot()));
    missing(merge, page);
    attempts(&report.run.attempts, page);
    if let Some(uj) = merge.overhead_uj {
        let energy = page.spelling().energy_only(uj);
        let time = page.spelling().duration(merge.overhead_ns);
        let facts = format!("{energy} in {time} around the attempts (start, between, end); not in the values below");
        page.row("Overhead", Tone::Normal, &facts);
    }
    for replayed in &merge.replayed {
        let energy =
            replayed.energy_uj.map_or_else(|| "an unknown energy".to_owned(), |uj| page.spelling().energy_only(uj));
        let facts = format!(
            "{} steps of attempt {} were lost and done again: about {energy}, which is in the values below",
            replayed.steps, replayed.attempt
        );
        page.row("Replayed", Tone::Warning, &facts);
    }
}

/// Returns the numbers of records, ranks and machines in words.
fn made_of(merge: &Merge, dot: &str) -> String {
    let mut facts = vec![counted(merge.record_count(), "record")];
    facts.extend(ranks(merge.ranks, merge.world_size));
    facts.push(counted(merge.machines.into(), "machine"));
    facts.join(dot)
}

/// Returns the number of ranks in words: `7 of 8 ranks`; `None` if no process is a rank.
fn ranks(seen: Option<u32>, world: Option<u32>) -> Option<String> {
    match (seen, world) {
        (Some(seen), Some(world)) => Some(format!("{seen} of {world} ranks")),
        (Some(seen), None) => Some(counted(seen.into(), "rank")),
        _ => None,
    }
}

/// Adds the ranks of which there is no record.
fn missing(merge: &Merge, page: &mut Page) {
    if merge.missing_ranks.is_empty() {
        return;
    }
    let named: Vec<String> = merge.missing_ranks.iter().take(MAX_SHOWN).map(u32::to_string).collect();
    let more = merge.missing_ranks.len().saturating_sub(MAX_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let facts =
        format!("no record of rank {}{more}: that energy counts only if another record covers it", named.join(", "));
    page.row("Missing", Tone::Warning, &facts);
}

/// Adds one row for each attempt.
fn attempts(attempts: &[Attempt], page: &mut Page) {
    if attempts.len() < 2 {
        return;
    }
    for attempt in attempts.iter().take(MAX_SHOWN) {
        let energy = attempt.energy_uj.map_or_else(|| "not measured".to_owned(), |uj| page.spelling().energy_only(uj));
        let time = page.spelling().duration(attempt.duration_ns);
        let mut facts = vec![format!("{energy} in {time}")];
        facts.extend(ranks(attempt.ranks, attempt.world_size));
        page.row(&format!("Attempt {}", attempt.number), Tone::Normal, &facts.join(page.spelling().dot()));
    }
    if attempts.len() > MAX_SHOWN {
        page.row("", Tone::Normal, &format!("and {} more attempts", attempts.len() - MAX_SHOWN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k16_a_long_command_line_is_cut() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(command_line(&words(&["python", "train.py"])), "python train.py");
        assert_eq!(command_line(&words(&["é".repeat(300).as_str()])), "é".repeat(300), "just as long");
        let long = command_line(&words(&["python", &"a".repeat(1_500_000)]));
        assert_eq!(long, format!("python {}… (1500007 bytes)", "a".repeat(293)));
        let many = command_line(&vec!["ab".to_owned(); 1_000]);
        assert!(many.ends_with("… (2999 bytes)") && many.chars().count() < 330, "{many}");
    }
}
