//! Appends results to the summary of a job in continuous integration (`GITHUB_STEP_SUMMARY`).

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use crate::out;

/// Environment variable with the file of the job's summary, Markdown, which the service sets.
const VARIABLE: &str = "GITHUB_STEP_SUMMARY";

/// Appends Markdown to the summary if the variable is set. A file that cannot be written is a warning.
pub(super) fn append(markdown: &str) {
    let Some(file) = std::env::var_os(VARIABLE).filter(|file| !file.is_empty()).map(PathBuf::from) else { return };
    let opened = OpenOptions::new().append(true).create(true).open(&file);
    if let Err(error) = opened.and_then(|mut opened| opened.write_all(format!("{markdown}\n").as_bytes())) {
        out::talk(&format!(
            "eco2: the summary of the job, {} ({VARIABLE}), cannot be written: {error}\n",
            file.display()
        ));
    }
}
