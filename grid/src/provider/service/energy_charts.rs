//! Asks the service `energy-charts` of Fraunhofer ISE. Its answer has columns of quarter hours: measured values if
//! available, otherwise forecasts.

use serde::Deserialize;

use super::super::{IntensityQuery, IntensitySlot, ProviderFault};
use super::wire::{answered, country, end_of, json, literal, written};
use eco2_net::{Auth, Http, Secret};

#[derive(Deserialize)]
struct ChartsAnswer {
    unix_seconds: Vec<i64>,
    #[serde(default)]
    co2eq: Vec<Option<f64>>,
    #[serde(default)]
    co2eq_forecast: Vec<Option<f64>>,
}

pub(super) fn zone(zone: &str) -> Result<String, ProviderFault> {
    match country(zone) {
        Some(code) if code != "GB" => Ok(code.to_lowercase()),
        Some(_) => Ok("uk".to_owned()),
        None => literal(zone),
    }
}

pub(in super::super) fn ask(
    http: &Http,
    _: Option<&Secret>,
    wanted: &IntensityQuery<'_>,
) -> Result<Vec<IntensitySlot>, ProviderFault> {
    let (start, end) = (written(wanted.from_ns), written(wanted.to_ns));
    let query = [("country", wanted.zone), ("start", &start), ("end", &end)];
    let body = http.get("/co2eq", &query, Auth::None)?;
    Ok(answered(&body, parse(&body)?))
}

/// Reads the slots of an answer.
fn parse(body: &[u8]) -> Result<Vec<IntensitySlot>, ProviderFault> {
    let answer: ChartsAnswer = json(body)?;
    let times = &answer.unix_seconds;
    let distances = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    let length_s = distances.filter(|length| *length > 0).min().unwrap_or(900);
    let mut slots = Vec::new();
    for (place, seconds) in times.iter().enumerate() {
        let figure = |column: &[Option<f64>]| column.get(place).copied().flatten();
        let measured = figure(&answer.co2eq);
        let Some(g_per_kwh) = measured.or_else(|| figure(&answer.co2eq_forecast)) else { continue };
        let from_ns =
            seconds.checked_mul(1_000_000_000).ok_or(ProviderFault::Garbage("a time in it is out of range"))?;
        let to_ns = end_of(from_ns, length_s)?;
        slots.push(IntensitySlot {
            from_ns,
            to_ns,
            g_per_kwh,
            estimated: false,
            forecast: measured.is_none(),
            answer: None,
        });
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmeasured_slot_is_forecast_and_one_without_either_is_unknown() {
        let body = br#"{"unix_seconds":[900,1800,2700,3600],"co2eq":[491.5,null,null,null],
            "co2eq_forecast":[null,505.0,null,508.0],"deprecated":false}"#;
        let slots: Vec<_> =
            parse(body).unwrap().iter().map(|slot| (slot.from_ns, slot.to_ns, slot.g_per_kwh, slot.forecast)).collect();
        let s = 1_000_000_000;
        assert_eq!(
            slots,
            [(900 * s, 1800 * s, 491.5, false), (1800 * s, 2700 * s, 505.0, true), (3600 * s, 4500 * s, 508.0, true)]
        );
    }

    #[test]
    fn columns_of_unequal_length_and_odd_times_do_no_harm() {
        assert_eq!(parse(br#"{"unix_seconds":[],"co2eq":[1.0]}"#), Ok(vec![]));
        assert_eq!(parse(br#"{"unix_seconds":[900],"co2eq":[]}"#), Ok(vec![]));
        assert!(parse(br#"{"unix_seconds":[9223372036854775807],"co2eq":[1.0]}"#).is_err());
        assert!(parse(br#"{"unix_seconds":[0,9223372036854775807,5],"co2eq":[1.0]}"#).is_err());
    }

    #[test]
    fn countries_are_written_small() {
        for (given, code) in [("Germany", "de"), ("gcp:europe-west9", "fr"), ("GB", "uk"), ("all", "all")] {
            assert_eq!(zone(given).as_deref(), Ok(code));
        }
    }
}
