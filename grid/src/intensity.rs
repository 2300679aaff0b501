//! Defines the carbon intensity of electricity: grams CO2e per kilowatt-hour with their origin, as `eco2 grid` shows
//! it.

use std::fmt;
use std::str::FromStr;

use crate::{RangeError, Sha256};

/// Upper limit of accepted intensities, grams CO2e per kilowatt-hour: four times a coal plant. It catches values that
/// were meant in other units.
pub const MAX_G_PER_KWH: f64 = 5000.0;

/// Values that are more than this many years old get a notice.
const OLD_YEARS: i32 = 5;

/// An intensity with its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Intensity {
    /// Grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Zone code; `constant` for a value that the user states.
    pub zone: String,
    /// Zone name.
    pub zone_name: String,
    /// How the zone was chosen.
    pub zone_source: ZoneSource,
    /// What the value counts; `None` if not stated.
    pub kind: Option<IntensityKind>,
    /// Publisher.
    pub source: String,
    /// Year of the value; `None` if unknown.
    pub year: Option<i32>,
    /// Licence of the value; empty for one that the user states.
    pub licence: String,
    /// Whether the publisher calls it an estimate.
    pub estimated: bool,
    /// SHA-256 of the embedded table that contains it; `None` for other sources.
    pub table: Option<Sha256>,
    /// A note for the user about the choice of zone, such as another zone of the same name.
    pub note: Option<String>,
}

/// How a zone was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ZoneSource {
    /// Named for this run.
    Given,
    /// Named in a configuration file.
    Config,
    /// Not named: the world average is used, flagged.
    DefaultWorld,
    /// The user stated the intensity itself.
    Constant,
    /// The metadata service of the machine's cloud named its region, on request.
    Cloud,
    /// Found from coordinates that the user stated.
    Coordinates,
    /// The requested region has no value; the value of its country is used, because the options allow it.
    Country,
    /// The requested zone has no value; the world average is used, because the options allow it.
    Unknown,
}

/// What an intensity counts. Values of different kinds must be neither compared nor added.
///
/// *Life-cycle* values include fuel supply, construction and grid losses; *direct* values count only the emissions at
/// the generators. *Production* counts what is generated in the zone; *consumption* includes imports, traced to their
/// origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum IntensityKind {
    /// Life-cycle emissions of the electricity that is produced in the zone.
    LifecycleAverageProduction,
    /// Direct emissions of the electricity that is produced in the zone.
    DirectAverageProduction,
    /// Life-cycle emissions of the electricity that is consumed in the zone.
    LifecycleAverageConsumption,
    /// Direct emissions of the electricity that is consumed in the zone.
    DirectAverageConsumption,
    /// Emissions of the generators that would supply one more kilowatt-hour of demand now.
    MarginalOperating,
}

impl IntensityKind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 5] = [
        Self::LifecycleAverageProduction,
        Self::DirectAverageProduction,
        Self::LifecycleAverageConsumption,
        Self::DirectAverageConsumption,
        Self::MarginalOperating,
    ];

    /// Returns the name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LifecycleAverageProduction => "lifecycle-average-production",
            Self::DirectAverageProduction => "direct-average-production",
            Self::LifecycleAverageConsumption => "lifecycle-average-consumption",
            Self::DirectAverageConsumption => "direct-average-consumption",
            Self::MarginalOperating => "marginal-operating",
        }
    }
}

impl ZoneSource {
    /// Returns the name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Config => "config",
            Self::DefaultWorld => "default-world",
            Self::Constant => "constant",
            Self::Cloud => "cloud-metadata",
            Self::Coordinates => "coordinates",
            Self::Country => "country",
            Self::Unknown => "unknown",
        }
    }
}

impl FromStr for IntensityKind {
    type Err = UnknownName;

    /// Parses the name in reports.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| UnknownName(name.to_owned()))
    }
}

/// A text that is no name of an enumeration, such as [`IntensityKind`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a known name")]
pub struct UnknownName(pub String);

impl fmt::Display for IntensityKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Intensity {
    /// Returns a notice for the user if the value is more than five years older than the year `used_in`; otherwise
    /// `None`.
    #[must_use]
    pub fn age_notice(&self, used_in: i32) -> Option<String> {
        age_notice(&self.zone, self.year?, used_in)
    }
}

/// [`Intensity::age_notice`] of a zone and year.
#[must_use]
pub(crate) fn age_notice(zone: &str, year: i32, used_in: i32) -> Option<String> {
    let age = used_in.saturating_sub(year);
    let text =
        || format!("the carbon intensity of {zone} is of {year}, {age} years old; give a newer one with --intensity");
    (age > OLD_YEARS).then(text)
}

/// Returns an intensity that the user states, grams CO2e per kilowatt-hour.
///
/// # Errors
/// [`RangeError`] unless it is from 0 to [`MAX_G_PER_KWH`].
pub fn constant(g_per_kwh: f64) -> Result<Intensity, RangeError> {
    if !(0.0..=MAX_G_PER_KWH).contains(&g_per_kwh) {
        let allowed = "0 to 5000 grams CO2e per kilowatt-hour";
        return Err(RangeError { what: "carbon intensity", value: g_per_kwh, allowed });
    }
    Ok(Intensity {
        g_per_kwh: g_per_kwh.abs(),
        zone: "constant".to_owned(),
        zone_name: "given intensity".to_owned(),
        zone_source: ZoneSource::Constant,
        kind: None,
        source: "given".to_owned(),
        year: None,
        licence: String::new(),
        estimated: false,
        table: None,
        note: None,
    })
}
