//! Hostile names in every field of a report, in every format: a name is plain text in each, whatever its characters mean there.

use eco2_core::schema::{Report, StepCurve};
use eco2_report::{
    Error, LogSummary, MetricNames, Period, RunEnd, RunList, RunTotals, ShortStyle, StoredRun, TextStyle, by_label,
    by_period, compare, compare_by, comparison_csv, comparison_html, comparison_json, comparison_latex,
    comparison_markdown, comparison_text,
};
use serde_json::Value;

use crate::fixture::report;

/// Names with characters that mean something to a browser, a terminal, LaTeX, a spreadsheet, Markdown, YAML, JSON or Prometheus.
const HOSTILE: [&str; 10] = [
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>&lt;\"'",
    "\u{1b}[2J\u{9b}1m\u{202e}\u{7}\u{0}\u{1b}]0;x\u{7}",
    "\\input{/etc/passwd} \\write18{x} $y$ #1 ^^41 ~ % & _ {} `` '' \\\\ \\end{tabular} [x] --",
    "=HYPERLINK(\"http://x\",\"y\")",
    "+1|-1;@SUM(A1);=1,＝1\t=1",
    "| a | **b** [c](http://x) ![d](e) <b> `f` ~~g~~ # h",
    "\r\n# TYPE eco2_x gauge\neco2_x 1\n",
    "a: b\n- c: \"d\\\" # e",
    "\",\"energy\":0,\"\\u0000",
    "@cmd|' /C calc'!A0 é ß ± µ",
];

/// How text is checked that a format made.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// For people: nothing hidden.
    Text,
    Page,
    Csv,
    Markdown,
    Latex,
    Json,
    Metrics,
}

/// Returns every format of a report, of comparisons and of lists.
fn formats(report: &Report) -> Vec<(&'static str, Kind, Result<String, Error>)> {
    use eco2_report as r;
    let (style, runs) = (TextStyle::default(), [report.clone(), report.clone()]);
    let label: String = report.run.labels.keys().next().cloned().unwrap_or_default();
    let (groups, sums) = (by_label(&runs, &label), by_period(&runs, Some(&label), Period::Day));
    let plain = compare(&runs, None, &[]);
    let grouped = compare_by(&runs, None, &[], std::slice::from_ref(&label));
    let list = list(report);
    vec![
        ("text", Kind::Text, Ok(r::text(report, &style))),
        ("summary", Kind::Text, Ok(r::short_text(report, &ShortStyle::default()).text)),
        ("html", Kind::Page, Ok(r::html(report))),
        ("json", Kind::Json, r::json(report)),
        ("csv", Kind::Csv, r::csv(report)),
        ("spans-csv", Kind::Csv, r::spans_csv(report)),
        ("markdown", Kind::Markdown, Ok(r::markdown(report))),
        ("latex", Kind::Latex, Ok(r::latex(report))),
        ("firefox", Kind::Json, r::firefox_profile(report)),
        ("hf-json", Kind::Json, r::hf_json(report)),
        ("openmetrics", Kind::Metrics, Ok(r::openmetrics(report, MetricNames::Eco2))),
        ("openmetrics-hf", Kind::Metrics, Ok(r::openmetrics(report, MetricNames::HfTraining))),
        ("codecarbon", Kind::Csv, r::codecarbon_csv(report)),
        ("sci", Kind::Json, r::sci_json(report)),
        ("hf", Kind::Text, r::model_card(report)),
        ("cyclonedx", Kind::Json, r::cyclonedx_json(report)),
        ("steady", Kind::Text, r::steady_text(&with_steps(report), &style)),
        ("steady, json", Kind::Json, r::steady_json(&with_steps(report))),
        ("boamps", Kind::Json, r::boamps_json(report)),
        ("scope2", Kind::Csv, r::scope2_csv(report)),
        ("ai-act", Kind::Json, r::ai_act_json(report)),
        ("methods", Kind::Text, r::methods(report)),
        ("checklist", Kind::Text, Ok(r::compute_checklist(&runs, Some(&label), &runs, &label))),
        ("gpai", Kind::Markdown, r::gpai(&runs)),
        ("share", Kind::Json, r::summary_json(report)),
        ("by, text", Kind::Text, Ok(r::groups_text(&groups, &label, &style))),
        ("by, csv", Kind::Csv, r::groups_csv(&groups, &label)),
        ("by, json", Kind::Json, r::groups_json(&groups, &label)),
        ("period, text", Kind::Text, Ok(r::periods_text(&sums, Period::Day, Some(&label), &style))),
        ("period, csv", Kind::Csv, r::periods_csv(&sums, Period::Day)),
        ("period, json", Kind::Json, r::periods_json(&sums, Period::Day, Some(&label))),
        ("runs, text", Kind::Text, Ok(r::runs_text(&list, &style))),
        ("runs, csv", Kind::Csv, r::runs_csv(&list)),
        ("runs, markdown", Kind::Markdown, Ok(r::runs_markdown(&list))),
        ("runs, json", Kind::Json, r::runs_json(&list, None)),
        ("compare, text", Kind::Text, Ok(comparison_text(&plain, &style))),
        ("compare, html", Kind::Page, Ok(comparison_html(&plain))),
        ("compare, csv", Kind::Csv, comparison_csv(&plain)),
        ("compare, markdown", Kind::Markdown, Ok(comparison_markdown(&plain))),
        ("compare, latex", Kind::Latex, Ok(comparison_latex(&plain))),
        ("compare, json", Kind::Json, comparison_json(&plain)),
        ("compare --by, text", Kind::Text, Ok(comparison_text(&grouped, &style))),
        ("compare --by, html", Kind::Page, Ok(comparison_html(&grouped))),
        ("compare --by, csv", Kind::Csv, comparison_csv(&grouped)),
        ("compare --by, markdown", Kind::Markdown, Ok(comparison_markdown(&grouped))),
        ("compare --by, latex", Kind::Latex, Ok(comparison_latex(&grouped))),
    ]
}

