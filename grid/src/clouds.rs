//! Lists the regions of cloud providers (`eco2 grid aws:us-east-1`): the grid zone of each, and the PUE (power usage
//! effectiveness, the overhead of a data centre) and intensity that its provider publishes.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use crate::{Intensity, IntensityKind, Sha256, ZoneSource, zone};

const CSV: &str = include_str!("../data/clouds.csv");

static CLOUDS: LazyLock<CloudTable> = LazyLock::new(|| CloudTable::parse(CSV));

/// Returns the SHA-256 of the committed file, `grid/data/clouds.csv`.
fn hash() -> Sha256 {
    static HASH: LazyLock<Sha256> = LazyLock::new(|| Sha256::of(CSV.as_bytes()));
    *HASH
}

/// A region of AWS, Azure or Google Cloud.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[non_exhaustive]
pub struct CloudRegion {
    /// `aws`, `azure` or `gcp`.
    pub provider: String,
    /// Name, such as `us-east-1`.
    pub region: String,
    /// Location in words.
    pub location: String,
    /// Zone of the yearly table: the state in the United States, else the country.
    pub zone: String,
    /// Zone in the notation of flow-tracing providers, which trace imports; empty if unknown.
    pub flow_zone: String,
    /// Power usage effectiveness that the provider publishes; `None` if unknown. It is shown, and applied only on
    /// request.
    pub pue: Option<f64>,
    /// Year of the PUE.
    pub pue_year: Option<i32>,
    /// Publisher of the PUE.
    pub pue_source: String,
    /// Licence of the PUE.
    pub pue_licence: String,
    /// Intensity of the region's grid that the provider publishes, grams CO2e per kilowatt-hour; `None` if it does not.
    pub g_per_kwh: Option<f64>,
    /// Year of the intensity.
    pub g_year: Option<i32>,
    /// Kind of the intensity.
    pub g_kind: Option<IntensityKind>,
    /// Publisher of the intensity.
    pub g_source: String,
    /// Licence of the intensity.
    pub g_licence: String,
}

/// Returns all regions, sorted by provider and name.
#[must_use]
pub fn cloud_regions() -> &'static [CloudRegion] {
    &CLOUDS.regions
}

/// Returns the region of a name: `aws:us-east-1`, `gcp/europe-west4`, or `us-east-1` if only one provider has that
/// name.
///
/// ```
/// let virginia = eco2_grid::cloud_region("aws:us-east-1").expect("a region of AWS");
/// assert_eq!((virginia.zone.as_str(), virginia.pue), ("US-VA", Some(1.15)));
/// ```
#[must_use]
pub fn cloud_region(name: &str) -> Option<&'static CloudRegion> {
    named(&zone::fold(name))
}

/// Returns the region of a folded name.
pub(crate) fn named(folded: &str) -> Option<&'static CloudRegion> {
    CLOUDS.names.get(folded).copied().flatten().map(|place| &CLOUDS.regions[place])
}

/// Returns the folded names with their regions, each as its location and code.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, String)> {
    let known =
        |(name, place): (&'static String, &Option<usize>)| Some((name.as_str(), CLOUDS.regions[(*place)?].to_string()));
    CLOUDS.names.iter().filter_map(known)
}

impl fmt::Display for CloudRegion {
    /// Writes location and code: `Virginia (aws:us-east-1)`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.location, self.code())
    }
}

impl CloudRegion {
    /// Returns the provider and name: `aws:us-east-1`.
    #[must_use]
    pub fn code(&self) -> String {
        format!("{}:{}", self.provider, self.region)
    }

    /// Returns the intensity that the provider publishes, otherwise that of the zone.
    pub(crate) fn intensity(&self) -> Option<Intensity> {
        self.published_intensity().or_else(|| self.zone_intensity())
    }

    /// Returns the intensity that the provider publishes for the region; `None` if it publishes none.
    fn published_intensity(&self) -> Option<Intensity> {
        Some(Intensity {
            g_per_kwh: self.g_per_kwh?,
            zone: self.code(),
            zone_name: self.location.clone(),
            zone_source: ZoneSource::Given,
            kind: self.g_kind,
            source: self.g_source.clone(),
            year: self.g_year,
            licence: self.g_licence.clone(),
            estimated: false,
            table: Some(hash()),
            note: None,
        })
    }

    /// Returns the intensity of the region's grid zone, with a note that the region has none of its own.
    fn zone_intensity(&self) -> Option<Intensity> {
        let zone = zone::coded(&self.zone)?;
        let note = format!("{} has no value of its own: this is the value of {}", self.code(), zone);
        Some(Intensity { note: Some(note), ..zone.intensity(ZoneSource::Given) })
    }
}

/// The embedded list of regions with an index of their names.
struct CloudTable {
    regions: Vec<CloudRegion>,
    /// Index of the region by folded name; `None` for a name that two providers use.
    names: HashMap<String, Option<usize>>,
}

impl CloudTable {
    /// Parses the embedded file. A row that does not parse is skipped here and fails a test.
    fn parse(text: &str) -> Self {
        let rows = csv::Reader::from_reader(text.as_bytes()).into_deserialize::<CloudRegion>();
        let regions: Vec<CloudRegion> = rows.filter_map(Result::ok).collect();
        let mut names = HashMap::new();
        for (place, region) in regions.iter().enumerate() {
            names.insert(zone::fold(&region.code()), Some(place));
            let bare = names.entry(zone::fold(&region.region)).or_insert(Some(place));
            *bare = bare.filter(|owner| *owner == place);
        }
        Self { regions, names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_whole_and_lies_in_a_zone_with_a_figure() {
        assert_eq!(cloud_regions().len(), CSV.lines().count() - 1);
        for region in cloud_regions() {
            let code = region.code();
            assert!(zone::coded(&region.zone).is_some(), "{code}");
            assert!(
                !region.location.is_empty() && ["aws", "azure", "gcp"].contains(&region.provider.as_str()),
                "{code}"
            );
            assert_eq!(region.pue.is_some(), region.pue_year.is_some() && !region.pue_source.is_empty(), "{code}");
            assert!(region.pue.is_none_or(|pue| (1.0..2.0).contains(&pue)), "{code}");
            let figure = region.g_year.is_some() && region.g_kind.is_some() && !region.g_source.is_empty();
            assert_eq!(region.g_per_kwh.is_some(), figure && !region.g_licence.is_empty(), "{code}");
            assert_eq!(cloud_region(&code), Some(region));
        }
    }

    #[test]
    fn known_regions_are_where_they_are() {
        // Google's us-east1 is in South Carolina, Amazon's us-east-1 in Virginia; Doha is not in the Emirates.
        for (name, zone) in
            [("us-east1", "US-SC"), ("US-EAST-1", "US-VA"), ("gcp:me-central1", "QA"), ("westus", "US-CA")]
        {
            assert_eq!(cloud_region(name).map(|region| region.zone.as_str()), Some(zone), "{name}");
        }
        assert_eq!(cloud_region("aws:us-east1"), None);
    }
}
