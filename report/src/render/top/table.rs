//! A table that fits a width: the first column is a name and gives way, then whole columns are left out, the least important first.

use crate::clean;
use crate::render::page::{TextStyle, Tone};
use crate::render::short::shortened;

/// Columns between two columns.
const GAP: usize = 2;
/// Columns of the names for which other columns are left out: all but the two or three most important, and these.
const FULL_NAME: usize = 20;
const MIN_NAME: usize = 12;
/// Number of columns up to which names get shorter first.
const FEW: usize = 3;

/// One column behind the names.
pub(super) struct Cells {
    head: String,
    /// Columns with a low number are left out first.
    rank: u8,
    is_number: bool,
    cells: Vec<String>,
}

/// A table under construction.
pub(super) struct Table {
    name: &'static str,
    columns: Vec<Cells>,
}

impl Table {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, columns: Vec::new() }
    }

    /// Adds a column of numbers, unless it is empty. `rank` is how important it is.
    pub(super) fn column(&mut self, head: String, rank: u8, cells: impl Iterator<Item = String>) {
        self.add(Cells { head, rank, is_number: true, cells: cells.collect() });
    }

    /// Adds a column of words, unless it is empty.
    pub(super) fn words(&mut self, head: String, rank: u8, cells: impl Iterator<Item = String>) {
        self.add(Cells { head, rank, is_number: false, cells: cells.collect() });
    }

    fn add(&mut self, column: Cells) {
        if column.cells.iter().any(|cell| !cell.is_empty()) {
            self.columns.push(column);
        }
    }

    /// Returns the lines of the table; each row has a name and a tone.
    pub(super) fn lines(
        mut self,
        rows: impl Iterator<Item = (String, Tone)>,
        style: &TextStyle,
    ) -> Vec<(String, Tone)> {
        let rows: Vec<(String, Tone)> =
            rows.map(|(name, tone)| (plain(&clean::terminal(&name), style.ascii), tone)).collect();
        let longest = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0).max(width(self.name));
        for column in &mut self.columns {
            column.head = plain(&column.head, style.ascii);
            column.cells.iter_mut().for_each(|cell| *cell = plain(cell, style.ascii));
        }
        let wanted = |columns: usize| longest.min(if columns > FEW { FULL_NAME } else { MIN_NAME });
        while self.needed() + wanted(self.columns.len()) > style.width {
            let Some(least) = self.columns.iter().map(|column| column.rank).min() else { break };
            self.columns.retain(|column| column.rank != least);
        }
        let name_width = longest.min(style.width.saturating_sub(self.needed()));
        let line = |name: &str, cell: &dyn Fn(&Cells) -> String| {
            let mut text = padded(&shortened(name, name_width.max(1)), name_width, false);
            for column in &self.columns {
                text.push_str(&" ".repeat(GAP));
                text.push_str(&padded(&cell(column), column.width(), column.is_number));
            }
            text
        };
        let head = (line(self.name, &|column| column.head.clone()), Tone::Faint);
        let row = |(at, (name, tone)): (usize, &(String, Tone))| {
            (line(name, &|column| column.cells.get(at).cloned().unwrap_or_default()), *tone)
        };
        std::iter::once(head).chain(rows.iter().enumerate().map(row)).collect()
    }

    /// Returns the width of all columns behind the names.
    fn needed(&self) -> usize {
        self.columns.iter().map(|column| column.width() + GAP).sum()
    }
}

impl Cells {
    fn width(&self) -> usize {
        self.cells.iter().map(|cell| width(cell)).max().unwrap_or(0).max(width(&self.head))
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn padded(text: &str, to: usize, is_right: bool) -> String {
    if is_right { format!("{text:>to$}") } else { format!("{text:<to$}") }
}

/// Returns a text with ordinary spaces, and where `ascii` is set without signs beyond ASCII: a terminal has one width for all.
pub(super) fn plain(text: &str, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\u{a0}' | '\u{2009}' | '\u{2007}' | '\u{2008}' => out.push(' '),
            // Digits are grouped by nothing here, so that a number is one word.
            '\u{202f}' => {}
            '–' | '−' if ascii => out.push('-'),
            '≥' if ascii => out.push_str(">="),
            '±' if ascii => out.push_str("+-"),
            'µ' if ascii => out.push('u'),
            '₂' if ascii => out.push('2'),
            '×' if ascii => out.push('x'),
            '↑' if ascii => out.push('^'),
            '↓' if ascii => out.push('v'),
            '°' if ascii => {}
            other if ascii && !other.is_ascii() => out.push('?'),
            other => out.push(other),
        }
    }
    out
}
