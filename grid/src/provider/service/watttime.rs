//! Asks the service `watttime`, version 3. A login returns a token for half an hour; `historical` and `forecast` then
//! return marginal intensities (of one more kilowatt-hour) in pounds per megawatt-hour. The unit is read from the
//! answer.

use serde::Deserialize;

use super::super::{IntensityQuery, IntensitySlot, ProviderFault};
use super::wire::{answered, end_of, instant, json, same_zone, written};
use crate::series::IntensityUnit;
use eco2_net::{Auth, Http, Secret};

/// The signal: marginal operating emissions rate.
const SIGNAL: (&str, &str) = ("signal_type", "co2_moer");
/// The furthest forecast, hours.
const MOST_HOURS: i64 = 72;
/// The longest period of one request for history, nanoseconds: 31 days.
const RANGE_NS: i64 = 31 * 86_400_000_000_000;

#[derive(Deserialize)]
struct WattTimeLogin {
    token: String,
}

#[derive(Deserialize)]
struct WattTimeAnswer {
    meta: WattTimeMeta,
    data: Vec<WattTimePoint>,
}

#[derive(Deserialize)]
struct WattTimeMeta {
    region: Option<String>,
    units: String,
    data_point_period_seconds: Option<i64>,
}

#[derive(Deserialize)]
struct WattTimePoint {
    point_time: String,
    value: Option<f64>,
}

pub(in super::super) fn ask(
    http: &Http,
    secret: Option<&Secret>,
    wanted: &IntensityQuery<'_>,
) -> Result<Vec<IntensitySlot>, ProviderFault> {
    let login = secret.map_or(Auth::None, Auth::Basic);
    let login: WattTimeLogin = json(&http.get("/login", &[], login)?)?;
    let token = Secret::new(&login.token).ok_or(ProviderFault::Garbage("its token is none"))?;
    let get = |path: &str, query: &[(&str, &str)], forecast| {
        let mut all = vec![("region", wanted.zone), SIGNAL];
        all.extend_from_slice(query);
        let body = http.get(path, &all, Auth::Bearer(&token))?;
        Ok::<_, ProviderFault>(answered(&body, parse(&body, wanted.zone, forecast)?))
    };
    let mut slots = Vec::new();
    let (mut from_ns, past_ns) = (wanted.from_ns, wanted.to_ns.min(wanted.now_ns));
    while from_ns < past_ns {
        let end_ns = past_ns.min(from_ns + RANGE_NS);
        slots.extend(get("/v3/historical", &[("start", &written(from_ns)), ("end", &written(end_ns))], false)?);
        from_ns = end_ns;
    }
    if wanted.to_ns > wanted.now_ns {
        let hours = ((wanted.to_ns - wanted.now_ns) / 3_600_000_000_000 + 1).min(MOST_HOURS).to_string();
        slots.extend(get("/v3/forecast", &[("horizon_hours", &hours)], true)?);
    }
    Ok(slots)
}

/// Reads the slots of an answer, in grams per kilowatt-hour; an error if it is for another zone.
fn parse(body: &[u8], zone: &str, forecast: bool) -> Result<Vec<IntensitySlot>, ProviderFault> {
    let answer: WattTimeAnswer = json(body)?;
    same_zone(zone, answer.meta.region.as_deref())?;
    let unit = answer.meta.units.parse::<IntensityUnit>();
    let unit = unit.map_err(|_| ProviderFault::Garbage("its unit is not known"))?;
    let length_s = answer.meta.data_point_period_seconds.unwrap_or(300);
    let mut slots = Vec::new();
    for point in &answer.data {
        let from_ns = instant(&point.point_time)?;
        let Some(value) = point.value else { continue };
        let g_per_kwh = unit.g_per_kwh(value);
        slots.push(IntensitySlot {
            from_ns,
            to_ns: end_of(from_ns, length_s)?,
            g_per_kwh,
            estimated: false,
            forecast,
            answer: None,
        });
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"meta":{"region":"CAISO_NORTH","signal_type":"co2_moer","model":{"date":"2023-03-01"},
        "units":"lbs_co2_per_mwh","data_point_period_seconds":300,"data_point_periods_second":1,
        "generated_at":"2023-07-15T00:00:00+00:00"},
        "data":[{"point_time":"2023-07-15T00:00:00+00:00","value":870.0},{"point_time":"2023-07-15T00:05:00+00:00","value":null}]}"#;

    #[test]
    fn pounds_per_megawatt_hour_become_grams_per_kilowatt_hour() {
        let [slot] = parse(BODY.as_bytes(), "CAISO_NORTH", true).unwrap()[..] else { panic!("one slot") };
        assert!((slot.g_per_kwh - 394.625).abs() < 5e-4, "{}", slot.g_per_kwh);
        assert_eq!((slot.to_ns - slot.from_ns, slot.forecast), (300_000_000_000, true));
    }

    #[test]
    fn k09_an_answer_for_another_region_is_refused() {
        assert_eq!(parse(BODY.as_bytes(), "PJM_DC", true), Err(ProviderFault::other_zone("PJM_DC")));
    }

    #[test]
    fn unknown_unit_is_refused() {
        for unit in ["", "lbs", "percentile", "kg_co2_per_gwh"] {
            assert!(
                matches!(
                    parse(BODY.replace("lbs_co2_per_mwh", unit).as_bytes(), "CAISO_NORTH", true),
                    Err(ProviderFault::Garbage(_))
                ),
                "{unit}"
            );
        }
    }
}
