//! [`Error`]: why a run cannot be opened, read, replayed or priced again. Faults while a run goes on are events of its report.

use std::path::PathBuf;
use std::{fmt, io};

use eco2_grid::pricing::PriceError;
use eco2_report::Candidates;

use crate::options::{OptionsError, opt};

/// Why a run could not be opened, read, replayed or priced again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is wrong.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The zone is not known.
    #[error(transparent)]
    Zone(#[from] eco2_grid::ZoneError),
    /// The coordinates are in no known zone.
    #[error(transparent)]
    Locate(#[from] eco2_grid::LocateError),
    /// The place is neither `cloud` nor coordinates.
    #[error("--locate {0:?} is no place: `cloud`, or a latitude and a longitude such as 52.52,13.40")]
    Place(String),
    /// The file of intensities is wrong.
    #[error(transparent)]
    Series(#[from] eco2_grid::FileError),
    /// A provider of intensities cannot be used: no token, or a wrong address.
    #[error("intensity provider {provider}: {fault}")]
    Provider {
        /// Its name.
        provider: String,
        /// Why not.
        fault: eco2_grid::provider::ProviderFault,
    },
    /// The embodied emissions of the hardware are not known.
    #[error(transparent)]
    Hardware(#[from] eco2_grid::carbon::HardwareError),
    /// The webhook cannot be used; its address is not shown.
    #[error("webhook: {0}")]
    Webhook(eco2_net::NetError),
    /// E-mail cannot be sent; the password is not shown.
    #[error("e-mail: {0}")]
    Email(eco2_net::NetError),
    /// Metrics cannot be pushed; neither address nor token is shown.
    #[error("push {kind}: {fault}")]
    Push {
        /// The kind of place.
        kind: &'static str,
        /// Why not.
        fault: eco2_net::NetError,
    },
    /// A value is out of range.
    #[error(transparent)]
    Range(#[from] eco2_grid::RangeError),
    /// The list of sources names one that does not exist.
    #[error(transparent)]
    Sources(#[from] eco2_samplers::discover::UnknownSource),
    /// More domains than a timeline holds.
    #[error(transparent)]
    Domains(#[from] eco2_core::TooManyDomains),
    /// The sampling thread could not be started.
    #[error(transparent)]
    Thread(#[from] eco2_samplers::StartError),
    /// A file could not be written.
    #[error("{path}: cannot be written; choose another place or check its permissions", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A report, log or trace could not be read.
    #[error(transparent)]
    Read(#[from] eco2_report::Error),
    /// Cost and supplements belong to the emissions of a report, and this report has none.
    #[error("run '{run}' has no emissions to add a cost or supplements to; set --zone or --intensity too")]
    NoEmissions {
        /// The run's id.
        run: String,
    },
    /// A report without a start time cannot be priced again by time.
    #[error("run '{run}' has no start time")]
    NoTime {
        /// The run's id.
        run: String,
    },
    /// A merged report lacks its parts, so that the times of its attempts are not known.
    #[error(
        "run '{run}' was started several times and its report lacks the parts it was merged from: give their reports"
    )]
    NoParts {
        /// The run's id.
        run: String,
    },
    /// Several runs match the given text.
    #[error("{}", several(run, candidates))]
    SeveralRuns {
        /// The text that was given.
        run: String,
        /// The runs that match.
        candidates: Candidates,
    },
    /// A folder has records of several runs.
    #[error(
        "{}: these records are of several runs: {runs}; name one of them, or sum them as one run with `eco2 merge --force`",
        place.display()
    )]
    Unrelated {
        /// The folder.
        place: PathBuf,
        /// Ids and names.
        runs: RunNames,
    },
    /// Only the folder for temporary files is left for runs, and another user owns or can write the folder there.
    #[error(
        "{}: not used for runs, because it is not a folder of this user alone; set HOME, XDG_STATE_HOME or {}",
        folder.display(),
        opt::STATE_DIR.variable
    )]
    SharedFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// No run has that id, and no file has that path.
    #[error(
        "no run '{run}': give a file, an ID or name of `eco2 runs`, or `last`; runs are kept in {folder}",
        folder = folder.display()
    )]
    NoRun {
        /// The id or path that was given.
        run: String,
        /// The folder that was searched.
        folder: PathBuf,
    },
}

/// Returns the message for a text that several runs match.
fn several(run: &str, candidates: &Candidates) -> String {
    match candidates {
        Candidates::Ids(_) => format!("'{run}' is the beginning of several run ids: {candidates}; give more of it"),
        Candidates::Named(runs) => {
            let newest = runs.first().map_or("ID", |(id, _)| id);
            format!(
                "'{run}' is the name of {} runs: {candidates}; name one by its ID, e.g. `eco2 show {newest}`, or list them with \
                 `eco2 runs --name '{run}'`",
                runs.len()
            )
        }
    }
}

impl From<PriceError> for Error {
    fn from(error: PriceError) -> Self {
        match error {
            PriceError::Zone(error) => error.into(),
            PriceError::Locate(error) => error.into(),
            PriceError::Place(place) => Self::Place(place),
            PriceError::File(error) => error.into(),
            PriceError::Hardware(error) => error.into(),
            PriceError::Range(error) => error.into(),
        }
    }
}

/// Runs that a message names, so that it stays short; further ones are counted.
const MAX_NAMES: usize = 8;

/// Ids and names of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunNames(pub(crate) Vec<(String, String)>);

impl fmt::Display for RunNames {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.0.split_at(self.0.len().min(MAX_NAMES));
        for (index, (id, name)) in shown.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(out, "{comma}{id} ({name})")?;
        }
        if rest.is_empty() { Ok(()) } else { write!(out, " and {} more", rest.len()) }
    }
}
