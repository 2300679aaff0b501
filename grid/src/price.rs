//! Grams of an energy, with the table that recomputes them.

use eco2_core::report::{Carbon, CarbonSegment};
use eco2_core::{Bounded, units};

use crate::pricing::{Steps, weigh};
use crate::zone::cited;
use crate::{Intensity, RangeError};

/// Power usage effectiveness: energy of the facility over energy of its computers; at least 1 (ISO/IEC 30134-2).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Pue(f64);

/// Energy to be priced, as the meter had it, before PUE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumption<'a> {
    /// The energy with its bounds, microjoules.
    pub energy: Bounded<u64>,
    /// Start, RFC 3339 UTC.
    pub from: &'a str,
    /// End, RFC 3339 UTC.
    pub to: &'a str,
}

impl Pue {
    /// No overhead, or none known.
    pub const ONE: Self = Self(1.0);

    /// Checks a figure.
    ///
    /// # Errors
    /// [`RangeError`] unless it is finite and at least 1.
    pub fn new(value: f64) -> Result<Self, RangeError> {
        if value.is_finite() && value >= 1.0 {
            return Ok(Self(value));
        }
        Err(RangeError { what: "PUE", value, allowed: "a finite number of at least 1" })
    }

    /// The ratio.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// Facility energy of an energy, microjoules, rounded; saturates. Exact for a PUE of 1, and never less than `uj`:
    /// only the overhead goes through floating point.
    #[must_use]
    pub fn facility_uj(self, uj: u64) -> u64 {
        let overhead = (uj as f64 * (self.0 - 1.0)).round();
        uj.saturating_add(overhead as u64)
    }
}

/// Location-based grams of an energy at one intensity. PUE is applied here, once; nothing is ever subtracted.
///
/// `embodied`, `sci` and `cost` stay `None`: they are not the grid's to say.
#[must_use]
pub fn price(consumption: &Consumption<'_>, pue: Pue, intensity: &Intensity) -> Carbon {
    let segments: Vec<_> =
        consumption.energy.value.map(|uj| segment(consumption, uj, pue, intensity)).into_iter().collect();
    let grams = weigh(&|_| consumption.energy, &Steps::constant(0, intensity.g_per_kwh), pue);
    let carbon = Carbon {
        zone: intensity.zone.clone(),
        zone_source: intensity.zone_source.as_str().to_owned(),
        segments,
        ..Carbon::default()
    };
    carbon.with_grams(grams)
}

/// Grams that a table of segments adds up to: what a third party does to check [`Carbon::grams`].
#[must_use]
pub fn recompute(segments: &[CarbonSegment]) -> f64 {
    // From 0.0: an empty floating-point sum is -0.0.
    segments.iter().fold(0.0, |sum, segment| sum + units::grams(segment.energy_uj, segment.g_per_kwh))
}

fn segment(consumption: &Consumption<'_>, energy_uj: u64, pue: Pue, intensity: &Intensity) -> CarbonSegment {
    CarbonSegment {
        from: consumption.from.to_owned(),
        to: consumption.to.to_owned(),
        energy_uj: pue.facility_uj(energy_uj),
        g_per_kwh: intensity.g_per_kwh,
        kind: intensity.kind.map(|kind| kind.as_str().to_owned()),
        source: cited(&intensity.source, &intensity.licence),
        year: intensity.year,
        estimated: intensity.estimated,
        table_sha256: intensity.table.map(|hash| hash.to_string()),
        answer_sha256: None,
    }
}
