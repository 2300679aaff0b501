//! Spans of a merge: of each attempt on each machine those of one process, as the others there saw the same energy.

use std::collections::BTreeMap;

use eco2_core::schema::{DeviceSync, Report, SpanRecord, State, stated};
use eco2_core::{CounterKey, RangeKind, Ranged};

use super::attempts::{Attempt, Attempts};
use super::devices;
use super::parts::machine;

/// Sums spans by name, in the order of names.
pub(super) fn spans(parts: &[Report], attempts: &Attempts) -> Vec<SpanRecord> {
    let names = devices::names(parts, &devices::known(parts));
    let mut sums: BTreeMap<&str, SpanRecord> = BTreeMap::new();
    for attempt in &attempts.list {
        for place in attempt.windows.keys() {
            for span in speaker(parts, attempt, place).into_iter().flat_map(|part| &part.spans) {
                let sum = sums.entry(&span.name).or_insert_with(|| blank(span));
                add(sum, span, place, &names);
            }
        }
    }
    sums.into_values().collect()
}

/// The first rank there that has any spans.
fn speaker<'a>(parts: &'a [Report], attempt: &Attempt, place: &str) -> Option<&'a Report> {
    let there = attempt.members.iter().filter_map(|member| parts.get(*member));
    there.filter(|part| machine(part) == place && !part.spans.is_empty()).min_by_key(|part| part.run.rank)
}

fn blank(span: &SpanRecord) -> SpanRecord {
    let (name, sync) = (span.name.clone(), span.sync);
    let (high_uj, free_high_uj, range_kind) = (Some(0), Some(0), Some(RangeKind::Hard));
    SpanRecord { name, sync, high_uj, free_high_uj, range_kind, state: State::Final, ..SpanRecord::default() }
}

fn add(sum: &mut SpanRecord, span: &SpanRecord, place: &str, names: &BTreeMap<CounterKey, String>) {
    sum.count = sum.count.saturating_add(span.count);
    sum.duration_ns = sum.duration_ns.saturating_add(span.duration_ns);
    let (energy, free) = (sum.bounded() + span.bounded(), sum.free() + span.free());
    (sum.energy_uj, sum.low_uj, sum.high_uj) = (energy.value, energy.low, energy.high);
    (sum.free_low_uj, sum.free_high_uj) = (free.low, free.high);
    (sum.range_kind, sum.range_percent) = stated(&energy);
    if span.state == State::Provisional {
        sum.state = State::Provisional;
    }
    if span.sync != sum.sync {
        sum.sync = DeviceSync::None;
    }
    for (device, uj) in &span.by_device {
        let key = CounterKey { boot_id: place.to_owned(), device: device.clone() };
        let total = sum.by_device.entry(names.get(&key).unwrap_or(device).clone()).or_default();
        *total = total.saturating_add(*uj);
    }
}
