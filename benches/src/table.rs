//! The table: one row a target, for people on standard output and for programs as JSON.

use std::fmt;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::measure::Samples;

/// What a target asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
    /// Nothing; the row is there to explain another.
    None,
}

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    name: String,
    measured: f64,
    unit: &'static str,
    limit: Limit,
    spread: Option<(f64, f64)>,
    note: String,
}

impl Row {
    /// A figure in a unit; `x` is a ratio.
    #[must_use]
    pub fn new(name: impl Into<String>, measured: f64, unit: &'static str, limit: Limit) -> Self {
        Self { name: name.into(), measured, unit, limit, spread: None, note: String::new() }
    }

    /// The median of samples, with their quartiles.
    #[must_use]
    pub fn of(name: impl Into<String>, samples: &Samples, unit: &'static str, limit: Limit) -> Self {
        Self { spread: Some(samples.quartiles()), ..Self::new(name, samples.median(), unit, limit) }
    }

    /// The same with what a reader needs to know.
    #[must_use]
    pub fn noting(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// The same with a spread from elsewhere.
    #[must_use]
    pub fn within(self, low: f64, high: f64) -> Self {
        Self { spread: Some((low, high)), ..self }
    }

    /// Whether the limit is kept; `None` without one.
    #[must_use]
    pub fn is_kept(&self) -> Option<bool> {
        match self.limit {
            Limit::AtMost(limit) => Some(self.measured <= limit),
            Limit::AtLeast(limit) => Some(self.measured >= limit),
            Limit::None => None,
        }
    }

    fn json(&self) -> Value {
        let (comparison, limit) = match self.limit {
            Limit::AtMost(limit) => (Some("at most"), Some(limit)),
            Limit::AtLeast(limit) => (Some("at least"), Some(limit)),
            Limit::None => (None, None),
        };
        json!({
            "name": self.name, "measured": self.measured, "unit": self.unit, "comparison": comparison,
            "limit": limit, "ok": self.is_kept(), "quartiles": self.spread.map(|(low, high)| [low, high]),
            "note": self.note,
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.is_kept() {
            Some(true) => "ok",
            Some(false) => "MISS",
            None => "-",
        };
        let limit = match self.limit {
            Limit::AtMost(limit) => format!("<= {} {}", figure(limit), self.unit),
            Limit::AtLeast(limit) => format!(">= {} {}", figure(limit), self.unit),
            Limit::None => "-".to_owned(),
        };
        let measured = format!("{} {}", figure(self.measured), self.unit);
        write!(out, "{} | {measured} | {limit} | {verdict} | ", self.name)?;
        if let Some((low, high)) = self.spread {
            write!(out, "{} to {}; ", figure(low), figure(high))?;
        }
        out.write_str(&self.note)
    }
}

/// Three significant digits, more before the point.
fn figure(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// The table as it grows: rows are printed as they come.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    skipped: Vec<(String, String)>,
}

impl Table {
    /// Prints the head.
    #[must_use]
    pub fn begin(machine: &Value) -> Self {
        print_line(&format!("\nmachine: {}", crate::machine::line(machine)));
        print_line("name | measured | limit | ok/MISS | quartiles; note");
        print_line("--- | --- | --- | --- | ---");
        Self::default()
    }

    /// Adds and prints rows.
    pub fn add(&mut self, rows: Vec<Row>) {
        rows.iter().for_each(|row| print_line(&row.to_string()));
        self.rows.extend(rows);
    }

    /// Prints that a subject could not be measured.
    pub fn skip(&mut self, subject: &str, reason: &str) {
        print_line(&format!("{subject} | - | - | skipped | {reason}"));
        self.skipped.push((subject.to_owned(), reason.to_owned()));
    }

    /// Prints the sum of it and returns everything as JSON.
    #[must_use]
    pub fn end(self, machine: Value) -> Value {
        let judged = self.rows.iter().filter_map(Row::is_kept);
        let (kept, all) = (judged.clone().filter(|kept| *kept).count(), judged.count());
        print_line(&format!("\n{kept} of {all} targets kept, {} subjects skipped", self.skipped.len()));
        let skipped = self.skipped.iter().map(|(name, reason)| json!({"name": name, "reason": reason}));
        json!({
            "schema": "eco2.targets/1", "machine": machine, "kept": kept, "judged": all,
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(), "skipped": skipped.collect::<Vec<_>>(),
        })
    }
}

/// A line on standard output. A reader that went away is no reason to stop.
pub fn print_line(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_states_whether_its_limit_is_kept() {
        let row = |measured, limit| Row::new("span", measured, "x", limit);
        assert_eq!(row(0.51, Limit::AtMost(0.5)).to_string(), "span | 0.510 x | <= 0.500 x | MISS | ");
        assert_eq!(row(3150.0, Limit::AtLeast(2500.0)).is_kept(), Some(true));
        assert_eq!(row(f64::NAN, Limit::AtMost(1.0)).is_kept(), Some(false), "no figure keeps no limit");
        assert_eq!(row(1.0, Limit::None).is_kept(), None);
    }
}
