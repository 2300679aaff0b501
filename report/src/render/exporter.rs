//! Exports of one's own: anything that turns a report into text. Every `render` function is one.

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
    /// The report as text. What is not known stays `None` or is an error, and is never 0.
    ///
    /// # Errors
    /// [`Error`]; for a reason of one's own [`Error::export`].
    fn export(&self, report: &Report) -> Result<String, Error>;

    /// The same into a file, which is replaced in one move, as [`write_file`] does.
    ///
    /// # Errors
    /// As [`Self::export`], and what the system refuses.
    fn export_to(&self, report: &Report, path: &Path) -> Result<(), Error> {
        write_file(path, self.export(report)?.as_bytes())
    }
}

impl<F: Fn(&Report) -> Result<String, Error>> Exporter for F {
    fn export(&self, report: &Report) -> Result<String, Error> {
        self(report)
    }
}
