//! Defines the input of pricing as plain data: the options with which emissions and cost of a run are computed
//! ([`PriceRequest`]), the errors in them ([`PriceError`]), and the time of the run ([`When`]).
//!
//! A *zone* is an area of the electricity grid with one carbon intensity (`DE`). A *provider* is a service that
//! publishes intensities. A *series* is a file of intensities over time, a *tariff* a file of prices over time.

use std::path::PathBuf;

use eco2_core::schema::{Carbon, Offset};
use jiff::Timestamp;

use crate::carbon::HardwareError;
use crate::{FileError, LocateError, RangeError, ZoneError, ZoneSource};

/// The options that a run's energy is priced with. A field that is `None`, empty or false is not requested.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PriceRequest {
    /// The grid zone, in the notation of [`crate::lookup`] or of a provider.
    pub zone: Option<String>,
    /// Whether a configuration file named the zone.
    pub zone_from_file: bool,
    /// Whether a zone without a value is replaced by its country or the world average.
    pub zone_fallback: bool,
    /// The place whose zone is found: `cloud`, or `LATITUDE,LONGITUDE`.
    pub locate: Option<String>,
    /// Address that replaces that of the cloud's metadata service.
    pub metadata_url: Option<String>,
    /// An intensity, grams CO2e per kilowatt-hour. It takes precedence over zone, series and providers.
    pub g_per_kwh: Option<f64>,
    /// File of intensities over time.
    pub series: Option<PathBuf>,
    /// Column of that file; `None`: its only column of values.
    pub series_column: Option<String>,
    /// Names of providers, in the order in which they are asked.
    pub providers: Vec<String>,
    /// Power usage effectiveness: energy of the data centre divided by that of its computers, at least 1.
    pub pue: Option<f64>,
    /// Price per kilowatt-hour.
    pub price_per_kwh: Option<f64>,
    /// File of prices over time.
    pub tariff: Option<PathBuf>,
    /// Column of that file.
    pub tariff_column: Option<String>,
    /// ISO 4217 code of prices.
    pub currency: Option<String>,
    /// The name of the contract for market-based emissions, and its factor, grams CO2e per kilowatt-hour.
    pub market: Option<(String, f64)>,
    /// Hardware for embodied emissions, in the notation of [`crate::carbon::Hardware`] (parsed by `FromStr`).
    pub embodied: Option<String>,
    /// Lifespan of the hardware, years.
    pub embodied_years: Option<f64>,
    /// Share of the hardware that the run reserves, 0 to 1.
    pub embodied_share: Option<f64>,
    /// Functional unit of the Software Carbon Intensity (SCI): `step`, `sample`, `token` or `run`.
    pub functional_unit: Option<String>,
    /// Litres of water at the site per kilowatt-hour of IT energy.
    pub wue: Option<f64>,
    /// Litres of water at the power plants per kilowatt-hour of facility energy.
    pub ewif: Option<f64>,
    /// Price per tonne CO2e.
    pub carbon_price: Option<f64>,
    /// Offsets that were bought.
    pub offsets: Vec<Offset>,
    /// Whether to list everyday equivalents of the emissions.
    pub equivalents: bool,
}

impl PriceRequest {
    /// Whether the request names a source of intensities: a place, a value, a file or a provider.
    #[must_use]
    pub(super) fn asks_for_intensity(&self) -> bool {
        let place = self.zone.is_some() || self.locate.is_some();
        place || self.g_per_kwh.is_some() || self.asks_over_time()
    }

    /// Whether the request names a price of energy.
    #[must_use]
    pub(super) fn asks_for_price(&self) -> bool {
        self.price_per_kwh.is_some() || self.tariff.is_some()
    }

    /// Returns this request for an existing report. If it names providers and no place, they are asked about the zone
    /// of the report.
    #[must_use]
    pub fn about(&self, report: Option<&Carbon>) -> Self {
        let names_place = self.zone.is_some() || self.locate.is_some() || self.g_per_kwh.is_some();
        let zone = report.filter(|_| !names_place && !self.providers.is_empty()).and_then(chosen_zone);
        Self { zone: self.zone.clone().or(zone), ..self.clone() }
    }

    /// Whether the request names a source of intensities over time.
    pub(super) fn asks_over_time(&self) -> bool {
        self.series.is_some() || !self.providers.is_empty()
    }
}

/// Returns the zone that the user chose for a report; `None` if the report used a default.
fn chosen_zone(carbon: &Carbon) -> Option<String> {
    let chosen = [ZoneSource::Given, ZoneSource::Config, ZoneSource::Cloud, ZoneSource::Coordinates];
    let is_chosen = chosen.iter().any(|source| source.as_str() == carbon.zone_source);
    carbon.price_terms().zone.or_else(|| is_chosen.then(|| carbon.zone.clone()))
}

/// A request that cannot be resolved.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// The zone is unknown.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// The zone of the coordinates is unknown.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// A place that is neither `cloud` nor coordinates.
    #[error("--locate {0:?} is no place: `cloud`, or a latitude and a longitude such as 52.52,13.40")]
    Place(String),
    /// A file of intensities or prices has a fault.
    #[error(transparent)]
    File(#[from] FileError),
    /// The hardware is unknown.
    #[error(transparent)]
    Hardware(#[from] HardwareError),
    /// A value is out of range.
    #[error(transparent)]
    Range(#[from] RangeError),
}

/// The time of a run, as text and as nanoseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// Start, RFC 3339 UTC.
    pub from: String,
    /// End, RFC 3339 UTC.
    pub to: String,
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// Duration by the monotonic clock, nanoseconds.
    pub lasted_ns: u64,
}

impl When {
    /// Returns the time of a run that started at `from` and lasted `lasted_ns` nanoseconds.
    #[must_use]
    pub fn new(from: Timestamp, lasted_ns: u64) -> Self {
        let lasted = jiff::SignedDuration::from_nanos(i64::try_from(lasted_ns).unwrap_or(i64::MAX));
        let to = from.checked_add(lasted).unwrap_or(from);
        let from_ns = i64::try_from(from.as_nanosecond()).unwrap_or(i64::MAX);
        Self { from: from.to_string(), to: to.to_string(), from_ns, lasted_ns }
    }

    /// Returns the end of the run, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn to_ns(&self) -> i64 {
        self.from_ns.saturating_add(i64::try_from(self.lasted_ns).unwrap_or(i64::MAX))
    }
}
