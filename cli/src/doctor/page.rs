//! Formats the output of `eco2 doctor`: a table of sources with reason and remedy, a table of devices, the verdict; and
//! with `--fix-script` the remedies as a shell script. A *source* is an interface that is read for energy or power
//! (`rapl-sysfs`); a *device* is one quantity that it measures.

use anstyle::{AnsiColor, Style};
use eco2_core::schema::{Device, SourceStatus, Status};
use eco2_core::{Component, Quality};
use eco2_report::{CounterResult, CounterTest, TextStyle};

use super::verdict::{self, DoctorVerdict, MachineCheck};
use super::{advice, calibration};

/// Width of a source's name and a space; the longest is `NVIDIA GPU (nvml)`.
const NAME: usize = 19;
/// Width of a status and of a quality.
const STATUS: usize = 10;
/// Least width of a device's name and a space.
const DEVICE: usize = 24;
/// Most characters of a device's name.
const MAX_DEVICE: usize = 44;

/// Returns the whole text: sources, devices, self-test of counters, and what the exit code means.
pub(super) fn page(found: &MachineCheck, style: &TextStyle) -> String {
    let mut out = format!("{:NAME$}{:STATUS$}reason, and what to do\n", "source", "status");
    found.sources.iter().for_each(|source| out.push_str(&source_rows(source, style)));
    out.push('\n');
    if !found.devices.is_empty() {
        let names = device_names(&found.devices);
        let width = names.iter().map(|name| name.chars().count() + 1).max().unwrap_or(0).max(DEVICE);
        out.push_str(&format!("{:width$}{:STATUS$}  {:>9}  {}\n", "device", "quality", "now", "updates every"));
        for (device, name) in found.devices.iter().zip(&names) {
            out.push_str(&format!("{name:width$}{}", device_values(device)));
        }
        out.push('\n');
    }
    if !found.counters.is_empty() {
        out.push_str(&counter_table(&found.counters, style));
        out.push('\n');
    }
    for warning in &found.warnings {
        out.push_str(&format!("The self-test's result: {}\n\n", one_line(warning)));
    }
    if let Some(stored) = &found.calibration.stored {
        out.push_str(&calibration::table(&stored.calibration));
    }
    for sentence in found.calibration.sentences() {
        wrap(&sentence, style.width.max(40)).iter().for_each(|line| out.push_str(&format!("{line}\n")));
        out.push('\n');
    }
    for text in advice::advice(&found.place, &found.sources) {
        out.push_str(&(paragraph(&text, style.width.max(40)) + "\n"));
    }
    for line in wrap(&conclusion(found), style.width.max(40)) {
        out.push_str(&(line + "\n"));
    }
    out
}

/// Returns a paragraph of advice; its lines with a margin are not broken, because they are commands to copy.
fn paragraph(text: &str, width: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match line.strip_prefix("    ") {
            Some(command) => out.push_str(&format!("    {command}\n")),
            None => wrap(line, width).iter().for_each(|part| out.push_str(&format!("{part}\n"))),
        }
    }
    out
}

/// Returns a source in plain words, with the name that options and reports use.
fn plain_name(source: &str) -> String {
    let what = match source {
        "rapl-perf" | "rapl-sysfs" => "CPU",
        "nvml" => "NVIDIA GPU",
        "amdsmi" => "AMD GPU",
        "hwmon" => "board",
        "model" => "estimate",
        _ => return source.to_owned(),
    };
    format!("{what} ({source})")
}

/// Returns the names of devices: of GPUs their number and model, of others their id.
fn device_names(devices: &[Device]) -> Vec<String> {
    let mut gpus = 0;
    let name = |device: &Device| {
        let name = if device.component == Component::Gpu {
            gpus += 1;
            format!("GPU {}  {}", gpus - 1, device.hardware())
        } else {
            device.id.clone()
        };
        name.chars().take(MAX_DEVICE).collect()
    };
    devices.iter().map(name).collect()
}

/// Returns the rows of a source: name, status, reason and remedy.
fn source_rows(source: &SourceStatus, style: &TextStyle) -> String {
    let room = style.width.max(60) - NAME - STATUS;
    let mut lines = wrap(&source.reason, room);
    if !source.remedy.is_empty() {
        lines.extend(wrap(&format!("do: {}", source.remedy), room));
    }
    let status = source.status.name();
    let tone = tone(source, style);
    let mut out = format!("{:NAME$}{tone}{status:STATUS$}{tone:#}", plain_name(&source.name));
    for (at, line) in lines.iter().enumerate() {
        let margin = if at == 0 { "" } else { &" ".repeat(NAME + STATUS) };
        out.push_str(&format!("{margin}{line}\n"));
    }
    out
}

/// Returns the values of a device: quality, mean power and time between updates.
fn device_values(device: &Device) -> String {
    let watts = device.mean_w.map_or_else(|| "-".to_owned(), |watts| format!("{watts:.1} W"));
    let period = device.update_period_ns.map(|ns| format!("{:.1} ms", ns as f64 / 1e6));
    let period = period.unwrap_or_else(|| "-".to_owned());
    let quality = quality_word(device);
    format!("{quality:STATUS$}  {watts:>9}  {period}\n")
}

