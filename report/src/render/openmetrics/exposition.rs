//! Writes the text formats that Prometheus reads: OpenMetrics, and the older one of Prometheus. A text consists of *families*: a
//! metric with a head (type, unit and help) and its samples, which differ in their labels.
//!
//! Sources: the OpenMetrics specification, version 1.0; the text format of Prometheus, version 0.0.4.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The text format of a page of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricsFormat {
    /// OpenMetrics 1.0.
    #[default]
    OpenMetrics,
    /// The text format of Prometheus, version 0.0.4: no units and no end mark, and heads name the samples, not the family.
    Prometheus,
}

impl MetricsFormat {
    /// Returns the value of the HTTP header `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The type of a family's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::render) enum Kind {
    /// The value only grows; the samples' names end in `_total`.
    Counter,
    /// The value goes up and down.
    Gauge,
    /// Only the labels have a meaning; the sample's name ends in `_info` and its value is 1.
    Info,
}

/// The head of a family.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Name without suffix. If the family has a unit, the name ends with `_` and the unit.
    pub(in crate::render) name: &'static str,
    pub(in crate::render) kind: Kind,
    /// Unit; empty for a family without one.
    pub(in crate::render) unit: &'static str,
    pub(in crate::render) help: &'static str,
    /// Whether it starts again with the program that measures.
    pub(in crate::render) is_of_sender: bool,
}

impl Family {
    /// Returns a family whose value only grows, without a unit.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, unit: "", help, is_of_sender: false }
    }

    /// Returns a family whose value goes up and down, without a unit.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, unit: "", help, is_of_sender: false }
    }

    /// Returns a family whose labels are the information.
    #[must_use]
    pub const fn info(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Info, unit: "", help, is_of_sender: false }
    }

    /// Returns the family with a unit, with which its name has to end.
    #[must_use]
    pub const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// Returns the family as one whose counters start again with the program that measures, and are not kept over its restart.
    #[must_use]
    pub const fn of_sender(self) -> Self {
        Self { is_of_sender: true, ..self }
    }

    /// Returns what the names of its samples add to its own.
    pub(in crate::render) fn suffix(self) -> &'static str {
        match self.kind {
            Kind::Counter => "_total",
            Kind::Gauge => "",
            Kind::Info => "_info",
        }
    }
}

/// The labels of a sample: pairs of a name and a value.
pub type Labels = Vec<(&'static str, String)>;

/// Metrics with their samples, family by family: the one list from which every format is written, so that a scrape and a push
/// cannot differ.
///
/// ```
/// use eco2_report::{Family, MetricSet, MetricsFormat};
///
/// let up = Family::gauge("up", "Whether it works.");
/// let mut set = MetricSet::default();
/// set.one(up, &vec![("source", "nvml".to_owned())], Some(1.0));
/// set.one(Family::gauge("heat", "Not known here."), &Vec::new(), None);
/// let text = set.text(MetricsFormat::Prometheus);
/// assert_eq!(text, "# HELP up Whether it works.\n# TYPE up gauge\nup{source=\"nvml\"} 1\n");
/// ```
#[derive(Debug, Default)]
pub struct MetricSet {
    pub(in crate::render) families: Vec<(Family, Vec<Sample>)>,
}

/// Labels and value of a sample.
pub(in crate::render) type Sample = (Labels, f64);

impl MetricSet {
    /// Adds a family. A family without samples is left out. So is a second sample with the same labels, because readers
    /// reject it.
    pub fn family(&mut self, family: Family, samples: impl Iterator<Item = (Labels, f64)>) {
        let mut seen = BTreeSet::new();
        let is_new = |(labels, value): &Sample| value.is_finite() && seen.insert(labels.clone());
        let samples: Vec<Sample> = samples.filter(is_new).collect();
        if !samples.is_empty() {
            self.families.push((family, samples));
        }
    }

    /// Adds a family of one sample, if its value is known.
    pub fn one(&mut self, family: Family, labels: &Labels, value: Option<f64>) {
        self.family(family, value.into_iter().map(|value| (labels.clone(), value)));
    }

    /// Returns the number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.families.iter().map(|(_, samples)| samples.len()).sum()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.families.is_empty()
    }

    /// Returns the text of a format, with its end mark.
    #[must_use]
    pub fn text(&self, format: MetricsFormat) -> String {
        let mut out = String::new();
        for (family, samples) in &self.families {
            write_head(*family, format, &mut out);
            samples.iter().for_each(|(labels, value)| write_sample(*family, labels, *value, &mut out));
        }
        if format == MetricsFormat::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }
}

/// Writes the head of a family.
fn write_head(family: Family, format: MetricsFormat, out: &mut String) {
    let Family { name, kind, unit, help, .. } = family;
    if format == MetricsFormat::Prometheus {
        let kind = if kind == Kind::Counter { "counter" } else { "gauge" };
        let suffix = family.suffix();
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(out, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}");
        return;
    }
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Info => "info",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# TYPE {name} {kind}");
    if !unit.is_empty() {
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
    let _ = writeln!(out, "# HELP {name} {}", escaped(help));
}

/// Writes one sample of a family.
fn write_sample(family: Family, labels: &Labels, value: f64, out: &mut String) {
    out.push_str(family.name);
    out.push_str(family.suffix());
    for (at, (name, value)) in labels.iter().enumerate() {
        let _ = write!(out, "{}{name}=\"{}\"", if at == 0 { '{' } else { ',' }, escaped(value));
    }
    let _ = writeln!(out, "{} {value}", if labels.is_empty() { "" } else { "}" });
}

/// Returns a label's value with escaped special characters.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_escaped_and_families_without_any_left_out() {
        let family = Family::counter("a_joules", "Count \"a\".").unit("joules");
        let mut page = MetricSet::default();
        page.family(family, [(vec![("b", "x\"\\\ny".into())], 1.5), (vec![("b", "z".into())], f64::NAN)].into_iter());
        page.one(Family::gauge("c", "C."), &Vec::new(), None);
        let expected = "# TYPE a_joules counter\n# UNIT a_joules joules\n# HELP a_joules Count \\\"a\\\".\n\
                        a_joules_total{b=\"x\\\"\\\\\\ny\"} 1.5\n# EOF\n";
        assert_eq!(page.text(MetricsFormat::OpenMetrics), expected);
    }
}
