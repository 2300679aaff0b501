//! Waits for what a service shows.

use std::time::Duration;

use eco2_agent::{Service, Snapshot};

/// Waits for a snapshot with some property: a minute is beyond any delay.
pub(crate) fn until(service: &Service, is_wanted: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let (latest, mut seen) = (service.latest(), 0);
    for _ in 0..60 {
        let views = latest.wait_after(seen, Duration::from_secs(1));
        if is_wanted(&views.full) {
            return (*views.full).clone();
        }
        seen = views.full.sequence;
    }
    panic!("it never came: {:?}", latest.views().full)
}
