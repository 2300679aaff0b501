//! `eco2 grid` with and without a provider, and `eco2 plan --provider`, with a server on the loopback.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::rig::{Ran, Rig, ran};
use crate::stub::{Answer, Stub};

const HALF_HOUR_NS: i64 = 1_800_000_000_000;
const TOKEN: &str = "t0ken-that-must-not-show";

fn now_ns() -> i64 {
    i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// Half hours from the one of `from_ns` on, measured.
fn half_hours(from_ns: i64, figures: &[u32]) -> Answer {
    let first_ns = from_ns.div_euclid(HALF_HOUR_NS) * HALF_HOUR_NS;
    let minute = |at_ns: i64| format!("{}Z", &eco2_grid::utc(at_ns)[..16]);
    let period = |(slot, figure): (i64, &u32)| {
        let from_ns = first_ns + slot * HALF_HOUR_NS;
        json!({"from": minute(from_ns), "to": minute(from_ns + HALF_HOUR_NS), "intensity": {"forecast": 1, "actual": figure}})
    };
    let periods: Vec<Value> = (0..).zip(figures).map(period).collect();
    Answer::ok(json!({"data": periods}).to_string())
}

/// `eco2 WORDS --provider neso` at a stub, with a cache of its own.
fn asking(rig: &Rig, words: &str, stub: &Stub) -> Ran {
    let cache: PathBuf = rig.path("cache");
    let mut command = rig.command(&format!("{words} --provider neso --provider-url {}", stub.base));
    ran(command.env("XDG_CACHE_HOME", cache))
}

fn json_of(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn verbose_grid_prints_hits_and_misses_of_the_cache() {
    let rig = Rig::bare();
    let stub = Stub::new(|_| half_hours(now_ns() - HALF_HOUR_NS, &[90, 123, 150]));
    let messages = |words: &str| asking(&rig, words, &stub).err;
    let (first, second) = (messages("grid GB -v"), messages("grid GB --json --verbose"));
    assert!(first.contains("neso: cache: 0 hits, 1 misses"), "{first}");
    assert!(second.contains("neso: cache: 1 hits, 0 misses"), "{second}");
    assert!(!messages("grid GB").contains("cache"), "not without -v");
}

#[test]
fn k16_a_city_is_shown_with_its_zone_and_a_note() {
    let rig = Rig::bare();
    let paris = rig.eco2("grid Paris");
    assert_eq!((paris.code, rig.eco2("grid Paris --json").code), (Some(0), Some(0)), "{paris:?}");
    assert!(paris.out.starts_with("Zone      FR\n") && paris.out.contains("Paris has no"), "{}", paris.out);
}

#[test]
fn metrics_page_of_a_run_counts_hits_and_misses_of_the_cache() {
    let rig = Rig::measured();
    let stub = Stub::new(|_| half_hours(now_ns() - 2 * HALF_HOUR_NS, &[90, 123, 150, 150]));
    let flags = format!("--zone GB --provider neso --provider-url {} --no-log --json r.json", stub.base);
    let mut command = rig.measuring(&flags, "sleep 0.2");
    let run = ran(command.env("XDG_CACHE_HOME", rig.path("cache")));
    assert_eq!(run.code, Some(0), "{run:?}");
    let page = rig.eco2("report r.json --format openmetrics").out;
    let count = |name: &str| {
        let line = page.lines().find(|line| line.starts_with(&format!("{name}{{provider=\"neso\"}}")));
        line.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse::<u64>().ok())
    };
    assert!(count("eco2_intensity_cache_misses_total") >= Some(1), "{page}");
    assert!(count("eco2_intensity_cache_hits_total").is_some(), "{page}");
}

#[test]
fn a_provider_gives_the_current_intensity_and_its_period() {
    let rig = Rig::bare();
    let stub = Stub::new(|_| half_hours(now_ns() - HALF_HOUR_NS, &[90, 123, 150]));
    let ran = asking(&rig, "grid GB --json", &stub);
    let answer = json_of(&ran);
    assert_eq!((&answer["zone"], &answer["name"]), (&json!("GB"), &json!("United Kingdom")), "{answer}");
    let figure = answer["g_per_kwh"].as_f64().unwrap();
    // The half hour may have ended while the test ran.
    assert!([123.0, 150.0].contains(&figure), "{answer}");
    assert_eq!(
        (&answer["provider"], &answer["estimated"], &answer["year"]),
        (&json!("neso"), &json!(false), &Value::Null)
    );
    assert_eq!(answer["kind"], "direct-average-consumption");
    assert_eq!(answer["chain"], json!([{"provider": "neso", "answered": true, "fault": null}]));
    let text = |key: &str| answer[key].as_str().unwrap().to_owned();
    assert!(text("from") <= text("at") && text("at") < text("until"), "{answer}");
    assert_eq!(answer["mix"]["year"], 2023, "the mix is the table's, dated");
    let page = asking(&rig, "grid GB", &stub);
    assert!(page.out.contains("123 g CO2e/kWh") || page.out.contains("150 g CO2e/kWh"), "{page:?}");
    assert!(page.out.contains("neso: answered") && page.out.contains("Time"), "{page:?}");
}

#[test]
fn f44_a_provider_that_fails_leaves_the_yearly_value_flagged_with_the_chain() {
    let rig = Rig::bare();
    let stub = Stub::always(Answer::status(403));
    let ran = asking(&rig, "grid GB --json", &stub);
    let answer = json_of(&ran);
    let table: Value = serde_json::from_str(&rig.eco2("grid GB --json").out).unwrap();
    for key in ["zone", "name", "g_per_kwh", "kind", "year", "source"] {
        assert_eq!(answer[key], table[key], "{key}");
    }
    assert_eq!(
        (&answer["provider"], &answer["estimated"], &answer["until"]),
        (&json!("table"), &json!(true), &Value::Null)
    );
    assert_eq!(answer["chain"][0]["answered"], false);
    assert!(answer["chain"][0]["fault"].as_str().unwrap().contains("HTTP 403"), "{answer}");
    assert_eq!(answer["chain"][1], json!({"provider": "table", "answered": true, "fault": null}));
    assert!(ran.err.contains("neso: ") && ran.err.contains("HTTP 403"), "{}", ran.err);
    let lost = asking(&rig, "grid Narnia", &stub);
    assert_eq!((lost.code, lost.out.as_str()), (Some(2), ""), "no synthetic value: {lost:?}");
}

#[test]
fn a_past_value_that_is_used_for_now_is_an_estimate() {
    let rig = Rig::bare();
    let stub = Stub::new(|_| half_hours(now_ns() - 4 * HALF_HOUR_NS, &[77]));
    let answer = json_of(&asking(&rig, "grid GB --json", &stub));
    assert_eq!((answer["g_per_kwh"].as_f64(), &answer["estimated"]), (Some(77.0), &json!(true)), "{answer}");
}

#[test]
fn a_provider_is_queried_only_by_name_and_the_error_names_the_tokens_variable() {
    let rig = Rig::bare();
    let stub = Stub::always(Answer::status(500));
    let mut quiet = rig.command("grid GB --json");
    let quiet = ran(quiet.env("ECO2_INTENSITY_PROVIDER", "neso").env("ECO2_PROVIDER_URL", &stub.base));
    assert_eq!((quiet.code, stub.asked()), (Some(0), 0), "a setting of runs does not make the table ask");
    let without = rig.eco2("grid DE --provider electricity-maps");
    assert_eq!(without.code, Some(2), "{without:?}");
    assert!(without.err.contains("ECO2_TOKEN_ELECTRICITY_MAPS"), "{}", without.err);
    assert_eq!(rig.eco2("grid --provider neso").code, Some(2), "a provider needs a zone");
    let mut refused = rig.command(&format!("grid DE --json --provider electricity-maps --provider-url {}", stub.base));
    let refused = ran(refused.env("ECO2_TOKEN_ELECTRICITY_MAPS", TOKEN).env("XDG_CACHE_HOME", rig.path("cache")));
    assert!(stub.asked() > 0 && refused.code == Some(0), "{refused:?}");
    assert!(!refused.out.contains(TOKEN) && !refused.err.contains(TOKEN));
}

#[test]
fn plan_uses_a_published_forecast() {
    let rig = Rig::bare();
    let stub = Stub::new(|_| {
        half_hours(eco2_grid::parse_instant("2026-03-01T00:00Z").unwrap(), &[300, 300, 100, 200, 400, 400])
    });
    let words = "plan --json --zone GB --duration 1 --within 2.5 --power 1000 --start 2026-03-01T00:15Z";
    let ran = asking(&rig, words, &stub);
    let plan = json_of(&ran);
    // Planned: half an hour at 100 and half at 200. Starting now: a quarter and a half at 300, a quarter at 100.
    assert_eq!((plan["grams"].as_f64(), plan["grams_now"].as_f64()), (Some(150.0), Some(250.0)), "{plan}");
    assert_eq!(plan["slots"], json!([{"from": "2026-03-01T01:00:00Z", "to": "2026-03-01T02:00:00Z", "workers": 1}]));
    assert_eq!(plan["kind"], "direct-average-consumption");
    assert!(ran.err.contains("publishes intensities up to 2026-03-01T03:00:00Z"), "{}", ran.err);
}

#[test]
fn d17_without_published_values_there_is_no_plan_and_no_synthetic_series() {
    let rig = Rig::bare();
    let stub = Stub::always(Answer::ok(r#"{"data":[]}"#));
    let words = "plan --json --zone GB --duration 1 --within 2 --power 1000";
    let none = asking(&rig, words, &stub);
    assert_eq!((none.code, none.out.as_str()), (Some(2), ""), "{none:?}");
    assert!(none.err.contains("no value for that time") && none.err.contains("--series"), "{}", none.err);
    let unnamed = rig.eco2(words);
    assert_eq!(unnamed.code, Some(2));
    assert!(unnamed.err.contains("--series <FILE>"), "{}", unnamed.err);
    // Only the first hour is published: the job cannot wait for later hours.
    let start = "2026-03-01T00:00Z";
    let gap = Stub::new(move |_| half_hours(eco2_grid::parse_instant(start).unwrap(), &[300, 100]));
    let within =
        asking(&rig, "plan --json --zone GB --duration 0.5 --within 9 --power 1000 --start 2026-03-01T00:00Z", &gap);
    assert_eq!(json_of(&within)["start"], "2026-03-01T00:30:00Z");
    assert!(within.err.contains("the series ends at 2026-03-01T01:00:00Z"), "{}", within.err);
}

#[test]
fn d17_an_earlier_answer_is_not_extended_into_future_hours() {
    let rig = Rig::bare();
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = Arc::clone(&broken);
    let reply = move |_: &str| {
        if is_broken.load(Ordering::SeqCst) { Answer::status(500) } else { half_hours(now_ns(), &[50, 60]) }
    };
    let stub = Stub::new(reply);
    let words = "plan --json --zone GB --power 1000 --duration 0.1";
    assert_eq!(asking(&rig, &format!("{words} --within 0.2"), &stub).code, Some(0));
    broken.store(true, Ordering::SeqCst);
    let stale = asking(&rig, &format!("{words} --within 5"), &stub);
    assert_eq!((stale.code, stale.out.as_str()), (Some(2), ""), "{stale:?}");
    assert!(stale.err.contains("HTTP 500"), "{}", stale.err);
}
