//! Asks the service `electricity-maps`, version 3, by the requests `history` (the last 24 hours), `past-range`,
//! `latest` and `forecast`.
//!
//! The field `datetime` of a point is the start of its slot; `updatedAt` is not. A value may be null, and is then
//! unknown.

use serde::Deserialize;

use super::super::{IntensityQuery, IntensitySlot, ProviderFault};
use super::wire::{answered, end_of, instant, json, same_zone, written};
use eco2_net::{Auth, Http, Secret};

/// Length of `history`, with an hour of margin, nanoseconds.
const HISTORY_NS: i64 = 23 * 3_600_000_000_000;
/// The longest period of one request, nanoseconds: ten days of hours.
const RANGE_NS: i64 = 10 * 86_400_000_000_000;

#[derive(Deserialize)]
struct MapsAnswer {
    zone: Option<String>,
    #[serde(alias = "data", alias = "forecast")]
    history: Vec<MapsPoint>,
    #[serde(rename = "temporalGranularity")]
    granularity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MapsPoint {
    zone: Option<String>,
    carbon_intensity: Option<f64>,
    datetime: String,
    emission_factor_type: Option<String>,
    #[serde(default)]
    is_estimated: Option<bool>,
    temporal_granularity: Option<String>,
}

pub(in super::super) fn ask(
    http: &Http,
    secret: Option<&Secret>,
    wanted: &IntensityQuery<'_>,
) -> Result<Vec<IntensitySlot>, ProviderFault> {
    let client = MapsClient { http, secret, zone: wanted.zone };
    let mut slots = client.past(wanted)?;
    let known_ns = |slots: &[IntensitySlot]| slots.iter().map(|slot| slot.to_ns).max().unwrap_or(i64::MIN);
    if known_ns(&slots) < wanted.to_ns && wanted.to_ns > wanted.now_ns - HISTORY_NS {
        slots.extend(client.latest()?);
    }
    if wanted.to_ns > wanted.now_ns && known_ns(&slots) < wanted.to_ns {
        // A forecast requires another contract. Without it, the known values are the answer.
        match client.get("/carbon-intensity/forecast", &[], true) {
            Err(fault @ ProviderFault::OtherZone { .. }) => return Err(fault),
            forecast => slots.extend(forecast.unwrap_or_default()),
        }
    }
    Ok(slots)
}

struct MapsClient<'a> {
    http: &'a Http,
    secret: Option<&'a Secret>,
    zone: &'a str,
}

impl MapsClient<'_> {
    fn past(&self, wanted: &IntensityQuery<'_>) -> Result<Vec<IntensitySlot>, ProviderFault> {
        if wanted.from_ns >= wanted.now_ns - HISTORY_NS {
            return self.get("/carbon-intensity/history", &[], false);
        }
        let (mut slots, mut from_ns) = (Vec::new(), wanted.from_ns);
        let to_ns = wanted.to_ns.min(wanted.now_ns);
        while from_ns < to_ns {
            let end_ns = to_ns.min(from_ns + RANGE_NS);
            let (start, end) = (written(from_ns), written(end_ns));
            slots.extend(self.get("/carbon-intensity/past-range", &[("start", &start), ("end", &end)], false)?);
            from_ns = end_ns;
        }
        Ok(slots)
    }

    fn latest(&self) -> Result<Vec<IntensitySlot>, ProviderFault> {
        let body = self.body("/carbon-intensity/latest", &[])?;
        let point: MapsPoint = json(&body)?;
        same_zone(self.zone, point.zone.as_deref())?;
        Ok(answered(&body, slot(&point, None, false)?.into_iter().collect()))
    }

    fn get(&self, path: &str, query: &[(&str, &str)], forecast: bool) -> Result<Vec<IntensitySlot>, ProviderFault> {
        let body = self.body(path, query)?;
        Ok(answered(&body, parse(&body, self.zone, forecast)?))
    }

    fn body(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<u8>, ProviderFault> {
        let mut all = vec![("zone", self.zone), ("emissionFactorType", "lifecycle")];
        all.extend_from_slice(query);
        let auth = self.secret.map_or(Auth::None, |secret| Auth::Header("auth-token", secret));
        Ok(self.http.get(path, &all, auth)?)
    }
}

