//! The lines of the short summary that ask the reader to act. Those about the machine ([`Notice`]) are shown once per machine;
//! those about the run are shown with every report of it.

use eco2_core::schema::{EpisodeRecord, EventKind, Report, Status};

use super::layout::ShortStyle;
use super::notice::Notice;
use crate::render::figures::{Spelling, counted, number, percent};
use crate::render::provisional::provisional_text;

/// Most lines; of further ones only their number is shown.
const MAX_LINES: usize = 3;

/// Returns the lines, and the notices among them.
pub(super) fn notices(report: &Report, asked: &ShortStyle) -> (Vec<String>, Vec<Notice>) {
    let mut lines = of_run(report, Spelling { ascii: asked.style.ascii });
    let of_machine = [modelled(report), no_zone(report, asked.clock)];
    let new: Vec<(Notice, String)> =
        of_machine.into_iter().flatten().filter(|(notice, _)| !asked.seen.contains(notice)).collect();
    if lines.len() + new.len() > MAX_LINES {
        let hidden = lines.len() + new.len() + 1 - MAX_LINES;
        lines.extend(new.into_iter().map(|(_, line)| line));
        lines.truncate(MAX_LINES - 1);
        lines.push(format!("{hidden} more notices; the full report has them."));
        return (lines, Vec::new());
    }
    let shown = new.iter().map(|(notice, _)| *notice).collect();
    lines.extend(new.into_iter().map(|(_, line)| line));
    (lines, shown)
}

/// Returns the notice that energy is modelled, with the reason.
fn modelled(report: &Report) -> Option<(Notice, String)> {
    let energy = &report.energy;
    if energy.estimated_uj == 0 {
        return None;
    }
    if let Some(denied) = report.sources.iter().find(|source| source.status == Status::Denied) {
        let line = format!("{} may not be read by this user: eco2 doctor shows how to allow it.", plain(&denied.name));
        return Some((Notice::Denied, line));
    }
    // The reasons of RAPL are texts of crate `eco2-samplers`, which names a guest.
    let is_guest = report.sources.iter().any(|source| source.reason.contains("virtual machine"));
    let place = if is_guest { "on this virtual machine" } else { "on this machine" };
    let has_sensor = energy.measured_uj > 0 || energy.derived_uj > 0;
    let line = if has_sensor {
        let share = percent(energy.estimated_uj as f64, energy.total_uj.unwrap_or(0) as f64);
        format!("{share} of the energy is modelled: not every part has a sensor {place}.")
    } else {
        format!("No energy sensor {place}: CPU and memory are modelled.")
    };
    Some((Notice::Modelled, line))
}

/// Returns the notice that no zone is set, with the zone that the clock suggests.
fn no_zone(report: &Report, clock: Option<(&str, &str)>) -> Option<(Notice, String)> {
    let is_default = report.carbon.as_ref().is_some_and(|carbon| carbon.zone_source == "default-world");
    let line = || match clock {
        Some((time_zone, zone)) => {
            format!("No grid zone set. The clock is in {time_zone}: eco2 config set zone {zone}.")
        }
        None => "No grid zone set. Set yours for all runs, e.g. eco2 config set zone DE.".to_owned(),
    };
    is_default.then(|| (Notice::NoZone, line()))
}

/// Returns the lines about the run itself.
fn of_run(report: &Report, spelling: Spelling) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(why) = provisional_text(&report.run) {
        lines.push(format!("Provisional: {why}."));
    }
    if report.carbon.as_ref().is_some_and(|carbon| carbon.zone_source == "unknown") {
        lines.push("The grid zone is not known; the world average is used. eco2 grid lists all zones.".to_owned());
    }
    if let Some(merge) = report.merge.as_ref().filter(|merge| !merge.missing_ranks.is_empty()) {
        let count = merge.missing_ranks.len() as u64;
        lines.push(format!("There is no record of {}.", counted(count, "rank")));
    }
    if report.energy.missing_ns > 0 && report.energy.total_uj.is_some() {
        let time = spelling.duration(report.energy.missing_ns);
        lines.push(format!("{time} of device time has no readings: the energy of it is not in the value."));
    }
    for episode in report.spells.iter().filter(|episode| episode.is_anomaly() && episode.energy_uj != Some(0)) {
        let device = if episode.device.is_empty() { "The run" } else { episode.device.as_str() };
        let kind = if episode.kind == EpisodeRecord::HOT { "was too hot" } else { episode.kind.as_str() };
        let share = episode.energy_uj.zip(report.energy.total_uj);
        let share = share.map_or_else(String::new, |(part, whole)| {
            format!(", {} of the energy", percent(part as f64, whole as f64))
        });
        lines.push(format!("{device} {kind} for {}{share}.", spelling.duration(episode.duration_ns)));
    }
    lines.extend(events(report));
    if report.own.dropped > 0 {
        lines.push(format!("{} lost and not counted.", counted(report.own.dropped, "span")));
    }
    if report.own.log_lost_bytes > 0 {
        lines.push(format!("{} of the run log lost.", counted(report.own.log_lost_bytes, "byte")));
    }
    lines
}

/// Kinds of events that change a value or lose data.
const SERIOUS: [EventKind; 13] = [
    EventKind::LogFailed,
    EventKind::TraceFailed,
    EventKind::SamplerHung,
    EventKind::SamplerPanicked,
    EventKind::WebhookFailed,
    EventKind::EmailFailed,
    EventKind::PushFailed,
    EventKind::SensorReplaced,
    EventKind::CounterDisagrees,
    EventKind::SelfTestFailed,
    EventKind::GpuLost,
    EventKind::Xid,
    EventKind::ClockFarOff,
];

/// Returns one line for each kind of serious event.
fn events(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in SERIOUS {
        let mut of_kind = report.events.iter().filter(|event| event.event_kind() == Some(kind));
        let Some(first) = of_kind.next() else { continue };
        let device = if first.device.is_empty() { String::new() } else { format!("{}: ", first.device) };
        let more = match of_kind.count() {
            0 => String::new(),
            count => format!(" (and {} more times)", number(count as f64)),
        };
        lines.push(format!("{device}{}{more}", first.text));
    }
    lines
}

/// Returns a source's name in words.
fn plain(source: &str) -> &str {
    match source {
        "rapl-perf" | "rapl-sysfs" => "The CPU's energy counter (RAPL)",
        "nvml" => "The NVIDIA driver",
        "amdsmi" => "The AMD driver",
        other => other,
    }
}
