//! Devices that the account has no use for: estimates whose counters work, and counters that never counted.

use eco2_core::is_left_out;
use eco2_core::schema::{Device, EventRecord, SourceStatus, Status};
use eco2_core::{Component, Quality};

/// Names that a text lists; the rest is counted.
const LISTED: usize = 4;
/// The kind of the event that a source makes, for a counter or for all of its own, when they do not move.
const SEEN_LIVE: &str = "counter-unsupported";

/// Takes them out; reports once which counters did not count, in an event and in the statuses of their sources.
pub(crate) fn leave_out(
    devices: &mut Vec<Device>,
    events: &mut Vec<EventRecord>,
    sources: &mut [SourceStatus],
    at: u64,
) {
    let (out, kept): (Vec<Device>, Vec<Device>) = std::mem::take(devices).into_iter().partition(is_left_out);
    *devices = kept;
    let dead: Vec<&Device> = out.iter().filter(|device| device.source != "model").collect();
    if dead.is_empty() {
        return;
    }
    describe(sources, &dead, devices);
    let seen_live = |device: &&Device| {
        let mut events = events.iter().filter(|event| event.kind == SEEN_LIVE);
        !events.any(|event| event.device == device.id || event.device == device.source)
    };
    let news: Vec<&Device> = dead.iter().copied().filter(seen_live).collect();
    if let Some(first) = news.first() {
        let text =
            format!("{} did not count during the run: an estimate or another sensor takes its place", listed(&news));
        events.push(EventRecord { at, kind: "counter-dead".to_owned(), device: first.id.clone(), text });
    }
}

/// A source is not ok while its counters do not count, nor is the model idle then.
fn describe(sources: &mut [SourceStatus], dead: &[&Device], devices: &[Device]) {
    for source in sources.iter_mut().filter(|source| source.status == Status::Ok) {
        let own: Vec<&Device> = dead.iter().copied().filter(|device| device.source == source.name).collect();
        if !own.is_empty() {
            let works = devices.iter().any(|device| device.source == source.name && device.energy_uj.is_some());
            source.status = if works { Status::Degraded } else { Status::Lost };
            source.reason = format!("found, but does not count: {}", listed(&own));
        }
    }
    let estimated = |device: &&Device| device.quality == Quality::Estimated && device.component == Component::Cpu;
    let calculated = |device: &Device| {
        let method = device.method.iter().map(|method| format!(": {method}"));
        format!("{}{}", device.name, method.collect::<String>())
    };
    let names: Vec<String> = devices.iter().filter(estimated).map(calculated).collect();
    if let Some(model) = sources.iter_mut().find(|source| source.name == "model" && !names.is_empty()) {
        model.status = Status::Degraded;
        model.reason = format!("counters do not count; memory not included: {}", names.join("; "));
    }
}

fn listed(devices: &[&Device]) -> String {
    let more = devices.len().saturating_sub(LISTED);
    let names: Vec<&str> = devices.iter().take(LISTED).map(|device| device.id.as_str()).collect();
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}
