//! include/eco2.h is what the exports say. `scripts/header` writes it; nothing else does.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use cbindgen::{Builder, Config, DocumentationStyle, EnumConfig, ExportConfig, Language, Style};

/// Rust's names and C's.
const NAMES: [(&str, &str); 15] = [
    ("Handle", "eco2_meter"),
    ("Work", "eco2_work"),
    ("EnergyNow", "eco2_energy_now"),
    ("SpanTotal", "eco2_span_sum"),
    ("DeviceInfo", "eco2_device"),
    ("BudgetState", "eco2_budget"),
    ("Batch", "eco2_batch"),
    ("Powers", "eco2_powers"),
    ("SourceDomain", "eco2_source_domain"),
    ("SourceTable", "eco2_source"),
    ("LogFn", "eco2_log_fn"),
    ("ReadFn", "eco2_read_fn"),
    ("ItemFn", "eco2_item_fn"),
    ("NumberFn", "eco2_number_fn"),
    ("FailedFn", "eco2_failed_fn"),
];

/// In the order in which a reader wants them.
const FILES: [&str; 20] = [
    "status",
    "numbers",
    "version",
    "failure",
    "log",
    "handle",
    "open",
    "close",
    "record",
    "late",
    "read",
    "devices",
    "render",
    "budget",
    "batch",
    "powers",
    "columns",
    "merge",
    "grid",
    "source_table",
];

const HEAD: &str = "/* eco2: the energy and carbon of machine-learning training, with bounds. SPDX: MIT OR Apache-2.0
 *
 * Functions return ECO2_OK (0) or a code; eco2_last_error() says why. Results go to the last parameters, on success
 * only. A meter may be used by many threads at once; recording is wait-free. Set struct_size before you pass a struct.
 * Nothing is printed, no signal handler is installed, no fault of measuring ends the program. In a forked child every
 * call on the parent's meter gives ECO2_ERR_FORKED; it may open its own. Not to be called from signal handlers.
 *
 * Written by scripts/header from the library's source: do not edit. */";

fn config() -> Config {
    let mut parts = env!("CARGO_PKG_VERSION").split('.');
    let mut part = || parts.next().unwrap();
    let version = format!(
        "#define ECO2_VERSION \"{}\"\n#define ECO2_VERSION_MAJOR {}\n#define ECO2_VERSION_MINOR {}\n#define ECO2_VERSION_PATCH {}",
        env!("CARGO_PKG_VERSION"),
        part(),
        part(),
        part()
    );
    let mut names = NAMES.map(|(rust, c)| (rust.to_owned(), c.to_owned())).to_vec();
    names.push(("DestroyFn".to_owned(), "eco2_destroy_fn".to_owned()));
    Config {
        language: Language::C,
        header: Some(HEAD.to_owned()),
        include_guard: Some("ECO2_H".to_owned()),
        no_includes: true,
        sys_includes: vec!["stddef.h".to_owned(), "stdint.h".to_owned()],
        after_includes: Some(format!("\n{version}")),
        cpp_compat: true,
        documentation_style: DocumentationStyle::C,
        style: Style::Both,
        usize_is_size_t: true,
        line_length: 110,
        export: ExportConfig { rename: names.into_iter().collect(), ..ExportConfig::default() },
        enumeration: EnumConfig::default(),
        ..Config::default()
    }
}

fn generated() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = FILES.iter().chain(&["source", "debug"]);
    let builder = files.fold(Builder::new().with_config(config()), |builder, file| {
        builder.with_src(folder.join(format!("{file}.rs")))
    });
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/eco2.h")
}

#[test]
fn the_committed_header_is_what_the_exports_say() {
    let generated = generated();
    if std::env::var_os("WRITE_HEADER").is_some() {
        fs::write(place(), &generated).unwrap();
    }
    let committed = fs::read_to_string(place()).unwrap_or_default();
    let differs = generated.lines().zip(committed.lines()).position(|(ours, theirs)| ours != theirs);
    assert!(
        generated == committed,
        "include/eco2.h is stale from line {:?} on: run scripts/header",
        differs.map(|at| at + 1)
    );
}

#[test]
fn every_source_file_with_an_export_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let header = generated();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter(|line| line.contains("extern \"C\" fn eco2_")) {
            let name = line.split("fn ").nth(1).unwrap().split('(').next().unwrap();
            assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
        }
    }
}
