//! Computes energy and emissions of many intervals at once, and the cost of carbon credits: `eco2_batch()` of the C
//! library.
//!
//! It serves programs that keep a history of energies, running totals or powers themselves. Energy is an integer until
//! it is converted to kilowatt-hours.

use eco2_core::units;

use crate::Pue;

/// Grams in a tonne.
const GRAMS_PER_TONNE: f64 = 1e6;

/// The meaning of the amounts and times in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImpactColumn {
    /// Microjoules of each interval; times are durations.
    Energies,
    /// Running totals, microjoules, at increasing times: each interval lasts from the previous row to this one, and the
    /// first row is the start of counting. A total that decreases counts as 0; [`first_fall`] finds it.
    Totals,
    /// Mean power of each interval, microwatts; times are durations.
    Powers,
}

/// One row: an amount, a time, and an intensity if it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImpactRow {
    /// Energy or power, as [`ImpactColumn`] defines it.
    pub amount: u64,
    /// Duration or instant, nanoseconds.
    pub time_ns: u64,
    /// Intensity, grams CO2e per kilowatt-hour; `None` if unknown.
    pub g_per_kwh: Option<f64>,
}

/// Energy and emissions of one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impact {
    /// Kilowatt-hours of the machine, before PUE.
    pub kwh: f64,
    /// Mean power, watts, before PUE; `None` without a duration.
    pub watts: Option<f64>,
    /// Grams CO2e, PUE included; `None` without an intensity.
    pub grams: Option<f64>,
    /// Grams per second; `None` without an intensity or a duration.
    pub grams_per_s: Option<f64>,
}

/// Returns the impact of each row.
pub fn impacts(
    column: ImpactColumn,
    rows: impl IntoIterator<Item = ImpactRow>,
    pue: Pue,
) -> impl Iterator<Item = Impact> {
    let mut before: Option<ImpactRow> = None;
    rows.into_iter().map(move |row| {
        let (energy_uj, duration_ns) = match column {
            ImpactColumn::Energies => (row.amount, row.time_ns),
            ImpactColumn::Powers => (units::uj_at_power(row.amount, row.time_ns), row.time_ns),
            ImpactColumn::Totals => since(before.replace(row).unwrap_or(row), row),
        };
        impact(energy_uj, duration_ns, row.g_per_kwh, pue)
    })
}

/// Returns the first index at which a value is below the one before; `None` if the column never decreases. Amounts and
/// instants of [`ImpactColumn::Totals`] must not decrease.
#[must_use]
pub fn first_fall(values: &[u64]) -> Option<usize> {
    Some(values.windows(2).position(|pair| pair[1] < pair[0])? + 1)
}

/// Returns the cost of carbon credits for an amount of emissions at a price per tonne: `grams ÷ 1,000,000 × price`.
#[must_use]
pub fn credit_cost(grams: f64, price_per_tonne: f64) -> f64 {
    grams / GRAMS_PER_TONNE * price_per_tonne
}

/// Returns the energy and the nanoseconds between two rows of running totals.
fn since(before: ImpactRow, row: ImpactRow) -> (u64, u64) {
    (row.amount.saturating_sub(before.amount), row.time_ns.saturating_sub(before.time_ns))
}

/// Returns the impact of an energy before PUE; rates are `None` without a duration.
fn impact(energy_uj: u64, duration_ns: u64, g_per_kwh: Option<f64>, pue: Pue) -> Impact {
    let grams = g_per_kwh.map(|intensity| units::grams(pue.facility_uj(energy_uj), intensity));
    let seconds = duration_ns as f64 / 1e9;
    let grams_per_s = grams.filter(|_| duration_ns > 0).map(|grams| grams / seconds);
    let watts = units::watts(energy_uj, duration_ns).filter(|_| duration_ns > 0);
    Impact { kwh: units::kwh(energy_uj), watts, grams, grams_per_s }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KWH_UJ: u64 = 3_600_000_000_000;
    const HOUR_NS: u64 = 3_600_000_000_000;

    fn all(column: ImpactColumn, rows: &[(u64, u64)], pue: f64) -> Vec<Impact> {
        let rows = rows.iter().map(|&(amount, time_ns)| ImpactRow { amount, time_ns, g_per_kwh: Some(360.0) });
        impacts(column, rows, Pue::new(pue).unwrap()).collect()
    }

    #[test]
    fn energies_totals_and_powers_of_a_kilowatt_for_an_hour() {
        let hour = Impact { kwh: 1.0, watts: Some(1000.0), grams: Some(360.0), grams_per_s: Some(0.1) };
        assert_eq!(all(ImpactColumn::Energies, &[(KWH_UJ, HOUR_NS)], 1.0), [hour]);
        assert_eq!(all(ImpactColumn::Powers, &[(1_000_000_000, HOUR_NS)], 1.0), [hour]);
        let totals = all(ImpactColumn::Totals, &[(5, 7), (KWH_UJ + 5, HOUR_NS + 7), (KWH_UJ + 5, HOUR_NS + 8)], 1.0);
        assert_eq!(totals[1], hour);
        assert_eq!((totals[0].kwh, totals[0].grams_per_s, totals[2].kwh), (0.0, None, 0.0));
    }

    #[test]
    fn pue_is_in_the_grams_and_not_in_the_machines_energy() {
        let [hour] = all(ImpactColumn::Energies, &[(KWH_UJ, 0)], 1.5)[..] else { panic!() };
        assert_eq!(hour, Impact { kwh: 1.0, watts: None, grams: Some(540.0), grams_per_s: None });
    }

    #[test]
    fn no_intensity_is_no_gram_and_not_zero() {
        let rows = [ImpactRow { amount: KWH_UJ, time_ns: 1, g_per_kwh: None }];
        let [only] = impacts(ImpactColumn::Energies, rows, Pue::ONE).collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!((only.kwh, only.grams, only.grams_per_s), (1.0, None, None));
    }

    #[test]
    fn m41_a_total_that_falls_is_found_where_it_falls() {
        assert_eq!((first_fall(&[]), first_fall(&[7]), first_fall(&[1, 1, 2])), (None, None, None));
        assert_eq!((first_fall(&[2, 1]), first_fall(&[1, 3, 3, 2, 0])), (Some(1), Some(3)));
    }

    #[test]
    fn d09_a_tonne_at_fifteen_a_tonne_costs_fifteen() {
        assert_eq!(credit_cost(1_000_000.0, 15.0), 15.0);
        assert_eq!(credit_cost(1_000.0, 15.0), 0.015);
    }

    #[test]
    fn d10_a_watt_for_an_hour_is_a_thousandth_of_a_kilowatt_hour() {
        assert_eq!(all(ImpactColumn::Powers, &[(1_000_000, HOUR_NS)], 1.0)[0].kwh, 0.001);
    }
}
