//! Intensity over time as users meet it: series, providers on the loopback, their faults, their tokens, and places.

use std::time::{Duration, Instant, SystemTime};

use eco2_core::schema::Report;

use crate::replay::trace;
use crate::rig::{Ran, Rig, assert_valid, ran};
use crate::stub::{Answer, Stub};

const TOKEN: &str = "t0ken-that-must-not-show";
const HOUR_NS: i64 = 3_600_000_000_000;

/// The trace takes 210 W for two seconds: 210 J a second.
fn replayed(rig: &Rig, series: &str, flags: &str) -> Report {
    rig.put("trace.csv", &trace());
    rig.put("series.csv", series);
    let ran = rig.eco2(format!("replay trace.csv --intensity-series series.csv --json - {flags}").trim_end());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let report = ran.report();
    assert_valid(&report);
    report
}

fn kinds(report: &Report) -> Vec<(&str, &str)> {
    report.events.iter().map(|event| (event.kind.as_str(), event.text.as_str())).collect()
}

#[test]
fn each_part_of_a_run_has_the_intensity_of_its_hour() {
    let rig = Rig::bare();
    let series = "# kind=direct-average-production\n# source=Test grid\ntime,gco2e_per_kwh\n\
                  2026-03-01T11:00Z,100\n2026-03-01T12:00Z,500\n";
    // Half a second before noon, and one and a half after it.
    let report = replayed(&rig, series, "--started-at 2026-03-01T11:59:59.500Z --pue 1.5");
    let carbon = report.carbon.unwrap();
    let segments: Vec<_> = carbon.segments.iter().map(|segment| (segment.from.as_str(), segment.g_per_kwh)).collect();
    assert_eq!(segments, [("2026-03-01T11:59:59.5Z", 100.0), ("2026-03-01T12:00:00Z", 500.0)]);
    assert_eq!(carbon.segments[1].to, "2026-03-01T12:00:01.5Z");
    assert_eq!((carbon.zone.as_str(), carbon.zone_source.as_str()), ("series", "given"), "the world has no part in it");
    assert_eq!(carbon.segments[0].kind.as_deref(), Some("direct-average-production"));
    assert!(carbon.segments.iter().all(|segment| segment.source == "Test grid" && !segment.estimated));
    let parts: Vec<u64> = carbon.segments.iter().map(|segment| segment.energy_uj).collect();
    assert_eq!(parts.iter().sum::<u64>(), report.energy.facility_uj.unwrap());
    // 105 J and 315 J, half as much again for the facility.
    assert!(parts[0].abs_diff(157_500_000) < 3_000_000, "{parts:?}");
    let grams = (parts[0] as f64 * 100.0 + parts[1] as f64 * 500.0) / 3.6e12;
    assert!((carbon.grams.unwrap() - grams).abs() < 1e-12);
    let truth = (157.5 * 100.0 + 472.5 * 500.0) / 3.6e6;
    for grams in [grams, truth] {
        assert!(carbon.low <= grams && carbon.high.is_some_and(|high| grams <= high && high < 1.3 * grams));
    }
}

#[test]
fn a_gap_in_the_series_takes_the_yearly_value_and_is_flagged() {
    let rig = Rig::bare();
    let series = "time,GB,FR\n2026-03-01T11:00Z,100,1\n2026-03-01T12:00Z,,1\n";
    let flags = "--started-at 2026-03-01T11:59:59Z --intensity-column GB --zone DE";
    let report = replayed(&rig, series, flags);
    let carbon = report.carbon.as_ref().unwrap();
    let segments: Vec<_> =
        carbon.segments.iter().map(|segment| (segment.g_per_kwh, segment.year, segment.estimated)).collect();
    assert_eq!(segments, [(100.0, None, false), (342.06, Some(2024), true)]);
    let [(kind, text)] = kinds(&report)[..] else { panic!("{:?}", report.events) };
    assert_eq!(kind, "intensity-fallback");
    assert!(
        text.contains("% by series (kind not stated)")
            && text.contains("table (lifecycle-average-production), standing in"),
        "{text}"
    );
}

