//! Declared names are written once. An option's name, variable or flag is in its row, an event's kind is in the catalogue;
//! all other code refers to the row or to the variant of `EventKind`.

use std::fs;
use std::path::{Path, PathBuf};

use eco2::options::opt;
use eco2_core::schema::EventKind;

/// Folders whose code may not write the names of options.
const OF_OPTIONS: [&str; 3] = ["meter/src", "ffi/src", "cli/src"];

/// Folders whose code may not write the kinds of events.
const OF_EVENTS: [&str; 8] =
    ["core/src", "samplers/src", "net/src", "grid/src", "report/src", "meter/src", "ffi/src", "cli/src"];

/// Texts that are the kind of an event and have another meaning in this file.
const OTHER_MEANINGS: [(&str, &[&str]); 4] = [
    // Reasons of gaps.
    ("core/src/reading.rs", &["reset", "wrap-ambiguous", "frozen", "suspend", "implausible"]),
    // Why a source is read in another way.
    ("samplers/src/decision.rs", &["pace"]),
    // A key of the callback's report.
    ("report/src/render/hf.rs", &["intensity"]),
    // A column of a table.
    ("report/src/render/periods.rs", &["unpriced"]),
];

/// Names of one word are common words and keys of documents; the type of what takes an option keeps them out.
fn names_of_options() -> Vec<String> {
    let rows = opt::all();
    let of = |row: &'static eco2::options::Row| {
        let last = row.name.rsplit('.').next().unwrap();
        let words = [row.name, last].into_iter().filter(|name| name.contains(['_', '.']));
        let flag = row.flag.map(|flag| flag.name);
        words.chain([row.variable]).chain(flag).map(str::to_owned).collect::<Vec<_>>()
    };
    rows.flat_map(of).collect()
}

fn names_of_events() -> Vec<String> {
    EventKind::ALL.iter().map(|kind| kind.name().to_owned()).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs")
            && !name.ends_with("tests")
            && name != "event_kind"
            && !(name.starts_with("rows") && path.parent().is_some_and(|parent| parent.ends_with("options")))
        {
            found.push(path);
        }
    }
}

/// String literals of the code before its tests, with their lines; comments have none.
fn literals(text: &str) -> Vec<(usize, String)> {
    let code = text.split("\nmod tests {").next().unwrap_or_default();
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let line = line.trim_start();
        if line.starts_with("//") {
            continue;
        }
        let plain = line.replace("\\\"", "");
        found.extend(plain.split('"').skip(1).step_by(2).map(|literal| (number + 1, literal.to_owned())));
    }
    found
}

/// Places at which a text writes one of the names.
fn written(text: &str, names: &[String]) -> Vec<(usize, String)> {
    let is_name = |literal: &String| names.iter().any(|name| name == literal);
    literals(text).into_iter().filter(|(_, literal)| is_name(literal)).collect()
}

/// Literals of the folders' code that are one of the names: `file:line: "name"`.
fn written_in(folders: &[&str], names: &[String]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut files, mut found) = (Vec::new(), Vec::new());
    folders.iter().for_each(|folder| sources(&root.join(folder), &mut files));
    assert!(files.len() > 100, "{}", files.len());
    for path in files {
        let shown = path.strip_prefix(&root).unwrap().display().to_string();
        let places = written(&fs::read_to_string(&path).unwrap(), names);
        found.extend(places.into_iter().map(|(line, name)| format!("{shown}:{line}: {name:?}")));
    }
    found
}

#[test]
fn no_code_but_the_rows_writes_the_name_of_an_option() {
    let faults = written_in(&OF_OPTIONS, &names_of_options());
    assert!(faults.is_empty(), "refer to the option's row in eco2::options::opt:\n{}", faults.join("\n"));
}

#[test]
fn no_code_but_the_catalogue_writes_the_kind_of_an_event() {
    let has_other_meaning = |place: &String| {
        OTHER_MEANINGS.iter().any(|(file, names)| {
            let in_file = place.strip_prefix(file).is_some_and(|rest| rest.starts_with(':'));
            in_file && names.iter().any(|name| place.ends_with(&format!(": {name:?}")))
        })
    };
    let mut faults = written_in(&OF_EVENTS, &names_of_events());
    faults.retain(|place| !has_other_meaning(place));
    assert!(faults.is_empty(), "refer to the variant of eco2_core::schema::EventKind:\n{}", faults.join("\n"));
}

#[test]
fn planted_names_are_found() {
    let text = "//! \"intensity_series\"\nfn f() {\n    g(\"intensity_series\", \"ECO2_PUE\"); // \"x\"\n    h(\"--no-log\", \"zone\", \
                \"price_per_kwh\");\n    event(\"gpu-lost\");\n}\n#[cfg(test)]\nmod tests { \"ECO2_PUE\", \"xid\" }\n";
    let found = |names: &[String]| -> Vec<String> {
        written(text, names).into_iter().map(|(line, name)| format!("{line} {name}")).collect()
    };
    let of_options = ["3 intensity_series", "3 ECO2_PUE", "4 --no-log", "4 price_per_kwh"];
    assert_eq!(found(&names_of_options()), of_options);
    assert_eq!(found(&names_of_events()), ["5 gpu-lost"]);
}
