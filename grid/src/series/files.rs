//! Reads series of intensities from CSV and JSON (`eco2 plan --series FILE`, and a run's file of intensities).
//!
//! CSV has a column of times and a column of values per zone:
//!
//! ```text
//! # kind=direct-average-production
//! # unit=g/kWh
//! time,GB,FR
//! 2026-01-01T00:00Z,192.2,44.1
//! 2026-01-01T00:30Z,,43.9
//! ```
//! The first column is the time. An empty value is unknown. Lines with `#` may state kind, unit, source, licence, and
//! `slots=until-next` if each row lasts until the next one, whatever the distance.
//!
//! JSON has the schema `eco2.series/1`:
//!
//! ```json
//! {"schema": "eco2.series/1", "zone": "GB", "kind": "direct-average-production", "unit": "g/kWh",
//!  "points": [{"time": "2026-01-01T00:00Z", "value": 192.2}, {"time": "2026-01-01T00:30Z", "value": null}]}
//! ```
//! `schema` and `points` are required. A value that is `null` or missing is unknown. Other keys are ignored.

use std::path::Path;

use serde::Deserialize;

use super::error::{FileError, FileFault, FilePlace, shown};
use super::points::SeriesPoint;
use super::rows::{TableRow, TableRows, bytes, text};
use super::{Series, SeriesMeta, SlotRule, parse_instant};
use crate::IntensityKind;

/// The column that is read if none is named.
const PLAIN: &str = "gco2e_per_kwh";

impl Series {
    /// Parses a series from CSV; `zone` is the literal name of its column, `file` the name of the file in messages.
    ///
    /// The default is the column `gco2e_per_kwh`, or the only one in addition to the time.
    ///
    /// # Errors
    /// The first fault, with its line and a remedy.
    pub fn parse_csv(bytes: &[u8], file: &str, zone: Option<&str>) -> Result<Self, FileError> {
        let text = text(bytes, file)?;
        let mut meta = csv_meta(text, file)?;
        let mut rows = TableRows::new(text, file)?;
        let column = chosen(&rows, file, zone, PLAIN)?;
        if meta.zone.is_empty() {
            meta.zone = rows.header.get(column).filter(|name| *name != PLAIN).unwrap_or_default().to_owned();
        }
        let mut points = Vec::new();
        while let Some(row) = rows.next()? {
            points.push(csv_point(&row, column)?);
        }
        Self::of(meta, &points).map_err(|(place, fault)| FileError::new(file, place, fault))
    }
}

impl Series {
    /// Returns the names of the columns of a CSV file except the time; `file` is its name in messages.
    ///
    /// # Errors
    /// If the file is no table.
    fn columns(bytes: &[u8], file: &str) -> Result<Vec<String>, FileError> {
        let rows = TableRows::new(text(bytes, file)?, file)?;
        Ok(rows.header.iter().skip(1).map(str::to_owned).collect())
    }
}

/// Returns the index of the named column; without a name that of the column `plain`, or of the only one in addition to
/// the time.
///
/// # Errors
/// If the column does not exist, or there are several.
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

/// Reads the time and one value of a row.
fn csv_point(row: &TableRow<'_>, column: usize) -> Result<SeriesPoint, FileError> {
    let known = !row.text(column).is_empty();
    let value = known.then(|| row.number(column, "the intensity")).transpose()?;
    Ok(SeriesPoint { from_ns: row.instant(0)?, value, place: row.place() })
}

/// Reads the lines `# key=value` before the header.
fn csv_meta(text: &str, file: &str) -> Result<SeriesMeta, FileError> {
    let mut meta = SeriesMeta::default();
    let comments = text.lines().zip(1..).map_while(|(line, number)| Some((line.strip_prefix('#')?, number)));
    for (comment, number) in comments {
        let Some((key, value)) = comment.split_once('=') else { continue };
        state(&mut meta, key.trim(), value.trim())
            .map_err(|fault| FileError::new(file, FilePlace::Line(number), fault))?;
    }
    Ok(meta)
}

/// Sets the field of a key; other keys are comments.
pub(super) fn state(meta: &mut SeriesMeta, key: &str, value: &str) -> Result<(), FileFault> {
    match key {
        "kind" => meta.kind = Some(value.parse().map_err(|_| unknown_kind(value))?),
        "unit" => meta.unit = value.parse().map_err(|_| unknown_unit(value))?,
        "zone" => meta.zone = value.to_owned(),
        "source" => meta.source = value.to_owned(),
        "licence" => meta.licence = value.to_owned(),
        "estimated" => meta.estimated = value == "true",
        "slots" => meta.slots = SlotRule::named(value).ok_or_else(|| unknown_slots(value))?,
        _ => {}
    }
    Ok(())
}

/// Returns the fault of a kind that is not known.
fn unknown_kind(value: &str) -> FileFault {
    let allowed = IntensityKind::ALL.map(IntensityKind::as_str).join(", ");
    FileFault::Word { what: "the kind", text: shown(value), allowed }
}

/// Returns the fault of a value of `slots` that is not known.
pub(crate) fn unknown_slots(value: &str) -> FileFault {
    FileFault::Word { what: "slots", text: shown(value), allowed: "steady, until-next".to_owned() }
}

/// Returns the fault of a unit that is not known.
fn unknown_unit(value: &str) -> FileFault {
    FileFault::Word { what: "the unit", text: shown(value), allowed: "g/kWh, kg/MWh, lb/MWh".to_owned() }
}

/// The schema's name.
const SCHEMA: &str = "eco2.series/1";

