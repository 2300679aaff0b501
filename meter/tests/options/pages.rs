//! docs/options.md and python/src/eco2/_options.py, written from the rows of options by `scripts/options`; docs/events.md,
//! written by it from the catalogue of event kinds.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use eco2::options::{Effect, PROVIDERS, Row, SOURCES, Subject, Takes, WEBHOOKS, opt};
use eco2_core::schema::EventKind;

const HEAD: &str = "\
# Options

Look up an option of a measured run. The name is that of `eco2.toml`, JSON and Python. A dot separates a table from a name: `budget.strict`
is `strict` in `[budget]`, and `Meter(budget={\"strict\": True})` in Python. An option is set by, in this order: its flag or
the program, its variable, `./eco2.toml`, `$XDG_CONFIG_HOME/eco2/config.toml`, `/etc/eco2/config.toml`. An empty variable
counts as not set. Options marked † load code, name a path or decide where data is sent: a project's `./eco2.toml`, and a
file that other users can write, do not set them. Written by `scripts/options` from the rows in `meter/src/options`.
";

const PYTHON_HEAD: &str = "\
\"\"\"The options of a meter, for type checkers and editors.

Written by scripts/options from the rows in meter/src/options, and not to be edited. A value of None is left out.
\"\"\"

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypedDict, Union

_Path = Union[str, \"os.PathLike[str]\"]
";

const EVENTS_HEAD: &str = "\
# Events

Look up the kind of an event in a report, a log or an alert. An event has a time `at` (nanoseconds since the start of the run), a
`kind`, a `device` (or source; empty for the run) and a `text`. Kinds do not change between versions; new ones may be added. Those
marked † are also sent to listeners, to webhooks and by e-mail while the run goes on. Written by `scripts/options` from
`core/src/schema/event_kind.rs`.

A *source* is an interface that eco2 reads, such as NVML or RAPL. A *segment* is a counter's time between two resets or gaps. A
*span* is a named part of the run. A *rank* is one process of a distributed training, an *attempt* one start of it, and a *record*
the report of one process.
";

fn events_page() -> String {
    let (mut page, mut group) = (EVENTS_HEAD.to_owned(), "");
    for kind in EventKind::ALL {
        if std::mem::replace(&mut group, kind.group()) != kind.group() {
            write!(page, "\n## {group}\n\n| kind | what happened | what to do |\n|---|---|---|\n").unwrap();
        }
        let mark = if kind.is_alert() { " †" } else { "" };
        writeln!(page, "| `{kind}`{mark} | {} | {} |", kind.meaning(), kind.action()).unwrap();
    }
    page
}

fn of(subject: Subject) -> impl Iterator<Item = &'static Row> {
    opt::all().filter(move |row| row.subject == subject)
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for subject in Subject::ALL {
        write!(page, "\n## {}\n\n", subject.heading()).unwrap();
        page += "| option | flag | variable | what | allowed, such as |\n|---|---|---|---|---|\n";
        of(subject).for_each(|row| page += &line(row));
    }
    page
}

fn line(row: &Row) -> String {
    let mark = if row.effect == Effect::Describes { "" } else { " †" };
    let flag = row.flag.map_or(String::new(), |flag| {
        let short = flag.short.map_or(String::new(), |short| format!("`-{short}`, "));
        format!("{short}`{}`", format!("{} {}", flag.name, flag.value).trim_end())
    });
    let Row { name, variable, allowed, example, .. } = row;
    format!("| `{name}`{mark} | {flag} | `{variable}` | {} | {allowed}: `{example}` |\n", row.help_with_default())
}

