//! Grams per kilowatt-hour, and where they come from.

use std::fmt;

use crate::{RangeError, Sha256};

/// Highest figure that [`constant`] takes: four times a coal plant, so that kilograms for grams are caught.
pub const MAX_G_PER_KWH: f64 = 5000.0;

/// Values older than this many years get a notice.
const OLD_YEARS: i32 = 5;

/// An intensity with its provenance.
#[derive(Debug, Clone, PartialEq)]
pub struct Intensity {
    /// Grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Zone code; `constant` where the figure was given.
    pub zone: String,
    /// Zone, for people.
    pub zone_name: String,
    /// How the zone was chosen.
    pub zone_source: ZoneSource,
    /// What the figure counts; `None`: the giver did not say.
    pub kind: Option<IntensityKind>,
    /// Who publishes it.
    pub source: String,
    /// Year of the figure; `None`: not known.
    pub year: Option<i32>,
    /// Licence of the figure; empty for a given one.
    pub licence: String,
    /// Whether the provider calls it an estimate.
    pub estimated: bool,
    /// SHA-256 of the committed table that it is from; `None`: it is from none.
    pub table: Option<Sha256>,
    /// What the user should know about the choice, such as another zone of that name.
    pub note: Option<String>,
}

/// How a zone was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ZoneSource {
    /// Asked for by this run.
    Given,
    /// Found in a configuration file.
    Config,
    /// Nobody said where: the world average, flagged.
    DefaultWorld,
    /// The figure itself was given.
    Constant,
    /// The machine's cloud said where it is, because it was asked to.
    Cloud,
    /// Found from coordinates that were given.
    Coordinates,
    /// The requested region has no value; that of its country is used, because that was allowed.
    Country,
    /// The requested zone has no value; the world average is used, because that was allowed.
    Unknown,
}

/// What an intensity counts. Figures of different kinds must not be compared, let alone added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum IntensityKind {
    /// Life-cycle emissions of what is produced in the zone, imports left out.
    LifecycleAverageProduction,
    /// Emissions at the generators of the zone, without fuel supply, construction and grid losses.
    DirectAverageProduction,
    /// Life-cycle emissions of what is consumed in the zone, imports traced to where they were produced.
    LifecycleAverageConsumption,
    /// Emissions at the generators of what is consumed in the zone, imports included.
    DirectAverageConsumption,
    /// Emissions of the generators that answer one more kilowatt-hour of demand now.
    MarginalOperating,
}

impl IntensityKind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Self; 5] = [
        Self::LifecycleAverageProduction,
        Self::DirectAverageProduction,
        Self::LifecycleAverageConsumption,
        Self::DirectAverageConsumption,
        Self::MarginalOperating,
    ];

    /// The kind that reports write so; `None` for any other text.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// As reports write it.
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
    /// As reports write it.
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

impl fmt::Display for IntensityKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Intensity {
    /// What to tell of a value that is more than [`OLD_YEARS`] older than the year it is used in; `None` for a newer one.
    #[must_use]
    pub fn age_notice(&self, used_in: i32) -> Option<String> {
        age_notice(&self.zone, self.year?, used_in)
    }

    /// The same figure, said to come from a configuration file.
    #[must_use]
    pub fn from_config(self) -> Self {
        Self { zone_source: ZoneSource::Config, ..self }
    }
}

/// See [`Intensity::age_notice`].
#[must_use]
pub(crate) fn age_notice(zone: &str, year: i32, used_in: i32) -> Option<String> {
    let age = used_in.saturating_sub(year);
    let text =
        || format!("the carbon intensity of {zone} is of {year}, {age} years old; give a newer one with --intensity");
    (age > OLD_YEARS).then(text)
}

/// A figure that the user brings, in grams CO2e per kilowatt-hour.
///
/// # Errors
/// [`RangeError`] unless it is finite and within 0 to [`MAX_G_PER_KWH`].
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
