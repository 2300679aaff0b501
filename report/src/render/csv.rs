//! Writes a report as CSV for spreadsheets: one row per device ([`csv`]), or one row per span name ([`spans_csv`]).
//!
//! Columns of [`csv`]: `run_id`, `run_name`, `row` (`total`, `device`, `source`), `id`, `component`, `domain`, `name`,
//! `source`, `quality`, `status` and `reason` (of a source, or `provisional`/`final` of the total), `energy_uj`,
//! `low_uj`, `high_uj` (empty: unbounded), `energy_kwh`, `co2_kg` (of the total), `mean_w`, `peak_w`, `gain_percent`,
//! `coverage` (0 to 1), `missing_ns`, `wraps`, `resets`, `gaps`, `in_total` (`yes`, or `no` for a device that overlaps
//! another). An empty cell means "not known", never 0.

use eco2_core::schema::{Device, Report, SourceStatus};
use eco2_core::units;

use super::{not_ok, presentable, word};
use crate::{Error, clean};

const COLUMNS: [&str; 25] = [
    "run_id",
    "run_name",
    "row",
    "id",
    "component",
    "domain",
    "name",
    "source",
    "quality",
    "status",
    "reason",
    "energy_uj",
    "low_uj",
    "high_uj",
    "energy_kwh",
    "co2_kg",
    "mean_w",
    "peak_w",
    "gain_percent",
    "coverage",
    "missing_ns",
    "wraps",
    "resets",
    "gaps",
    "in_total",
];

/// A row under construction: cells by column name.
struct CsvRow(Vec<(&'static str, String)>);

impl CsvRow {
    /// Returns a row of the given kind with the id and the name of the run.
    fn new(report: &Report, kind: &str) -> Self {
        let run = &report.run;
        Self(vec![("run_id", run.id.clone()), ("run_name", run.name.clone()), ("row", kind.to_owned())])
    }

    /// Sets the cell of a column.
    fn set(&mut self, column: &'static str, value: impl ToString) {
        self.0.push((column, value.to_string()));
    }

    /// Sets the cell of a column, if the value is known.
    fn set_known<T: ToString>(&mut self, column: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.set(column, value);
        }
    }

    /// Returns the cells in the order of the columns; a cell that was not set is empty.
    fn cells(&self) -> Vec<&str> {
        let cell =
            |column: &&str| self.0.iter().find(|(name, _)| name == column).map_or("", |(_, value)| value.as_str());
        COLUMNS.iter().map(cell).collect()
    }
}

/// Returns the total, the devices, and every source that could not be read, as CSV with a header line.
///
/// # Errors
/// [`Error::Table`].
pub fn csv(report: &Report) -> Result<String, Error> {
    let report = presentable(report);
    let mut rows = vec![total(&report)];
    rows.extend(report.devices.iter().map(|device| device_row(&report, device)));
    rows.extend(not_ok(&report).map(|source| source_row(&report, source)));
    let header = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let rows = rows.iter().map(|row| row.cells().into_iter().map(str::to_owned).collect());
    table("the devices", header, rows)
}

/// Returns the row of the run's total.
fn total(report: &Report) -> CsvRow {
    let energy = &report.energy;
    let mut row = CsvRow::new(report, "total");
    row.set("status", word(&report.run.state));
    row.set_known("energy_uj", energy.total_uj);
    row.set("low_uj", energy.low_uj);
    row.set_known("high_uj", energy.high_uj);
    row.set_known("energy_kwh", energy.total_uj.map(units::kwh));
    row.set_known("co2_kg", report.carbon.as_ref().and_then(|carbon| carbon.grams).map(|grams| grams / 1e3));
    row.set_known("mean_w", energy.total_uj.and_then(|uj| units::watts(uj, report.run.duration_ns)));
    row.set("missing_ns", energy.missing_ns);
    row
}

/// Returns the row of a device.
fn device_row(report: &Report, device: &Device) -> CsvRow {
    let mut row = CsvRow::new(report, "device");
    row.set("id", &device.id);
    row.set("component", word(&device.component));
    row.set("domain", &device.domain);
    row.set("name", &device.name);
    row.set("source", &device.source);
    row.set("quality", word(&device.quality));
    row.set_known("energy_uj", device.energy_uj);
    row.set_known("low_uj", device.low_uj);
    row.set_known("high_uj", device.high_uj);
    row.set_known("energy_kwh", device.energy_uj.map(units::kwh));
    row.set_known("mean_w", device.mean_w);
    row.set_known("peak_w", device.peak_w);
    row.set_known("gain_percent", device.gain_percent);
    row.set("coverage", device.coverage);
    row.set("wraps", device.wraps);
    row.set("resets", device.resets);
    row.set("gaps", device.gaps.len());
    row.set("in_total", if device.overlaps.is_empty() { "yes" } else { "no" });
    row
}

/// Returns the row of a source without readings.
fn source_row(report: &Report, source: &SourceStatus) -> CsvRow {
    let mut row = CsvRow::new(report, "source");
    row.set("source", &source.name);
    row.set("status", source.status.name());
    row.set("reason", &source.reason);
    row
}

/// Returns the spans (named times) as CSV:
/// `run_id,name,count,duration_ns,energy_uj,low_uj,high_uj,state,missing_sources`, then a column `<device id>_uj` for
/// each device. `missing_sources` lists the sources without readings, with the reason.
///
/// # Errors
/// [`Error::Table`].
pub fn spans_csv(report: &Report) -> Result<String, Error> {
    let missing = missing_sources(report);
    let mut devices: Vec<&String> = report.spans.iter().flat_map(|span| span.by_device.keys()).collect();
    devices.sort_unstable();
    devices.dedup();
    let fixed =
        ["run_id", "name", "count", "duration_ns", "energy_uj", "low_uj", "high_uj", "state", "missing_sources"];
    let header = fixed.into_iter().map(str::to_owned).chain(devices.iter().map(|id| format!("{id}_uj"))).collect();
    let rows = report.spans.iter().map(|span| {
        let high = span.high_uj.map_or_else(String::new, |high| high.to_string());
        let mut row = vec![report.run.id.clone(), span.name.clone(), span.count.to_string()];
        let energy = span.energy_uj.map_or_else(String::new, |uj| uj.to_string());
        row.extend([span.duration_ns.to_string(), energy, span.low_uj.to_string()]);
        row.extend([high, word(&span.state), missing.clone()]);
        row.extend(devices.iter().map(|id| span.by_device.get(*id).map_or_else(String::new, u64::to_string)));
        row
    });
    table("the spans", header, rows)
}

/// Returns the sources without readings as one text: `nvml: absent: libnvidia-ml.so.1 was not found; …`.
fn missing_sources(report: &Report) -> String {
    let one = |source: &SourceStatus| format!("{}: {}: {}", source.name, source.status.name(), source.reason);
    not_ok(report).map(one).collect::<Vec<_>>().join("; ")
}

/// Returns a table as CSV. Every cell is cleaned for a spreadsheet.
pub(super) fn table(
    what: &'static str,
    header: Vec<String>,
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<String, Error> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    for row in std::iter::once(header).chain(rows) {
        writer
            .write_record(row.iter().map(|text| clean::cell(text).into_owned()))
            .map_err(|cause| Error::Table { what, cause })?;
    }
    let bytes = writer.into_inner().map_err(|e| Error::Table { what, cause: e.into_error().into() })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
