//! Converts instants between text and nanoseconds since 1970 UTC. It reads ISO 8601 and writes `YYYY-MM-DDTHH:MM:SSZ`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Maximum length of a time, bytes.
const LONGEST: usize = 64;
/// Length of a date; the text after it may contain an offset.
const DATE: usize = 10;

/// Returns the nanoseconds since 1970 UTC of an ISO 8601 time. The seconds are optional, and so is the time after the
/// date; `T` or a space separates them. A time without an offset is UTC, never local time. `None` for other text, and
/// for years before 1678 or after 2261.
///
/// ```
/// # use eco2_grid::parse_instant;
/// assert_eq!(parse_instant("1970-01-01T01:00Z"), Some(3_600_000_000_000));
/// assert_eq!(parse_instant("1970-01-01 01:00:00"), parse_instant("1970-01-01T02:00+01:00"));
/// ```
#[must_use]
pub fn parse_instant(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    let text = text.strip_suffix("UTC").map_or(text, str::trim_end);
    let timestamp = if has_offset(text) { text.parse().ok()? } else { civil(text)? };
    i64::try_from(timestamp.as_nanosecond()).ok()
}

/// Returns an instant as text in UTC, to the nearest second; empty if it is out of range.
///
/// ```
/// # use eco2_grid::utc;
/// assert_eq!(utc(1_577_836_800_000_000_000), "2020-01-01T00:00:00Z");
/// ```
#[must_use]
pub fn utc(at_ns: i64) -> String {
    let nearest_s = at_ns.saturating_add(500_000_000).div_euclid(1_000_000_000);
    Timestamp::from_second(nearest_s).map(|at| at.to_string()).unwrap_or_default()
}

fn civil(text: &str) -> Option<Timestamp> {
    let civil: DateTime = text.parse().ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Whether a time states its offset from UTC.
fn has_offset(text: &str) -> bool {
    text.get(DATE..).is_some_and(|time| time.contains(['Z', 'z', '+', '-', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_seconds_and_offsets_are_parsed() {
        let noon = Some(1_516_449_600_000_000_000);
        for text in [
            "2018-01-20T12:00Z",
            "2018-01-20T12:00:00Z",
            "2018-01-20 12:00:00",
            "2018-01-20T12:00",
            "2018-01-20T12:00:00.000Z",
            "2018-01-20T13:00+01:00",
            " 2018-01-20 12:00:00 UTC",
            "2018-01-20T07:00:00-05:00",
        ] {
            assert_eq!(parse_instant(text), noon, "{text}");
        }
        assert_eq!(parse_instant("2018-01-20"), Some(1_516_406_400_000_000_000));
    }

    #[test]
    fn text_that_is_no_time_is_none() {
        for text in
            ["", "12:00", "2018-02-30T00:00Z", "2018-01-20T25:00", "2018-01-20T12:00Q", "9999-01-01", "1516449600"]
        {
            assert_eq!(parse_instant(text), None, "{text}");
        }
        assert_eq!(parse_instant(&"2".repeat(100)), None);
    }

    #[test]
    fn seconds_are_rounded_to_the_nearest() {
        assert_eq!(utc(-500_000_001), "1969-12-31T23:59:59Z");
        assert_eq!(utc(1_500_000_000), "1970-01-01T00:00:02Z");
    }
}
