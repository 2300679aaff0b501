//! HTML pages: one file that requests nothing, whose policy admits its own scripts and no other, and in which no text from a report
//! is markup. Missing values are words, never zero.

mod day;
mod palette;
mod sweep;

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eco2_core::schema::{EventKind, EventRecord, Report};
use eco2_core::{CurveRecord, Quality};
use eco2_report::html;

use crate::fixture;

/// Returns the parts of the page between two texts.
fn between<'a>(page: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    page.split(from).skip(1).filter_map(|rest| rest.split_once(to)).map(|(part, _)| part).collect()
}

fn sha256(text: &str) -> String {
    let hexadecimal = eco2_grid::Sha256::of(text.as_bytes()).to_string();
    let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&hexadecimal[2 * at..2 * at + 2], 16).unwrap()).collect();
    format!("'sha256-{}'", STANDARD.encode(bytes))
}

#[test]
fn policy_admits_the_scripts_and_styles_of_the_page_and_nothing_else() {
    assert_policy(&html(&fixture::report()));
}

/// Asserts that the page's policy names its own scripts and style by their hashes, and allows nothing else.
fn assert_policy(page: &str) {
    let policy = between(page, "http-equiv=\"Content-Security-Policy\" content=\"", "\"")[0];
    let scripts: Vec<String> = between(page, "<script>", "</script>").into_iter().map(sha256).collect();
    let styles: Vec<String> = between(page, "<style>", "</style>").into_iter().map(sha256).collect();
    assert_eq!((scripts.len(), styles.len()), (2, 1));
    let expected = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        scripts.join(" "),
        styles[0]
    );
    assert_eq!(policy.replace("&#39;", "'"), expected);
    for forbidden in [" style=\"", " onclick=", " onload=", "javascript:", "eval(", "innerHTML"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn page_requests_nothing() {
    let page = html(&day::report());
    let policy_free = page.replace("http://www.w3.org/2000/svg", "");
    for address in ["http://", "https://", "//cdn", "@import", "url(http", "src="] {
        let scripts = policy_free.replace("default-src=", "");
        assert!(!scripts.contains(address), "{address}");
    }
    assert!(policy_free.matches("url(").count() == policy_free.matches("url(#").count(), "hatches of the page only");
}

#[test]
fn hostile_names_are_text() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u{1b}[2J\u{202e}=1+1";
    let mut report = fixture::report();
    report.run.name = hostile.into();
    report.run.command = vec![hostile.into()];
    report.run.host.hostname = hostile.into();
    report.run.labels.insert(hostile.into(), hostile.into());
    for device in &mut report.devices {
        (device.name, device.model, device.source) = (hostile.into(), Some(hostile.into()), hostile.into());
        (device.method, device.id, device.domain) = (Some(hostile.into()), hostile.into(), hostile.into());
    }
    report.spans[0].name = hostile.into();
    report.sources[0].reason = hostile.into();
    report.events = vec![EventRecord::new(1, EventKind::Xid, hostile, hostile)];
    if let Some(carbon) = &mut report.carbon {
        (carbon.zone, carbon.zone_source) = (hostile.into(), hostile.into());
        carbon.segments[0].source = hostile.into();
        carbon.segments[0].from = hostile.into();
    }
    if let Some(shares) = &mut report.attribution {
        shares.method = hostile.into();
        shares.consumers[0].name = hostile.into();
        shares.consumers[0].id = hostile.into();
    }
    let page = html(&report);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!page.contains("<script>alert") && !page.contains("<img"), "markup from a name");
    assert_eq!(page.matches("<script").count(), 3, "two scripts and the data");
    assert!(!page.contains(['\u{1b}', '\u{202e}']), "terminal escapes and turned text");
}

#[test]
fn page_of_a_day_on_eight_gpus_is_small() {
    let started = Instant::now();
    let page = html(&day::report());
    println!("{} bytes in {:?}", page.len(), started.elapsed());
    std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/day.html"), &page).unwrap();
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    let empty = html(&fixture::bare());
    assert!(empty.len() < 80_000, "{} bytes without data", empty.len());
}

#[test]
fn page_states_what_is_missing() {
    let page = html(&fixture::bare());
    for words in ["not measured", "not known", "Not available: this report has no power history"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains(">0</"), "a value that is not known is no zero");
}

#[test]
fn stretch_without_readings_has_no_line() {
    let page = html(&day::report());
    assert!(page.contains("not measured, 12:00:00 to 12:30:00"), "the gap of GPU 5, in the chart");
    assert!(page.contains("not measured for 30"), "and in the table");
}

#[test]
fn estimates_and_open_ranges_are_drawn_differently() {
    let mut report = day::report();
    assert!(html(&report).contains("class=\"l est c-memory\""));
    assert!(!html(&report).contains("b open k-memory"), "its range has an upper bound");
    for high_uj in &mut report.curves[10].high_uj {
        *high_uj = None;
    }
    report.devices[10].high_uj = None;
    assert!(html(&report).contains("b open k-memory"));
    assert!(!html(&report).contains("b k-memory"), "no band is closed");
}

