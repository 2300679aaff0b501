//! Converts zones and times to the notations of the services that publish intensities, and checks their answers. All
//! services share these functions. A *slot* is a period with one intensity.

use serde::de::DeserializeOwned;

use super::super::{IntensitySlot, ProviderFault};
use crate::series::{parse_instant, utc};
use crate::{Sha256, cloud_region, zone};

/// Returns a zone that is passed on unchanged.
pub(super) fn literal(zone: &str) -> Result<String, ProviderFault> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_. ".contains(&byte);
    if zone.is_empty() || zone.len() > 64 || !zone.bytes().all(plain) {
        return Err(ProviderFault::zone(zone, "name one with --provider-zone, as the service writes it"));
    }
    Ok(zone.to_owned())
}

/// Returns a zone of providers that trace imports: that of a cloud region, the code of a country, or the text itself.
pub(super) fn flow_zone(zone: &str) -> Result<String, ProviderFault> {
    if let Some(region) = cloud_region(zone).filter(|region| !region.flow_zone.is_empty()) {
        return Ok(region.flow_zone.clone());
    }
    match zone::named(zone).next() {
        Some(found) if found.alpha3.is_some() => Ok(found.code.clone()),
        Some(_) => Err(ProviderFault::zone(
            zone,
            "the service divides that country otherwise; name its zone with --provider-zone",
        )),
        None => literal(zone),
    }
}

/// Returns the code of the country with that name, or of the country that contains a cloud region.
pub(super) fn country(zone: &str) -> Option<&'static str> {
    let coded = cloud_region(zone).and_then(|region| zone::coded(&region.zone));
    let found = coded.or_else(|| zone::named(zone).next())?;
    found.alpha3.is_some().then_some(found.code.as_str())
}

/// Reads an answer as JSON.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ProviderFault> {
    serde_json::from_slice(body).map_err(|_| ProviderFault::Garbage(not_expected(body)))
}

/// Returns the reason why an answer is not as expected. An error in it is not quoted, because no message contains text
/// from the service.
fn not_expected(body: &[u8]) -> &'static str {
    const STATES: [&str; 6] = ["error", "errors", "message", "detail", "title", "status"];
    match serde_json::from_slice(body) {
        Ok(serde_json::Value::Object(fields)) if STATES.iter().any(|name| fields.contains_key(*name)) => {
            "it states an error instead of values; check the zone, the time and the token"
        }
        Ok(_) => "it is JSON, but not of the expected form",
        Err(_) => "it is not JSON",
    }
}

/// Returns the slots that were read from an answer, with the hash of its bytes.
pub(super) fn answered(body: &[u8], mut slots: Vec<IntensitySlot>) -> Vec<IntensitySlot> {
    let answer = Some(Sha256::of(body));
    slots.iter_mut().for_each(|slot| slot.answer = answer);
    slots
}

/// Refuses an answer that states another zone than the requested one. Case does not count.
pub(super) fn same_zone(requested: &str, stated: Option<&str>) -> Result<(), ProviderFault> {
    match stated {
        Some(stated) if !stated.trim().eq_ignore_ascii_case(requested) => Err(ProviderFault::other_zone(requested)),
        _ => Ok(()),
    }
}

/// Parses a time of an answer, nanoseconds since 1970 UTC.
pub(super) fn instant(text: &str) -> Result<i64, ProviderFault> {
    parse_instant(text).ok_or(ProviderFault::Garbage("a time in it is not ISO 8601"))
}

/// `from_ns` plus the length of a slot in seconds, which must be from a second to a day.
pub(super) fn end_of(from_ns: i64, length_s: i64) -> Result<i64, ProviderFault> {
    if !(1..=86_400).contains(&length_s) {
        return Err(ProviderFault::Garbage("a slot in it lasts no time from a second to a day"));
    }
    from_ns.checked_add(length_s * 1_000_000_000).ok_or(ProviderFault::Garbage("a time in it is out of range"))
}

/// Returns an instant in the notation of services: UTC, to the second.
pub(super) fn written(at_ns: i64) -> String {
    utc(at_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k16_answer_that_states_an_error_is_not_called_no_json() {
        let of = |body: &str| match json::<Vec<u64>>(body.as_bytes()) {
            Err(ProviderFault::Garbage(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(of(r#"{"error": {"message": "zone not found"}}"#).starts_with("it states an error"));
        assert!(of(r#"{"detail": "Token expired"}"#).starts_with("it states an error"));
        assert_eq!(of(r#"{"values": []}"#), "it is JSON, but not of the expected form");
        assert_eq!(of("<html>Bad gateway</html>"), "it is not JSON");
    }
}
