//! The table of targets: one row for each target, printed for people and written as JSON for programs.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::measure::Samples;

/// The limit of a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
    /// No limit: the row explains another one.
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
    /// A row of one value; the unit `x` is a ratio.
    pub(crate) fn new(name: impl Into<String>, measured: f64, unit: &'static str, limit: Limit) -> Self {
        Self { name: name.into(), measured, unit, limit, spread: None, note: String::new() }
    }

    /// The median of samples, with their quartiles.
    pub(crate) fn of(name: impl Into<String>, samples: &Samples, unit: &'static str, limit: Limit) -> Self {
        Self { spread: Some(samples.quartiles()), ..Self::new(name, samples.median(), unit, limit) }
    }

    /// The row with a note.
    pub(crate) fn noting(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// The row with the given spread.
    pub(crate) fn within(self, low: f64, high: f64) -> Self {
        Self { spread: Some((low, high)), ..self }
    }

    /// Whether the value keeps the limit; `None` without a limit.
    pub(crate) fn is_kept(&self) -> Option<bool> {
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
            Limit::AtMost(limit) => format!("<= {} {}", digits(limit), self.unit),
            Limit::AtLeast(limit) => format!(">= {} {}", digits(limit), self.unit),
            Limit::None => "-".to_owned(),
        };
        let measured = format!("{} {}", digits(self.measured), self.unit);
        write!(out, "{} | {measured} | {limit} | {verdict} | ", self.name)?;
        if let Some((low, high)) = self.spread {
            write!(out, "{} to {}; ", digits(low), digits(high))?;
        }
        out.write_str(&self.note)
    }
}

/// Formats a value with three significant digits, or all digits before the point.
fn digits(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// The machine of the table: CPU model, CPUs, kernel, clock source, load and date.
#[must_use]
pub fn describe_machine() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let hypervisor = cpuinfo.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let loadavg = read("/proc/loadavg");
    json!({
        "cpu": model.map_or("unknown", |(_, model)| model.trim()),
        "cpus": cpus,
        "virtual": hypervisor,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "clocksource": read("/sys/devices/system/clocksource/clocksource0/current_clocksource").trim(),
        "load": loadavg.split(' ').next().unwrap_or_default(),
        "date": output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        "rustc": output("rustc", &["--version"]),
    })
}

/// The machine on one line.
fn machine_line(machine: &Value) -> String {
    let text = |key: &str| machine[key].as_str().unwrap_or_default().to_owned();
    let kind = if machine["virtual"] == true { "virtual, " } else { "" };
    format!(
        "{} ({kind}{} CPUs), Linux {}, clocksource {}, load {}, {}, {}",
        text("cpu"),
        machine["cpus"],
        text("kernel"),
        text("clocksource"),
        text("load"),
        text("rustc"),
        text("date"),
    )
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// The table; each row is printed when it is added.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    skipped: Vec<(String, String)>,
}

impl Table {
    /// Prints the head.
    #[must_use]
    pub fn begin(machine: &Value) -> Self {
        print_line(&format!("\nmachine: {}", machine_line(machine)));
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

    /// Prints the number of targets that are kept and returns the table as JSON.
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

/// Prints a line. A closed standard output is ignored: the JSON file is still written.
pub fn print_line(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_shows_whether_its_limit_is_kept() {
        let row = |measured, limit| Row::new("span", measured, "x", limit);
        assert_eq!(row(0.51, Limit::AtMost(0.5)).to_string(), "span | 0.510 x | <= 0.500 x | MISS | ");
        assert_eq!(row(3150.0, Limit::AtLeast(2500.0)).is_kept(), Some(true));
        assert_eq!(row(f64::NAN, Limit::AtMost(1.0)).is_kept(), Some(false), "a missing value keeps no limit");
        assert_eq!(row(1.0, Limit::None).is_kept(), None);
    }
}
