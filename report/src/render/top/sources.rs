//! The sources on the screen of `eco2 top`: what each reads, and what is wrong with those that do not work.

use eco2_core::schema::{SourceStatus, Status};

use super::super::page::{TextStyle, Tone, wrap};

/// Head of the line with the sources.
const SOURCES: &str = "Sources     ";

/// The sources: those that are read with what they read, and one line for each that the reader can do something about.
pub(super) fn source_lines(sources: &[SourceStatus], style: &TextStyle) -> Vec<(String, Tone)> {
    let working: Vec<String> = sources
        .iter()
        .filter(|source| source.status == Status::Ok)
        .map(|source| format!("{} {}", source.name, source.reason).trim_end().to_owned())
        .collect();
    let working = if working.is_empty() { "no source is read".to_owned() } else { working.join("; ") };
    let text = wrap(&working, style.width.saturating_sub(SOURCES.len()));
    let heads = std::iter::once(SOURCES.to_owned()).chain(std::iter::repeat(" ".repeat(SOURCES.len())));
    let mut lines: Vec<_> =
        text.iter().zip(heads).map(|(line, head)| (format!("{head}{line}"), Tone::Normal)).collect();
    let is_faulty = |status: Status| !matches!(status, Status::Ok | Status::Absent | Status::Off);
    for source in sources.iter().filter(|source| is_faulty(source.status)) {
        let remedy = if source.remedy.is_empty() { String::new() } else { format!("; {}", source.remedy) };
        let (name, status, reason) = (&source.name, source.status.name(), &source.reason);
        let text = wrap(&format!("{name} {status}: {reason}{remedy}"), style.width.saturating_sub(2));
        let marks = std::iter::once("! ").chain(std::iter::repeat("  "));
        lines.extend(text.iter().zip(marks).map(|(line, mark)| (format!("{mark}{line}"), Tone::Warning)));
    }
    lines
}
