//! Computes the emissions of an energy at one intensity. It also returns the *segments*, parts of the energy with their
//! intensity, from which the emissions can be computed again.

use eco2_core::schema::{Carbon, CarbonSegment};
use eco2_core::{Bounded, units};

use crate::pricing::{Steps, weigh};
use crate::zone::cited;
use crate::{Intensity, Pue};

/// Energy to be priced: the energy of the computers, before PUE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumption<'a> {
    /// The energy with its bounds, microjoules.
    pub energy: Bounded<u64>,
    /// Start, RFC 3339 UTC.
    pub from: &'a str,
    /// End, RFC 3339 UTC.
    pub to: &'a str,
}

/// Returns the location-based emissions of an energy at one intensity. PUE is applied here, once; nothing is
/// subtracted. The fields `embodied`, `sci` and `cost` are left `None`; [`crate::carbon`] computes them.
///
/// ```
/// use eco2_core::Bounded;
/// use eco2_grid::{Consumption, Pue, lookup, price, recompute};
///
/// // 1 kWh at 342.06 g/kWh and a PUE of 1.5.
/// let energy = Bounded::exact(3_600_000_000_000);
/// let used = Consumption { energy, from: "2026-01-01T00:00:00Z", to: "2026-01-01T01:00:00Z" };
/// let carbon = price(&used, Pue::new(1.5)?, &lookup("DE")?);
/// assert!((carbon.grams.unwrap_or(0.0) - 513.09).abs() < 1e-9);
/// assert_eq!(carbon.grams, Some(recompute(&carbon.segments)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// Returns the sum of the segments' emissions, grams: what a third party computes to check [`Carbon::grams`].
#[must_use]
pub fn recompute(segments: &[CarbonSegment]) -> f64 {
    // From 0.0: an empty floating-point sum is -0.0.
    segments.iter().fold(0.0, |sum, segment| sum + units::grams(segment.energy_uj, segment.g_per_kwh))
}

/// Returns the only segment of an energy at one intensity.
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
