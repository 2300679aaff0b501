//! Writes a report as OpenMetrics text 1.0, for a scrape, a textfile collector or a push.
//!
//! Names and labels follow the Prometheus conventions: base units and `_total` for counters. A *family* is a metric
//! with its samples, and the sum over all its samples has a meaning, so devices that overlap others have a family of
//! their own. There are no timestamps, and a value that is not known has no sample. Label values come from the run and
//! its devices, never from command lines.

mod devices;
mod exposition;
mod legacy;
mod run;

use eco2_core::schema::Report;

pub(super) use exposition::Kind;
pub use exposition::{Family, Labels, MetricSet, MetricsFormat};

/// Which names the metrics have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricNames {
    /// Names `eco2_…` in base units.
    #[default]
    Eco2,
    /// Names `hf_training_…` as HF Eco2AI documented them, in kilowatt-hours, kilograms and percent.
    HfTraining,
}

/// Returns the report as OpenMetrics text that ends with `# EOF`.
#[must_use]
pub fn openmetrics(report: &Report, names: MetricNames) -> String {
    report_metrics(report, names).text(MetricsFormat::OpenMetrics)
}

/// Returns the metrics of a report, for a text or a push.
#[must_use]
pub fn report_metrics(report: &Report, names: MetricNames) -> MetricSet {
    let report = super::presentable(report);
    let mut set = MetricSet::default();
    match names {
        MetricNames::Eco2 => {
            devices::families(&report, &mut set);
            run::families(&report, &mut set);
        }
        MetricNames::HfTraining => legacy::families(&report, &mut set),
    }
    set
}
