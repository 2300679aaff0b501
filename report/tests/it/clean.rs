//! Hostile text in every field of a report, in every rendering that people or spreadsheets read.

use eco2_core::schema::Report;
use eco2_report::{
    Error, MetricNames, TextStyle, by_label, codecarbon_csv, csv, groups_csv, groups_text, methods, model_card,
    openmetrics, scope2_csv, spans_csv, text,
};
use serde_json::Value;

use crate::fixture::report;

const HOSTILE: &str = "=HYPERLINK(\"http://x\")\u{1b}[2J\u{9b}1m\u{202e}\r\n;@x";

/// The fixture with hostile text in every field that takes any text, found by trying all of them.
fn dirty() -> Report {
    let mut document = serde_json::to_value(report()).unwrap();
    let mut count = 0;
    for place in places(&document, "") {
        let before = document.pointer(&place).cloned().unwrap();
        *document.pointer_mut(&place).unwrap() = HOSTILE.into();
        if serde_json::from_value::<Report>(document.clone()).is_ok() {
            count += 1;
        } else {
            *document.pointer_mut(&place).unwrap() = before;
        }
    }
    assert!(count > 40, "{count} fields take text");
    let mut dirty: Report = serde_json::from_value(document).unwrap();
    dirty.run.labels.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
    dirty
}

/// JSON pointers of all strings.
fn places(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::String(_) => vec![at.to_owned()],
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(n, item)| places(item, &format!("{at}/{n}"))).collect()
        }
        Value::Object(members) => members
            .iter()
            .flat_map(|(key, item)| places(item, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn k17_no_rendering_passes_escape_sequences_on() {
    let dirty = dirty();
    let groups = by_label(std::slice::from_ref(&dirty), HOSTILE);
    let style = TextStyle::default();
    let pages = [
        ("text", Ok(text(&dirty, &style))),
        ("csv", csv(&dirty)),
        ("spans", spans_csv(&dirty)),
        ("codecarbon", codecarbon_csv(&dirty)),
        ("scope2", scope2_csv(&dirty)),
        ("methods", methods(&dirty)),
        ("model card", model_card(&dirty)),
        ("metrics", Ok(openmetrics(&dirty, MetricNames::Eco2))),
        ("old metrics", Ok(openmetrics(&dirty, MetricNames::HfTraining))),
        ("groups", Ok(groups_text(&groups, HOSTILE, &style))),
        ("groups csv", groups_csv(&groups, HOSTILE)),
    ];
    for (name, page) in pages {
        let page: String = page.unwrap_or_else(|error: Error| panic!("{name}: {error}"));
        let hidden = page.chars().find(|letter| (letter.is_control() && *letter != '\n') || *letter == '\u{202e}');
        assert_eq!(hidden, None, "{name}: {page:?}");
    }
}

#[test]
fn k17_no_cell_of_a_table_is_a_formula() {
    let dirty = dirty();
    let groups = by_label(std::slice::from_ref(&dirty), "team");
    for table in
        [csv(&dirty), spans_csv(&dirty), codecarbon_csv(&dirty), scope2_csv(&dirty), groups_csv(&groups, "team")]
    {
        let table = table.unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_bytes());
        for row in reader.records() {
            for cell in &row.unwrap() {
                let starts = cell.trim_start().starts_with(['=', '+', '-', '@']);
                assert!(!starts || cell.parse::<f64>().is_ok(), "{cell:?}");
            }
        }
    }
}
