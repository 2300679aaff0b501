//! Implements the providers of intensities that need no network: a file of intensities over time, and one value for all
//! time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{IntensityOrigin, IntensityQuery, IntensitySlot, Provider, ProviderFault, Reply};
use crate::series::{FileError, Series, bytes};
use crate::{Intensity, Sha256};

/// A series from a file, as a provider.
#[derive(Debug, Clone)]
pub struct SeriesFile {
    series: Series,
    about: IntensityOrigin,
    place: Option<SeriesPlace>,
}

/// Where a series was read, and which version of the file.
#[derive(Debug, Clone)]
struct SeriesPlace {
    path: PathBuf,
    column: Option<String>,
    stamp: Option<Stamp>,
}

/// By what a change of a file is noticed: its time of modification and its size. `None`: there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(SystemTime, u64);

impl Stamp {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        Some(Self(about.modified().ok()?, about.len()))
    }
}

impl SeriesFile {
    /// Reads a CSV or JSON file; `column` is the literal name of a CSV column.
    ///
    /// # Errors
    /// [`FileError`] with the place of the first fault.
    pub fn read(path: &Path, column: Option<&str>) -> Result<Self, FileError> {
        let name = path.file_name().map_or_else(|| "series".to_owned(), |name| name.to_string_lossy().into_owned());
        let stamp = Stamp::of(path);
        let bytes = bytes(path)?;
        let series = Series::parse(&bytes, &path.display().to_string(), column);
        let mut file = Self::from_series(series.map_err(|error| error.naming("--intensity-column"))?, &name);
        file.about.table = Some(Sha256::of(&bytes));
        file.place = Some(SeriesPlace { path: path.to_owned(), column: column.map(str::to_owned), stamp });
        Ok(file)
    }

    /// Returns a series in memory; `name` is its source if it does not state one.
    #[must_use]
    fn from_series(series: Series, name: &str) -> Self {
        let meta = &series.meta;
        let source = if meta.source.is_empty() { format!("series {name}") } else { meta.source.clone() };
        let (zone, licence) = (meta.zone.clone(), meta.licence.clone());
        let about = IntensityOrigin { source, zone, kind: meta.kind, year: None, licence, table: None };
        Self { series, about, place: None }
    }

    /// Returns the file that it was read from, the column, and the version; `None` if it is from no file.
    pub(super) fn place(&self) -> Option<(&Path, Option<&str>, Option<Stamp>)> {
        self.place.as_ref().map(|place| (place.path.as_path(), place.column.as_deref(), place.stamp))
    }

    /// Returns the series.
    #[must_use]
    pub(crate) fn series(&self) -> &Series {
        &self.series
    }
}

impl Provider for SeriesFile {
    fn name(&self) -> &str {
        "series"
    }

    fn slots(&self, wanted: &IntensityQuery<'_>) -> Result<Reply, ProviderFault> {
        let estimated = self.series.meta.estimated;
        let overlaps = |from_ns: i64, to_ns: i64| to_ns > wanted.from_ns && from_ns < wanted.to_ns;
        let slots = self.series.slots().filter(|slot| overlaps(slot.from_ns, slot.to_ns)).filter_map(|slot| {
            let g_per_kwh = slot.g_per_kwh?;
            Some(IntensitySlot {
                from_ns: slot.from_ns,
                to_ns: slot.to_ns,
                g_per_kwh,
                estimated,
                forecast: false,
                answer: None,
            })
        });
        let reply = Reply::new(self.about.clone(), slots);
        if reply.slots().is_empty() { Err(ProviderFault::NoFigure) } else { Ok(reply) }
    }
}

/// A provider of one value for all time.
#[derive(Debug, Clone)]
pub struct Fixed {
    name: &'static str,
    intensity: Intensity,
}

impl Fixed {
    /// Makes a provider of a value that the user states: see [`crate::constant`].
    #[must_use]
    pub fn constant(intensity: Intensity) -> Self {
        Self { name: "constant", intensity }
    }

    /// Makes a provider of the yearly average of a zone: see [`crate::lookup`] and [`crate::world`].
    #[must_use]
    pub fn table(intensity: Intensity) -> Self {
        Self { name: super::TABLE, intensity }
    }
}

impl Provider for Fixed {
    fn name(&self) -> &str {
        self.name
    }

    fn slots(&self, wanted: &IntensityQuery<'_>) -> Result<Reply, ProviderFault> {
        let Intensity { g_per_kwh, estimated, .. } = self.intensity;
        let (from_ns, to_ns) = (wanted.from_ns, wanted.to_ns);
        let slot = IntensitySlot { from_ns, to_ns, g_per_kwh, estimated, forecast: false, answer: None };
        Ok(Reply::new(IntensityOrigin::from(&self.intensity), [slot]))
    }
}
