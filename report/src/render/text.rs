//! The summary for people: what it came to, how sure that is, and what is missing.

use eco2_core::report::{Report, State};

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
        page.row("Command", Tone::Normal, &run.command.join(" "));
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