/// Returns a report with enough steps over time.
fn with_steps(report: &Report) -> Report {
    let curve = StepCurve {
        bin_ns: 1_000_000_000,
        count: vec![10; 20],
        duration_ns: vec![1_000_000_000; 20],
        energy_uj: (0..20).map(|second| Some(if second < 2 { 50_000_000 } else { 10_000_000 })).collect(),
        low_uj: vec![9_000_000; 20],
        high_uj: (0..20).map(|second| Some(if second < 2 { 51_000_000 } else { 11_000_000 })).collect(),
        ..report.step_curve.clone().unwrap_or_default()
    };
    Report { step_curve: Some(curve), ..report.clone() }
}

#[test]
fn settled_part_has_energy_per_step_the_rule_and_what_was_left_out() {
    let report = with_steps(&report());
    let found: Value = serde_json::from_str(&eco2_report::steady_json(&report).unwrap()).unwrap();
    // 180 steps of 1 J, known from 0.9 to 1.1 J; 20 steps of 5 J before.
    assert_eq!((found["steps"].as_u64(), found["left_out_steps"].as_u64()), (Some(180), Some(20)));
    let joules = |key: &str, end: &str| found[key][end].as_f64().unwrap();
    assert_eq!(joules("joules_per_step", "value"), 1.0);
    assert_eq!((joules("joules_per_step", "low"), joules("joules_per_step", "high")), (0.9, 1.1));
    assert_eq!(joules("left_out_joules_per_step", "value"), 5.0);
    let text = eco2_report::steady_text(&report, &TextStyle { width: 200, ..TextStyle::default() }).unwrap();
    for words in ["per step", "180 of 200 steps", "20 steps at the start", "White 1997"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let error = eco2_report::steady_json(&crate::fixture::report()).unwrap_err().to_string();
    assert!(error.contains("too few steps") && error.contains("meter.step()"), "one part only: {error}");
}

/// Returns a list of one stored run with the names of a report.
fn list(report: &Report) -> RunList {
    let run = &report.run;
    let summary = LogSummary {
        run_id: run.id.clone(),
        name: run.name.clone(),
        labels: run.labels.clone(),
        energy: report.energy.clone(),
        ..LogSummary::default()
    };
    let faults = vec![run.name.clone()];
    let runs = vec![StoredRun { summary, end: RunEnd::Ended, faults, records: Vec::new(), overlaps: false }];
    RunList { totals: RunTotals::of(&runs), runs }
}

/// The fixture with a text in every field that takes any text, found by trying all of them.
fn dirty(hostile: &str) -> Report {
    let mut document = serde_json::to_value(report()).unwrap();
    let mut count = 0;
    for place in places(&document, "") {
        let before = document.pointer(&place).cloned().unwrap();
        *document.pointer_mut(&place).unwrap() = hostile.into();
        if serde_json::from_value::<Report>(document.clone()).is_ok() {
            count += 1;
        } else {
            *document.pointer_mut(&place).unwrap() = before;
        }
    }
    assert!(count > 40, "{count} fields take text");
    let mut dirty: Report = serde_json::from_value(document).unwrap();
    dirty.run.labels.insert(hostile.to_owned(), hostile.to_owned());
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

/// Returns what is wrong with a text; empty if nothing is.
fn fault(kind: Kind, text: &str) -> String {
    let hidden = |letter: &char| (letter.is_control() && !matches!(letter, '\n' | '\t')) || *letter == '\u{202e}';
    if kind == Kind::Json {
        // Hidden characters are data there; control characters are escapes.
        return serde_json::from_str::<Value>(text).err().map_or_else(String::new, |error| error.to_string());
    }
    if let Some(letter) = text.chars().find(hidden) {
        return format!("the hidden character {letter:?}");
    }
    match kind {
        Kind::Text | Kind::Json => String::new(),
        Kind::Page => page_fault(text),
        Kind::Csv => csv_fault(text),
        Kind::Markdown => markdown_fault(text),
        Kind::Latex => latex_fault(text),
        Kind::Metrics => {
            let is_metric = |line: &str| line.starts_with("# ") || line.starts_with("eco2_") || line.starts_with("hf_");
            let stray = text.lines().find(|line| !is_metric(line) || *line == "eco2_x 1");
            stray.map_or_else(String::new, |line| format!("the line {line}"))
        }
    }
}

fn page_fault(page: &str) -> String {
    match page.matches("<script").count() {
        3 if !page.contains("<script>alert") && !page.contains("<img") => String::new(),
        count => format!("{count} scripts, or markup from a name"),
    }
}

fn csv_fault(table: &str) -> String {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_bytes());
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => return error.to_string(),
        };
        let is_formula =
            |cell: &&str| cell.trim_start().starts_with(['=', '+', '-', '@', '＝']) && cell.parse::<f64>().is_err();
        if let Some(cell) = row.iter().find(is_formula) {
            return format!("the cell {cell:?}");
        }
    }
    String::new()
}

