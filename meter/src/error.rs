//! What can go wrong before a run begins. Once it runs, faults are events of its report.

use std::path::PathBuf;
use std::{fmt, io};

use eco2_grid::pricing::PriceError;
use eco2_report::Candidates;

use crate::options::{OptionsError, opt};

/// Why a meter could not be opened, or a run not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is wrong.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The zone is not known.
    #[error(transparent)]
    Zone(#[from] eco2_grid::ZoneError),
    /// Coordinates that are in no known zone.
    #[error(transparent)]
    Locate(#[from] eco2_grid::LocateError),
    /// A place that is neither `cloud` nor coordinates.
    #[error("--locate {0:?} is no place: `cloud`, or a latitude and a longitude such as 52.52,13.40")]
    Place(String),
    /// The file of intensities is wrong.
    #[error(transparent)]
    Series(#[from] eco2_grid::FileError),
    /// A provider of intensities cannot be asked.
    #[error("intensity provider {provider}: {fault}")]
    Provider {
        /// Its name.
        provider: String,
        /// Why not.
        fault: eco2_grid::provider::ProviderFault,
    },
    /// Hardware without a figure.
    #[error(transparent)]
    Hardware(#[from] eco2_grid::carbon::HardwareError),
    /// The webhook cannot be used; its address is not shown.
    #[error("webhook: {0}")]
    Webhook(eco2_net::NetError),
    /// E-mail cannot be sent; the password is not shown.
    #[error("e-mail: {0}")]
    Email(eco2_net::NetError),
    /// A figure is out of range.
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
    /// A merged report without its parts: when each of its attempts ran is not known.
    #[error(
        "run '{run}' was started several times and its report lacks the parts it was merged from: give their reports"
    )]
    NoParts {
        /// The run's id.
        run: String,
    },
    /// The beginning of an id that several runs have.
    #[error("'{run}' is the beginning of several run ids: {candidates}; give more of it")]
    SeveralRuns {
        /// What was asked for.
        run: String,
        /// The ids.
        candidates: Candidates,
    },
    /// Records of runs that have nothing to do with each other.
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
    /// The folder for temporary files is the only place for runs, and another user owns or can write the folder there.
    #[error(
        "{}: not used for runs, because it is not a folder of this user alone; set HOME, XDG_STATE_HOME or {}",
        folder.display(),
        opt::STATE_DIR.variable
    )]
    SharedFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// No run goes by that name.
    #[error("no run '{run}': give a file, a run id, or `last`; runs are kept in {folder}", folder = folder.display())]
    NoRun {
        /// What was asked for.
        run: String,
        /// Where runs are.
        folder: PathBuf,
    },
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

/// Runs that a message names.
const MOST_NAMES: usize = 8;

/// Ids and names of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunNames(pub(crate) Vec<(String, String)>);

impl fmt::Display for RunNames {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.0.split_at(self.0.len().min(MOST_NAMES));
        for (at, (id, name)) in shown.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(out, "{comma}{id} ({name})")?;
        }
        if rest.is_empty() { Ok(()) } else { write!(out, " and {} more", rest.len()) }
    }
}