#[test]
fn k09_direct_and_life_cycle_intensities_are_never_in_one_sum() {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    // Great Britain's direct intensity is known for the first second of two; the yearly table's is life-cycle.
    let periods =
        r#"{"data":[{"from":"2026-03-01T11:30Z","to":"2026-03-01T12:00Z","intensity":{"forecast":1,"actual":188}}]}"#;
    let stub = Stub::always(Answer::ok(periods));
    let flags = format!("--provider neso --provider-url {} --zone GB --json -", stub.base);
    let mut command = rig.command(&format!("replay trace.csv --started-at 2026-03-01T11:59:59Z {flags}"));
    let ran = ran(command.env("XDG_CACHE_HOME", rig.path("cache")));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let report = ran.report();
    assert_valid(&report);
    let carbon = report.carbon.as_ref().unwrap();
    let segments: Vec<_> = carbon.segments.iter().map(|segment| (segment.g_per_kwh, segment.estimated)).collect();
    assert_eq!(segments, [(188.0, false), (188.0, true)], "the second second is extended, and flagged");
    let direct = Some("direct-average-consumption");
    assert!(carbon.segments.iter().all(|segment| segment.kind.as_deref() == direct), "{:?}", carbon.segments);
    // Some 421 J at 188 g/kWh: 0.022 g, where the table's 215.79 would make it 0.0236.
    assert!(
        (carbon.grams.unwrap() - report.energy.facility_uj.unwrap() as f64 / 3.6e12 * 188.0).abs() < 1e-12,
        "{}",
        carbon.grams.unwrap()
    );
    assert!((0.0219..0.0221).contains(&carbon.grams.unwrap()), "{}", carbon.grams.unwrap());
    let text = kinds(&report).iter().find(|(kind, _)| *kind == "intensity-fallback").unwrap().1;
    assert!(text.contains("neso (direct-average-consumption), standing in") && !text.contains("table"), "{text}");
}

#[test]
fn a_trace_without_a_time_is_of_1970_which_the_series_does_not_cover() {
    let rig = Rig::bare();
    let report = replayed(&rig, "time,gco2e_per_kwh\n2026-03-01T11:00Z,100\n", "");
    let carbon = report.carbon.as_ref().unwrap();
    assert_eq!((carbon.segments.len(), carbon.segments[0].estimated), (1, true));
    assert_eq!(carbon.zone_source, "default-world");
    assert!(kinds(&report).contains(&("intensity-fault", "no value for that time")), "{:?}", report.events);
}

#[test]
fn a_wrong_series_is_refused_with_its_line_before_the_command_runs() {
    let rig = Rig::bare();
    rig.put("series.csv", "time,gco2e_per_kwh\n2026-03-01T11:00Z,100\n2026-03-01T10:00Z,1\n");
    let ran = rig.eco2("run --intensity-series series.csv -- touch ran");
    assert_eq!(ran.code, Some(125));
    assert!(ran.err.contains("series.csv") && ran.err.contains('3'), "{}", ran.err);
    assert!(!rig.path("ran").exists());
}

#[test]
fn a_report_is_priced_again_with_a_series() {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    rig.put("series.csv", "time,gco2e_per_kwh\n2026-03-01T11:00Z,100\n2026-03-01T12:00Z,500\n");
    let replay = "replay trace.csv --started-at 2026-03-01T11:59:59Z --pue 1.5 --zone FR --json report.json";
    assert_eq!(rig.eco2(replay).code, Some(0));
    let before = rig.report("report.json");
    let ran = rig.eco2("report report.json --json --intensity-series series.csv");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let after = ran.report();
    assert_eq!((&before.energy, before.devices.len()), (&after.energy, after.devices.len()), "the PUE stays");
    let carbon = after.carbon.unwrap();
    assert_eq!(carbon.segments.len(), 2);
    // The report's curves give the energy before noon: 210 J at 100 and 210 J at 500 g, PUE 1.5.
    let truth = (315.0 * 100.0 + 315.0 * 500.0) / 3.6e6;
    for grams in [carbon.grams.unwrap(), truth] {
        assert!(
            carbon.low <= grams && carbon.high.is_some_and(|high| grams <= high && high < 1.3 * grams),
            "{carbon:?}"
        );
    }
    let untouched = rig.eco2("report report.json --json").report();
    assert_eq!(untouched.carbon.unwrap().zone, "FR");
}

