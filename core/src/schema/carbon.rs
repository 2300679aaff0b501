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
    /// Probability that this range contains the true value, percent; `None` as for `range_kind`.
    #[serde(default)]
    pub range_percent: Option<f64>,
    /// Grid zone, such as `DE` or `US-CA`.
    pub zone: String,
    /// How the zone was chosen: `given`, `config`, `default-world`, `constant`, `cloud-metadata`, `coordinates`,
    /// `country` (in place of a region without a value), `unknown` (the world average in place of a zone without a
    /// value).
    pub zone_source: String,
    /// The table from which anyone can recompute `grams`.
    pub segments: Vec<CarbonSegment>,
    /// The options of pricing, so that pricing again keeps those that are not set again; `None` in reports of older
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Box<PriceTerms>>,
    /// The report whose energy was priced again here; `None`: the run priced its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repriced_from: Option<Box<RepricedFrom>>,
    /// Embodied grams; `None`: not requested.
    pub embodied: Option<f64>,
    /// Software carbon intensity, grams per functional unit; `None`: not requested.
    pub sci: Option<f64>,
    /// Money for the energy; `None`: no price was set.
    pub cost: Option<f64>,
    /// Further results that were requested, such as cost or water, with their bounds and terms. They never change the
    /// grams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Box<Supplements>>,
    /// Use of the providers' caches; empty where no provider was asked for intensities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<ProviderCache>,
}

/// Use of one provider's cache of intensities in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderCache {
    /// Name of the provider.
    pub provider: String,
    /// Requests that the cache answered.
    pub hits: u64,
    /// Requests that the provider answered.
    pub misses: u64,
}

/// The energy of one part of the run, with its carbon intensity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CarbonSegment {
    /// Start, RFC 3339 UTC.
    pub from: String,
    /// End, RFC 3339 UTC.
    pub to: String,
    /// Energy of that part with the facility's overhead (PUE), microjoules.
    pub energy_uj: u64,
    /// Intensity, grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Kind of intensity, such as `lifecycle-average-production`.
    pub kind: Option<String>,
    /// Publisher of the intensity.
    pub source: String,
    /// Year of the intensity.
    pub year: Option<i32>,
    /// Whether the provider calls it an estimate.
    pub estimated: bool,
    /// SHA-256 of the table or file that has the intensity, hexadecimal; `None`: it is from none, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_sha256: Option<String>,
    /// SHA-256 of the provider's answer that has the intensity; `None`: no provider was asked, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_sha256: Option<String>,
}

impl Carbon {
    /// Returns the terms with which the values were computed. A report of a version before 0.2 has none; then they are
    /// collected from its supplements, each of which states its factors.
    #[must_use]
    pub fn price_terms(&self) -> PriceTerms {
        match (&self.terms, &self.beside) {
            (Some(terms), _) => (**terms).clone(),
            (None, Some(beside)) => PriceTerms::stated_by(beside),
            (None, None) => PriceTerms::default(),
        }
    }
}
