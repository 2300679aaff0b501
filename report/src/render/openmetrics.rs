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

pub use exposition::{Exposition, Family, Labels, MetricsFormat};

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
