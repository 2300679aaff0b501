//! Lays out text for people: rows of a label and wrapped text, and tables that are cut to the width.

use super::figures::Spelling;
use crate::clean;

/// The layout of a text for people. Colour only repeats what the words state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// Whether ANSI colours may be used. The caller checks the terminal and `NO_COLOR`.
    pub color: bool,
    /// Width in columns; less than 40 is taken as 40.
    pub width: usize,
    /// Whether only ASCII characters may be used.
    pub ascii: bool,
}

impl Default for TextStyle {
    /// Returns a layout of 80 columns without colour.
    fn default() -> Self {
        Self { color: false, width: 80, ascii: false }
    }
}

/// The emphasis of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Normal,
    Strong,
    Faint,
    Warning,
}

/// Width of the labels, columns.
const LABEL_WIDTH: usize = 12;
/// Prefix of every line of a run with synthetic data.
const SYNTHETIC: &str = "SYNTHETIC ";

/// A text for people under construction, line by line.
pub(crate) struct Page {
    style: TextStyle,
    synthetic: bool,
    out: String,
}

impl Page {
    /// Returns an empty page. If `synthetic`, every line gets a prefix.
    pub(crate) fn new(style: TextStyle, synthetic: bool) -> Self {
        Self { style, synthetic, out: String::new() }
    }

    /// Returns how units and signs are written on this page.
    pub(crate) fn spelling(&self) -> Spelling {
        Spelling { ascii: self.style.ascii }
    }

    /// Returns the text of the page.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// Returns the width of a line without the prefix, columns.
    fn width(&self) -> usize {
        self.style.width.max(40) - if self.synthetic { SYNTHETIC.len() } else { 0 }
    }

    /// Adds a label and its facts, wrapped; further lines are indented below the facts.
    pub(crate) fn row(&mut self, label: &str, tone: Tone, facts: &str) {
        let room = self.width().saturating_sub(LABEL_WIDTH).max(20);
        for (at, part) in wrap(&clean(facts, self.style.ascii), room).iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            self.line(&format!("{label:<LABEL_WIDTH$}{part}"), tone);
        }
    }

    /// Adds a table. A column is as wide as its widest cell; the first column is cut if the table is too wide.
    pub(crate) fn table(&mut self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| clean(cell, self.style.ascii)).collect()).collect();
        let widest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        let mut widths: Vec<usize> = (0..columns).map(|at| widest(at).unwrap_or(0)).collect();
        let total = 2 + widths.iter().map(|width| width + 2).sum::<usize>();
        if let Some(first) = widths.first_mut() {
            *first = first.saturating_sub(total.saturating_sub(self.width() + 2)).max(8.min(*first));
        }
        for (at, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| pad(cell, *width));
            let tone = if at == 0 { Tone::Faint } else { Tone::Normal };
            self.line(&format!("  {}", cells.collect::<Vec<_>>().join("  ")), tone);
        }
    }

    /// Adds a line.
    fn line(&mut self, text: &str, tone: Tone) {
        let text = text.trim_end();
        let mark = if self.synthetic { SYNTHETIC } else { "" };
        match (self.style.color, tone) {
            (true, Tone::Strong) => self.push(&[mark, "\u{1b}[1m", text, "\u{1b}[0m\n"]),
            (true, Tone::Faint) => self.push(&[mark, "\u{1b}[2m", text, "\u{1b}[0m\n"]),
            (true, Tone::Warning) => self.push(&[mark, "\u{1b}[1;33m", text, "\u{1b}[0m\n"]),
            _ => self.push(&[mark, text, "\n"]),
        }
    }

    /// Adds pieces of text.
    fn push(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.out.push_str(part));
    }
}

/// Returns a text without control characters. On an ASCII page, `?` replaces each character that is not ASCII.
fn clean(text: &str, ascii: bool) -> String {
    let clean = clean::terminal(text);
    if ascii { clean.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect() } else { clean.into_owned() }
}

/// Returns a cell filled with blanks to a width, or cut to it with `~` at its end.
fn pad(cell: &str, width: usize) -> String {
    let count = cell.chars().count();
    if count <= width {
        return format!("{cell}{}", " ".repeat(width - count));
    }
    let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
    kept + "~"
}

/// Breaks a text at spaces into lines. A word longer than a line is broken anywhere.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in text.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        if room < width && rest.len() + 1 > room {
            lines.push(String::new());
            room = width;
        }
        while rest.len() > width {
            let head: String = rest.drain(..width).collect();
            lines.push(head);
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if room < width {
                line.push(' ');
            }
            line.extend(&rest);
            room = width.saturating_sub(line.chars().count());
        }
    }
    lines.retain(|line| !line.is_empty());
    if lines.is_empty() { vec![String::new()] } else { lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_and_loses_nothing() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 8), [""]);
    }

    #[test]
    fn text_of_an_ascii_page_is_ascii() {
        assert_eq!(clean("a\u{1b}[2Jµ", false), "a?[2Jµ");
        assert_eq!(clean("µ", true), "?");
    }

    #[test]
    fn the_first_column_gives_way() {
        let mut page = Page::new(TextStyle { width: 40, ..TextStyle::default() }, false);
        page.table(&[vec!["a".repeat(60), "b".repeat(20)]]);
        let text = page.finish();
        assert!(text.trim_end().chars().count() <= 40 && text.contains('~'), "{text}");
    }
}
