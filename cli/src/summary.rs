//! Shows a report to people: the short summary of `eco2 run` and `eco2 demo`, or the full text. Notices about the machine are
//! printed once; its file in the state folder has the names of those that were printed.

use eco2::options::{Log, Options, SummaryLength};
use eco2_core::schema::{Report, Status};
use eco2_report::{Notice, ShortStyle, TextStyle};

use crate::clock_zone;

/// Returns the summary of a run that has just ended, of the length that the options ask for. It ends with commands to try
/// next. Notices about the machine that it contains are stored as shown.
pub(crate) fn of_new_run(report: &Report, options: &Options, style: TextStyle, next: &[String]) -> String {
    let seen = eco2::shown_notices(options);
    let zone = if seen.contains(&Notice::NoZone) { None } else { clock_zone::of_this_machine() };
    let clock = zone.as_ref().map(|(time_zone, zone)| (time_zone.as_str(), *zone));
    let (text, notices) =
        of_length(report, options, &ShortStyle { style, scope: options.scope, seen: &seen, clock, next });
    // A user who keeps no log wants no file either.
    if options.log != Log::Off {
        eco2::remember_notices(options, &notices);
    }
    text
}

/// Returns the summary of a stored or synthetic run, without notices about the machine, which may be another one.
pub(crate) fn of_stored_run(report: &Report, options: &Options, style: TextStyle, next: &[String]) -> String {
    let asked = ShortStyle { style, scope: options.scope, seen: &Notice::ALL, clock: None, next };
    of_length(report, options, &asked).0
}

fn of_length(report: &Report, options: &Options, asked: &ShortStyle) -> (String, Vec<Notice>) {
    match options.summary {
        SummaryLength::Off => (String::new(), Vec::new()),
        SummaryLength::Full => (eco2_report::text(report, &asked.style), Vec::new()),
        SummaryLength::Short => {
            let short = eco2_report::short_text(report, asked);
            (short.text, short.notices)
        }
    }
}

/// Returns the facts of the last line: the ID of a stored run for other commands, and commands to try next.
pub(crate) fn next_steps(report: &Report, is_stored: bool) -> Vec<String> {
    let mut steps = Vec::new();
    if is_stored {
        steps.push(format!("Run {}", eco2_report::short_id(&report.run.id)));
        steps.extend(["eco2 show --all", "eco2 runs"].map(str::to_owned));
    }
    if !is_complete(report) {
        steps.push("eco2 doctor".to_owned());
    }
    steps
}

/// Whether every requested source works and nothing is estimated.
fn is_complete(report: &Report) -> bool {
    let all_work = report.sources.iter().all(|source| matches!(source.status, Status::Ok | Status::Off));
    all_work && report.energy.estimated_uj == 0 && !report.devices.is_empty()
}
