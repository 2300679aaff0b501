//! Computes the emissions of a run as a table of segments, and writes the events that report how the run was priced.
//!
//! A *segment* is a part of the run's time with the energy used in it and the intensity that applied. The emissions can
//! be computed again from the segments. A *part* is a period with one intensity from one provider; the *coverage* of a
//! run is its parts, with the faults of the providers that were asked.

use eco2_core::schema::{Carbon, CarbonSegment, EventKind, EventRecord};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{EnergyCurve, EnergySplit, RateStep, Steps, When};
use crate::provider::{Coverage, IntensityPart, ProviderFault};
use crate::zone::cited;
use crate::{Pue, ZoneSource};

/// A zone and how it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedZone {
    /// Code, or the name that a provider or a file has for it.
    pub name: String,
    /// How it was chosen.
    pub source: ZoneSource,
}

/// Returns the location-based emissions of a run at the intensities of `parts`, with one segment per part.
///
/// The parts are sorted by time and cover the run from its start at `from_ns` (nanoseconds since 1970 UTC) to its end
/// without holes. The energies of the segments add up to the facility energy (times PUE), exactly. If the energy is
/// unknown, there are no segments and the emissions are unknown.
#[must_use]
pub fn price_parts(
    parts: &[IntensityPart],
    energy: &(impl EnergyCurve + ?Sized),
    from_ns: i64,
    pue: Pue,
    zone: &NamedZone,
) -> Carbon {
    let since_ns = |at_ns: i64| u64::try_from(at_ns.saturating_sub(from_ns)).unwrap_or(0);
    let step = |part: &IntensityPart| RateStep { to_ns: since_ns(part.to_ns), per_kwh: Some(part.g_per_kwh) };
    let steps = Steps::new(parts.iter().map(step));
    let split = EnergySplit::new(energy, &steps, pue);
    let segments = parts.iter().zip(split.parts_uj()).map(|(part, energy_uj)| segment(part, energy_uj)).collect();
    let carbon =
        Carbon { zone: zone.name.clone(), zone_source: zone.source.as_str().to_owned(), segments, ..Carbon::default() };
    carbon.with_grams(split.amount())
}

/// Returns the segment of the report for a part and the facility energy used in it.
fn segment(part: &IntensityPart, energy_uj: u64) -> CarbonSegment {
    CarbonSegment {
        from: rfc3339(part.from_ns),
        to: rfc3339(part.to_ns),
        energy_uj,
        g_per_kwh: part.g_per_kwh,
        kind: part.about.kind.map(|kind| kind.as_str().to_owned()),
        source: cited(&part.about.source, &part.about.licence),
        year: part.about.year,
        estimated: part.estimated,
        table_sha256: part.about.table.map(|hash| hash.to_string()),
        answer_sha256: part.answer.map(|hash| hash.to_string()),
    }
}

/// Returns an instant as text with all its digits, because a run need not start on a full second.
fn rfc3339(at_ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at_ns)).map(|at| at.to_string()).unwrap_or_default()
}

/// Returns the events about the coverage of a run: which providers failed, and which share of the energy each provider
/// covered. `energies_uj` is the energy of each part, `at` the time of the events in nanoseconds since the start of the
/// run.
pub(super) fn coverage_events(coverage: &Coverage, energies_uj: &[u64], at: u64) -> Vec<EventRecord> {
    let failed = |(provider, fault): &(String, ProviderFault)| {
        EventRecord::new(at, EventKind::IntensityFault, provider, fault.to_string())
    };
    let mut events: Vec<EventRecord> = coverage.faults.iter().map(failed).collect();
    if let Some(text) = shares(coverage, energies_uj) {
        let kind = if coverage.parts.iter().any(|part| part.fallback) {
            EventKind::IntensityFallback
        } else {
            EventKind::Intensity
        };
        events.push(EventRecord::new(at, kind, "", text));
    }
    events
}

