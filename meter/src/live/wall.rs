//! The wall clock and the boot-time clock of a run. Energy and durations are measured with the monotonic clock only.
//!
//! The *wall clock* gives the run its date. It may be wrong, and may be set while the run goes on; [`WallWatch`] reports that. The
//! *boot-time clock* is common to all processes of a machine and also counts sleep; [`BootAxis`] converts monotonic time to it.

use std::time::SystemTime;

use eco2_samplers::clock;
use jiff::{SignedDuration, Timestamp};

/// The smallest step of the wall clock that is reported, nanoseconds. A leap second, and the jitter between two clock readings,
/// are smaller.
const MIN_STEP_NS: i128 = 2_000_000_000;
/// Time between two checks, nanoseconds.
const CHECK_EVERY_NS: u64 = 1_000_000_000;
/// The longest time in which both clocks must be read, nanoseconds. They are read one after the other; a longer interruption
/// between them would look like a step.
const MAX_READ_NS: u64 = 50_000_000;

/// Returns the time of the wall clock; outside the years -9999 to 9999 the nearest time within them.
pub(crate) fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

fn timestamp(time: SystemTime) -> Timestamp {
    let nearest = if time < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(time).unwrap_or(nearest)
}

/// Returns a warning if the wall clock is wrong by years at the start of a run.
pub(crate) fn far_off() -> Option<String> {
    far_off_text(&clock::Epoch::now(), now())
}

fn far_off_text(epoch: &clock::Epoch, now: Timestamp) -> Option<String> {
    let year = now.strftime("%Y-%m-%d");
    epoch.far_off().then(|| {
        format!("the wall clock shows {year}: the times in this report are wrong, durations and energy are not; set the clock")
    })
}

/// Finds steps of the wall clock while a run goes on: changes of its difference from the boot-time clock. Both clocks count sleep,
/// so that sleep is no step.
#[derive(Debug, Default)]
pub(crate) struct WallWatch {
    /// Wall clock minus boot-time clock at the last step, nanoseconds; `None` before the first check.
    offset_ns: Option<i128>,
    /// Monotonic time of the next check.
    next_ns: u64,
}

impl WallWatch {
    /// Returns the text of an event if the wall clock was set since the last check. Checks once per second.
    pub(crate) fn check(&mut self, now_ns: u64) -> Option<String> {
        if now_ns < self.next_ns {
            return None;
        }
        self.next_ns = now_ns.saturating_add(CHECK_EVERY_NS);
        let before_ns = clock::boottime_ns();
        let wall = now();
        let after_ns = clock::boottime_ns();
        (after_ns.saturating_sub(before_ns) < MAX_READ_NS).then(|| self.compare(before_ns, wall)).flatten()
    }

    /// Compares a pair of clock readings with the last; returns the text of an event for a step.
    fn compare(&mut self, boot_ns: u64, wall: Timestamp) -> Option<String> {
        let offset_ns = wall.as_nanosecond() - i128::from(boot_ns);
        let step_ns = offset_ns - *self.offset_ns.get_or_insert(offset_ns);
        if step_ns.abs() < MIN_STEP_NS {
            return None;
        }
        self.offset_ns = Some(offset_ns);
        let way = if step_ns > 0 { "forward" } else { "back" };
        let size = SignedDuration::from_nanos_i128(step_ns.abs());
        Some(format!(
            "the wall clock was set {way} by {:.1} s, to {wall:.0}; durations and energy do not depend on it, times of this run \
             keep to the clock at its start",
            size.as_secs_f64()
        ))
    }
}

/// Converts monotonic time to boot time. Their difference grows while the machine sleeps, so that it is kept for each time.
#[derive(Debug, Clone, Default)]
pub(crate) struct BootAxis {
    /// The offsets, in the order of time.
    offsets: Vec<BootOffset>,
}

/// How far boot time is ahead of monotonic time.
#[derive(Debug, Clone, Copy)]
struct BootOffset {
    /// Monotonic time from which on it applies.
    from_ns: u64,
    offset_ns: u64,
}

impl BootAxis {
    /// Adds the offset of boot time from `mono_ns` on.
    pub(crate) fn add_offset(&mut self, mono_ns: u64, offset_ns: u64) {
        self.offsets.push(BootOffset { from_ns: mono_ns, offset_ns });
    }

    /// Returns the boot time of a monotonic time, nanoseconds. Before the first offset the first one applies.
    pub(crate) fn boottime_at(&self, mono_ns: u64) -> u64 {
        let latest = self.offsets.iter().rev().find(|offset| offset.from_ns <= mono_ns);
        let offset_ns = latest.or(self.offsets.first()).map_or(0, |offset| offset.offset_ns);
        mono_ns.saturating_add(offset_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn k11_year_beyond_9999_is_the_last_that_can_be_shown() {
        let seconds = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        // 9999-12-31T23:59:59Z is 253 402 300 799 s after 1970.
        assert_eq!(timestamp(seconds(253_402_300_800)), Timestamp::MAX);
        assert_eq!(timestamp(seconds(i64::MAX as u64)), Timestamp::MAX);
        assert_eq!(timestamp(SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40)), Timestamp::MIN);
        assert_eq!(timestamp(seconds(1_800_000_000)), at("2027-01-15T08:00:00Z"));
    }

    #[test]
    fn k11_clock_that_is_decades_off_is_reported() {
        let text = |text: &str| {
            let now = at(text);
            let wall_ns = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
            far_off_text(&clock::Epoch { mono_ns: 0, wall_ns }, now)
        };
        assert!(text("3611-06-01T00:00:00Z").unwrap().contains("3611-06-01"));
        assert!(text("1970-01-01T00:01:00Z").unwrap().contains("1970-01-01"));
        assert_eq!(text("2027-01-01T00:00:00Z"), None);
    }

    #[test]
    fn k11_step_of_the_wall_clock_is_reported_once_and_sleep_is_none() {
        const S: u64 = 1_000_000_000;
        let mut watch = WallWatch::default();
        assert_eq!(watch.compare(100 * S, at("2026-01-01T00:00:00Z")), None);
        assert_eq!(watch.compare(110 * S, at("2026-01-01T00:00:10.5Z")), None, "half a second is an adjustment");
        assert_eq!(watch.compare(3710 * S, at("2026-01-01T01:00:10Z")), None, "an hour of sleep counts on both clocks");
        let text = watch.compare(3711 * S, at("2026-01-01T02:00:11Z")).unwrap();
        assert!(text.contains("forward by 3600.0 s"), "{text}");
        assert_eq!(watch.compare(3712 * S, at("2026-01-01T02:00:12Z")), None, "once");
        let text = watch.compare(3713 * S, at("2026-01-01T00:00:13Z")).unwrap();
        assert!(text.contains("back by 7200.0 s"), "{text}");
    }

    #[test]
    fn sleep_moves_the_boot_clock_on() {
        let mut axis = BootAxis::default();
        axis.add_offset(100, 5);
        axis.add_offset(200, 50);
        assert_eq!(
            [axis.boottime_at(90), axis.boottime_at(150), axis.boottime_at(200), axis.boottime_at(300)],
            [95, 155, 250, 350]
        );
        assert_eq!(BootAxis::default().boottime_at(7), 7);
    }
}
