//! Points in time as users type them: a date, a time, or how long ago.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Units of an age, with their seconds.
const UNITS: [(char, i64); 4] = [('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800)];
/// Longest age, 200 years: every run is younger.
const MAX_AGE_S: i64 = 200 * 366 * 86_400;

/// Returns an age such as `90d`: a whole number of minutes `m`, hours `h`, days `d` or weeks `w`.
///
/// # Errors
/// A sentence for any other text, and for more than 200 years.
///
/// ```
/// assert_eq!(eco2_report::age_ago("90d").unwrap().as_hours(), 90 * 24);
/// assert!(eco2_report::age_ago("90").is_err());
/// ```
pub fn age_ago(text: &str) -> Result<SignedDuration, String> {
    let fault = || format!("{text:?} is no age; allowed: a whole number of m, h, d or w, such as 90d");
    let unit = text.chars().next_back().and_then(|last| UNITS.iter().find(|(unit, _)| *unit == last));
    let (unit, seconds) = unit.ok_or_else(fault)?;
    let digits = text.strip_suffix(*unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let count: i64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(fault)?;
    let total_s = count.checked_mul(*seconds).filter(|total_s| *total_s <= MAX_AGE_S);
    total_s.map(SignedDuration::from_secs).ok_or_else(|| format!("{text:?} is more than 200 years"))
}

/// Returns the time that a text names: RFC 3339, a date or a date and time in UTC, or an age before `now`.
///
/// # Errors
/// A sentence for any other text.
///
/// ```
/// let now = "2026-11-29T12:00:00Z".parse().unwrap();
/// assert_eq!(eco2_report::moment("2h", now).unwrap().to_string(), "2026-11-29T10:00:00Z");
/// assert_eq!(eco2_report::moment("2026-11-01", now).unwrap().to_string(), "2026-11-01T00:00:00Z");
/// ```
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).ok();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let civil = text
        .parse::<Date>()
        .ok()
        .filter(|_| text.len() <= 10)
        .map(|date| date.to_datetime(jiff::civil::Time::midnight()));
    if let Some(at) = civil.or_else(|| text.parse::<DateTime>().ok()).and_then(utc) {
        return Ok(at);
    }
    let ago = age_ago(text).ok().and_then(|age| now.checked_sub(age).ok());
    ago.ok_or_else(|| {
        format!("{text:?} is no time; allowed: 2026-11-29, 2026-11-29T14:00, 2026-11-29T14:00:00Z, or an age such as 7d or 12h")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_instants_and_ages() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        for (text, shown) in [
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T06:30", "2026-11-01T06:30:00Z"),
            ("2026-11-01T06:30:00+02:00", "2026-11-01T04:30:00Z"),
            ("30m", "2026-11-29T11:30:00Z"),
            ("1w", "2026-11-22T12:00:00Z"),
            ("0d", "2026-11-29T12:00:00Z"),
        ] {
            assert_eq!(moment(text, now).unwrap().to_string(), shown, "{text}");
        }
        for text in
            ["", "d", "-1d", "+1d", "1.5d", "7 d", "7y", "99999999999999999999d", "1000000000w", "2026-13-01", "é"]
        {
            assert!(moment(text, now).is_err(), "{text}");
            assert!(age_ago(text).is_err(), "{text}");
        }
    }
}
