//! The short summary: snapshots of two usual machines in all layouts, and the rules that each of its lines keeps.

use eco2_core::schema::{RecordEnding, Report, SourceStatus, State, Status};
use eco2_report::{Notice, Scope, ShortStyle, TextStyle, short_text};

use crate::fixture::{bare, guest, report, server};

const PLAIN: TextStyle = TextStyle { color: false, width: 80, ascii: false };

const README: &str = include_str!("../../../README.md");

fn next() -> Vec<String> {
    ["Run 8e2d", "eco2 show", "eco2 compare", "eco2 doctor"].map(str::to_owned).to_vec()
}

fn shown(report: &Report, style: TextStyle) -> String {
    let clock = Some(("Europe/Berlin", "DE"));
    short_text(report, &ShortStyle { style, clock, next: &next(), ..ShortStyle::default() }).text
}

#[test]
fn virtual_machine_has_at_most_twelve_lines() {
    let text = shown(&guest(), PLAIN);
    assert!(text.lines().count() <= 12, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn readme_shows_the_notices_as_they_are_printed() {
    let next = next();
    let style = ShortStyle { style: PLAIN, next: &next, ..ShortStyle::default() };
    let text = short_text(&guest(), &style).text;
    let notices: Vec<_> = README.lines().filter(|line| line.starts_with("  ! ")).collect();
    assert_eq!(notices.len(), 2, "{notices:?}");
    for notice in notices {
        assert!(text.lines().any(|line| line == notice), "{notice} is not in:\n{text}");
    }
}

#[test]
fn server_with_eight_gpus_has_at_most_fourteen_lines() {
    let text = shown(&server(), PLAIN);
    assert!(text.lines().count() <= 14, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn every_layout() {
    let mut all = String::new();
    for width in [60, 120] {
        for (name, report) in [("guest", guest()), ("server", server())] {
            all.push_str(&format!("== {name}, {width} columns\n{}", shown(&report, TextStyle { width, ..PLAIN })));
        }
    }
    let ascii = shown(&server(), TextStyle { ascii: true, ..PLAIN });
    assert!(ascii.is_ascii(), "{ascii}");
    all.push_str(&format!("== server, ASCII\n{ascii}== guest, ASCII\n"));
    all.push_str(&shown(&guest(), TextStyle { ascii: true, ..PLAIN }));
    let coloured = shown(&guest(), TextStyle { color: true, ..PLAIN });
    all.push_str(&format!("== guest, colour\n{}", coloured.replace('\u{1b}', "ESC")));
    insta::assert_snapshot!(all);
}

#[test]
fn colour_only_repeats_the_words() {
    for report in [guest(), server(), report()] {
        let mut plain = shown(&report, TextStyle { color: true, ..PLAIN });
        for code in ["[0m", "[1m", "[2m", "[1;33m"] {
            plain = plain.replace(&format!("\u{1b}{code}"), "");
        }
        assert_eq!(plain, shown(&report, PLAIN));
    }
}

#[test]
fn lines_keep_to_the_width_and_numbers_to_their_units() {
    for report in [guest(), server(), report(), bare()] {
        for width in [40, 60, 80, 120] {
            let text = shown(&report, TextStyle { width, ..PLAIN });
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
                let last = line.trim_end().rsplit(' ').next().unwrap_or_default();
                let is_number = !last.is_empty() && last.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
                assert!(
                    !is_number || line.contains("exit") || line.contains("PUE"),
                    "a number without its unit: {line:?}"
                );
            }
        }
    }
}

#[test]
fn energy_and_emissions_have_the_same_place_in_every_report() {
    for report in [guest(), server(), report(), bare()] {
        let text = shown(&report, PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].starts_with("  Energy       ") && lines[3].starts_with("  Emissions    "), "{text}");
    }
}

#[test]
fn nothing_measured_is_not_zero() {
    let mut report = bare();
    let off = SourceStatus { name: "model".into(), status: Status::Off, reason: String::new(), remedy: String::new() };
    report.sources = vec![off];
    report.run.exit_code = None;
    (report.run.state, report.run.end) = (State::Provisional, Some(RecordEnding::Open));
    insta::assert_snapshot!(shown(&report, PLAIN));
}

#[test]
fn everything_that_can_be_asked_for_has_a_row() {
    insta::assert_snapshot!(shown(&report(), PLAIN));
}

#[test]
fn notices_of_the_machine_are_shown_once() {
    let style = ShortStyle { style: PLAIN, ..ShortStyle::default() };
    let first = short_text(&guest(), &style);
    assert_eq!(first.notices, [Notice::Modelled, Notice::NoZone]);
    let second = short_text(&guest(), &ShortStyle { seen: &first.notices, ..style });
    assert!(second.notices.is_empty() && !second.text.contains('!'), "{}", second.text);
    assert!(second.text.contains("estimated") && second.text.contains("world average"), "{}", second.text);
}

#[test]
fn notices_of_the_run_are_shown_each_time() {
    let mut report = guest();
    (report.run.state, report.run.end) = (State::Provisional, Some(RecordEnding::Open));
    let text = short_text(&report, &ShortStyle { seen: &Notice::ALL, ..ShortStyle::default() }).text;
    assert!(text.contains("! Provisional"), "{text}");
}

#[test]
fn command_s_energy_is_the_headline_where_asked_for() {
    let asked = ShortStyle { style: PLAIN, scope: Scope::Command, seen: &Notice::ALL, ..ShortStyle::default() };
    insta::assert_snapshot!(short_text(&guest(), &asked).text);
    let none = Report { attribution: None, ..guest() };
    let text = short_text(&none, &asked).text;
    assert!(text.contains("Energy       not known    this job: energy was not attributed"), "{text}");
}

#[test]
fn synthetic_data_is_named_in_the_first_line() {
    let mut report = server();
    report.energy.synthetic_uj = std::mem::take(&mut report.energy.measured_uj);
    for width in [40, 80] {
        let text = shown(&report, TextStyle { width, ..PLAIN });
        let first = text.lines().next().unwrap_or_default();
        assert!(first.contains("SYNTHETIC DATA"), "{text}");
        assert_eq!(text.matches("SYNTHETIC").count(), 1, "{text}");
    }
}

#[test]
fn denied_sensor_names_the_command_that_shows_the_remedy() {
    let mut report = guest();
    report.sources[0].status = Status::Denied;
    let short = short_text(&report, &ShortStyle::default());
    assert_eq!(short.notices[0], Notice::Denied);
    assert!(short.text.contains("(RAPL)") && short.text.contains("eco2 doctor"), "{}", short.text);
}

#[test]
fn exports_of_the_command_name_their_scope() {
    let machine = guest();
    let job = eco2_report::in_scope(&machine, Scope::Command);
    let methods = eco2_report::methods(&job).unwrap();
    assert!(
        methods.contains("used an estimated 4.60\u{a0}Wh") && methods.contains("attributed to the training"),
        "{methods}"
    );
    assert!(!eco2_report::methods(&machine).unwrap().contains("attributed"));
    let card = eco2_report::model_card(&job).unwrap();
    assert!(card.contains("energy of the command's part of the machine") && card.contains("emissions: 2.17"), "{card}");
    let cells = |report: &Report| {
        let table = eco2_report::codecarbon_csv(report).unwrap();
        let rows: Vec<Vec<String>> = table.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
        move |name: &str| rows[1][rows[0].iter().position(|column| column == name).unwrap()].clone()
    };
    let (whole, part) = (cells(&machine), cells(&job));
    assert_eq!((whole("tracking_mode"), part("tracking_mode")), ("machine".to_owned(), "process".to_owned()));
    assert!((part("energy_consumed").parse::<f64>().unwrap() - 0.0046).abs() < 1e-9);
    assert!(whole("cpu_energy").parse::<f64>().unwrap() > 0.0, "the machine's part is known");
    assert_eq!(part("cpu_energy"), "", "what the command used of each device is not known");
}
