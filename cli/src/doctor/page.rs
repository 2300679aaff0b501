//! The findings for people: a table of sources with reason and remedy, what was learned of the devices, the verdict.

use anstyle::{AnsiColor, Style};
use eco2_core::Quality;
use eco2_core::schema::{Device, SourceStatus, Status};
use eco2_report::TextStyle;

use super::verdict::{self, Findings, Verdict};

/// Columns of a source's name, and of its status.
const NAME: usize = 12;
const STATUS: usize = 10;
/// Columns of a device's id.
const DEVICE: usize = 24;

/// The whole page.
pub(super) fn page(findings: &Findings, style: &TextStyle) -> String {
    let mut out = format!("{:NAME$}{:STATUS$}why, and what to do\n", "source", "status");
    findings.sources.iter().for_each(|source| out.push_str(&source_rows(source, style)));
    out.push('\n');
    if !findings.devices.is_empty() {
        out.push_str(&format!("{:DEVICE$}{:STATUS$}  {:>9}  {}\n", "device", "quality", "now", "updates every"));
        findings.devices.iter().for_each(|device| out.push_str(&device_row(device)));
        out.push('\n');
    }
    for line in wrap(&told(findings), style.width.max(40)) {
        out.push_str(&(line + "\n"));
    }
    out
}

fn source_rows(source: &SourceStatus, style: &TextStyle) -> String {
    let room = style.width.max(60) - NAME - STATUS;
    let mut lines = wrap(&source.reason, room);
    if !source.remedy.is_empty() {
        lines.extend(wrap(&format!("do: {}", source.remedy), room));
    }
    let status = status_word(source.status);
    let tone = tone(source, style);
    let mut out = format!("{:NAME$}{tone}{status:STATUS$}{tone:#}", source.name);
    for (at, line) in lines.iter().enumerate() {
        let margin = if at == 0 { "" } else { &" ".repeat(NAME + STATUS) };
        out.push_str(&format!("{margin}{line}\n"));
    }
    out
}

fn device_row(device: &Device) -> String {
    let watts = device.mean_w.map_or_else(|| "-".to_owned(), |watts| format!("{watts:.1} W"));
    let period = device.update_period_ns.map(|ns| format!("{:.1} ms", ns as f64 / 1e6));
    let period = period.unwrap_or_else(|| "not learned yet".to_owned());
    let id: String = device.id.chars().take(DEVICE - 1).collect();
    let quality = quality_word(device);
    format!("{id:DEVICE$}{quality:STATUS$}  {watts:>9}  {period}\n")
}

fn told(findings: &Findings) -> String {
    let code = findings.verdict.exit_code();
    match findings.verdict {
        Verdict::Fine => "Everything that was looked for can be measured.".to_owned(),
        Verdict::SomeMissing => {
            format!("Some sources are missing (exit code {code}); eco2 doctor --fix-script prints the remedies.")
        }
        Verdict::NoneMeasurable => format!(
            "Nothing can be measured here (exit code {code}). `eco2 run` then estimates from CPU time and a \
             wattage by the processor's name, with wide bounds, and says ESTIMATED; --no-estimate refuses that. \
             eco2 doctor --fix-script prints the remedies."
        ),
    }
}

/// Colour beside the word: red for what is missing, green for what reads.
fn tone(source: &SourceStatus, style: &TextStyle) -> Style {
    let color = match source.status {
        _ if !style.color => return Style::new(),
        _ if verdict::is_missing(source) => AnsiColor::Red,
        Status::Ok => AnsiColor::Green,
        _ => return Style::new().dimmed(),
    };
    Style::new().fg_color(Some(color.into()))
}

/// The word for a status, as in JSON.
pub(super) fn status_word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Degraded => "degraded",
        Status::Absent => "absent",
        Status::Denied => "denied",
        Status::Lost => "lost",
        Status::Hung => "hung",
        Status::Off => "off",
    }
}

fn quality_word(device: &Device) -> &'static str {
    match device.quality {
        _ if !verdict::is_alive(device) => "missing",
        Quality::Measured => "measured",
        Quality::Derived => "derived",
        Quality::Estimated => "ESTIMATED",
        Quality::Synthetic => "SYNTHETIC",
        Quality::Missing => "missing",
    }
}

/// Breaks a text at spaces; a longer word keeps its line, so that a command can be copied.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_at_spaces_and_keeps_long_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("do /a/very/long/path now", 6), ["do", "/a/very/long/path", "now"]);
        assert_eq!(wrap("", 8), [""]);
    }
}
