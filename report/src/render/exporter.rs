//! Defines the trait [`Exporter`], by which a report is written in a format: each format of this crate, and formats of
//! the user.

use std::path::Path;

use eco2_core::schema::Report;

use crate::{Error, write_file};

/// Turns a report into text: another tool's form, a line for a log, a message.
///
/// A function from a report to text is an exporter, and so is each of this crate's formats:
///
/// ```
/// use std::path::Path;
///
/// use eco2_core::schema::Report;
/// use eco2_report::{Error, Exporter, hf_json};
///
/// /// One line for a log.
/// struct Line;
///
/// impl Exporter for Line {
///     fn export(&self, report: &Report) -> Result<String, Error> {
///         let uj = report.energy.total_uj.ok_or_else(|| Error::export("the energy is not known"))?;
///         Ok(format!("{} {} J\n", report.run.id, uj / 1_000_000))
///     }
/// }
///
/// fn both(report: &Report) -> Result<(), Error> {
///     hf_json.export_to(report, Path::new("figures.json"))?;
///     Line.export_to(report, Path::new("run.log"))
/// }
/// ```
pub trait Exporter {
    /// Returns the report as text. An unknown value must be left out or be an error, never 0.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::export`] wraps the exporter's own.
    fn export(&self, report: &Report) -> Result<String, Error>;

    /// Writes the text to a file, which is replaced atomically as by [`write_file`].
    ///
    /// # Errors
    /// As [`Self::export`] and [`write_file`].
    fn export_to(&self, report: &Report, path: &Path) -> Result<(), Error> {
        write_file(path, self.export(report)?.as_bytes())
    }
}

impl<F: Fn(&Report) -> Result<String, Error>> Exporter for F {
    fn export(&self, report: &Report) -> Result<String, Error> {
        self(report)
    }
}