/// Reads the slots of an answer; an error if it is for another zone.
fn parse(body: &[u8], zone: &str, forecast: bool) -> Result<Vec<IntensitySlot>, ProviderFault> {
    let answer: MapsAnswer = json(body)?;
    let stated = answer.history.iter().map(|point| &point.zone).chain([&answer.zone]);
    stated.map(Option::as_deref).try_for_each(|stated| same_zone(zone, stated))?;
    let slots = answer.history.iter().map(|point| slot(point, answer.granularity.as_deref(), forecast));
    Ok(slots.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Returns a point as a slot; `None` for a point without a value.
fn slot(point: &MapsPoint, granularity: Option<&str>, forecast: bool) -> Result<Option<IntensitySlot>, ProviderFault> {
    if point.emission_factor_type.as_deref().is_some_and(|kind| kind != "lifecycle") {
        return Err(ProviderFault::Garbage("the answer has other values than the requested life-cycle ones"));
    }
    let from_ns = instant(&point.datetime)?;
    let length_s = match point.temporal_granularity.as_deref().or(granularity) {
        Some("5_minutes") => 300,
        Some("15_minutes") => 900,
        None | Some("hourly") => 3600,
        Some("daily") => 86_400,
        Some(_) => return Err(ProviderFault::Garbage("its slots have a length that is not known")),
    };
    let Some(g_per_kwh) = point.carbon_intensity else { return Ok(None) };
    let estimated = point.is_estimated.unwrap_or(false);
    let to_ns = end_of(from_ns, length_s)?;
    Ok(Some(IntensitySlot { from_ns, to_ns, g_per_kwh, estimated, forecast, answer: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_is_no_slot_and_the_time_is_the_datetime() {
        let body = r#"{"zone":"DE","history":[
            {"zone":"DE","carbonIntensity":302,"datetime":"2018-04-25T18:00:00.000Z","updatedAt":"2018-04-25T18:07:01.000Z",
             "createdAt":"2018-04-22T18:07:01.000Z","emissionFactorType":"lifecycle","isEstimated":true,
             "estimationMethod":"TIME_SLICER_AVERAGE"},
            {"zone":"DE","carbonIntensity":null,"datetime":"2018-04-25T19:00:00.000Z"}]}"#;
        let slots = parse(body.as_bytes(), "DE", false).unwrap();
        let from_ns = crate::parse_instant("2018-04-25T18:00Z").unwrap();
        let to_ns = from_ns + 3_600_000_000_000;
        assert_eq!(
            slots,
            [IntensitySlot { from_ns, to_ns, g_per_kwh: 302.0, estimated: true, forecast: false, answer: None }]
        );
    }

    #[test]
    fn all_answers_have_one_form() {
        let point = r#"[{"carbonIntensity":326,"datetime":"2018-04-25T18:00:00.000Z"}]"#;
        for key in ["history", "forecast", "data"] {
            let slots =
                parse(format!(r#"{{"zone":"DE","{key}":{point},"updatedAt":"x"}}"#).as_bytes(), "DE", true).unwrap();
            assert_eq!((slots.len(), slots[0].g_per_kwh, slots[0].forecast), (1, 326.0, true), "{key}");
        }
        assert_eq!(parse(br#"{"zone":"DE","forecast":[]}"#, "DE", true), Ok(vec![]));
    }

    #[test]
    fn k09_an_answer_for_another_zone_is_refused() {
        let body = |zone: &str, point: &str| {
            format!(
                r#"{{"zone":"{zone}","history":[{{"zone":"{point}","carbonIntensity":1,"datetime":"2018-04-25T18:00Z"}}]}}"#
            )
        };
        let slots = |zone: &str, point: &str| parse(body(zone, point).as_bytes(), "DE", false).map(|slots| slots.len());
        assert_eq!(slots("DE", "de"), Ok(1));
        assert_eq!(slots("FR", "DE"), Err(ProviderFault::other_zone("DE")));
        assert_eq!(slots("DE", "FR"), Err(ProviderFault::other_zone("DE")));
    }

    #[test]
    fn figures_of_another_kind_are_refused() {
        let body =
            br#"{"history":[{"carbonIntensity":1,"datetime":"2018-04-25T18:00Z","emissionFactorType":"direct"}]}"#;
        assert!(matches!(parse(body, "DE", false), Err(ProviderFault::Garbage(_))));
    }
}
