//! Reports from files: schema first, then content, with caps on size and depth.

use std::path::Path;

use eco2_core::schema::{Report, SCHEMA};
use serde::Deserialize;

use super::contradiction::{self, Contradiction};
use crate::Error;
use crate::store::files;

/// The largest report that is read, bytes.
pub const MAX_REPORT_BYTES: u64 = 64 << 20;

/// Parses a report; `path` is only for messages.
///
/// Fields that this version does not know are ignored; a schema of a later number is refused. Nesting is capped at 128.
/// Figures outside their own bounds are refused, in the parts of a merged report too.
///
/// # Errors
/// [`Error::Json`] with line and column, [`Error::Contradiction`] with the field, [`Error::NotOurs`], [`Error::Newer`],
/// [`Error::TooLarge`].
pub fn parse_report(bytes: &[u8], path: &Path) -> Result<Report, Error> {
    if bytes.len() as u64 > MAX_REPORT_BYTES {
        return Err(Error::TooLarge { path: path.to_owned(), what: "report", cap_bytes: MAX_REPORT_BYTES });
    }
    let bytes = without_mark(bytes);
    check_schema(bytes, path)?;
    let report: Report = serde_json::from_slice(bytes).map_err(|e| Error::json(path, &e))?;
    let report = report.without_false_zeros();
    contradiction::check(&report).map_err(|Contradiction { field, found }| Error::Contradiction {
        path: path.to_owned(),
        field,
        found,
    })?;
    Ok(report)
}

/// A text without the byte order mark that some editors put in front.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Reads a report file.
///
/// # Errors
/// As [`parse_report`], and [`Error::Io`].
pub fn read_report(path: &Path) -> Result<Report, Error> {
    parse_report(&files::read_regular(path, "report", MAX_REPORT_BYTES)?, path)
}

fn check_schema(bytes: &[u8], path: &Path) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Document {
        schema: Option<String>,
    }
    let document: Document = serde_json::from_slice(bytes).map_err(|e| Error::json(path, &e))?;
    let schema = document.schema.unwrap_or_default();
    if schema == SCHEMA {
        return Ok(());
    }
    let later = schema.strip_prefix("eco2.report/").and_then(|number| number.parse().ok()).is_some_and(|n: u64| n > 1);
    if later {
        return Err(Error::Newer { path: path.to_owned(), found: schema, known: SCHEMA });
    }
    let found = if schema.is_empty() { "no field `schema`".into() } else { format!("schema `{}`", clip(&schema)) };
    let remedy = "give a file that `eco2 run --json` or `eco2 report --json` wrote";
    Err(Error::NotOurs { path: path.to_owned(), what: "report", found, remedy })
}

fn clip(text: &str) -> String {
    text.chars().take(40).filter(|c| !c.is_control()).collect()
}
