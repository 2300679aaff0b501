//! Puts the short summary together: head, rows, table of hardware, notices, commands to try next.

use eco2_core::schema::{Report, State};

use super::layout::{MARGIN, Row, ShortStyle, ShortText, shortened};
use super::{hardware, headline, notices};
use crate::Scope;
use crate::render::page::{Page, Tone, clean, wrap};
use crate::render::presentable;

/// Width of the labels with the blanks after them, columns.
const LABEL: usize = 13;
/// Least width of the values with the blanks after them, columns.
const VALUE: usize = 13;
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
    // The devices are the machine's: what the command used of each is not known.
    if !table.is_empty() && asked.scope == Scope::Machine {
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
