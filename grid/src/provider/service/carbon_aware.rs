//! Asks the service `carbon-aware-sdk`, the web API of the Green Software Foundation's Carbon Aware SDK, which proxies
//! offer too. It has no public address, so the user has to state one. Values are grams per kilowatt-hour; -1 means null
//! there, and is unknown.

use serde::Deserialize;

use super::super::{IntensityQuery, IntensitySlot, ProviderFault};
use super::wire::{answered, end_of, instant, json, same_zone, written};
use crate::cloud_region;
use eco2_net::{Auth, Http, Secret};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SdkForecast {
    location: Option<String>,
    forecast_data: Vec<EmissionsPoint>,
}

/// A point of measured data or of a forecast.
#[derive(Deserialize)]
struct EmissionsPoint {
    location: Option<String>,
    #[serde(alias = "timestamp")]
    time: String,
    #[serde(alias = "value")]
    rating: Option<f64>,
    duration: Option<SlotLength>,
}

/// Minutes, or `hh:mm:ss`.
#[derive(Deserialize)]
#[serde(untagged)]
enum SlotLength {
    Minutes(i64),
    Clock(String),
}

pub(in super::super) fn ask(
    http: &Http,
    _: Option<&Secret>,
    wanted: &IntensityQuery<'_>,
) -> Result<Vec<IntensitySlot>, ProviderFault> {
    let mut slots = Vec::new();
    let past_ns = wanted.to_ns.min(wanted.now_ns);
    if wanted.from_ns < past_ns {
        let (time, to_time) = (written(wanted.from_ns), written(past_ns));
        let query = [("location", wanted.zone), ("time", &time), ("toTime", &to_time)];
        let body = http.get("/emissions/bylocations", &query, Auth::None)?;
        let points: Vec<EmissionsPoint> = json(&body)?;
        points.iter().try_for_each(|point| no_other_region(wanted.zone, point.location.as_deref()))?;
        slots.extend(answered(&body, parse(&points, false)?));
    }
    if wanted.to_ns > wanted.now_ns {
        // A location without forecasts returns an error here; the measured values are then the answer.
        let body = http.get("/emissions/forecasts/current", &[("location", wanted.zone)], Auth::None);
        let read = body.map_err(ProviderFault::from).and_then(|body| Ok((json::<Vec<SdkForecast>>(&body)?, body)));
        if let Ok((forecasts, body)) = read {
            for forecast in &forecasts {
                same_zone(wanted.zone, forecast.location.as_deref())?;
                slots.extend(answered(&body, parse(&forecast.forecast_data, true)?));
            }
        }
    }
    Ok(slots)
}

/// Checks the region of a point. Points may name the grid operator's region in place of the requested cloud region;
/// another cloud region is an error.
fn no_other_region(requested: &str, stated: Option<&str>) -> Result<(), ProviderFault> {
    same_zone(requested, stated.filter(|stated| cloud_region(stated).is_some()))
}

/// Converts the points of an answer to slots.
fn parse(points: &[EmissionsPoint], forecast: bool) -> Result<Vec<IntensitySlot>, ProviderFault> {
    let mut slots = Vec::new();
    for point in points {
        let from_ns = instant(&point.time)?;
        let to_ns = end_of(from_ns, seconds(point.duration.as_ref())?)?;
        let Some(g_per_kwh) = point.rating.filter(|rating| *rating != -1.0) else { continue };
        slots.push(IntensitySlot { from_ns, to_ns, g_per_kwh, estimated: false, forecast, answer: None });
    }
    Ok(slots)
}

fn seconds(duration: Option<&SlotLength>) -> Result<i64, ProviderFault> {
    let wrong = ProviderFault::Garbage("a duration in it is neither minutes nor hh:mm:ss");
    match duration {
        None => Ok(3600),
        Some(SlotLength::Minutes(minutes)) => minutes.checked_mul(60).ok_or(wrong),
        Some(SlotLength::Clock(clock)) => {
            let parts: Vec<Option<i64>> = clock.split(':').map(|part| part.parse().ok()).collect();
            match parts[..] {
                [Some(hours), Some(minutes), Some(seconds)] if hours < 1000 => {
                    Ok(hours * 3600 + minutes * 60 + seconds)
                }
                _ => Err(wrong),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(body: &str) -> Result<Vec<IntensitySlot>, ProviderFault> {
        parse(&json::<Vec<EmissionsPoint>>(body.as_bytes())?, false)
    }

    #[test]
    fn minus_one_is_not_known() {
        let body = r#"[{"location":"eastus","time":"2022-07-22T10:30:00+00:00","rating":65,"duration":"08:00:00"},
            {"location":"eastus","time":"2022-07-22T18:30:00+00:00","rating":-1,"duration":"08:00:00"}]"#;
        let [slot] = points(body).unwrap()[..] else { panic!("one slot") };
        assert_eq!((slot.g_per_kwh, slot.to_ns - slot.from_ns), (65.0, 8 * 3_600_000_000_000));
    }

    #[test]
    fn a_forecast_has_values_and_minutes() {
        let body = r#"[{"generatedAt":"2022-07-22T10:00:00+00:00","location":"eastus","forecastData":
            [{"location":"PJM","timestamp":"2022-07-22T10:30:00+00:00","duration":5,"value":359.23}]}]"#;
        let forecasts: Vec<SdkForecast> = json(body.as_bytes()).unwrap();
        let [slot] = parse(&forecasts[0].forecast_data, true).unwrap()[..] else { panic!("one slot") };
        assert_eq!((slot.g_per_kwh, slot.to_ns - slot.from_ns, slot.forecast), (359.23, 300_000_000_000, true));
        assert_eq!(json::<Vec<SdkForecast>>(b"[]").unwrap().len(), 0, "an empty forecast");
    }

    #[test]
    fn k09_points_of_another_cloud_region_are_refused_and_an_operators_region_is_not() {
        assert_eq!(no_other_region("eastus", Some("eastus")), Ok(()));
        assert_eq!(no_other_region("eastus", Some("PJM_DC")), Ok(()));
        assert_eq!(no_other_region("eastus", Some("westus")), Err(ProviderFault::other_zone("eastus")));
    }

    #[test]
    fn odd_durations_are_refused() {
        for wrong in ["\"1:2\"", "\"99999999999999999:00:00\"", "9223372036854775807", "0", "-5", "\"a:b:c\""] {
            let body = format!(r#"[{{"time":"2022-07-22T10:30Z","rating":1,"duration":{wrong}}}]"#);
            assert!(points(&body).is_err(), "{wrong}");
        }
    }
}
