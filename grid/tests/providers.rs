//! Services as providers, against a server on the loopback: their requests, and every kind of fault.
//!
//! Prefixes of test names (`f44_`, `k09_`) refer to docs/acceptance.md.

#![cfg(feature = "providers")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

#[path = "../../net/tests/stub/mod.rs"]
mod stub;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eco2_core::Bounded;
use eco2_grid::pricing::{NamedZone, price_parts};
use eco2_grid::provider::{
    Cached, Fixed, IntensityQuery, Online, OnlineSetup, Provider as _, ProviderChain, ProviderFault,
    cloud_of_this_machine,
};
use eco2_grid::{Pue, Sha256, ZoneSource, lookup, parse_instant};
use eco2_net::{Limits, NetError};
use stub::{Answer, Stub};

const HOUR: i64 = 3_600_000_000_000;
const TOKEN: &str = "t0ken-that-must-not-show";

fn at(text: &str) -> i64 {
    parse_instant(text).unwrap()
}

fn limits() -> Limits {
    Limits {
        timeout: Duration::from_millis(400),
        first_wait: Duration::from_millis(5),
        retries: 1,
        ..Limits::default()
    }
}

fn open(name: &str, base: &str) -> Cached<Online> {
    let setup = OnlineSetup { base: Some(base.to_owned()), limits: limits(), ..OnlineSetup::default() };
    Online::open(name, &setup, |variable| variable.starts_with("ECO2_TOKEN_").then(|| TOKEN.to_owned())).unwrap()
}

fn noon(zone: &str) -> IntensityQuery<'_> {
    let now_ns = at("2026-03-01T12:30Z");
    IntensityQuery { zone, from_ns: now_ns - HOUR, to_ns: now_ns, now_ns }
}

