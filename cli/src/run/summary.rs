//! What `eco2 run` says: one line before, a page after, both on standard error.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use eco2::options::Options;
use eco2_core::Quality;
use eco2_core::schema::{Device, Report, Status};
use eco2_report::TextStyle;

use super::watch::Measuring;
use crate::{failure, out, sink};

/// Width of the labels, as in the page.
const LABEL: usize = 12;

/// Says on a terminal what is measured and how well.
pub(super) fn header(measuring: &Measuring, options: &Options) {
    let Some(meter) = measuring.0.as_ref().filter(|_| !options.quiet && io::stderr().is_terminal()) else { return };
    out::talk(&format!("eco2: {}\n", line(&meter.snapshot())));
}

/// `measuring with rapl-sysfs (2 measured), model (1 ESTIMATED)`.
fn line(report: &Report) -> String {
    let mut groups: Vec<(&str, Quality, usize)> = Vec::new();
    for Device { source, quality, .. } in &report.devices {
        match groups.iter_mut().find(|(name, of, _)| name == source && of == quality) {
            Some((.., count)) => *count += 1,
            None => groups.push((source, *quality, 1)),
        }
    }
    let told = |(source, quality, count): &(&str, Quality, usize)| format!("{source} ({count}{})", word(*quality));
    let told: Vec<String> = groups.iter().map(told).collect();
    if told.is_empty() {
        "nothing can be measured here; eco2 doctor says why".into()
    } else {
        "measuring with ".to_owned() + &told.join(", ")
    }
}

fn word(quality: Quality) -> &'static str {
    match quality {
        Quality::Measured => " measured",
        Quality::Derived => " derived from power",
        Quality::Estimated => " ESTIMATED",
        Quality::Synthetic => " SYNTHETIC",
        // It has not been read yet, or not twice.
        Quality::Missing => "",
    }
}

/// The summary, where the log is, and what to do next.
pub(super) fn page(report: &Report, log: Option<&Path>, style: &TextStyle) -> String {
    let mut page = eco2_report::text(report, style);
    let mut facts = Vec::new();
    if let Some(log) = log {
        facts.push(("Log", log.display().to_string()));
        facts.push(("Next", "eco2 report last --json for every digit".to_owned()));
    }
    if !is_complete(report) {
        facts.push(("Next", "eco2 doctor says how to measure what is missing".to_owned()));
    }
    let synthetic = if report.energy.synthetic_uj > 0 { "SYNTHETIC " } else { "" };
    let mut last = "";
    for (label, fact) in facts {
        let shown = if label == last { "" } else { label };
        page.push_str(&format!("{synthetic}{shown:<LABEL$}{fact}\n"));
        last = label;
    }
    page
}

/// Whether every source that was asked for reads and nothing is estimated.
fn is_complete(report: &Report) -> bool {
    let reads = report.sources.iter().all(|source| matches!(source.status, Status::Ok | Status::Off));
    reads && report.energy.estimated_uj == 0 && !report.devices.is_empty()
}

/// Writes and shows the report. Nothing that fails here changes the exit code.
pub(super) fn finish(report: Option<Report>, log: Option<&Path>, options: &Options) {
    let Some(report) = report else { return };
    if let Some(place) = &options.json
        && let Err(error) = eco2_report::json(&report).map_err(Into::into).and_then(|text| sink::write(place, &text))
    {
        failure::say(&error.context("the report was not written"));
    }
    if !options.quiet {
        out::talk(&page(&report, log, &out::talk_style()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eco2_core::{Component, Domain};

    #[test]
    fn the_header_counts_devices_by_source_and_quality() {
        let mut report = eco2::replay(&eco2_report::Trace::default(), None, &Options::default()).unwrap();
        assert_eq!(line(&report), "nothing can be measured here; eco2 doctor says why");
        let domains =
            ["nvml", "model", "nvml"].map(|source| Domain::counter("d", Component::Gpu, "board", source)).to_vec();
        let trace = eco2_report::Trace { domains, ..eco2_report::Trace::default() };
        report = eco2::replay(&trace, None, &Options::default()).unwrap();
        report.devices.iter_mut().for_each(|device| device.quality = Quality::Measured);
        report.devices[1].quality = Quality::Estimated;
        assert_eq!(line(&report), "measuring with nvml (2 measured), model (1 ESTIMATED)");
    }
}