/// Removes the characters that a backslash escapes.
fn without_escapes(text: &str) -> String {
    let (mut rest, mut letters) = (String::new(), text.chars());
    while let Some(letter) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else {
            rest.push(letter);
        }
    }
    rest
}

fn markdown_fault(text: &str) -> String {
    let rest = without_escapes(text);
    if let Some(letter) = rest.chars().find(|letter| matches!(letter, '<' | '`' | '~' | '$')) {
        return format!("the sign {letter:?}");
    }
    if rest.contains("](") {
        return "a link".to_owned();
    }
    // Every row of a table has the cells of its head.
    let mut head = 0;
    for line in rest.lines() {
        let cells = line.matches('|').count();
        if cells > 0 && head > 0 && cells != head {
            return format!("the row {line}");
        }
        head = cells;
    }
    String::new()
}

fn latex_fault(text: &str) -> String {
    for command in ["\\input", "\\write", "\\end{tabular} ", "$", "^^"] {
        if text.replace("\\$", "").contains(command) {
            return format!("the command {command}");
        }
    }
    let body: String = text.lines().filter(|line| !line.starts_with('%')).collect();
    let rest = without_escapes(&body);
    rest.chars()
        .find(|letter| matches!(letter, '%' | '#' | '_'))
        .map_or_else(String::new, |sign| format!("the sign {sign}"))
}

#[test]
fn k17_hostile_names_are_plain_text_in_every_format() {
    let mut faults = Vec::new();
    for hostile in HOSTILE {
        for (name, kind, text) in formats(&dirty(hostile)) {
            let fault = match &text {
                Ok(text) => fault(kind, text),
                Err(error) => error.to_string(),
            };
            if !fault.is_empty() {
                faults.push(format!("{name} of {hostile:?}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn checks_of_hostile_names_find_what_they_look_for() {
    for (kind, text) in [
        (Kind::Text, "a\u{1b}[2J"),
        (Kind::Page, "<script></script><script></script><script></script><img src=x>"),
        (Kind::Csv, "a,b\n=1,2\n"),
        (Kind::Csv, "a,b\n1\n"),
        (Kind::Markdown, "| a |\n| b | c |\n"),
        (Kind::Markdown, "<b>"),
        (Kind::Markdown, "[a](http://x)"),
        (Kind::Latex, "\\input{x}"),
        (Kind::Latex, "50 % & a_b"),
        (Kind::Json, "{\"a\": \"\u{1b}\"}"),
        (Kind::Metrics, "eco2_x{name=\"a\nb\"} 1"),
    ] {
        assert!(!fault(kind, text).is_empty(), "{kind:?}: {text:?}");
    }
}

#[test]
fn k17_tables_with_hostile_names_compile_in_latex() {
    let Some(pdflatex) = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|folder| folder.join("pdflatex")).find(|file| file.is_file())
    }) else {
        return println!("skipped: no pdflatex is installed");
    };
    let folder = tempfile::tempdir().unwrap();
    let mut document = "\\documentclass{article}\n\\begin{document}\n".to_owned();
    for hostile in HOSTILE {
        for (_, _, text) in formats(&dirty(hostile)).into_iter().filter(|(_, kind, _)| *kind == Kind::Latex) {
            document += &format!("{}\n\\clearpage\n", text.unwrap());
        }
    }
    std::fs::write(folder.path().join("t.tex"), document + "\\end{document}\n").unwrap();
    let mut command = std::process::Command::new(pdflatex);
    command.args(["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]).current_dir(&folder);
    let ran = command.output().unwrap();
    let log = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{}", &log[log.len().saturating_sub(3_000)..]);
    assert!(std::fs::read(folder.path().join("t.pdf")).unwrap().starts_with(b"%PDF"));
}