/// `eco2 run` of a short command with a provider at `base`.
fn asking(rig: &Rig, base: &str) -> Ran {
    let flags = format!("--provider electricity-maps --provider-url {base} --zone DE --json report.json");
    let mut command = rig.measuring(&flags, "sleep 0.3; exit 7");
    ran(command.env("ECO2_TOKEN_ELECTRICITY_MAPS", TOKEN).env("XDG_CACHE_HOME", rig.path("cache")))
}

fn now_ns() -> i64 {
    i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// Hours around now, all with one intensity.
fn around_now(g_per_kwh: u32) -> Answer {
    let hour = now_ns().div_euclid(HOUR_NS);
    let point = |hour: i64| {
        let time = eco2_grid::utc(hour * HOUR_NS);
        format!(r#"{{"carbonIntensity":{g_per_kwh},"datetime":"{time}","isEstimated":false}}"#)
    };
    Answer::ok(format!(r#"{{"history":[{}]}}"#, (hour - 2..hour + 3).map(point).collect::<Vec<_>>().join(",")))
}

/// Every file below a folder.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_provider_prices_the_run_and_its_token_is_never_shown() {
    let rig = Rig::measured();
    let stub = Stub::new(|_| around_now(123));
    let ran = asking(&rig, &stub.base);
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    let report = rig.report("report.json");
    assert_valid(&report);
    let carbon = report.carbon.as_ref().unwrap();
    assert!(carbon.segments.iter().all(|segment| segment.g_per_kwh == 123.0 && !segment.estimated), "{carbon:?}");
    assert_eq!(carbon.segments[0].source, "Electricity Maps (commercial)");
    assert_eq!(
        carbon.segments.iter().map(|segment| segment.energy_uj).sum::<u64>(),
        report.energy.facility_uj.unwrap()
    );
    assert!(stub.seen.lock().unwrap()[0].contains(TOKEN), "it did go to the provider");
    let all = files(&rig.path(""));
    assert!(all.iter().any(|path| path.starts_with(rig.path("cache"))), "the answer is kept");
    for path in all {
        let bytes = std::fs::read(&path).unwrap();
        let shown = bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
        assert!(!shown, "{}", path.display());
    }
    assert!(!ran.out.contains(TOKEN) && !ran.err.contains(TOKEN));
}

#[test]
fn f44_a_failing_provider_leaves_the_run_measured_and_the_fallback_flagged() {
    let redirect = Answer::Http(302, "location: http://example.org/\r\n", String::new());
    let often = Answer::Http(429, "retry-after: 60\r\n", String::new());
    let faults = [
        (Answer::status(401), "HTTP 401"),
        (Answer::status(403), "HTTP 403"),
        (often, "HTTP 429"),
        (Answer::status(500), "HTTP 500"),
        (redirect, "not followed"),
        (Answer::Silence, ""),
        (Answer::Drops, ""),
        (Answer::Long(10_000_000), "longer than 8388608 bytes"),
        (Answer::ok("garbage"), "not understood"),
        (Answer::ok(r#"{"history":[],"forecast":[]}"#), ""),
        (Answer::Noise, ""),
        (Answer::Closed, "cannot be reached"),
    ];
    std::thread::scope(|scope| {
        for (answer, message) in faults {
            scope.spawn(move || {
                let case = format!("{answer:.60?}");
                let stub = Stub::always(answer);
                let rig = Rig::measured();
                let began = Instant::now();
                let ran = asking(&rig, &stub.base);
                // The command's 0.3 s, at most 2 s for the last answer, and much room for a busy machine.
                assert!(began.elapsed() < Duration::from_secs(20), "{case}: {:?}", began.elapsed());
                assert_eq!(ran.code, Some(7), "{case}: {}", ran.err);
                assert_unaffected(&rig.report("report.json"), &case, message);
            });
        }
    });
    let rig = Rig::measured();
    let ran = asking(&rig, &Stub::always(Answer::Closed).base.replace("http:", "https:"));
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    assert_unaffected(&rig.report("report.json"), "no TLS", "");
}

/// Checks that a run is measured, has ended and is priced by the yearly table, and that the fallback is flagged.
fn assert_unaffected(report: &Report, case: &str, message: &str) {
    assert_valid(report);
    assert_eq!(report.run.exit_code, Some(7), "{case}");
    assert!(report.energy.total_uj > Some(1_000_000), "{case}: {:?}", report.energy);
    let carbon = report.carbon.as_ref().unwrap();
    assert!(
        carbon.segments.iter().all(|segment| segment.estimated && segment.g_per_kwh == 342.06),
        "{case}: {carbon:?}"
    );
    let kinds = kinds(report);
    let fault = kinds.iter().find(|(kind, _)| *kind == "intensity-fault");
    assert!(fault.is_some_and(|(_, text)| text.contains(message)), "{case}: {kinds:?}");
    assert!(
        kinds.iter().any(|(kind, text)| *kind == "intensity-fallback" && text.contains("100.0 % by table")),
        "{kinds:?}"
    );
}

#[test]
fn a_token_that_is_missing_or_readable_by_others_is_refused_before_the_run() {
    let rig = Rig::bare();
    let ran_without = rig.eco2("run --provider electricity-maps --zone DE -- touch ran");
    assert_eq!(ran_without.code, Some(125));
    assert!(ran_without.err.contains("ECO2_TOKEN_ELECTRICITY_MAPS"), "{}", ran_without.err);
    let file = rig.put("token", TOKEN);
    let mut command = rig.command("run --provider electricity-maps --zone DE -- touch ran");
    let ran_open = ran(command.env("ECO2_TOKEN_ELECTRICITY_MAPS_FILE", &file));
    assert!(ran_open.err.contains("chmod 600") && !ran_open.err.contains(TOKEN), "{}", ran_open.err);
    assert!(!rig.path("ran").exists());
}

#[test]
fn a_secret_in_an_address_or_a_file_is_refused() {
    let rig = Rig::bare();
    for url in ["https://user:pw@example.org", "https://example.org/?token=abc", "http://example.org"] {
        let ran = rig.eco2(&format!("run --provider neso --provider-url {url} --zone GB -- touch ran"));
        assert_eq!(ran.code, Some(125), "{url}: {}", ran.err);
    }
    rig.put("eco2.toml", "token = \"abc\"\n");
    assert_eq!(rig.eco2("run -- touch ran").code, Some(125), "there is no such option");
    assert!(!rig.path("ran").exists());
}

#[test]
fn a_place_is_located_only_on_request() {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    let zone = |place: &str| rig.eco2(&format!("replay trace.csv --json - --locate {place}"));
    let madrid = zone("40.4,-3.7").report().carbon.unwrap();
    assert_eq!((madrid.zone.as_str(), madrid.zone_source.as_str()), ("ES", "coordinates"));
    let equator = zone("0,37").report().carbon.unwrap();
    assert_eq!(equator.zone, "KE", "latitude 0 is a place");
    for (place, message) in
        [("0,0", "give --zone"), ("47.56,7.59", "near: "), ("52.5", "latitude and a longitude"), ("91,0", "-90 to 90")]
    {
        let ran = zone(place);
        assert!(ran.code != Some(0) && ran.err.contains(message), "{place}: {}", ran.err);
    }
    let stub = Stub::new(|line| {
        if line.contains("/computeMetadata/v1/instance/zone") {
            Answer::ok("projects/1/zones/europe-west9-a")
        } else {
            Answer::status(404)
        }
    });
    let mut command = rig.command("replay trace.csv --json - --locate cloud");
    let cloud = ran(command.env("ECO2_METADATA_URL", &stub.base)).report().carbon.unwrap();
    assert_eq!((cloud.zone.as_str(), cloud.zone_source.as_str()), ("gcp:europe-west9", "cloud-metadata"));
    let silent = Stub::always(Answer::status(404));
    let mut command = rig.command("replay trace.csv --json - --locate cloud");
    let lost = ran(command.env("ECO2_METADATA_URL", &silent.base)).report();
    assert_eq!(lost.carbon.as_ref().unwrap().zone_source, "default-world");
    assert!(kinds(&lost).iter().any(|(kind, text)| *kind == "zone-not-found" && text.contains("name a zone")));
    let asked = stub.asked();
    rig.command("replay trace.csv --json -").env("ECO2_METADATA_URL", &stub.base).output().unwrap();
    assert_eq!(stub.asked(), asked, "the metadata server is queried only with --locate");
}

#[test]
fn a_zone_shows_its_mix_and_a_cloud_region_its_pue() {
    let rig = Rig::bare();
    let france: serde_json::Value = serde_json::from_str(&rig.eco2("grid France --json").out).unwrap();
    assert_eq!(france["mix"]["nuclear_percent"], 65.29);
    assert_eq!((&france["zone"], &france["g_per_kwh"]), (&"FR".into(), &44.18.into()), "the mix changes no gram");
    let virginia: serde_json::Value = serde_json::from_str(&rig.eco2("grid aws:us-east-1 --json").out).unwrap();
    assert_eq!((&virginia["zone"], &virginia["cloud"]["pue"]), (&"US-VA".into(), &1.15.into()));
    assert_eq!(virginia["mix"], serde_json::Value::Null, "not known, and not 0");
    let quebec = rig.eco2("grid Quebec");
    assert!(
        quebec.code == Some(2) && quebec.err.contains("Quebec (CA-QC)") && quebec.err.contains("Canada (CA)"),
        "{}",
        quebec.err
    );
}

/// Returns the zone of a replay, the zone's source, and the events about it.
fn zone_of(rig: &Rig, flags: &str, fallback: bool) -> (String, String, Vec<(String, String)>) {
    rig.put("trace.csv", &trace());
    let mut command = rig.command(&format!("replay trace.csv --started-at 2026-03-01T11:59:59Z {flags} --json -"));
    let ran = ran(command.env("ECO2_ZONE_FALLBACK", if fallback { "true" } else { "false" }));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let report = ran.report();
    assert_valid(&report);
    let about =
        kinds(&report).into_iter().filter(|(kind, _)| ["zone-not-found", "zone-note", "intensity-old"].contains(kind));
    let about = about.map(|(kind, text)| (kind.to_owned(), text.to_owned())).collect();
    let carbon = report.carbon.unwrap();
    (carbon.zone, carbon.zone_source, about)
}

#[test]
fn k16_a_replaced_zone_and_an_old_value_are_in_the_report_once() {
    let rig = Rig::bare();
    let (zone, source, events) = zone_of(&rig, "--zone Germany/Bavaria", true);
    assert_eq!((zone.as_str(), source.as_str(), events.len()), ("DE", "country", 1));
    assert!(events[0].0 == "zone-not-found" && events[0].1.contains("Bavaria"), "{events:?}");
    let (zone, source, events) = zone_of(&rig, "--zone Atlantis", true);
    assert_eq!((zone.as_str(), source.as_str(), events[0].0.as_str()), ("WORLD", "unknown", "zone-not-found"));
    let (zone, source, events) = zone_of(&rig, "--zone EH", false);
    assert_eq!((zone.as_str(), source.as_str(), events.len()), ("EH", "given", 1));
    assert!(events[0].0 == "intensity-old" && events[0].1.contains("2009"), "{events:?}");
    let refused = rig.eco2("replay trace.csv --zone Atlantis --json -");
    assert_ne!(refused.code, Some(0), "without the option it is refused");
}

#[test]
fn k16_a_name_of_a_country_and_a_state_is_not_taken_for_the_country_without_a_word() {
    let rig = Rig::bare();
    let (zone, source, events) = zone_of(&rig, "--zone Georgia", false);
    assert_eq!((zone.as_str(), source.as_str(), events.len()), ("GE", "given", 1));
    assert!(events[0].0 == "zone-note" && events[0].1.contains("US-GA"), "{events:?}");
    for clear in ["--zone GE", "--zone US-GA", "--zone CA", "--zone Virginia"] {
        assert_eq!(zone_of(&rig, clear, false).2, [], "{clear}");
    }
    let page = rig.eco2("grid Georgia").out;
    let first: Vec<&str> = page.lines().take(3).collect();
    assert!(first[2].starts_with("Note") && first[2].contains("US-GA"), "{page}");
}

#[test]
fn k16_the_error_of_a_missing_column_names_its_option() {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    rig.put("two.csv", "time,a,b\n2026-03-01T11:00Z,1,2\n2026-03-01T12:00Z,1,2\n");
    let asked = |words: &str, option: &str| {
        let ran = rig.eco2(words);
        assert_ne!(ran.code, Some(0), "{words}");
        assert!(ran.err.contains(&format!("name one with {option}")), "{words}: {}", ran.err);
    };
    let replay = "replay trace.csv --started-at 2026-03-01T11:59:59Z --zone DE";
    asked(&format!("{replay} --intensity-series two.csv"), "--intensity-column");
    asked(&format!("{replay} --tariff-series two.csv"), "--tariff-column");
    asked("plan --series two.csv --duration 1 --within 1", "--zone");
}

#[test]
fn k09_a_zone_that_only_the_provider_has_is_not_reported_as_world() {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    let answer = r#"{"meta":{"region":"CAISO_NORTH","units":"lbs_co2_per_mwh","data_point_period_seconds":3600},
        "data":[{"point_time":"2026-03-01T11:00:00Z","value":870},{"point_time":"2026-03-01T12:00:00Z","value":870}]}"#;
    let stub = Stub::new(
        move |line| if line.contains("/login") { Answer::ok(r#"{"token":"jwt"}"#) } else { Answer::ok(answer) },
    );
    let priced = |base: &str| {
        let flags = format!("--provider watttime --provider-url {base} --zone CAISO_NORTH --json -");
        let mut command = rig.command(&format!("replay trace.csv --started-at 2026-03-01T11:59:59Z {flags}"));
        let ran = ran(command.env("XDG_CACHE_HOME", rig.path("cache")).env("ECO2_TOKEN_WATTTIME", TOKEN));
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let carbon = ran.report().carbon.unwrap();
        (carbon.zone, carbon.zone_source)
    };
    assert_eq!(priced(&stub.base), ("CAISO_NORTH".to_owned(), "given".to_owned()));
    let down = Stub::always(Answer::status(404));
    assert_eq!(priced(&down.base), ("WORLD".to_owned(), "unknown".to_owned()));
}

#[test]
fn k09_a_report_that_is_priced_again_queries_its_own_zone() {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    let replay =
        "replay trace.csv --started-at 2026-03-01T11:59:59Z --zone CAISO_NORTH --intensity-series s.csv --json r.json";
    rig.put("s.csv", "time,gco2e_per_kwh\n2026-03-01T11:00Z,100\n2026-03-01T12:00Z,500\n");
    assert_eq!(rig.eco2(replay).code, Some(0));
    let answer = r#"{"meta":{"region":"CAISO_NORTH","units":"lbs_co2_per_mwh","data_point_period_seconds":3600},
        "data":[{"point_time":"2026-03-01T11:00:00Z","value":870},{"point_time":"2026-03-01T12:00:00Z","value":870}]}"#;
    let stub = Stub::new(
        move |line| if line.contains("/login") { Answer::ok(r#"{"token":"jwt"}"#) } else { Answer::ok(answer) },
    );
    let flags = format!("report r.json --json --provider watttime --provider-url {}", stub.base);
    let mut command = rig.command(&flags);
    let ran = ran(command.env("XDG_CACHE_HOME", rig.path("cache")).env("ECO2_TOKEN_WATTTIME", TOKEN));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let carbon = ran.report().carbon.unwrap();
    assert_eq!((carbon.zone.as_str(), carbon.zone_source.as_str()), ("CAISO_NORTH", "given"));
    assert!(carbon.segments.iter().all(|segment| !segment.estimated), "{carbon:?}");
    // 870 lb/MWh.
    assert!((carbon.segments[0].g_per_kwh - 394.625_3).abs() < 1e-3, "{carbon:?}");
}
