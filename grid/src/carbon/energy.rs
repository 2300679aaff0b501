//! Kilowatt-hours of a run, with bounds.

use eco2_core::Bounded;
use eco2_core::schema::Energy;
use eco2_core::units::kwh;

/// Kilowatt-hours of a run's computers, before PUE.
#[must_use]
pub fn it_kwh(energy: &Energy) -> Bounded<f64> {
    energy.bounded().map(kwh)
}

/// Kilowatt-hours of the facility: PUE is applied to the bounds as it was to the total, once; where parts of the energy
/// have several, the bounds are the sums of theirs.
#[must_use]
pub fn facility_kwh(energy: &Energy) -> Bounded<f64> {
    let it = it_kwh(energy);
    let value = energy.facility_uj.map(kwh);
    match energy.facility_low_uj {
        Some(low) => Bounded { value, low: kwh(low), high: energy.facility_high_uj.map(kwh), kind: it.kind },
        None => Bounded { value, ..it.times(energy.pue) },
    }
}