fn history(points: &[(&str, Option<f64>)]) -> String {
    let point = |(time, figure): &(&str, Option<f64>)| {
        let figure = figure.map_or("null".to_owned(), |figure| figure.to_string());
        format!(r#"{{"zone":"DE","carbonIntensity":{figure},"datetime":"{time}","isEstimated":false}}"#)
    };
    format!(r#"{{"zone":"DE","history":[{}]}}"#, points.iter().map(point).collect::<Vec<_>>().join(","))
}

#[test]
fn electricity_maps_is_asked_for_the_past_and_for_now() {
    let stub = Stub::new(|line| match line {
        line if line.contains("/history?zone=DE&emissionFactorType=lifecycle") => {
            Answer::ok(history(&[("2026-03-01T10:00Z", Some(300.0)), ("2026-03-01T11:00:00.000Z", Some(310.0))]))
        }
        line if line.contains("/latest?zone=DE") => {
            Answer::ok(r#"{"carbonIntensity":320,"datetime":"2026-03-01T12:00:00.000Z","isEstimated":true}"#)
        }
        _ => Answer::status(404),
    });
    let reply = open("electricity-maps", &stub.base).slots(&noon("Germany")).unwrap();
    let values: Vec<_> = reply.slots().iter().map(|slot| (slot.g_per_kwh, slot.estimated)).collect();
    assert_eq!(values, [(310.0, false), (320.0, true)]);
    let answers: Vec<String> = reply.slots().iter().map(|slot| slot.answer.unwrap().to_string()).collect();
    // Of the latest: printf %s '{"carbonIntensity":320,…}' | sha256sum
    assert_eq!(answers[1], "7a84dad8467a049f4cd4e1886389c07ade80ead64420b2f669c87f43c991f31e");
    assert_ne!(answers[0], answers[1], "each figure names the answer that it is from");
    assert_eq!(reply.about.kind.map(|kind| kind.as_str()), Some("lifecycle-average-consumption"));
    let seen = stub.seen.lock().unwrap().join("\n");
    assert!(seen.contains(&format!("auth-token: {TOKEN}")), "{seen}");
}

#[test]
fn watttime_logs_in_and_its_pounds_become_grams() {
    let stub = Stub::new(|line| match line {
        line if line.starts_with("GET /login ") => Answer::ok(r#"{"token":"jwt"}"#),
        line if line.contains("/v3/historical?region=CAISO_NORTH") => Answer::ok(
            r#"{"meta":{"units":"lbs_co2_per_mwh","data_point_period_seconds":300},
               "data":[{"point_time":"2026-03-01T11:30:00+00:00","value":870.0}]}"#,
        ),
        _ => Answer::status(404),
    });
    let reply = open("watttime", &stub.base).slots(&noon("CAISO_NORTH")).unwrap();
    assert!((reply.slots()[0].g_per_kwh - 394.625).abs() < 5e-4);
    assert_ne!(reply.slots()[0].answer, Some(Sha256::of(br#"{"token":"jwt"}"#)), "a login is no answer");
    let seen = stub.seen.lock().unwrap();
    assert!(seen[0].contains("authorization: Basic ") && seen[1].contains("authorization: Bearer jwt"), "{seen:?}");
}

#[test]
fn services_without_a_token_get_the_expected_requests() {
    let neso =
        r#"{"data":[{"from":"2026-03-01T11:30Z","to":"2026-03-01T12:00Z","intensity":{"forecast":1,"actual":2}}]}"#;
    let charts = format!(r#"{{"unix_seconds":[{}],"co2eq":[7.5]}}"#, at("2026-03-01T11:30Z") / 1_000_000_000);
    let aware = r#"[{"location":"x","time":"2026-03-01T11:30:00Z","rating":65,"duration":"01:00:00"}]"#;
    for (name, zone, path, body, figure) in [
        ("neso", "UK", "/intensity/2026-03-01T11:30Z/2026-03-01T12:31Z", neso, 2.0),
        ("energy-charts", "France", "/co2eq?country=fr&", charts.as_str(), 7.5),
        ("carbon-aware-sdk", "eastus", "/emissions/bylocations?location=eastus&time=", aware, 65.0),
    ] {
        let (sent, body) = (body, body.to_owned());
        let stub = Stub::new(move |line| if line.contains(path) { Answer::ok(&*body) } else { Answer::status(404) });
        let reply = open(name, &stub.base).slots(&noon(zone)).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(reply.slots()[0].g_per_kwh, figure, "{name}");
        assert_eq!(reply.slots()[0].answer, Some(Sha256::of(sent.as_bytes())), "{name}");
    }
}

#[test]
fn entsoe_is_asked_with_its_token_in_the_query() {
    let stub = Stub::always(Answer::ok("<Acknowledgement_MarketDocument/>"));
    assert_eq!(open("entsoe", &stub.base).slots(&noon("DE")).unwrap_err(), ProviderFault::NoFigure);
    let line = stub.seen.lock().unwrap()[0].clone();
    assert!(line.contains("documentType=A75") && line.contains("in_Domain=10Y1001A1001A83F"), "{line}");
    assert!(line.contains("periodStart=202603011100") && line.contains("periodEnd=202603011300"), "{line}");
}

/// The fault of a service, which must be reported within the limits.
fn failing(base: &str) -> ProviderFault {
    let started = Instant::now();
    let fault = open("electricity-maps", base).slots(&noon("DE")).unwrap_err();
    // Two attempts of 0.4 s, and much room for a busy machine.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let shown = format!("{fault} {fault:?}");
    assert!(!shown.contains(TOKEN) && !shown.contains("127.0.0.1"), "{shown}");
    fault
}

#[test]
fn f44_every_fault_of_a_provider_is_distinguished_in_time() {
    let redirect = Answer::Http(302, "location: https://example.org/\r\n", String::new());
    let often = Answer::Http(429, "retry-after: 120\r\n", String::new());
    let faults = [
        (Answer::status(401), ProviderFault::Net(NetError::Refused(401))),
        (Answer::status(403), ProviderFault::Net(NetError::Refused(403))),
        (often, ProviderFault::Net(NetError::TooOften { retry_after_s: Some(120) })),
        (Answer::status(500), ProviderFault::Net(NetError::Status(500))),
        (Answer::status(404), ProviderFault::Net(NetError::Status(404))),
        (redirect, ProviderFault::Net(NetError::Redirect)),
        (Answer::Silence, ProviderFault::Net(NetError::Timeout)),
        (Answer::Drops, ProviderFault::Net(NetError::Timeout)),
        (Answer::Long(10_000_000), ProviderFault::Net(NetError::TooLarge { most: 8 << 20 })),
        (Answer::ok("{\"zone\""), ProviderFault::Garbage("it is not JSON")),
        (Answer::ok("\u{fffd}\0"), ProviderFault::Garbage("it is not JSON")),
        (
            Answer::ok(history(&[("2026-13-01T10:00Z", Some(1.0))])),
            ProviderFault::Garbage("a time in it is not ISO 8601"),
        ),
    ];
    for (answer, expected) in faults {
        let shown = format!("{answer:.80?}");
        assert_eq!(failing(&Stub::always(answer).base), expected, "{shown}");
    }
    assert!(matches!(
        failing(&Stub::always(Answer::Noise).base),
        ProviderFault::Net(NetError::NotHttp | NetError::Unreachable)
    ));
    assert!(matches!(
        failing(&Stub::always(Answer::Closed).base),
        ProviderFault::Net(NetError::NotHttp | NetError::Unreachable)
    ));
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(failing(&format!("http://{free}")), ProviderFault::Net(NetError::Unreachable));
}

#[test]
fn f44_a_passing_fault_is_retried_and_another_is_not() {
    for (status, requests) in [(500, 2), (503, 2), (401, 1), (404, 1)] {
        let stub = Stub::always(Answer::status(status));
        failing(&stub.base);
        assert_eq!(stub.asked(), requests, "{status}");
    }
}

#[test]
fn f44_table_replaces_a_failed_provider_and_is_flagged() {
    let stub = Stub::always(Answer::status(500));
    let table = Fixed::table(lookup("DE").unwrap());
    let chain = ProviderChain::new(vec![Arc::new(open("electricity-maps", &stub.base)), Arc::new(table)]);
    let coverage = chain.cover(&noon("DE"));
    let [part] = coverage.parts.as_slice() else { panic!("one part") };
    assert_eq!((part.g_per_kwh, part.estimated, part.fallback), (342.06, true, true));
    assert_eq!((part.provider.as_str(), part.about.year), ("table", Some(2024)));
    assert_eq!(coverage.faults, [("electricity-maps".to_owned(), ProviderFault::Net(NetError::Status(500)))]);
}

#[test]
fn nulls_and_empty_answers_are_not_known_and_never_zero() {
    let nulls = history(&[("2026-03-01T11:00Z", None), ("2026-03-01T12:00Z", None)]);
    let stub = Stub::new(move |line| {
        if line.contains("/history") {
            Answer::ok(&*nulls)
        } else {
            Answer::ok(r#"{"carbonIntensity":null,"datetime":"2026-03-01T12:00Z"}"#)
        }
    });
    assert_eq!(open("electricity-maps", &stub.base).slots(&noon("DE")).unwrap_err(), ProviderFault::NoFigure);
    let empty = Stub::always(Answer::ok(r#"{"data":[]}"#));
    assert_eq!(open("neso", &empty.base).slots(&noon("GB")).unwrap_err(), ProviderFault::NoFigure);
}

#[test]
fn the_hour_that_comes_twice_is_two_hours() {
    // Germany, 2026-10-25: 02:00 to 03:00 comes twice, first in summer time.
    let hours = [
        ("2026-10-25T01:00:00+02:00", Some(1.0)),
        ("2026-10-25T02:00:00+02:00", Some(2.0)),
        ("2026-10-25T02:00:00+01:00", Some(3.0)),
        ("2026-10-25T03:00:00+01:00", Some(4.0)),
    ];
    let stub = Stub::always(Answer::ok(history(&hours)));
    let now_ns = at("2026-10-25T03:00Z");
    let wanted = IntensityQuery { zone: "DE", from_ns: at("2026-10-24T23:00Z"), to_ns: now_ns, now_ns };
    let reply = open("electricity-maps", &stub.base).slots(&wanted).unwrap();
    let values: Vec<f64> = reply.slots().iter().map(|slot| slot.g_per_kwh).collect();
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0]);
    assert!(
        reply
            .slots()
            .windows(2)
            .all(|pair| pair[0].to_ns == pair[1].from_ns && pair[0].to_ns - pair[0].from_ns == HOUR)
    );
}

#[test]
fn cloud_region_is_found_from_the_metadata_service() {
    let region = |path: &'static str, body: &'static str| {
        Stub::new(move |line| if line.contains(path) { Answer::ok(body) } else { Answer::status(404) })
    };
    let google = region("/computeMetadata/v1/instance/zone", "projects/123/zones/europe-west4-b");
    assert_eq!(cloud_of_this_machine(Some(&google.base)).unwrap().code(), "gcp:europe-west4");
    let azure = region("/metadata/instance/compute/location", "westeurope\n");
    assert_eq!(cloud_of_this_machine(Some(&azure.base)).unwrap().code(), "azure:westeurope");
    let amazon = Stub::new(|line| match line {
        "PUT /latest/api/token HTTP/1.1" => Answer::ok("imds"),
        "GET /latest/meta-data/placement/region HTTP/1.1" => Answer::ok("us-east-1"),
        _ => Answer::status(404),
    });
    assert_eq!(cloud_of_this_machine(Some(&amazon.base)).unwrap().zone, "US-VA");
    let odd = region("/computeMetadata/v1/instance/zone", "projects/123/zones/mars-north1-a");
    assert!(matches!(cloud_of_this_machine(Some(&odd.base)), Err(ProviderFault::Zone { .. })));
    assert!(cloud_of_this_machine(Some(&Stub::always(Answer::Closed).base)).is_err());
}

/// Grams of one kilowatt-hour, used evenly over the four hours from `from`, as providers cover them.
fn grams_of_a_kwh(chain: &ProviderChain, zone: &str, from: &str) -> (f64, usize) {
    let from_ns = at(from);
    let wanted = IntensityQuery { zone, from_ns, to_ns: from_ns + 4 * HOUR, now_ns: from_ns + 5 * HOUR };
    let coverage = chain.cover(&wanted);
    let energy = |since_ns: u64| Bounded::exact(250 * (since_ns / 1_000));
    let zone = NamedZone { name: zone.to_owned(), source: ZoneSource::Given };
    let carbon = price_parts(&coverage.parts, &energy, from_ns, Pue::ONE, &zone);
    (carbon.grams.unwrap(), carbon.segments.len())
}

#[test]
fn k09_entsoe_document_of_two_resolutions_prices_a_run_at_107_6_grams_per_kwh() {
    let series = |kind: &str, minutes: i64, megawatts: u32| {
        let point = |at| format!("<Point><position>{at}</position><quantity>{megawatts}</quantity></Point>");
        let points: String = (1..=240 / minutes).map(point).collect();
        format!(
            "<TimeSeries><inBiddingZone_Domain.mRID>10YBE----------2</inBiddingZone_Domain.mRID><curveType>A01</curveType>\
             <MktPSRType><psrType>{kind}</psrType></MktPSRType><Period><timeInterval><start>2025-10-02T00:00Z</start>\
             <end>2025-10-02T04:00Z</end></timeInterval><resolution>PT{minutes}M</resolution>{points}</Period></TimeSeries>"
        )
    };
    let (gas, nuclear) = (series("B04", 15, 1000), series("B14", 60, 4000));
    for inside in [format!("{gas}{nuclear}"), format!("{nuclear}{gas}")] {
        let stub = Stub::always(Answer::ok(format!("<GL_MarketDocument>{inside}</GL_MarketDocument>")));
        let table = Fixed::table(lookup("BE").unwrap());
        let chain = ProviderChain::new(vec![Arc::new(open("entsoe", &stub.base)), Arc::new(table)]);
        let (grams, segments) = grams_of_a_kwh(&chain, "BE", "2025-10-02T00:00Z");
        assert!((grams - 107.6).abs() < 1e-9 && segments == 1, "{grams} g in {segments} segments");
    }
}

#[test]
fn k09_an_answer_for_another_zone_is_not_priced() {
    let french = history(&[("2026-03-01T11:00Z", Some(20.0)), ("2026-03-01T12:00Z", Some(20.0))]).replace("DE", "FR");
    let stub =
        Stub::new(move |line| if line.contains("/history") { Answer::ok(&*french) } else { Answer::status(404) });
    let fault = open("electricity-maps", &stub.base).slots(&noon("DE")).unwrap_err();
    assert!(matches!(&fault, ProviderFault::OtherZone { zone } if zone == "DE"), "{fault:?}");
    assert!(!fault.to_string().contains("FR"), "no text of the other side: {fault}");
}
