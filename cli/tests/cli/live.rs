//! `eco2 grid --provider` and `eco2 plan --provider` against a server on the loopback.

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

fn told(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn verbose_grid_says_how_often_the_cache_answered() {
    let rig = Rig::bare();
    let stub = Stub::new(|_| half_hours(now_ns() - HALF_HOUR_NS, &[90, 123, 150]));
    let said = |words: &str| asking(&rig, words, &stub).err;
    let (first, second) = (said("grid GB -v"), said("grid GB --json --verbose"));
    assert!(first.contains("neso: 0 answered by the cache, 1 asked anew"), "{first}");
    assert!(second.contains("neso: 1 answered by the cache, 0 asked anew"), "{second}");
    assert!(!said("grid GB").contains("cache"), "nobody asked");
}

#[test]
fn a_provider_says_what_a_zone_weighs_now_and_until_when() {
    let rig = Rig::bare();
    let stub = Stub::new(|_| half_hours(now_ns() - HALF_HOUR_NS, &[90, 123, 150]));
    let ran = asking(&rig, "grid GB --json", &stub);
    let told = told(&ran);
    assert_eq!((&told["zone"], &told["name"]), (&json!("GB"), &json!("United Kingdom")), "{told}");
    let figure = told["g_per_kwh"].as_f64().unwrap();
    // The half hour may have ended while the test ran.
    assert!([123.0, 150.0].contains(&figure), "{told}");
    assert_eq!((&told["provider"], &told["estimated"], &told["year"]), (&json!("neso"), &json!(false), &Value::Null));
    assert_eq!(told["kind"], "direct-average-consumption");
    assert_eq!(told["chain"], json!([{"provider": "neso", "answered": true, "fault": null}]));
    let text = |key: &str| told[key].as_str().unwrap().to_owned();
    assert!(text("from") <= text("at") && text("at") < text("until"), "{told}");
    assert_eq!(told["mix"]["year"], 2023, "the mix is the table's, dated");
    let page = asking(&rig, "grid GB", &stub);
    assert!(page.out.contains("123 g CO2e/kWh") || page.out.contains("150 g CO2e/kWh"), "{page:?}");
    assert!(page.out.contains("neso: answered") && page.out.contains("Time"), "{page:?}");
}

#[test]
fn f44_a_provider_that_fails_leaves_the_yearly_figure_flagged_with_the_chain() {
    let rig = Rig::bare();
    let stub = Stub::always(Answer::status(403));
    let ran = asking(&rig, "grid GB --json", &stub);
    let told = told(&ran);
    let table: Value = serde_json::from_str(&rig.eco2("grid GB --json").out).unwrap();
    for key in ["zone", "name", "g_per_kwh", "kind", "year", "source"] {
        assert_eq!(told[key], table[key], "{key}");
    }
    assert_eq!((&told["provider"], &told["estimated"], &told["until"]), (&json!("table"), &json!(true), &Value::Null));
    assert_eq!(told["chain"][0]["answered"], false);
    assert!(told["chain"][0]["fault"].as_str().unwrap().contains("HTTP 403"), "{told}");
    assert_eq!(told["chain"][1], json!({"provider": "table", "answered": true, "fault": null}));
    assert!(ran.err.contains("neso: ") && ran.err.contains("HTTP 403"), "{}", ran.err);
    let lost = asking(&rig, "grid Narnia", &stub);
    assert_eq!((lost.code, lost.out.as_str()), (Some(2), ""), "no figure is made up: {lost:?}");
}

#[test]
fn a_figure_of_the_past_that_stands_for_now_is_an_estimate() {
    let rig = Rig::bare();
    let stub = Stub::new(|_| half_hours(now_ns() - 4 * HALF_HOUR_NS, &[77]));
    let told = told(&asking(&rig, "grid GB --json", &stub));
    assert_eq!((told["g_per_kwh"].as_f64(), &told["estimated"]), (Some(77.0), &json!(true)), "{told}");
}

#[test]
fn nobody_is_asked_unless_named_and_a_token_is_told_by_its_variable() {
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
fn a_published_forecast_is_planned_with() {
    let rig = Rig::bare();
    let stub = Stub::new(|_| {
        half_hours(eco2_grid::parse_instant("2026-03-01T00:00Z").unwrap(), &[300, 300, 100, 200, 400, 400])
    });
    let words = "plan --json --zone GB --duration 1 --within 2.5 --power 1000 --start 2026-03-01T00:15Z";
    let ran = asking(&rig, words, &stub);
    let plan = told(&ran);
    // Half an hour each at 100 and 200; at once a quarter and a half at 300, a quarter at 100.
    assert_eq!((plan["grams"].as_f64(), plan["grams_now"].as_f64()), (Some(150.0), Some(250.0)), "{plan}");
    assert_eq!(plan["slots"], json!([{"from": "2026-03-01T01:00:00Z", "to": "2026-03-01T02:00:00Z", "workers": 1}]));
    assert_eq!(plan["kind"], "direct-average-consumption");
    assert!(ran.err.contains("publishes figures up to 2026-03-01T03:00:00Z"), "{}", ran.err);
}

#[test]
fn d17_without_a_published_figure_there_is_no_plan_and_no_curve_is_made_up() {
    let rig = Rig::bare();
    let stub = Stub::always(Answer::ok(r#"{"data":[]}"#));
    let words = "plan --json --zone GB --duration 1 --within 2 --power 1000";
    let none = asking(&rig, words, &stub);
    assert_eq!((none.code, none.out.as_str()), (Some(2), ""), "{none:?}");
    assert!(none.err.contains("no figure for that time") && none.err.contains("--series"), "{}", none.err);
    let nobody = rig.eco2(words);
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.err.contains("--series <FILE>"), "{}", nobody.err);
    // The first hour only: the job cannot wait for what nobody has said.
    let start = "2026-03-01T00:00Z";
    let gap = Stub::new(move |_| half_hours(eco2_grid::parse_instant(start).unwrap(), &[300, 100]));
    let within =
        asking(&rig, "plan --json --zone GB --duration 0.5 --within 9 --power 1000 --start 2026-03-01T00:00Z", &gap);
    assert_eq!(told(&within)["start"], "2026-03-01T00:30:00Z");
    assert!(within.err.contains("the series ends at 2026-03-01T01:00:00Z"), "{}", within.err);
}

#[test]
fn d17_what_was_published_before_is_not_stretched_into_the_hours_to_come() {
    let rig = Rig::bare();
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = Arc::clone(&broken);
    let answer = move |_: &str| {
        if is_broken.load(Ordering::SeqCst) { Answer::status(500) } else { half_hours(now_ns(), &[50, 60]) }
    };
    let stub = Stub::new(answer);
    let words = "plan --json --zone GB --power 1000 --duration 0.1";
    assert_eq!(asking(&rig, &format!("{words} --within 0.2"), &stub).code, Some(0));
    broken.store(true, Ordering::SeqCst);
    let stale = asking(&rig, &format!("{words} --within 5"), &stub);
    assert_eq!((stale.code, stale.out.as_str()), (Some(2), ""), "{stale:?}");
    assert!(stale.err.contains("HTTP 500"), "{}", stale.err);
}
