//! Defines intensity over time as a step function of equal periods, the *slots* (`eco2 plan --series`, and files of
//! intensities of a run).
//!
//! A [`Series`] has one value per slot, which applies from the slot's start to its end. A slot without a value is a
//! gap: it is never interpolated and never 0. Rows whose spacing changes are read as slots of the greatest common
//! length.

mod energy;
mod error;
mod files;
mod instant;
mod points;
pub(crate) mod rows;

pub use energy::{EnergySlot, SeriesGrams};
pub(crate) use error::shown;
pub use error::{FileError, FileFault, FilePlace};
pub(crate) use files::{chosen, unknown_slots};
pub use instant::{parse_instant, utc};
pub use points::SeriesPoint;
pub(crate) use points::common;
pub(crate) use rows::bytes;

use std::str::FromStr;

use crate::{IntensityKind, UnknownName};

/// Grams in an international pound, exact (1959 agreement).
const G_PER_LB: f64 = 453.59237;

/// The unit of a published intensity. It is read from the source, never assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IntensityUnit {
    /// Grams CO2e per kilowatt-hour.
    #[default]
    GramsPerKwh,
    /// Kilograms per megawatt-hour: the same number.
    KilogramsPerMwh,
    /// Pounds per megawatt-hour, as US sources have it.
    PoundsPerMwh,
}

impl IntensityUnit {
    /// Converts a value in this unit to grams per kilowatt-hour.
    ///
    /// ```
    /// # use eco2_grid::IntensityUnit;
    /// assert!((IntensityUnit::PoundsPerMwh.g_per_kwh(870.0) - 394.625_361_9).abs() < 1e-9);
    /// ```
    #[must_use]
    pub fn g_per_kwh(self, value: f64) -> f64 {
        match self {
            Self::GramsPerKwh | Self::KilogramsPerMwh => value,
            Self::PoundsPerMwh => value * G_PER_LB / 1000.0,
        }
    }
}

impl FromStr for IntensityUnit {
    type Err = UnknownName;

    /// Parses the unit's name in files and answers, in any case of letters.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name.to_ascii_lowercase().as_str() {
            "g/kwh" | "gco2/kwh" | "gco2eq/kwh" | "gco2e/kwh" | "gco2e_per_kwh" => Ok(Self::GramsPerKwh),
            "kg/mwh" | "kgco2/mwh" | "kgco2e/mwh" => Ok(Self::KilogramsPerMwh),
            "lb/mwh" | "lbs/mwh" | "lbs_co2_per_mwh" => Ok(Self::PoundsPerMwh),
            _ => Err(UnknownName(name.to_owned())),
        }
    }
}

/// The origin of a series, and what it counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesMeta {
    /// Zone or column; empty if not stated.
    pub zone: String,
    /// What the values count; `None` if not stated.
    pub kind: Option<IntensityKind>,
    /// The unit of the source; values in a [`Series`] are always grams per kilowatt-hour.
    pub unit: IntensityUnit,
    /// Publisher; empty if not stated.
    pub source: String,
    /// Licence; empty if not stated.
    pub licence: String,
    /// Whether the source calls the values estimates or forecasts.
    pub estimated: bool,
    /// How unevenly spaced rows are read.
    pub slots: SlotRule,
}

/// The length of slots whose rows are not evenly spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlotRule {
    /// Until the next row, if two adjacent slots have that length. A single longer distance is a missing row.
    #[default]
    Steady,
    /// Until the next row, whatever the distance: `# slots=until-next`.
    UntilNext,
}

impl SlotRule {
    /// Parses the value of the header line `slots=`; `None` for any other text.
    pub(crate) fn named(text: &str) -> Option<Self> {
        [("steady", Self::Steady), ("until-next", Self::UntilNext)]
            .iter()
            .find(|(name, _)| *name == text)
            .map(|found| found.1)
    }
}

/// Intensity over time, in slots of equal length.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The origin of the series, and what it counts.
    pub meta: SeriesMeta,
    first_ns: i64,
    step_ns: i64,
    /// Grams per kilowatt-hour; NaN if unknown.
    values: Vec<f64>,
    gaps: Vec<SeriesGap>,
}

/// One slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesSlot {
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// End, nanoseconds since 1970 UTC.
    pub to_ns: i64,
    /// Grams CO2e per kilowatt-hour; `None` if unknown.
    pub g_per_kwh: Option<f64>,
}

/// A slot without a value, and its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesGap {
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// End, nanoseconds since 1970 UTC.
    pub to_ns: i64,
    /// The place in the file; [`FilePlace::Whole`] without a file.
    pub place: FilePlace,
}

impl Series {
    /// Returns the start of the first slot, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn from_ns(&self) -> i64 {
        self.first_ns
    }

    /// Returns the end of the last slot, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn to_ns(&self) -> i64 {
        self.first_ns + self.step_ns * self.values.len() as i64
    }

    /// Returns the length of a slot, nanoseconds.
    #[must_use]
    pub fn step_ns(&self) -> i64 {
        self.step_ns
    }

    /// Returns the number of slots; at least one.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a series is never empty")]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns the grams CO2e per kilowatt-hour at an instant; `None` in a gap and outside the series.
    #[must_use]
    pub fn at(&self, at_ns: i64) -> Option<f64> {
        let passed_ns = at_ns.checked_sub(self.first_ns).filter(|passed| *passed >= 0)?;
        let value = self.values.get(usize::try_from(passed_ns / self.step_ns).ok()?)?;
        Some(*value).filter(|value| !value.is_nan())
    }

    /// Returns all slots, sorted by time.
    pub fn slots(&self) -> impl Iterator<Item = SeriesSlot> {
        let edges = (0..).map(|slot| self.first_ns + slot * self.step_ns);
        self.values.iter().zip(edges).map(|(value, from_ns)| SeriesSlot {
            from_ns,
            to_ns: from_ns + self.step_ns,
            g_per_kwh: Some(*value).filter(|value| !value.is_nan()),
        })
    }

    /// Returns the slots without a value, sorted by time.
    #[must_use]
    pub fn gaps(&self) -> &[SeriesGap] {
        &self.gaps
    }

    /// Returns the values by slot; NaN in gaps.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }
}
