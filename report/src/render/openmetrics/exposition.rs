//! Writes the text format of OpenMetrics, which Prometheus reads. The text consists of *families*: a metric with a head
//! (type, unit and help) and its samples, which differ in their labels.
//!
//! Source: the OpenMetrics specification, version 1.0.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The type of a family's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The value only grows; the samples' names end in `_total`.
    Counter,
    /// The value goes up and down.
    Gauge,
    /// Only the labels have a meaning; the sample's name ends in `_info` and its value is 1.
    Info,
}

/// The head of a family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    /// Name without suffix. If the family has a unit, the name ends with `_` and the unit.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Unit; empty for a family without one.
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
}

impl Family {
    /// Returns a family whose value only grows, without a unit.
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, unit: "", help }
    }

    /// Returns a family whose value goes up and down, without a unit.
    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, unit: "", help }
    }

    /// Returns a family whose labels are the information.
    pub(super) const fn info(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Info, unit: "", help }
    }

    /// Returns the family with a unit, with which its name has to end.
    pub(super) const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }
}

/// The labels of a sample: pairs of a name and a value.
pub(super) type Labels = Vec<(&'static str, String)>;

/// The text under construction, family by family.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    out: String,
}

impl Exposition {
    /// Adds a family. A family without samples is left out. So is a second sample with the same labels, because readers
    /// reject it.
    pub(super) fn family(&mut self, family: Family, samples: impl Iterator<Item = (Labels, f64)>) {
        let mut seen = BTreeSet::new();
        for (labels, value) in samples.filter(|(_, value)| value.is_finite()) {
            if seen.is_empty() {
                self.head(family);
            }
            if !seen.contains(&labels) {
                self.sample(family, &labels, value);
                seen.insert(labels);
            }
        }
    }

    /// Adds a family of one sample, if its value is known.
    pub(super) fn one(&mut self, family: Family, labels: &Labels, value: Option<f64>) {
        self.family(family, value.into_iter().map(|value| (labels.clone(), value)));
    }

    /// Returns the text with its end mark.
    pub(super) fn finish(mut self) -> String {
        self.out.push_str("# EOF\n");
        self.out
    }

    /// Writes the head of a family.
    fn head(&mut self, Family { name, kind, unit, help }: Family) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Info => "info",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(self.out, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.out, "# HELP {name} {}", escaped(help));
    }

    /// Writes one sample of a family.
    fn sample(&mut self, family: Family, labels: &Labels, value: f64) {
        self.out.push_str(family.name);
        self.out.push_str(match family.kind {
            Kind::Counter => "_total",
            Kind::Gauge => "",
            Kind::Info => "_info",
        });
        for (at, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.out, "{}{name}=\"{}\"", if at == 0 { '{' } else { ',' }, escaped(value));
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
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
        let family = Family { name: "a_joules", kind: Kind::Counter, unit: "joules", help: "Count \"a\"." };
        let mut page = Exposition::default();
        page.family(family, [(vec![("b", "x\"\\\ny".into())], 1.5), (vec![("b", "z".into())], f64::NAN)].into_iter());
        page.one(Family { name: "c", kind: Kind::Gauge, unit: "", help: "C." }, &Vec::new(), None);
        let expected = "# TYPE a_joules counter\n# UNIT a_joules joules\n# HELP a_joules Count \\\"a\\\".\n\
                        a_joules_total{b=\"x\\\"\\\\\\ny\"} 1.5\n# EOF\n";
        assert_eq!(page.finish(), expected);
    }
}
