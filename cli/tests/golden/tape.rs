//! Traces for the golden reports, built reading by reading.

use std::fmt::Write as _;

/// Nanoseconds of a millisecond.
pub(crate) const MS: u64 = 1_000_000;
/// How long one reading takes, nanoseconds.
const READ_NS: u64 = 1_000;

/// A trace under construction.
pub(crate) struct Tape {
    head: String,
    rows: Vec<(u64, String)>,
}

impl Tape {
    /// A trace of a run from 0 to `end_ms`.
    pub(crate) fn of(end_ms: u64) -> Self {
        let head = format!("# eco2.trace/1\n# run begin_ns=0 end_ns={}\n", end_ms * MS);
        Self { head, rows: Vec::new() }
    }

    /// Adds a domain, by its line without the word.
    pub(crate) fn domain(mut self, line: &str) -> Self {
        let _ = writeln!(self.head, "# domain {line}");
        self
    }

    /// Adds spans of one name, milliseconds.
    pub(crate) fn spans(mut self, name: &str, spans: &[(u64, u64)]) -> Self {
        for (begin_ms, end_ms) in spans {
            let _ = writeln!(self.head, "# span name={name} begin_ns={} end_ns={}", begin_ms * MS, end_ms * MS);
        }
        self
    }

    /// Reads a domain every `every_ms` from the first to the last instant (milliseconds); `None` is a failed read.
    pub(crate) fn poll(
        mut self,
        id: &str,
        (from_ms, to_ms, every_ms): (u64, u64, u64),
        value: impl Fn(u64) -> Option<u64>,
    ) -> Self {
        for at_ms in (from_ms..=to_ms).step_by(usize::try_from(every_ms).unwrap()) {
            let shown = value(at_ms).map(|value| value.to_string()).unwrap_or_default();
            self.rows.push((at_ms, format!("{},{},{id},{shown}\n", at_ms * MS, at_ms * MS + READ_NS)));
        }
        self
    }

    /// The trace's text, its readings in the order of time.
    pub(crate) fn text(mut self) -> String {
        self.rows.sort_by_key(|(at_ms, _)| *at_ms);
        let rows: String = self.rows.into_iter().map(|(_, row)| row).collect();
        self.head + "before_ns,after_ns,domain,value\n" + &rows
    }
}

/// A counter that shows, every `update_ms`, the energy of a constant power, microjoules.
pub(crate) fn steady(watts: u64, update_ms: u64) -> impl Fn(u64) -> Option<u64> {
    move |at_ms| Some(at_ms / update_ms * update_ms * watts * 1_000)
}
