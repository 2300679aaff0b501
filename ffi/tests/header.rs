//! `include/eco2.h` is generated from the exports by cbindgen. `scripts/header` writes it; this test compares it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use cbindgen::{Builder, Config, DocumentationStyle, EnumConfig, ExportConfig, Language, Style};

/// Names of types in Rust and in C.
const NAMES: [(&str, &str); 17] = [
    ("Handle", "eco2_meter"),
    ("StepWork", "eco2_work"),
    ("EnergyNow", "eco2_energy_now"),
    ("SpanSum", "eco2_span_sum"),
    ("DeviceInfo", "eco2_device"),
    ("BudgetState", "eco2_budget"),
    ("RequestEnergy", "eco2_request"),
    ("RequestTotals", "eco2_request_totals"),
    ("BatchColumns", "eco2_batch"),
    ("PowerColumns", "eco2_powers"),
    ("SourceDomain", "eco2_source_domain"),
    ("SourceTable", "eco2_source"),
    ("LogFn", "eco2_log_fn"),
    ("ReadFn", "eco2_read_fn"),
    ("ItemFn", "eco2_item_fn"),
    ("NumberFn", "eco2_number_fn"),
    ("FailedFn", "eco2_failed_fn"),
];

/// Source files with exports, in the order of the header.
const FILES: [&str; 16] = [
    "status",
    "numbers",
    "library",
    "process",
    "handle",
    "lifecycle",
    "record",
    "read",
    "devices",
    "requests",
    "reports",
    "budget",
    "batch",
    "powers",
    "grid",
    "source",
];

const HEAD: &str = "/* eco2: energy use and emissions of machine-learning training, with an uncertainty range. SPDX: MIT OR Apache-2.0
 *
 * Functions return ECO2_OK (0) or a status code; eco2_last_error() has the reason. They write results to the last
 * parameters, on success only. Several threads may use a meter at once; recording is wait-free. Set struct_size before
 * you pass a struct. The library prints nothing and installs no signal handler, and no measurement error ends the
 * program. In a forked child every call on the parent's meter returns ECO2_ERR_FORKED; the child may open its own. Do not
 * call the library from signal handlers.
 *
 * Meter: one measured run. Device: one measured quantity, such as a CPU package or a GPU board. Span: a named stretch of
 * time on one thread. Step: a span whose end begins the next one. Complete programs are at eco2_meter_open(),
 * eco2_span_begin(), eco2_budget_check(), eco2_plan() and eco2_register_source().
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

/// Writes a copy of a source file in which the lines `NAME = VALUE;` of `status_codes!` are constants.
fn expanded(source: &Path, folder: &Path) -> PathBuf {
    let text = fs::read_to_string(source).unwrap();
    let (before, rest) = text.split_once("status_codes! {\n").unwrap();
    let (codes, after) = rest.split_once("\n}\n").unwrap();
    let constants = codes.replace("    ECO2_", "    pub const ECO2_").replace(" = ", ": i32 = ");
    let copy = folder.join("status.rs");
    fs::write(&copy, format!("{before}{constants}\n{after}")).unwrap();
    copy
}

fn generated() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let scratch = tempfile::tempdir().unwrap();
    let builder = FILES.iter().fold(Builder::new().with_config(config()), |builder, file| {
        let source = folder.join(format!("{file}.rs"));
        builder.with_src(if *file == "status" { expanded(&source, scratch.path()) } else { source })
    });
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/eco2.h")
}

#[test]
fn committed_header_is_generated_from_the_exports() {
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
