//! The report as OpenMetrics text 1.0, for a scrape, a textfile collector or a push.
//!
//! Names and labels follow the Prometheus conventions: base units, `_total` for counters, and a sum over all labels of a
//! family has a meaning, so devices that overlap others have a family of their own. There are no timestamps, and a value that
//! is not known has no sample. Label values come from the run and its devices, never from command lines.

mod devices;
mod exposition;
mod legacy;
mod run;

use eco2_core::schema::Report;

use exposition::Exposition;

/// The names of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricNames {
    /// `eco2_…` in base units.
    #[default]
    Eco2,
    /// `hf_training_…` as HF Eco2AI documented them, in kilowatt-hours, kilograms and percent.
    HfTraining,
}

/// The report as OpenMetrics text, `# EOF` at its end.
#[must_use]
pub fn openmetrics(report: &Report, names: MetricNames) -> String {
    let report = super::presentable(report);
    let mut page = Exposition::default();
    match names {
        MetricNames::Eco2 => {
            devices::families(&report, &mut page);
            run::families(&report, &mut page);
        }
        MetricNames::HfTraining => legacy::families(&report, &mut page),
    }
    page.finish()
}
