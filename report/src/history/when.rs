//! Points in time as users type them: a date, a time, or how long ago.

use eco2_core::quantity::in_unit;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Longest age, 200 years: every run is younger.
const MAX_AGE_S: f64 = 200.0 * 366.0 * 86_400.0;

/// Returns the age of runs to keep: a whole number of hours, days or weeks, because what is younger than meant would be removed for good.
///
/// # Errors
/// A sentence for any other text, and for more than 200 years.
///
/// ```
/// assert_eq!(eco2_report::kept_age("90d").unwrap().as_hours(), 90 * 24);
/// assert!(eco2_report::kept_age("90").is_err() && eco2_report::kept_age("90min").is_err());
/// ```
pub fn kept_age(text: &str) -> Result<SignedDuration, String> {
    let count = text.trim().strip_suffix(['h', 'd', 'w']).unwrap_or_default().trim_end();
    if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text:?} is no age of runs; allowed: a whole number of h, d or w, such as 90d"));
    }
    age_ago(text)
}

/// Returns an age such as `90d` or `1.5h`. It has a unit, because a number alone would be days to one reader and hours to another.
fn age_ago(text: &str) -> Result<SignedDuration, String> {
    let has_unit = text.trim().parse::<f64>().is_err();
    let seconds = in_unit(text, "s").filter(|seconds| has_unit && *seconds >= 0.0);
    match seconds {
        None => Err(format!("{text:?} is no age; allowed: a number of min, h, d or w, such as 90d")),
        Some(seconds) if seconds > MAX_AGE_S => Err(format!("{text:?} is more than 200 years")),
        Some(seconds) => Ok(SignedDuration::from_secs(seconds.round() as i64)),
    }
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
            ("1.5d", "2026-11-28T00:00:00Z"),
            ("90min", "2026-11-29T10:30:00Z"),
        ] {
            assert_eq!(moment(text, now).unwrap().to_string(), shown, "{text}");
        }
        for text in [
            "",
            "d",
            "-1d",
            "7",
            "7y",
            "7kg",
            "99999999999999999999d",
            "1000000000w",
            "infd",
            "nand",
            "2026-13-01",
            "é",
        ] {
            assert!(moment(text, now).is_err(), "{text}");
            assert!(age_ago(text).is_err(), "{text}");
        }
    }
}
