//! Prints what `eco2 run` shows on standard error: one line before the command starts, the summary after it has ended.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use eco2::options::Options;
use eco2_core::Quality;
use eco2_core::schema::{Device, Report, Status};
use eco2_report::TextStyle;

use super::watch::OptionalMeter;
use crate::{failure, out, sink};

/// Width of the labels, as in the summary of crate `eco2-report`.
const LABEL: usize = 12;

/// Prints on a terminal which sources measure, and with which quality.
pub(super) fn header(meter: &OptionalMeter, options: &Options) {
    let Some(meter) = meter.0.as_ref().filter(|_| !options.quiet && io::stderr().is_terminal()) else { return };
    out::talk(&format!("eco2: {}\n", line(&meter.snapshot())));
}

/// `measuring with rapl-sysfs (2 measured), model (1 ESTIMATED)`.
fn line(report: &Report) -> String {
    let mut groups: Vec<(&str, Quality, usize)> = Vec::new();
    for Device { source, quality, .. } in &report.devices {
        match groups.iter_mut().find(|(other, same, _)| other == source && same == quality) {
            Some((.., count)) => *count += 1,
            None => groups.push((source, *quality, 1)),
        }
    }
    let text = |(source, quality, count): &(&str, Quality, usize)| format!("{source} ({count}{})", word(*quality));
    let texts: Vec<String> = groups.iter().map(text).collect();
    if texts.is_empty() {
        "nothing can be measured here; eco2 doctor shows why".into()
    } else {
        "measuring with ".to_owned() + &texts.join(", ")
    }
}

/// Returns a quality in a word.
fn word(quality: Quality) -> &'static str {
    match quality {
        Quality::Measured => " measured",
        Quality::Derived => " derived from power",
        Quality::Estimated => " ESTIMATED",
        Quality::Synthetic => " SYNTHETIC",
        // Not read yet, or only once.
        Quality::Missing => "",
    }
}

/// Returns the summary, the path of the log, and commands to try next.
pub(super) fn page(report: &Report, log: Option<&Path>, style: &TextStyle) -> String {
    let mut page = eco2_report::text(report, style);
    let mut facts = Vec::new();
    if let Some(log) = log {
        facts.push(("Log", log.display().to_string()));
        facts.push(("Next", "eco2 report last --json for every digit".to_owned()));
    }
    if !is_complete(report) {
        facts.push(("Next", "eco2 doctor shows how to enable the missing sensors".to_owned()));
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

/// Whether every requested source works and nothing is estimated.
fn is_complete(report: &Report) -> bool {
    let all_work = report.sources.iter().all(|source| matches!(source.status, Status::Ok | Status::Off));
    all_work && report.energy.estimated_uj == 0 && !report.devices.is_empty()
}

/// Writes and shows the report. An error is printed and does not change the exit code.
pub(super) fn finish(report: Option<Report>, log: Option<&Path>, options: &Options) {
    let Some(report) = report else { return };
    if let Some(file) = &options.json
        && let Err(error) = eco2_report::json(&report).map_err(Into::into).and_then(|text| sink::write(file, &text))
    {
        failure::print_error(&error.context("the report was not written"));
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
        assert_eq!(line(&report), "nothing can be measured here; eco2 doctor shows why");
        let domains =
            ["nvml", "model", "nvml"].map(|source| Domain::counter("d", Component::Gpu, "board", source)).to_vec();
        let trace = eco2_report::Trace { domains, ..eco2_report::Trace::default() };
        report = eco2::replay(&trace, None, &Options::default()).unwrap();
        report.devices.iter_mut().for_each(|device| device.quality = Quality::Measured);
        report.devices[1].quality = Quality::Estimated;
        assert_eq!(line(&report), "measuring with nvml (2 measured), model (1 ESTIMATED)");
    }
}
