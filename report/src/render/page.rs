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
/// First line of a page with synthetic data.
pub(super) const SYNTHETIC: &str = "SYNTHETIC DATA: generated for demonstration, no hardware was read";

/// A text for people under construction, line by line.
pub(crate) struct Page {
    style: TextStyle,
    out: String,
}

impl Page {
    /// Returns an empty page; if `synthetic`, one whose first line states that.
    pub(crate) fn new(style: TextStyle, synthetic: bool) -> Self {
        let mut page = Self { style, out: String::new() };
        if synthetic {
            wrap(SYNTHETIC, page.width()).iter().for_each(|line| page.line(line, Tone::Warning));
        }
        page
    }

    /// Returns how units and signs are written on this page.
    pub(crate) fn spelling(&self) -> Spelling {
        Spelling { ascii: self.style.ascii }
    }

    /// Returns the text of the page.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// Returns the width of a line, columns.
    pub(super) fn width(&self) -> usize {
        self.style.width.max(40)
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
    pub(super) fn line(&mut self, text: &str, tone: Tone) {
        let painted = self.painted(text.trim_end(), tone);
        self.out.push_str(&painted);
        self.out.push('\n');
    }

    /// Returns a text in the colour of its emphasis; unchanged if the page has no colour.
    pub(super) fn painted(&self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Warning => "1;33",
            Tone::Normal => "",
        };
        let has_colour = self.style.color && !code.is_empty() && !text.is_empty();
        if has_colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Returns a text without control characters. On an ASCII page, `?` replaces each character that is not ASCII.
pub(super) fn clean(text: &str, ascii: bool) -> String {
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

/// Breaks a text at spaces into lines. A number stays with its unit, its sign and the rest of its digits; a word longer
/// than a line is broken anywhere.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in glued(text, width) {
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

/// Returns the words of a text, with those in one piece that belong together and fit a line: `12 min 04 s`, `± 1.2 %`.
fn glued(text: &str, width: usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut last = "";
    for word in text.split(' ') {
        match pieces.last_mut() {
            Some(piece) if belongs(last, word) && piece.chars().count() + 1 + word.chars().count() <= width => {
                *piece = format!("{piece} {word}");
            }
            _ => pieces.push(word.to_owned()),
        }
        last = word;
    }
    pieces
}

/// Units that follow a number, without the signs after them.
const UNITS: &str =
    "µJ uJ mJ J kJ Wh kWh MWh W kW µg ug mg g kg t µs us ms s min h % l km g/kWh GB k M G samples/kWh tokens/kWh";

/// Whether no line may end between two words: after a number before its unit or more of its digits, around the sign of a
/// range, and before the substance of a mass.
fn belongs(left: &str, right: &str) -> bool {
    let bare = |word: &str| word.trim_matches(['(', ')', '[', ']', ',', ';', ':', '.']).to_owned();
    let is_number = |word: &str| word.starts_with(|first: char| first.is_ascii_digit());
    let is_unit = |word: &str| UNITS.split(' ').any(|unit| unit == word);
    let ends = left.ends_with([',', ';', ':', ')', ']']);
    let (left, right) = (bare(left), bare(right));
    let is_sign = |word: &str| matches!(word, "–" | "-" | "±" | "+-" | "×" | "x" | "≈" | "~" | "+");
    let left_number = is_number(&left) && !ends;
    (left_number && (is_unit(&right) || is_number(&right) || is_sign(&right)))
        || (is_sign(&left) && is_number(&right))
        || (is_unit(&left) && !ends && (right.starts_with("CO₂e") || right.starts_with("CO2e") || is_sign(&right)))
        || (matches!(left.as_str(), "h" | "min") && is_number(&right) && !ends)
        || (matches!(left.as_str(), "k" | "M" | "G") && right.ends_with("/kWh"))
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
    fn number_is_never_broken_from_its_unit() {
        assert_eq!(wrap("tokens: 204 800", 12), ["tokens:", "204 800"]);
        assert_eq!(wrap("about 9.9 g CO₂e, then", 12), ["about", "9.9 g CO₂e,", "then"]);
        assert_eq!(wrap("took 12 min 04 s and", 12), ["took", "12 min 04 s", "and"]);
        assert_eq!(wrap("in [1 200 – 1 270] x", 16), ["in", "[1 200 – 1 270]", "x"]);
        assert_eq!(wrap("a range of 9 – 41 Wh", 11), ["a range of", "9 – 41 Wh"]);
        assert_eq!(wrap("step 12, 3 s", 8), ["step 12,", "3 s"]);
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
