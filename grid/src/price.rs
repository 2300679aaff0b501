//! Grams of an energy, with the table that recomputes them.

use eco2_core::schema::{Carbon, CarbonSegment};
use eco2_core::{Bounded, units};

use crate::pricing::{Steps, weigh};
use crate::zone::cited;
use crate::{Intensity, Pue};

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
