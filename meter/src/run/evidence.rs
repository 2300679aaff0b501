//! Checks the figures of a stored record ([`check_record`]) for `eco2 verify`: the report is compared with its parts, with the
//! closing record of its log, and with the report that the log's readings give.

use std::path::Path;

use eco2_core::schema::Report;
use eco2_report::{FigureCheck, check_closing, check_figures, read_log, read_report};

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
    /// Devices whose energy follows from the readings in the log to the microjoule.
    pub exact_devices: u64,
    /// Devices whose energy lies in the range that the readings leave. A log keeps about one reading a second of a power sensor.
    pub devices_in_range: u64,
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
    if log.final_report.is_some() {
        let rebuilt = recovered(log, &Options::default())?;
        compare_devices(&mut check, &report, &rebuilt);
    }
    Ok(check)
}

/// Compares the energies of devices with those that the readings give.
fn compare_devices(check: &mut RecordCheck, report: &Report, rebuilt: &Report) {
    for (at, stored) in report.devices.iter().enumerate() {
        let Some(computed) = rebuilt.devices.iter().find(|device| device.id == stored.id) else { continue };
        let (Some(stored_uj), Some(computed_uj)) = (stored.energy_uj, computed.energy_uj) else { continue };
        let low = computed.free_low_uj.or(computed.low_uj).unwrap_or(0).min(computed_uj);
        let high = computed.free_high_uj;
        if stored_uj == computed_uj {
            check.exact_devices += 1;
        } else {
            check.devices_in_range += 1;
        }
        let is_possible = stored_uj >= low && high.is_none_or(|high| stored_uj <= high);
        let range = match high {
            Some(high) => format!("{computed_uj} in {low} to {high}"),
            None => format!("{computed_uj}, at least {low}"),
        };
        let field = format!("devices[{at}].energy_uj");
        check.figures.compare(&field, stored_uj.to_string(), range, is_possible);
    }
}