/// A file of schema `eco2.series/1`.
#[derive(Deserialize)]
struct SeriesDocument {
    schema: String,
    zone: Option<String>,
    kind: Option<String>,
    unit: Option<String>,
    source: Option<String>,
    licence: Option<String>,
    slots: Option<String>,
    #[serde(default)]
    estimated: bool,
    points: Vec<JsonPoint>,
}

/// An entry of `points`.
#[derive(Deserialize)]
struct JsonPoint {
    time: String,
    value: Option<f64>,
}

impl Series {
    /// Parses a series from JSON; `file` is the name of the file in messages.
    ///
    /// # Errors
    /// The first fault, with its line or entry and a remedy.
    fn parse_json(bytes: &[u8], file: &str) -> Result<Self, FileError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let document: SeriesDocument = serde_json::from_slice(bytes).map_err(|error| of_json(file, &error))?;
        let meta = document.meta().map_err(|fault| FileError::new(file, FilePlace::Whole, fault))?;
        let points = document.points.iter().zip(0..).map(|(entry, place)| json_point(entry, FilePlace::Entry(place)));
        let points = points.collect::<Result<Vec<SeriesPoint>, _>>();
        let series = points.and_then(|points| Self::of(meta, &points));
        series.map_err(|(place, fault)| FileError::new(file, place, fault))
    }

    /// Parses either form; a file that begins with `{` is JSON. `zone` names the column of a CSV file.
    ///
    /// ```
    /// use eco2_grid::Series;
    ///
    /// let csv = b"# kind=direct-average-production\ntime,GB,FR\n2026-01-01T00:00Z,192.2,44.1\n2026-01-01T00:30Z,,43.9\n";
    /// let series = Series::parse(csv, "series.csv", Some("GB"))?;
    /// let values: Vec<Option<f64>> = series.slots().map(|slot| slot.g_per_kwh).collect();
    /// assert_eq!(values, [Some(192.2), None]);
    /// # Ok::<(), eco2_grid::FileError>(())
    /// ```
    ///
    /// # Errors
    /// The first fault, with its place and a remedy.
    pub fn parse(bytes: &[u8], file: &str, zone: Option<&str>) -> Result<Self, FileError> {
        if !is_json(bytes) {
            return Self::parse_csv(bytes, file, zone);
        }
        let series = Self::parse_json(bytes, file)?;
        match zone {
            Some(wanted) if wanted != series.meta.zone => {
                let (wanted, columns) = (shown(wanted), shown(&series.meta.zone));
                Err(FileError::new(file, FilePlace::Whole, FileFault::NoColumn { wanted, columns }))
            }
            _ => Ok(series),
        }
    }
}

/// Whether a file is JSON: it begins with `{`.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start().starts_with(b"{")
}

impl SeriesDocument {
    fn meta(&self) -> Result<SeriesMeta, FileFault> {
        if self.schema != SCHEMA {
            let allowed = SCHEMA.to_owned();
            return Err(FileFault::Word { what: "the schema", text: shown(&self.schema), allowed });
        }
        let mut meta = SeriesMeta { estimated: self.estimated, ..SeriesMeta::default() };
        let stated = [
            ("zone", &self.zone),
            ("kind", &self.kind),
            ("unit", &self.unit),
            ("source", &self.source),
            ("licence", &self.licence),
            ("slots", &self.slots),
        ];
        for (key, value) in stated {
            value.as_ref().map_or(Ok(()), |value| state(&mut meta, key, value))?;
        }
        Ok(meta)
    }
}

/// Reads the time and value of an entry.
fn json_point(entry: &JsonPoint, place: FilePlace) -> Result<SeriesPoint, (FilePlace, FileFault)> {
    let from_ns = parse_instant(&entry.time).ok_or_else(|| (place, FileFault::Time(shown(&entry.time))))?;
    Ok(SeriesPoint { from_ns, value: entry.value, place })
}

/// Returns an error of the JSON reader as an error of the file, with the line.
fn of_json(file: &str, error: &serde_json::Error) -> FileError {
    let place = if error.line() > 0 { FilePlace::Line(error.line() as u64) } else { FilePlace::Whole };
    FileError::new(file, place, FileFault::Syntax(shown(&error.to_string())))
}

impl Series {
    /// Reads a file of either form; see [`Series::parse`].
    ///
    /// # Errors
    /// If the file cannot be read, is too large, or has a fault.
    pub fn read(path: &Path, zone: Option<&str>) -> Result<Self, FileError> {
        Self::parse(&bytes(path)?, &path.display().to_string(), zone)
    }

    /// Reads every column of a CSV file, with its name; the one series of a JSON file.
    ///
    /// # Errors
    /// As for [`Series::read`], in any column.
    pub fn read_all(path: &Path) -> Result<Vec<(String, Self)>, FileError> {
        Self::parse_all(&bytes(path)?, &path.display().to_string())
    }

    /// Parses every column of a CSV file, with its name; the one series of a JSON file.
    ///
    /// # Errors
    /// As for [`Series::parse`], in any column.
    pub(crate) fn parse_all(bytes: &[u8], file: &str) -> Result<Vec<(String, Self)>, FileError> {
        if is_json(bytes) {
            let series = Self::parse_json(bytes, file)?;
            return Ok(vec![(series.meta.zone.clone(), series)]);
        }
        let columns = Self::columns(bytes, file)?.into_iter();
        columns.map(|name| Ok((name.clone(), Self::parse_csv(bytes, file, Some(&name))?))).collect()
    }
}
