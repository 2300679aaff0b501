//! Devices that the account has no use for: estimates whose counters work, and counters that never counted.

use eco2_core::is_left_out;
use eco2_core::report::{Device, EventRecord};

/// Names that an event lists; the rest is counted.
const LISTED: usize = 4;
/// The kind of the event that a source makes, for a counter or for all of its own, when they stay at 0.
const SEEN_LIVE: &str = "counter-unsupported";

/// Takes them out, and says once which counters did not count.
pub(crate) fn leave_out(devices: &mut Vec<Device>, events: &mut Vec<EventRecord>, at: u64) {
    let seen_live = |device: &Device| {
        let mut events = events.iter().filter(|event| event.kind == SEEN_LIVE);
        events.any(|event| event.device == device.id || event.device == device.source)
    };
    let dead = devices.iter().filter(|device| is_left_out(device) && device.source != "model" && !seen_live(device));
    let mut dead: Vec<String> = dead.map(|device| device.id.clone()).collect();
    devices.retain(|device| !is_left_out(device));
    let Some(first) = dead.first().cloned() else { return };
    let more = dead.len().saturating_sub(LISTED);
    dead.truncate(LISTED);
    let others = if more > 0 { format!(" and {more} more") } else { String::new() };
    let text =
        format!("{}{others} did not count during the run: what else shows the CPU takes their place", dead.join(", "));
    events.push(EventRecord { at, kind: "counter-dead".to_owned(), device: first, text });
}