fn python() -> String {
    let (limits, plain): (Vec<&Row>, Vec<&Row>) = opt::all().partition(|row| row.name.starts_with("budget."));
    let mut text = PYTHON_HEAD.to_owned();
    text += "\n\nclass BudgetOptions(TypedDict, total=False):\n    \"\"\"The table `budget`.\"\"\"\n";
    limits.iter().for_each(|row| text += &field(row));
    text += "\n\nclass Options(TypedDict, total=False):\n    \"\"\"Keywords of `Meter`.\"\"\"\n";
    plain.iter().for_each(|row| text += &field(row));
    text += "\n    budget: BudgetOptions\n    \"\"\"Limits and prices.\"\"\"\n";
    text
}

fn field(row: &Row) -> String {
    let name = row.name.rsplit('.').next().unwrap();
    let help = wrapped(&row.help_with_default());
    format!("\n    {name}: {} | None\n    \"\"\"{help}\"\"\"\n", python_type(row))
}

/// At most 115 columns, as the package's other files.
fn wrapped(help: &str) -> String {
    let (mut text, mut width) = (String::new(), 7);
    for word in help.split(' ') {
        width += word.chars().count() + 1;
        if width > 112 {
            text.truncate(text.trim_end().len());
            text += "\n    ";
            width = 4 + word.chars().count();
        }
        text += word;
        text.push(' ');
    }
    text.trim_end().to_owned() + "."
}

fn python_type(row: &Row) -> &'static str {
    match row.kind.trim_start_matches("Option<").trim_end_matches('>') {
        "f64" => "float",
        "u32" => "int",
        "bool" => "bool",
        "PathBuf" => "_Path",
        "Duration" => "float | str",
        "Log" => "bool | _Path",
        "String" | "i64" | "CloudPower" | "Decision" | "Scope" | "SummaryLength" => "str",
        "Vec<String" if row.name == "gpus" => "Sequence[int | str]",
        "Vec<String" => "Sequence[str]",
        "Vec<(String, f64)" => "Mapping[str, float]",
        "BTreeMap<String, String" => "Mapping[str, str]",
        other => panic!("no type of Python is named for {other}"),
    }
}

fn is_current(place: &str, written: &str) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(place);
    if std::env::var_os("WRITE_OPTIONS").is_some() {
        fs::write(&place, written).unwrap();
    }
    let committed = fs::read_to_string(&place).unwrap_or_default();
    let differs = written.lines().zip(committed.lines()).find(|(ours, theirs)| ours != theirs);
    assert!(written == committed, "{} is stale: run scripts/options: {differs:?}", place.display());
}

#[test]
fn table_of_options_is_written_from_the_rows() {
    is_current("docs/options.md", &page());
}

#[test]
fn table_of_events_is_written_from_the_catalogue() {
    is_current("docs/events.md", &events_page());
}

#[test]
fn keywords_of_python_are_written_from_the_rows() {
    is_current("python/src/eco2/_options.py", &python());
}

#[test]
fn texts_of_a_row_list_the_names_that_it_takes() {
    for (row, names) in [(&opt::SOURCES, SOURCES), (&opt::INTENSITY_PROVIDER, PROVIDERS), (&opt::WEBHOOK, WEBHOOKS)] {
        assert!(names.iter().all(|name| row.allowed.contains(name)), "{}", row.allowed);
    }
    let help = |row: &Row, names: &[&str]| names.iter().all(|name| row.help.contains(name));
    assert!(help(&opt::INTENSITY_PROVIDER, PROVIDERS) && help(&opt::WEBHOOK, WEBHOOKS));
}

#[test]
fn texts_of_rows_are_one_line_each() {
    for row in opt::all() {
        let first = row.help.chars().next().unwrap();
        assert!(first.is_uppercase() || row.help.starts_with("GPUs"), "{}: {}", row.name, row.help);
        assert!(!row.help.contains(['\n', '|']) && !row.help.ends_with('.'), "{}: {}", row.name, row.help);
        let takes_value = !matches!(row.flag.map(|flag| flag.takes), Some(Takes::Nothing(_)) | None);
        assert_eq!(takes_value, row.flag.is_some_and(|flag| !flag.value.is_empty()), "{}", row.name);
    }
}
