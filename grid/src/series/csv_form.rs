//! Series as CSV: a column of times and a column of figures for each zone.
//!
//! ```text
//! # kind=direct-average-production
//! # unit=g/kWh
//! time,GB,FR
//! 2026-01-01T00:00Z,192.2,44.1
//! 2026-01-01T00:30Z,,43.9
//! ```
//! The first column is the time. An empty value is not known. Lines with `#` may state kind, unit, source, licence, and
//! `slots=until-next` where each row holds until the next one, whatever the distance.

use super::error::{FileError, FileFault, FilePlace, shown};
use super::points::SeriesPoint;
use super::rows::{TableRow, TableRows, text};
use super::{IntensityUnit, Series, SeriesMeta, SlotRule};
use crate::IntensityKind;

/// The column that is taken where none is named.
const PLAIN: &str = "gco2e_per_kwh";

impl Series {
    /// Reads a series from CSV; `zone` is the literal name of its column, `file` is for messages.
    ///
    /// Without `zone` it is the column `gco2e_per_kwh`, or the only one beside the time.
    ///
    /// # Errors
    /// The first fault, with its line and what mends it.
    pub fn parse_csv(bytes: &[u8], file: &str, zone: Option<&str>) -> Result<Self, FileError> {
        let text = text(bytes, file)?;
        let mut meta = stated(text, file)?;
        let mut rows = TableRows::new(text, file)?;
        let column = chosen(&rows, file, zone, PLAIN)?;
        if meta.zone.is_empty() {
            meta.zone = rows.header.get(column).filter(|name| *name != PLAIN).unwrap_or_default().to_owned();
        }
        let mut points = Vec::new();
        while let Some(row) = rows.next()? {
            points.push(point(&row, column)?);
        }
        Self::of(meta, &points).map_err(|(place, fault)| FileError::new(file, place, fault))
    }
}

impl Series {
    /// Names of the columns of a CSV file beside the time; `file` is for messages.
    ///
    /// # Errors
    /// For a file that is no table.
    pub fn columns(bytes: &[u8], file: &str) -> Result<Vec<String>, FileError> {
        let rows = TableRows::new(text(bytes, file)?, file)?;
        Ok(rows.header.iter().skip(1).map(str::to_owned).collect())
    }
}

/// The column that was named; without a name the one called `plain`, or the only one beside the time.
///
/// # Errors
/// When it is not there, or several could be meant.
pub(crate) fn chosen(rows: &TableRows<'_>, file: &str, zone: Option<&str>, plain: &str) -> Result<usize, FileError> {
    let fault = |fault| FileError::new(file, rows.head(), fault);
    let columns = || rows.names(1);
    match (zone, rows.column(zone.unwrap_or(plain))?) {
        (Some(wanted), None | Some(0)) => Err(fault(FileFault::NoColumn { wanted: shown(wanted), columns: columns() })),
        (_, Some(column)) if column > 0 => Ok(column),
        _ if rows.header.len() == 2 => Ok(1),
        _ if rows.header.len() < 2 => Err(fault(FileFault::NoColumn { wanted: plain.to_owned(), columns: columns() })),
        _ => Err(fault(FileFault::WhichColumn { columns: columns(), option: "--zone" })),
    }
}

fn point(row: &TableRow<'_>, column: usize) -> Result<SeriesPoint, FileError> {
    let known = !row.text(column).is_empty();
    let value = known.then(|| row.number(column, "the intensity")).transpose()?;
    Ok(SeriesPoint { from_ns: row.instant(0)?, value, place: row.place() })
}

/// What `# key=value` lines say before the header.
fn stated(text: &str, file: &str) -> Result<SeriesMeta, FileError> {
    let mut meta = SeriesMeta::default();
    let comments = text.lines().zip(1..).map_while(|(line, number)| Some((line.strip_prefix('#')?, number)));
    for (comment, number) in comments {
        let Some((key, value)) = comment.split_once('=') else { continue };
        state(&mut meta, key.trim(), value.trim())
            .map_err(|fault| FileError::new(file, FilePlace::Line(number), fault))?;
    }
    Ok(meta)
}

/// Puts one statement where it belongs; other keys are comments.
pub(super) fn state(meta: &mut SeriesMeta, key: &str, value: &str) -> Result<(), FileFault> {
    match key {
        "kind" => meta.kind = Some(IntensityKind::named(value).ok_or_else(|| unknown_kind(value))?),
        "unit" => meta.unit = IntensityUnit::named(value).ok_or_else(|| unknown_unit(value))?,
        "zone" => meta.zone = value.to_owned(),
        "source" => meta.source = value.to_owned(),
        "licence" => meta.licence = value.to_owned(),
        "estimated" => meta.estimated = value == "true",
        "slots" => meta.slots = SlotRule::named(value).ok_or_else(|| unknown_slots(value))?,
        _ => {}
    }
    Ok(())
}

fn unknown_kind(value: &str) -> FileFault {
    let allowed = IntensityKind::ALL.map(IntensityKind::as_str).join(", ");
    FileFault::Word { what: "the kind", text: shown(value), allowed }
}

pub(crate) fn unknown_slots(value: &str) -> FileFault {
    FileFault::Word { what: "slots", text: shown(value), allowed: "steady, until-next".to_owned() }
}

fn unknown_unit(value: &str) -> FileFault {
    FileFault::Word { what: "the unit", text: shown(value), allowed: "g/kWh, kg/MWh, lb/MWh".to_owned() }
}