/// Returns the events about the zone: that it was not found (`unlocated` is the reason), and that its value is old.
pub(super) fn zone_events(unlocated: Option<&String>, carbon: &Carbon, when: &When) -> Vec<EventRecord> {
    let mut events = Vec::new();
    if let Some(text) = unlocated.filter(|_| carbon.zone_source != ZoneSource::Given.as_str()) {
        events.push(EventRecord::new(when.lasted_ns, EventKind::GridZoneNotFound, "", text.clone()));
    }
    let used_in = Timestamp::from_nanosecond(i128::from(when.from_ns)).map(|at| at.to_zoned(TimeZone::UTC).year());
    let oldest = carbon.segments.iter().filter_map(|segment| segment.year).min();
    let years = used_in.ok().zip(oldest);
    if let Some(text) =
        years.and_then(|(used_in, year)| crate::intensity::age_notice(&carbon.zone, year, used_in.into()))
    {
        events.push(EventRecord::new(when.lasted_ns, EventKind::IntensityOld, "", text));
    }
    events
}

/// Returns the shares of the providers as text, such as
/// `of the energy, 62.5 % by electricity-maps (…); 37.5 % by table (…)`. `None` if no energy was used.
fn shares(coverage: &Coverage, energies_uj: &[u64]) -> Option<String> {
    // Each entry: provider with its kind, energy in microjoules, whether it replaced a provider that did not answer.
    let mut by: Vec<(String, u64, bool)> = Vec::new();
    for (part, energy_uj) in coverage.parts.iter().zip(energies_uj) {
        let kind = part.about.kind.map_or("kind not stated", |kind| kind.as_str());
        let provider = format!("{} ({kind})", part.provider);
        match by.iter_mut().find(|(name, _, fallback)| *name == provider && *fallback == part.fallback) {
            Some((_, sum, _)) => *sum += energy_uj,
            None => by.push((provider, *energy_uj, part.fallback)),
        }
    }
    let all: u64 = by.iter().map(|(_, sum, _)| sum).sum();
    if all == 0 {
        return None;
    }
    let share = |(provider, sum, fallback): &(String, u64, bool)| {
        let standing_in = if *fallback { ", standing in" } else { "" };
        format!("{:.1} % by {provider}{standing_in}", *sum as f64 / all as f64 * 100.0)
    };
    Some(format!("of the energy, {}", by.iter().map(share).collect::<Vec<_>>().join("; ")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eco2_core::Bounded;
    use proptest::prelude::*;

    use super::*;
    use crate::provider::IntensityOrigin;

    const HOUR: i64 = 3_600_000_000_000;
    const KWH: u64 = 3_600_000_000_000;

    fn parts(intensities: &[f64]) -> Vec<IntensityPart> {
        let part = |(place, g_per_kwh): (usize, &f64)| IntensityPart {
            from_ns: place as i64 * HOUR,
            to_ns: (place as i64 + 1) * HOUR,
            g_per_kwh: *g_per_kwh,
            estimated: false,
            provider: "test".to_owned(),
            answer: None,
            fallback: false,
            about: Arc::new(IntensityOrigin::default()),
        };
        intensities.iter().enumerate().map(part).collect()
    }

    fn known(energies: &[u64]) -> Vec<Bounded<u64>> {
        energies.iter().map(|uj| Bounded::exact(*uj)).collect()
    }

    /// `reached` is the energy at the end of each hour.
    fn priced(intensities: &[f64], reached: &[Bounded<u64>], pue: f64) -> Carbon {
        let energy = |since_ns: u64| reached[(since_ns / HOUR as u64) as usize - 1];
        let zone = NamedZone { name: "X".to_owned(), source: ZoneSource::Given };
        price_parts(&parts(intensities), &energy, 0, Pue::new(pue).unwrap(), &zone)
    }

    #[test]
    fn energy_is_priced_at_the_intensity_of_its_own_time() {
        // An hour at 100 g/kWh with 3 kWh, one at 500 with 1 kWh: 800 g. The mean intensity over time would give 1200.
        let carbon = priced(&[100.0, 500.0], &known(&[3 * KWH, 4 * KWH]), 1.0);
        assert_eq!((carbon.grams, carbon.low, carbon.high), (Some(800.0), 800.0, Some(800.0)));
        assert_eq!(carbon.segments[1].from, "1970-01-01T01:00:00Z");
        assert_eq!(carbon.segments.iter().map(|segment| segment.energy_uj / KWH).collect::<Vec<_>>(), [3, 1]);
    }

    #[test]
    fn an_uncertain_edge_widens_the_bounds_only() {
        // Of 4 kWh, between 2 and 3 were used in the first hour: 2 × 100 + 2 × 500 to 3 × 100 + 1 × 500 grams.
        let mut levels = known(&[3 * KWH, 4 * KWH]);
        levels[0].low = 2 * KWH;
        let carbon = priced(&[100.0, 500.0], &levels, 1.0);
        assert_eq!((carbon.low, carbon.high), (800.0, Some(1200.0)));
        levels[0].high = None;
        assert_eq!(priced(&[100.0, 500.0], &levels, 1.0).low, 400.0, "all of it in the first hour");
        levels[1].high = None;
        assert_eq!(priced(&[100.0, 500.0], &levels, 1.0).high, None);
    }

    #[test]
    fn pue_is_applied_once() {
        let carbon = priced(&[100.0, 500.0], &known(&[3 * KWH, 4 * KWH]), 1.5);
        assert!((carbon.grams.unwrap() - 1200.0).abs() < 1e-9);
        assert_eq!(carbon.segments.iter().map(|segment| segment.energy_uj).sum::<u64>(), 6 * KWH);
    }

    #[test]
    fn k01_energy_that_is_not_known_has_no_grams_and_no_segments() {
        let carbon = priced(&[100.0, 500.0], &[Bounded::unknown(), Bounded::unknown()], 1.5);
        assert_eq!((carbon.grams, carbon.low, carbon.high, carbon.segments.len()), (None, 0.0, None, 0));
        // At most 4 kWh: at most 2000 g, and still no value.
        let carbon = priced(&[100.0, 500.0], &[Bounded::at_most(Some(4 * KWH)), Bounded::at_most(Some(4 * KWH))], 1.0);
        assert_eq!((carbon.grams, carbon.low, carbon.high), (None, 0.0, Some(2000.0)));
        // A total that is known, of which the share of the first hour is not: 0 to 4 kWh of it at 100 g/kWh.
        let carbon = priced(&[100.0, 500.0], &[Bounded::at_most(Some(4 * KWH)), Bounded::exact(4 * KWH)], 1.0);
        assert_eq!((carbon.low, carbon.high), (400.0, Some(2000.0)));
        assert_eq!(carbon.segments.iter().map(|segment| segment.energy_uj).sum::<u64>(), 4 * KWH);
    }

    proptest! {
        #[test]
        fn the_true_grams_lie_within_the_bounds_and_segments_add_up(
            steps in prop::collection::vec((0.0..1000.0_f64, 0..1u64 << 44, 0..1u64 << 40, 0..1u64 << 40, 0.0..1.0_f64), 1..12),
            pue in 1.0..2.0_f64,
        ) {
            let mut reached = 0;
            let (mut levels, mut truth, mut last) = (Vec::new(), Vec::new(), 0);
            for (_, energy, below, above, share) in &steps {
                reached += energy;
                let (low_uj, high_uj) = (reached.saturating_sub(*below), reached + above);
                levels.push(Bounded::hard(reached, low_uj, Some(high_uj)));
                // An energy within the bounds that never decreases.
                last = (low_uj + ((high_uj - low_uj) as f64 * share) as u64).clamp(low_uj.max(last.min(high_uj)), high_uj).max(last);
                truth.push(last);
            }
            prop_assume!(truth.iter().zip(&levels).all(|(uj, level)| Some(*uj) <= level.high));
            let intensities: Vec<f64> = steps.iter().map(|step| step.0).collect();
            let carbon = priced(&intensities, &levels, pue);
            let true_grams = priced(&intensities, &known(&truth), pue).grams.unwrap();
            let slack = 1e-6 * (1.0 + true_grams);
            prop_assert!(carbon.low <= true_grams + slack, "{} {}", carbon.low, true_grams);
            prop_assert!(carbon.high.is_some_and(|high| true_grams <= high + slack));
            prop_assert!(carbon.low <= carbon.grams.unwrap() + slack && carbon.high.is_some_and(|high| carbon.grams.unwrap() <= high + slack));
            let facility = Pue::new(pue).unwrap().facility_uj(reached);
            prop_assert_eq!(carbon.segments.iter().map(|segment| segment.energy_uj).sum::<u64>(), facility);
        }
    }
}
