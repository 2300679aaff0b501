//! The summary for people: what it came to, how sure that is, and what is missing.

use eco2_core::schema::{Report, State};

pub use super::page::TextStyle;
use super::page::{Page, Tone};
use super::{budget, merged, presentable, sections, spells};

/// The report as a summary for people, every line ended by `\n`.
///
/// Figures have three to six digits, as many as their bounds allow. A run with generated figures says `SYNTHETIC` on
/// every line; estimated and provisional figures say so in words.
#[must_use]
pub fn text(report: &Report, style: &TextStyle) -> String {
    let report = presentable(report);
    let mut page = Page::new(*style, is_synthetic(&report));
    head(&report, &mut page);
    sections::energy(&report, &mut page);
    sections::devices(&report, &mut page);
    sections::missing(&report, &mut page);
    sections::attribution(&report, &mut page);
    sections::carbon(&report, &mut page);
    budget::budget(&report, &mut page);
    sections::work(&report, &mut page);
    sections::spans(&report, &mut page);
    spells::spells(&report, &mut page);
    sections::events(&report, &mut page);
    sections::own_cost(&report, &mut page);
    page.finish()
}

fn is_synthetic(report: &Report) -> bool {
    use eco2_core::Quality::Synthetic;
    report.energy.synthetic_uj > 0 || report.devices.iter().any(|device| device.quality == Synthetic)
}

fn head(report: &Report, page: &mut Page) {
    let run = &report.run;
    let dot = page.spelling().dot();
    let mut facts = vec![if run.name.is_empty() { run.id.clone() } else { format!("{} ({})", run.name, run.id) }];
    if let Some(code) = run.exit_code {
        facts.push(format!("exit {code}"));
    }
    facts.push(page.spelling().duration(run.duration_ns));
    // A replayed trace has no wall clock: its run begins with the epoch.
    let wall = Some(&run.started_at).filter(|at| !at.is_empty() && !at.starts_with("1970-"));
    facts.extend(wall.map(|at| format!("from {}", to_the_second(at))));
    facts.extend(Some(&run.host.hostname).filter(|host| !host.is_empty()).map(|host| format!("on {host}")));
    page.row("Run", Tone::Strong, &facts.join(dot));
    if !run.command.is_empty() {
        page.row("Command", Tone::Normal, &command_line(&run.command));
    }
    if run.state == State::Provisional {
        page.row(
            "PROVISIONAL",
            Tone::Warning,
            "the run goes on, was killed, or ended before its counters' last update: figures may still grow",
        );
    }
    merged::parts(report, page);
}

/// A wall clock is a label: its fraction of a second tells nobody anything.
fn to_the_second(at: &str) -> String {
    match at.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => at.to_owned(),
    }
}

/// Characters of a command line that are shown; the report as JSON has all of them.
const COMMAND_CHARS: usize = 300;

/// The command line, cut where it is long.
fn command_line(command: &[String]) -> String {
    let bytes = command.iter().map(|word| word.len() + 1).sum::<usize>().saturating_sub(1);
    let mut shown = String::new();
    for word in command {
        if shown.len() > 4 * COMMAND_CHARS {
            break;
        }
        shown.push_str(if shown.is_empty() { "" } else { " " });
        shown.extend(word.chars().take(COMMAND_CHARS + 1));
    }
    match shown.char_indices().nth(COMMAND_CHARS) {
        Some((cut, _)) => format!("{}… ({bytes} bytes)", &shown[..cut]),
        None => shown,
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