/// Returns the self-test of each energy counter. Update period and quality of the same devices are in the table above
/// it.
fn counter_table(tests: &[CounterTest], style: &TextStyle) -> String {
    let head = ["self-test", "result", "step", "read", "against power"];
    let mut out = format!("{:DEVICE$}{:RESULT$}  {:>9}  {:>9}  {:>13}\n", head[0], head[1], head[2], head[3], head[4]);
    for test in tests {
        let id: String = test.id.chars().take(DEVICE - 1).collect();
        let tone = match test.fault() {
            Some(_) if style.color => Style::new().fg_color(Some(AnsiColor::Red.into())),
            _ => Style::new(),
        };
        let result = result_words(test.result);
        let step = test.smallest_step_uj.map_or_else(|| "-".to_owned(), energy);
        let read = test.read_cpu_us.map_or_else(|| "-".to_owned(), |us| format!("{us:.1} µs"));
        let off = test.difference_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:+.1} %"));
        out.push_str(&format!("{id:DEVICE$}{tone}{result:RESULT$}{tone:#}  {step:>9}  {read:>9}  {off:>13}\n"));
    }
    out
}

/// Width of the result of a self-test.
const RESULT: usize = 22;

/// Returns the result of a self-test in words.
fn result_words(result: CounterResult) -> &'static str {
    match result {
        CounterResult::Passed => "passed",
        CounterResult::Still => "FAILED, does not move",
        CounterResult::Contradicted => "FAILED, contradicted",
        CounterResult::Unclear => "unclear",
    }
}

/// Returns an amount of energy in the unit that gives at most four digits.
fn energy(uj: u64) -> String {
    match uj {
        0..10_000 => format!("{uj} µJ"),
        10_000..10_000_000 => format!("{} mJ", uj / 1_000),
        _ => format!("{} J", uj / 1_000_000),
    }
}

/// Returns the last lines: what the exit code means.
fn conclusion(found: &MachineCheck) -> String {
    let code = found.verdict.exit_code();
    match found.verdict {
        DoctorVerdict::Fine => "All requested sources can be read.".to_owned(),
        DoctorVerdict::SomeMissing => {
            format!("Some sources are missing (exit code {code}); eco2 doctor --fix-script prints the remedies.")
        }
        DoctorVerdict::NoneMeasurable => format!(
            "Nothing can be measured here (exit code {code}). `eco2 run` estimates the energy of CPUs and memory from load \
             instead, and labels it as estimated; --no-estimate turns that off.{}",
            if found.sources.iter().any(|source| verdict::is_missing(source) && is_command(&source.remedy)) {
                " eco2 doctor --fix-script prints the remedies."
            } else {
                ""
            }
        ),
    }
}

/// Returns the colour of a status: red if the source is missing, green if it can be read.
fn tone(source: &SourceStatus, style: &TextStyle) -> Style {
    let color = match source.status {
        _ if !style.color => return Style::new(),
        _ if verdict::is_missing(source) => AnsiColor::Red,
        Status::Ok => AnsiColor::Green,
        _ => return Style::new().dimmed(),
    };
    Style::new().fg_color(Some(color.into()))
}

/// Returns the quality of a device's values in a word.
fn quality_word(device: &Device) -> &'static str {
    match device.quality {
        _ if !verdict::is_alive(device) => "missing",
        Quality::Estimated => "estimated",
        Quality::Synthetic => "synthetic",
        quality => quality.name(),
    }
}

/// Breaks a text at spaces. A word that is longer than a line is not broken, so that a command can be copied.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

const HEAD: &str = "\
#!/bin/sh
# Enables the sensors that `eco2 doctor` found missing on this machine.
# Read every line before you run it, as the user who measures: it changes permissions or loads drivers.
set -eu
";

/// Returns the script of `--fix-script`: reason and command for each missing source. A remedy that is not a command
/// becomes a comment. Nothing here runs the script.
pub(super) fn fix_script(found: &MachineCheck) -> String {
    let mut out = HEAD.to_owned();
    let missing: Vec<_> = found.sources.iter().filter(|source| verdict::is_missing(source)).collect();
    for source in &missing {
        let status = source.status.name();
        out.push_str(&format!("\n# {} is {status}: {}\n", source.name, one_line(&source.reason)));
        let remedy = one_line(&source.remedy);
        let line = if is_command(&remedy) {
            remedy
        } else {
            format!("# {}", if remedy.is_empty() { "no remedy is known" } else { &remedy })
        };
        out.push_str(&format!("{line}\n"));
    }
    if missing.is_empty() {
        out.push_str("\n# Nothing is missing.\n");
    }
    out
}

/// Whether a remedy is a command and not advice: every command begins with `sudo`.
fn is_command(remedy: &str) -> bool {
    remedy.starts_with("sudo ")
}

/// Replaces control characters: a line feed in a driver's message must not end the comment.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::calibration::CalibrationCheck;

    #[test]
    fn text_wraps_at_spaces_and_keeps_long_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("do /a/very/long/path now", 6), ["do", "/a/very/long/path", "now"]);
        assert_eq!(wrap("", 8), [""]);
    }

    #[test]
    fn only_commands_of_the_script_are_not_comments() {
        let source = |name: &str, reason: &str, remedy: &str| SourceStatus {
            name: name.into(),
            status: Status::Denied,
            reason: reason.into(),
            remedy: remedy.into(),
        };
        let sources = vec![
            source("rapl-sysfs", "root only", "sudo chmod a+r x"),
            source("nvml", "odd\nrm -rf x", "reboot, or reload the driver"),
            source("hwmon", "odd", ""),
        ];
        let verdict = DoctorVerdict::NoneMeasurable;
        let (devices, counters, warnings) = (Vec::new(), Vec::new(), Vec::new());
        let calibration = CalibrationCheck::default();
        let place = super::super::advice::Place::default();
        let script = fix_script(&MachineCheck { sources, devices, counters, warnings, calibration, verdict, place });
        let commands: Vec<&str> = script.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(commands, ["set -eu", "sudo chmod a+r x"]);
    }
}
