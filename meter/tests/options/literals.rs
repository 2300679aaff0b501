//! An option's name, variable or flag is written in its row, and nowhere else in the code of the meter, the C interface and
//! the command: code refers to the row.

use std::fs;
use std::path::{Path, PathBuf};

use eco2::options::opt;

/// Folders whose code is looked through.
const CODE: [&str; 3] = ["meter/src", "ffi/src", "cli/src"];

/// Names that mean something else where they stand, by file: keys of other documents and names of events.
const OTHERS: [(&str, &[&str]); 0] = [];

/// Names of one word are common words and keys of documents; the type of what takes an option keeps them out.
fn names() -> Vec<String> {
    let rows = opt::all();
    let of = |row: &'static eco2::options::Row| {
        let last = row.name.rsplit('.').next().unwrap();
        let words = [row.name, last].into_iter().filter(|name| name.contains(['_', '.']));
        let flag = row.flag.map(|flag| flag.name);
        words.chain([row.variable]).chain(flag).map(str::to_owned).collect::<Vec<_>>()
    };
    rows.flat_map(of).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs")
            && !name.ends_with("tests")
            && !(name.starts_with("rows") && path.parent().is_some_and(|parent| parent.ends_with("options")))
        {
            found.push(path);
        }
    }
}

/// String literals of the code before its tests, with their lines; comments have none.
fn literals(text: &str) -> Vec<(usize, String)> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
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

#[test]
fn no_code_but_the_rows_writes_the_name_of_an_option() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (names, mut files, mut faults) = (names(), Vec::new(), Vec::new());
    CODE.iter().for_each(|folder| sources(&root.join(folder), &mut files));
    assert!(files.len() > 100, "{}", files.len());
    for path in files {
        let shown = path.strip_prefix(&root).unwrap().display().to_string();
        let others = OTHERS.iter().find(|(file, _)| *file == shown).map_or(&[][..], |(_, others)| others);
        let places = written(&fs::read_to_string(&path).unwrap(), &names);
        let places = places.into_iter().filter(|(_, name)| !others.contains(&name.as_str()));
        faults.extend(places.map(|(line, name)| format!("{shown}:{line}: {name:?}")));
    }
    assert!(faults.is_empty(), "refer to the option's row in eco2::options::opt:\n{}", faults.join("\n"));
}

#[test]
fn planted_name_variable_and_flag_are_found() {
    let text = "//! \"intensity_series\"\nfn f() {\n    g(\"intensity_series\", \"ECO2_PUE\"); // \"x\"\n    h(\"--no-log\", \"zone\", \
                \"price_per_kwh\");\n}\n#[cfg(test)]\nmod tests { \"ECO2_PUE\" }\n";
    let found: Vec<String> = written(text, &names()).into_iter().map(|(line, name)| format!("{line} {name}")).collect();
    assert_eq!(found, ["3 intensity_series", "3 ECO2_PUE", "4 --no-log", "4 price_per_kwh"]);
}
