//! Checks the figures of a stored record ([`check_record`]) for `eco2 verify`: the report is compared with its parts, with the
//! closing record of its log, and with the counts at both ends of the run; or, in a log of a version without these, with the report
//! that the log's readings give.

use std::path::Path;

use eco2_core::schema::Report;
use eco2_report::{
    FigureCheck, FigureDifference, LogContents, check_closing, check_ends, check_figures, read_log, read_report,
};

use crate::Error;
use crate::options::Options;
use crate::run::recover::recovered;

/// Figures of a record that were computed again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordCheck {
    /// Id of the run; empty if the record has no report.
    pub run_id: String,
    /// The figures, and those that differ.
    pub figures: FigureCheck,
    /// Whether the log has the counts at both ends of the run.
    pub has_counts: bool,
    /// Devices whose energy follows to the microjoule: from the counts at both ends, else from the readings in the log.
    pub exact_devices: u64,
    /// Devices whose energy or counts lie in the range that the readings leave. A log keeps about one reading per second and sensor.
    pub devices_in_range: u64,
    /// Devices whose energy the readings do not confirm. It is no fault by itself, because a log does not have all readings.
    pub not_confirmed: Vec<FigureDifference>,
    /// Readings in the log.
    pub readings: u64,
}

/// Computes the figures of a log or of a report file again.
///
/// # Errors
/// [`Error::Read`] for a file that cannot be read or contradicts itself.
pub fn check_record(path: &Path, is_log: bool) -> Result<RecordCheck, Error> {
    if !is_log {
        let report = read_report(path)?;
        let figures = check_figures(&report);
        return Ok(RecordCheck { run_id: report.run.id, figures, ..RecordCheck::default() });
    }
    let log = read_log(path)?;
    let mut check = RecordCheck { readings: log.history.len() as u64, ..RecordCheck::default() };
    check.figures.extend("", check_closing(&log));
    let Some(report) = log.report().cloned() else { return Ok(check) };
    check.run_id.clone_from(&report.run.id);
    check.figures.extend("", check_figures(&report));
    if let Some(ends) = check_ends(&log) {
        check.figures.extend("", ends.figures);
        (check.has_counts, check.exact_devices) = (true, ends.exact_devices);
        (check.devices_in_range, check.not_confirmed) = (ends.confirmed_devices, ends.not_confirmed);
    } else if log.final_report.is_some() {
        only_known(&mut check, &report, &log);
        let end_ns = log.meta.as_ref().map(|meta| meta.begin_ns.saturating_add(report.run.duration_ns));
        let rebuilt = recovered(log, end_ns, &Options::default())?;
        compare_devices(&mut check, &report, &rebuilt);
    }
    Ok(check)
}

/// Adds the devices of a report that the log does not define.
fn only_known(check: &mut RecordCheck, report: &Report, log: &LogContents) {
    if log.torn_bytes > 0 || log.domains.is_empty() {
        return;
    }
    for (at, device) in report.devices.iter().enumerate() {
        let is_known = log.domains.values().any(|domain| domain.id == device.id);
        check.figures.compare(&format!("devices[{at}] {}", device.id), "in the report", "not in the log", is_known);
    }
}

/// Compares the energies of devices with those that the readings give.
fn compare_devices(check: &mut RecordCheck, report: &Report, rebuilt: &Report) {
    for computed in &rebuilt.devices {
        let Some(computed_uj) = computed.energy_uj.filter(|_| computed.is_summed()) else { continue };
        let stored = report.devices.iter().find(|device| device.id == computed.id);
        let low = computed.free_low_uj.or(computed.low_uj).unwrap_or(0).min(computed_uj);
        let high = computed.free_high_uj;
        match stored.and_then(|device| device.energy_uj) {
            Some(stored_uj) if stored_uj == computed_uj => check.exact_devices += 1,
            Some(stored_uj) if stored_uj >= low && high.is_none_or(|high| stored_uj <= high) => {
                check.devices_in_range += 1;
            }
            stored_uj => check.not_confirmed.push(FigureDifference {
                field: format!("energy of {}", computed.id),
                stored: stored_uj.map_or_else(|| "not in the report".to_owned(), |uj| format!("{uj} uJ")),
                computed: match high {
                    Some(high) => format!("{computed_uj} uJ, from {low} to {high}"),
                    None => format!("{computed_uj} uJ, at least {low}"),
                },
            }),
        }
    }
}
