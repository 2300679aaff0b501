//! What is to be said of how a run was priced.

use eco2_core::schema::{Carbon, EventRecord};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::When;
use crate::ZoneSource;
use crate::provider::{Coverage, ProviderFault};

pub(super) fn event(at: u64, kind: &str, device: &str, text: String) -> EventRecord {
    EventRecord { at, kind: kind.to_owned(), device: device.to_owned(), text }
}

/// How a run was covered: who failed, and whose figures weighed how much of the energy.
pub(super) fn coverage_events(coverage: &Coverage, energies_uj: &[u64], at: u64) -> Vec<EventRecord> {
    let failed =
        |(provider, fault): &(String, ProviderFault)| event(at, "intensity-fault", provider, fault.to_string());
    let mut events: Vec<EventRecord> = coverage.faults.iter().map(failed).collect();
    if let Some(text) = shares(coverage, energies_uj) {
        let kind = if coverage.parts.iter().any(|part| part.fallback) { "intensity-fallback" } else { "intensity" };
        events.push(event(at, kind, "", text));
    }
    events
}

/// What is to be known of the zone: that it was not found, and that its value is old.
pub(super) fn zone_events(unlocated: Option<&String>, carbon: &Carbon, when: &When) -> Vec<EventRecord> {
    let mut events = Vec::new();
    if let Some(text) = unlocated.filter(|_| carbon.zone_source != ZoneSource::Given.as_str()) {
        events.push(event(when.lasted_ns, "zone-not-found", "", text.clone()));
    }
    let used_in = Timestamp::from_nanosecond(i128::from(when.from_ns)).map(|at| at.to_zoned(TimeZone::UTC).year());
    let oldest = carbon.segments.iter().filter_map(|segment| segment.year).min();
    if let (Ok(used_in), Some(year)) = (used_in, oldest)
        && let Some(text) = crate::age_notice(&carbon.zone, year, used_in.into())
    {
        events.push(event(when.lasted_ns, "intensity-old", "", text));
    }
    events
}

/// `62.5 % of the energy by electricity-maps (…), 37.5 % by table (…)`.
fn shares(coverage: &Coverage, energies_uj: &[u64]) -> Option<String> {
    let mut by: Vec<(String, u64, bool)> = Vec::new();
    for (part, energy_uj) in coverage.parts.iter().zip(energies_uj) {
        let kind = part.about.kind.map_or("kind not stated", |kind| kind.as_str());
        let who = format!("{} ({kind})", part.provider);
        match by.iter_mut().find(|(name, _, fallback)| *name == who && *fallback == part.fallback) {
            Some((_, sum, _)) => *sum += energy_uj,
            None => by.push((who, *energy_uj, part.fallback)),
        }
    }
    let all: u64 = by.iter().map(|(_, sum, _)| sum).sum();
    if all == 0 {
        return None;
    }
    let share = |(who, sum, fallback): &(String, u64, bool)| {
        let standing_in = if *fallback { ", standing in" } else { "" };
        format!("{:.1} % by {who}{standing_in}", *sum as f64 / all as f64 * 100.0)
    };
    Some(format!("of the energy, {}", by.iter().map(share).collect::<Vec<_>>().join("; ")))
}
