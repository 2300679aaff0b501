//! One zone of the yearly table.

use std::sync::LazyLock;

use crate::{Intensity, IntensityKind, Sha256, ZoneSource};

/// The committed table of yearly averages.
pub(crate) const CSV: &str = include_str!("../data/yearly.csv");

/// SHA-256 of the committed file, `grid/data/yearly.csv`.
fn hash() -> Sha256 {
    static HASH: LazyLock<Sha256> = LazyLock::new(|| Sha256::of(CSV.as_bytes()));
    *HASH
}

/// A zone and its latest yearly figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// ISO 3166-1 alpha-2, `US-` and a state, `EGRID:` and a subregion, or `WORLD`.
    pub code: String,
    /// ISO 3166-1 alpha-3, countries only.
    pub alpha3: Option<String>,
    /// English name.
    pub name: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// Year of the figure.
    pub year: i32,
    /// Grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// What the figure counts.
    pub kind: IntensityKind,
    /// Who publishes it.
    pub source: String,
    /// Under which licence.
    pub licence: String,
}

impl Zone {
    /// For people: `Germany (DE)`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} ({})", self.name, self.code)
    }

    /// The source with its licence, as a report's segments cite it: CC BY asks for the licence.
    #[must_use]
    pub fn citation(&self) -> String {
        cited(&self.source, &self.licence)
    }

    /// The state or the like of a zone below its country: `CA` of `US-CA`.
    pub(crate) fn state(&self) -> Option<&str> {
        self.code.strip_prefix("US-")
    }

    pub(crate) fn intensity(&self, zone_source: ZoneSource) -> Intensity {
        Intensity {
            g_per_kwh: self.g_per_kwh,
            zone: self.code.clone(),
            zone_name: self.name.clone(),
            zone_source,
            kind: Some(self.kind),
            source: self.source.clone(),
            year: Some(self.year),
            licence: self.licence.clone(),
            estimated: false,
            table: Some(hash()),
            note: None,
        }
    }
}

/// `Ember (CC-BY-4.0)`; the source alone where no licence is known.
pub(crate) fn cited(source: &str, licence: &str) -> String {
    match licence {
        "" => source.to_owned(),
        licence => format!("{source} ({licence})"),
    }
}
