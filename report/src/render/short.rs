//! Writes the short summary of a report, which `eco2 run`, `eco2 demo` and `eco2 show` print: about ten lines, in which energy and
//! emissions always have the same place. The full text ([`super::text`]) has the rest.
//!
//! A *row* is a label, a value, and a remark on the value. A *notice* is a line that asks the reader to act.

mod hardware;
mod headline;
mod live;
mod notices;

use eco2_core::schema::{Report, State};

use super::page::{Page, TextStyle, Tone, clean, wrap};
use super::presentable;
use crate::Scope;
pub use live::{LiveValues, live_text};
pub use notices::Notice;

/// What the short summary depends on besides the report.
#[derive(Debug, Clone, Default)]
pub struct ShortStyle<'a> {
    /// Colour, width and characters.
    pub style: TextStyle,
    /// Whose energy is the first row.
    pub scope: Scope,
    /// Notices that were shown on this machine before, and are left out.
    pub seen: &'a [Notice],
    /// The time zone of this machine's clock and the grid zone in it, such as `Europe/Berlin` and `DE`.
    pub clock: Option<(&'a str, &'a str)>,
    /// The facts of the last line: the run's short name, and commands to try next.
    pub next: &'a [String],
}

/// A short summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortText {
    /// The text; every line ends with `\n`.
    pub text: String,
    /// The notices about this machine that the text contains.
    pub notices: Vec<Notice>,
}

/// One row: a label, a value and a remark on it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    label: &'static str,
    value: String,
    remark: String,
    is_strong: bool,
}

impl Row {
    fn new(label: &'static str, value: String, remark: impl Into<String>) -> Self {
        Self { label, value, remark: remark.into(), is_strong: false }
    }
}

/// Width of the labels with the blanks after them, columns.
const LABEL: usize = 13;
/// Least width of the values with the blanks after them, columns.
const VALUE: usize = 13;
/// Blanks at the start of a line.
const MARGIN: usize = 2;
/// Columns that a remark needs; on a narrower page it gets a line of its own.
const REMARK: usize = 26;

/// Returns the short summary of a report: at most 12 lines for a virtual machine, 14 for a server with eight GPUs.
///
/// ```
/// # let report = eco2_core::schema::Report::empty(eco2_core::schema::Run::default());
/// let short = eco2_report::short_text(&report, &eco2_report::ShortStyle::default());
/// assert!(short.text.contains("Energy       not measured"));
/// ```
#[must_use]
pub fn short_text(report: &Report, asked: &ShortStyle) -> ShortText {
    let report = presentable(report);
    let mut page = Page::new(asked.style, false);
    head(&report, &mut page);
    page.line("", Tone::Normal);
    rows(&headline::rows(&report, asked.scope, page.spelling()), &mut page);
    let table = hardware::table(&report, page.spelling());
    if !table.is_empty() {
        page.line("", Tone::Normal);
        hardware::write(&table, &mut page);
    }
    let (lines, notices) = notices::notices(&report, asked);
    if !lines.is_empty() {
        page.line("", Tone::Normal);
    }
    for line in &lines {
        for (at, part) in wrap(&clean(line, asked.style.ascii), page.width() - MARGIN - 2).iter().enumerate() {
            page.line(&format!("  {} {part}", if at == 0 { "!" } else { " " }), Tone::Warning);
        }
    }
    if !asked.next.is_empty() {
        page.line("", Tone::Normal);
        facts(asked.next, "  ", Tone::Faint, &mut page);
    }
    ShortText { text: page.finish(), notices }
}

/// Adds the first line: name, duration, exit code and machine.
fn head(report: &Report, page: &mut Page) {
    let run = &report.run;
    let name = if run.name.is_empty() { &run.id } else { &run.name };
    let mut parts = Vec::new();
    parts.extend(headline::is_synthetic(report).then(|| "SYNTHETIC DATA".to_owned()));
    parts.push(shortened(name, NAME));
    parts.push(page.spelling().short_duration(run.duration_ns));
    parts.extend(run.exit_code.map(|code| format!("exit {code}")));
    if run.state == State::Provisional {
        parts.push("provisional".to_owned());
    }
    parts.extend(report.merge.as_ref().filter(|merge| merge.machines > 1).map(|m| format!("{} machines", m.machines)));
    parts.extend(Some(&run.host.hostname).filter(|host| !host.is_empty()).map(|host| shortened(host, NAME)));
    let dot = page.spelling().dot();
    while parts.len() > 2 && "eco2  ".len() + parts.join(dot).chars().count() > page.width() {
        parts.pop();
    }
    facts(&parts, "eco2  ", Tone::Strong, page);
}

/// Largest number of characters of a name in the first line.
const NAME: usize = 40;

/// Adds a line of facts, which is broken between facts where it is too long.
fn facts(facts: &[String], prefix: &str, tone: Tone, page: &mut Page) {
    let dot = page.spelling().dot();
    let mut line = prefix.to_owned();
    for (at, fact) in facts.iter().enumerate() {
        let fact = clean(fact, page.spelling().ascii);
        if at > 0 && line.chars().count() + dot.chars().count() + fact.chars().count() > page.width() {
            page.line(&line, tone);
            line = " ".repeat(prefix.len());
        } else if at > 0 {
            line.push_str(dot);
        }
        line.push_str(&fact);
    }
    page.line(&line, tone);
}

/// Adds the rows, with their remarks in one column.
fn rows(rows: &[Row], page: &mut Page) {
    let widest = rows.iter().map(|row| row.value.chars().count() + 3).max().unwrap_or(0).max(VALUE);
    let column = MARGIN + LABEL + widest;
    for Row { label, value, remark, is_strong } in rows {
        let tone = if *is_strong { Tone::Strong } else { Tone::Normal };
        let value = clean(value, page.spelling().ascii);
        let blanks = widest - value.chars().count().min(widest);
        let start = format!("  {label:<LABEL$}{}{}", page.painted(&value, tone), " ".repeat(blanks));
        let remark = clean(remark, page.spelling().ascii);
        if column + REMARK <= page.width() || column + remark.chars().count() <= page.width() {
            let parts = wrap(&remark, page.width() - column);
            page.line(&format!("{start}{}", parts[0]), Tone::Normal);
            parts[1..].iter().for_each(|part| page.line(&format!("{}{part}", " ".repeat(column)), Tone::Normal));
        } else {
            page.line(&start, Tone::Normal);
            let margin = MARGIN + LABEL;
            let parts = wrap(&remark, page.width() - margin);
            parts.iter().for_each(|part| page.line(&format!("{}{part}", " ".repeat(margin)), Tone::Normal));
        }
    }
}

/// Returns a text with its middle left out where it is longer than `most` characters: others may have the same start.
fn shortened(text: &str, most: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= most {
        return text.to_owned();
    }
    let (head, tail) = ((most - 1) / 2, most / 2);
    letters[..head].iter().chain(['~'].iter()).chain(&letters[letters.len() - tail..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_name_keeps_both_of_its_ends() {
        assert_eq!(shortened("train.py", 8), "train.py");
        assert_eq!(shortened("NVIDIA H100 80GB HBM3", 12), "NVIDI~B HBM3");
    }
}
