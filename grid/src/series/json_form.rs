//! Series as JSON, schema `eco2.series/1`.
//!
//! ```json
//! {"schema": "eco2.series/1", "zone": "GB", "kind": "direct-average-production", "unit": "g/kWh",
//!  "points": [{"time": "2026-01-01T00:00Z", "value": 192.2}, {"time": "2026-01-01T00:30Z", "value": null}]}
//! ```
//! `schema` and `points` must be there. A value that is `null` or missing is not known; other keys are passed over.

use serde::Deserialize;

use super::csv_form::state;
use super::error::{FileError, FileFault, FilePlace, shown};
use super::points::SeriesPoint;
use super::{Series, SeriesMeta, parse_instant};

/// The schema's name.
const SCHEMA: &str = "eco2.series/1";

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

#[derive(Deserialize)]
struct JsonPoint {
    time: String,
    value: Option<f64>,
}

impl Series {
    /// Reads a series from JSON; `file` is for messages.
    ///
    /// # Errors
    /// The first fault, with its line or entry and what mends it.
    pub fn parse_json(bytes: &[u8], file: &str) -> Result<Self, FileError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let document: SeriesDocument = serde_json::from_slice(bytes).map_err(|error| of_json(file, &error))?;
        let meta = document.meta().map_err(|fault| FileError::new(file, FilePlace::Whole, fault))?;
        let points = document.points.iter().zip(0..).map(|(entry, place)| point(entry, FilePlace::Entry(place)));
        let points = points.collect::<Result<Vec<SeriesPoint>, _>>();
        let series = points.and_then(|points| Self::of(meta, &points));
        series.map_err(|(place, fault)| FileError::new(file, place, fault))
    }

    /// Reads either form: what begins with `{` is JSON. `zone` names the column of a CSV file.
    ///
    /// # Errors
    /// The first fault, with its place and what mends it.
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

fn point(entry: &JsonPoint, place: FilePlace) -> Result<SeriesPoint, (FilePlace, FileFault)> {
    let from_ns = parse_instant(&entry.time).ok_or_else(|| (place, FileFault::Time(shown(&entry.time))))?;
    Ok(SeriesPoint { from_ns, value: entry.value, place })
}

fn of_json(file: &str, error: &serde_json::Error) -> FileError {
    let place = if error.line() > 0 { FilePlace::Line(error.line() as u64) } else { FilePlace::Whole };
    FileError::new(file, place, FileFault::Syntax(shown(&error.to_string())))
}
