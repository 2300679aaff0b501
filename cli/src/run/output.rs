//! Prints the messages of `eco2 run` on standard error, without the live line: with `--verbose` the sources before the command
//! starts, and the summary after it has ended. Writes the report to the file of `--json`.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use eco2::options::{Options, SummaryLength};
use eco2_core::Quality;
use eco2_core::schema::{Device, Report};

use super::watch::OptionalMeter;
use crate::{failure, out, sink, summary};

/// Width of the labels, as in the full text of crate `eco2-report`.
const LABEL: usize = 12;

/// Prints which sources measure, and with which quality, if a full summary was asked for.
pub(super) fn header(meter: &OptionalMeter, options: &Options) {
    let is_full = options.summary == SummaryLength::Full && !options.quiet;
    let Some(meter) = meter.0.as_ref().filter(|_| is_full) else { return };
    out::talk(&format!("eco2: {}\n", line(&meter.snapshot())));
}

/// `measuring with rapl-sysfs (2 measured), model (1 estimated)`.
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
        Quality::Estimated => " estimated",
        Quality::Synthetic => " synthetic",
        // Not read yet, or only once.
        Quality::Missing => "",
    }
}

/// Writes and shows the report. An error is printed and does not change the exit code. If the user has interrupted the run
/// with keys, the terminal has echoed them, so that the summary starts on a new line.
pub(super) fn finish(report: Option<Report>, log: Option<&Path>, options: &Options, was_interrupted: bool) {
    let Some(report) = report else { return };
    if let Some(file) = &options.json {
        let written = eco2_report::json(&report).map_err(Into::into).and_then(|text| sink::write(file, &text));
        if let Err(error) = written {
            failure::print_error(&error.context("the report was not written"));
        }
    }
    if options.quiet {
        return;
    }
    let new_line = if was_interrupted && io::stderr().is_terminal() { "\n" } else { "" };
    let text = summary::of_new_run(&report, options, out::talk_style(), &summary::next_steps(&report, log.is_some()));
    let log = log.filter(|_| options.summary == SummaryLength::Full);
    let log = log.map_or_else(String::new, |log| format!("{:<LABEL$}{}\n", "Log", log.display()));
    out::talk(&format!("{new_line}{text}{log}"));
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
        assert_eq!(line(&report), "measuring with nvml (2 measured), model (1 estimated)");
    }
}
