//! Asks the service `neso`, the Carbon Intensity API of the National Energy System Operator of Great Britain. It has
//! half hours and times without seconds; the measured value is null until it is available.

use serde::Deserialize;

use super::super::{IntensityQuery, IntensitySlot, ProviderFault};
use super::wire::{answered, country, instant, json, written};
use eco2_net::{Auth, Http, Secret};

/// The longest period of a request, nanoseconds: 13 days; the documentation allows 14.
const RANGE_NS: i64 = 13 * 86_400_000_000_000;

#[derive(Deserialize)]
struct NesoAnswer {
    data: Vec<HalfHour>,
}

#[derive(Deserialize)]
struct HalfHour {
    from: String,
    to: String,
    intensity: NesoIntensity,
}

#[derive(Deserialize)]
struct NesoIntensity {
    forecast: Option<f64>,
    actual: Option<f64>,
}

pub(super) fn zone(zone: &str) -> Result<String, ProviderFault> {
    if zone.is_empty() || country(zone) == Some("GB") {
        return Ok("GB".to_owned());
    }
    Err(ProviderFault::zone(zone, "this provider covers Great Britain (GB) only"))
}

pub(in super::super) fn ask(
    http: &Http,
    _: Option<&Secret>,
    wanted: &IntensityQuery<'_>,
) -> Result<Vec<IntensitySlot>, ProviderFault> {
    let (mut slots, mut from_ns) = (Vec::new(), wanted.from_ns);
    while from_ns < wanted.to_ns {
        let end_ns = wanted.to_ns.min(from_ns + RANGE_NS);
        let path = format!("/intensity/{}/{}", to_the_minute(from_ns), to_the_minute(end_ns + 60_000_000_000));
        let body = http.get(&path, &[], Auth::None)?;
        slots.extend(answered(&body, parse(&body)?));
        from_ns = end_ns;
    }
    Ok(slots)
}

/// Returns an instant to the minute, as `2018-01-20T12:00Z`.
fn to_the_minute(at_ns: i64) -> String {
    let text = written(at_ns);
    text.get(..16).map_or_else(String::new, |minutes| format!("{minutes}Z"))
}

/// Reads the slots of an answer.
fn parse(body: &[u8]) -> Result<Vec<IntensitySlot>, ProviderFault> {
    let answer: NesoAnswer = json(body)?;
    let mut slots = Vec::new();
    for HalfHour { from, to, intensity } in &answer.data {
        let (from_ns, to_ns) = (instant(from)?, instant(to)?);
        let Some(g_per_kwh) = intensity.actual.or(intensity.forecast) else { continue };
        let forecast = intensity.actual.is_none();
        slots.push(IntensitySlot { from_ns, to_ns, g_per_kwh, estimated: false, forecast, answer: None });
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_seconds_and_an_unmeasured_value_is_a_forecast() {
        let body = r#"{"data":[
            {"from":"2018-01-20T12:00Z","to":"2018-01-20T12:30Z","intensity":{"forecast":266,"actual":263,"index":"moderate"}},
            {"from":"2018-01-20T12:30Z","to":"2018-01-20T13:00Z","intensity":{"forecast":270,"actual":null,"index":"high"}},
            {"from":"2018-01-20T13:00Z","to":"2018-01-20T13:30Z","intensity":{"forecast":null,"actual":null,"index":"high"}}]}"#;
        let slots = parse(body.as_bytes()).unwrap();
        let values: Vec<_> = slots.iter().map(|slot| (slot.g_per_kwh, slot.forecast)).collect();
        assert_eq!(values, [(263.0, false), (270.0, true)]);
        assert_eq!(slots[0].from_ns, 1_516_449_600_000_000_000);
        assert_eq!(slots[0].to_ns, slots[1].from_ns);
        assert_eq!(to_the_minute(slots[0].from_ns), "2018-01-20T12:00Z");
    }

    #[test]
    fn its_error_is_no_answer() {
        assert!(parse(br#"{"error":{"code":"400 Bad Request","message":"string"}}"#).is_err());
        assert_eq!(parse(br#"{"data":[]}"#), Ok(vec![]));
    }

    #[test]
    fn it_knows_one_country() {
        for good in ["GB", "UK", "aws:eu-west-2", ""] {
            assert_eq!(zone(good).as_deref(), Ok("GB"), "{good}");
        }
        assert!(zone("DE").is_err() && zone("world").is_err());
    }
}
