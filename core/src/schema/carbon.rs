//! Emissions of the run (grams CO2e), with the intensities from which they were computed.

use serde::{Deserialize, Serialize};

use super::supplements::Supplements;
use super::terms::{PriceTerms, RepricedFrom};
use crate::RangeKind;

/// Grams CO2e and where they come from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Carbon {
    /// Location-based grams of the total (times PUE); `None`: not known.
    #[serde(deserialize_with = "super::run::required_nullable")]
    pub grams: Option<f64>,
    /// Lower bound from the energy's bounds.
    pub low: f64,
    /// Upper bound; `None`: unbounded.
    pub high: Option<f64>,
    /// What `low` and `high` promise; `None` where nothing is known, and in reports of older versions.
    #[serde(default)]
    pub range_kind: Option<RangeKind>,
    /// Coverage of that range, percent.
    #[serde(default)]
    pub range_percent: Option<f64>,
    /// Zone.
    pub zone: String,
    /// How the zone was chosen: `given`, `config`, `default-world`, `constant`, `cloud-metadata`, `coordinates`,
    /// `country` (in place of a region without a value), `unknown` (the world average in place of a zone without a
    /// value).
    pub zone_source: String,
    /// The table from which anyone can recompute `grams`.
    pub segments: Vec<CarbonSegment>,
    /// What was asked for, so that pricing again changes nothing else; `None` in reports of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Box<PriceTerms>>,
    /// The report whose energy was priced again here; `None`: the run priced its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repriced_from: Option<Box<RepricedFrom>>,
    /// Embodied grams; `None`: not asked for.
    pub embodied: Option<f64>,
    /// Software carbon intensity, grams per functional unit; `None`: not asked for.
    pub sci: Option<f64>,
    /// Money for the energy; `None`: no price given.
    pub cost: Option<f64>,
    /// What else was asked for, with its bounds and terms; it never changes the grams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Box<Supplements>>,
    /// Use of the caches of the providers that were asked; empty where none was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<ProviderCache>,
}

/// Use of one provider's cache of intensities in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderCache {
    /// Name of the provider.
    pub provider: String,
    /// Questions that the cache answered.
    pub hits: u64,
    /// Questions that the provider answered.
    pub misses: u64,
}

/// One stretch of energy at one intensity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CarbonSegment {
    /// Start, RFC 3339 UTC.
    pub from: String,
    /// End, RFC 3339 UTC.
    pub to: String,
    /// Facility energy in it, microjoules.
    pub energy_uj: u64,
    /// Intensity, grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Kind, such as `lifecycle-average-production`.
    pub kind: Option<String>,
    /// The publisher.
    pub source: String,
    /// Year of the intensity.
    pub year: Option<i32>,
    /// Whether the provider calls it an estimate.
    pub estimated: bool,
    /// SHA-256 of the committed table or the file that the figure is from, hexadecimal; `None`: from none, or not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_sha256: Option<String>,
    /// SHA-256 of the provider's answer that it is from; `None`: no provider was asked, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_sha256: Option<String>,
}

impl Carbon {
    /// The terms that the values were computed with. A report of a version before 0.2 holds none: then those that its
    /// supplements state, as each of them names its factors.
    #[must_use]
    pub fn price_terms(&self) -> PriceTerms {
        match (&self.terms, &self.beside) {
            (Some(terms), _) => (**terms).clone(),
            (None, Some(beside)) => PriceTerms::stated_by(beside),
            (None, None) => PriceTerms::default(),
        }
    }
}
