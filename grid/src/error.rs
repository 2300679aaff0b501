//! What can be wrong with a zone or a figure.

/// A zone without a figure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// No text was given.
    #[error("the zone is empty; leave it out to use the flagged world average")]
    Empty,
    /// Nothing in the table has that name.
    #[error("no grid figure for zone {zone:?}{}; `eco2 grid` lists all zones", nearest(suggestions))]
    Unknown {
        /// As given, shortened.
        zone: String,
        /// Nearest zones, best first, as `Germany (DE)`.
        suggestions: Vec<String>,
    },
    /// The place is known, but no figure of it may be shipped; the figure around it is never taken for it.
    #[error("no yearly grid figure for {zone}{}; give --intensity, a series or a provider", around_it(around))]
    NoFigure {
        /// The place, as `Quebec (CA-QC)`.
        zone: String,
        /// What lies around it and has a figure, as `Canada (CA)`.
        around: Option<String>,
    },
    /// The country is there, its region is not; the country's figure is never taken for the region's.
    #[error("no grid figure for region {zone:?}; {country} has one for the country{}", nearest(suggestions))]
    UnknownRegion {
        /// As given, shortened.
        zone: String,
        /// The country, as `Germany (DE)`.
        country: String,
        /// Nearest regions of that country, best first.
        suggestions: Vec<String>,
    },
}

/// A figure outside the range that makes sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what} is {value}; allowed: {allowed}")]
pub struct RangeError {
    /// What the figure is.
    pub what: &'static str,
    /// The figure.
    pub value: f64,
    /// The range, for people.
    pub allowed: &'static str,
}

fn around_it(around: &Option<String>) -> String {
    around.as_ref().map_or_else(String::new, |around| format!("; {around} has one"))
}

fn nearest(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        return String::new();
    }
    format!("; nearest: {}", suggestions.join(", "))
}