#[test]
fn a_short_peak_stays_visible() {
    // One second of 900 W in a day of 100 W: the mean of its bin hides it.
    const SECOND: u64 = 1_000_000_000;
    let mut report = day::report();
    let joules = [(43_200, 4_320_000), (43_201, 4_320_900), (86_400, 8_640_800)];
    report.curves = vec![CurveRecord {
        device: "GPU-0".into(),
        t_ns: joules.iter().map(|(second, _)| second * SECOND).collect(),
        energy_uj: joules.iter().map(|(_, joules)| joules * 1_000_000).collect(),
        low_uj: joules.iter().map(|(_, joules)| joules * 1_000_000).collect(),
        high_uj: joules.iter().map(|(_, joules)| Some(joules * 1_000_000)).collect(),
        devices: None,
    }];
    report.devices.truncate(1);
    report.devices[0].energy_uj = Some(8_640_800_000_000);
    let page = html(&report);
    assert!(page.contains("l peak c-gpu"), "drawn as a stroke");
    assert!(page.contains(">1000<") || page.contains(">1<"), "the axis reaches 900 W");
}

#[test]
fn spans_have_lanes_and_host_totals_a_remainder() {
    let page = html(&day::report());
    for lane in ["Spans load: 2 min 00 s of the run, 1 part", "Spans train: 22 h 12 min of the run, 12 parts"] {
        assert!(page.replace('\u{a0}', " ").contains(lane), "{lane}");
    }
    assert!(page.contains("<title>eval, 2:00:00 to 2:08:00</title>"));
    let mut report = fixture::report();
    let total = &mut report.host_totals[0];
    let uj = |joules: i64| Some(joules * 1_000_000);
    (total.energy_uj, total.low_uj, total.high_uj) = (Some(1_500_000_000), 1_450_000_000, Some(1_550_000_000));
    (total.remainder_uj, total.remainder_low_uj, total.remainder_high_uj) = (uj(265), uj(180), uj(350));
    let page = html(&report);
    let table = between(&page, "<table id=\"host\">", "</table>")[0];
    assert!(table.contains(">265<") || table.contains(">0.074<"), "{table}");
    report.host_totals[0].remainder_uj = uj(-5);
    assert!(html(&report).contains("The parts show more than a total"));
    (report.host_totals[0].remainder_uj, report.host_totals[0].remainder_high_uj) = (None, None);
    let page = html(&report);
    assert!(between(&page, "<table id=\"host\">", "</table>")[0].contains("not known"), "never zero");
}

#[test]
fn energy_per_step_is_drawn_and_its_settled_part_named() {
    let page = html(&day::report()).replace('\u{a0}', " ");
    assert!(
        page.contains("Energy per step over time, from 85"),
        "{:?}",
        between(&page, "aria-label=\"Energy per step", "\"")
    );
    assert!(page.contains("Settled from 0:33:20 on: 85"), "ten bins of 200 s are the warm-up");
    assert!(page.contains("without the first 1920 steps. The axis does not start at 0."));
    assert!(!html(&fixture::bare()).contains("Energy per step over time"), "no steps, no chart");
}

#[test]
fn firefox_profile_has_the_energy_of_each_device_and_marks_what_was_not_measured() {
    let report = day::report();
    let profile: serde_json::Value = serde_json::from_str(&eco2_report::firefox_profile(&report).unwrap()).unwrap();
    let counters = profile["counters"].as_array().unwrap();
    assert_eq!(counters.len(), 11);
    for (counter, device) in counters.iter().zip(&report.devices) {
        let column = |name: &str| counter["samples"][name].as_array().unwrap().clone();
        let (time, count) = (column("time"), column("count"));
        assert_eq!((time.len(), count.len()), (537, 537));
        // One microjoule is 277.8 picowatt-hours; each sample is rounded to one.
        let sum: f64 = count.iter().map(|count| count.as_f64().unwrap()).sum();
        assert!((sum * 3.6e-3 - device.energy_uj.unwrap() as f64).abs() < 10.0, "{}", device.id);
        assert!(time.windows(2).all(|pair| pair[0].as_f64() < pair[1].as_f64()));
    }
    let markers = &profile["threads"][0]["markers"];
    assert_eq!(markers["length"], 28, "two events, a gap, and 25 parts of three spans");
    assert_eq!(profile["threads"][0]["stringArray"][4], "span");
    assert_eq!((&markers["startTime"][2], &markers["endTime"][2]), (&43_200_000.0.into(), &45_000_000.0.into()));
    let error = eco2_report::firefox_profile(&fixture::bare()).unwrap_err().to_string();
    assert!(error.contains("no power over time"), "{error}");
}

#[test]
fn tables_of_a_run() {
    insta::assert_snapshot!(eco2_report::markdown(&fixture::report()));
    insta::assert_snapshot!(eco2_report::latex(&fixture::report()));
    assert!(eco2_report::markdown(&fixture::bare()).contains("| Energy | not measured |  |"), "never zero");
}

#[test]
fn synthetic_values_are_marked() {
    let mut report = fixture::report();
    assert!(!html(&report).contains("Synthetic data."));
    report.devices[0].quality = Quality::Synthetic;
    assert!(html(&report).contains("Synthetic data."));
}

/// The words of the page, one line per row, paragraph or heading.
fn words(page: &str) -> String {
    let mut body = between(page, "<body>", "<script type")[0].to_owned();
    for end in ["</tr>", "</p>", "</dd>", "</h1>", "</h2>", "</section>", "</figure>", "</div>"] {
        body = body.replace(end, "\n");
    }
    let text: String = body
        .split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, text)| text))
        .fold(String::new(), |text, part| text + part + " ");
    let lines = text.lines().map(|line| line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn page_of_the_full_report() {
    insta::assert_snapshot!(words(&html(&fixture::report())));
}

#[test]
fn page_of_a_report_in_which_nothing_was_read() {
    insta::assert_snapshot!(words(&html(&Report { sources: fixture::report().sources, ..fixture::bare() })));
}
