//! Comparison with the committed files: masks, fields that may be new, rewriting.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// Fields that differ from run to run: times, process ids, versions, hosts and the cost of measuring.
const MASKED: &[&str] = &["run.host", "run.tool.version", "self", "[].run.host", "[].run.tool.version", "[].self"];

/// Fields that a live run's real clock decides. Its energies are compared with the truth by the test itself.
pub(crate) const LIVE: &[&str] = &[
    "run.id",
    "run.part",
    "run.command",
    "run.started_at",
    "run.ended_at",
    "run.duration_ns",
    "run.boot_ns",
    "run.attempts[].started_at",
    "run.attempts[].duration_ns",
    "run.attempts[].energy_uj",
    "energy.total_uj",
    "energy.measured_uj",
    "energy.facility_uj",
    "energy.low_uj",
    "energy.high_uj",
    "energy.free_low_uj",
    "energy.free_high_uj",
    "energy.missing_ns",
    "energy.facility_low_uj",
    "energy.facility_high_uj",
    "devices[].energy_uj",
    "devices[].cross_check",
    "devices[].low_uj",
    "devices[].high_uj",
    "devices[].free_low_uj",
    "devices[].free_high_uj",
    "devices[].mean_w",
    "devices[].peak_w",
    "devices[].peak_window_ns",
    "devices[].power_w",
    "devices[].coverage",
    "devices[].update_period_ns",
    "devices[].readings",
    "devices[].failures",
    "devices[].gaps",
    "devices[].gauges",
    "spans[].wide",
    "attribution",
    "host_totals",
    "carbon.grams",
    "carbon.low",
    "carbon.high",
    "carbon.segments[].from",
    "carbon.segments[].to",
    "carbon.segments[].energy_uj",
    "carbon.terms",
    "counters",
    "curves",
    "step_curve",
    "span_times",
    "host_gauges",
    "sources[].reason",
    "sources[].remedy",
    "events[].at",
    "spells",
];

/// Fields that reports gain in this part of the work: accepted where the file does not have them yet.
const ADDED: &[&str] = &[
    "energy.range_kind",
    "energy.range_percent",
    "devices[].model",
    "devices[].method",
    "devices[].peak_window_ns",
    "devices[].range_kind",
    "devices[].range_percent",
    "spans[].range_kind",
    "spans[].range_percent",
    "spans[].free_low_uj",
    "spans[].free_high_uj",
    "spans[].wide",
    "carbon.range_kind",
    "carbon.range_percent",
    "curves",
    "step_curve",
    "span_times",
    "host_totals",
    "host_gauges",
    "attribution.unattributed_uj",
    "attribution.consumers",
    "attribution.free_high_uj",
    "attribution.free_low_uj",
    "groups[].failed_runs",
    "groups[].wasted_uj",
];

/// Differences shown at most.
const SHOWN: usize = 12;

/// Compares a JSON document with its file, the version aside; `masked` adds to the fields that always are.
pub(crate) fn json(name: &str, text: &str, masked: &[&str]) {
    let text = &text.replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
    let mut actual: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
    for path in MASKED.iter().chain(masked) {
        mask(&mut actual, &steps(path));
    }
    let path = file(&format!("{name}.json"));
    if writes() {
        fs::write(path, laid_out(&serde_json::to_string_pretty(&actual).unwrap())).unwrap();
        return;
    }
    let golden: Value = serde_json::from_str(&read(&path)).unwrap();
    let differences = differences(&golden, &actual);
    let shown = differences.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{name}: {} differences:\n{shown}\n{HINT}", differences.len());
}

/// Lists of numbers on one line: curves have hundreds of them.
fn laid_out(pretty: &str) -> String {
    let is_number =
        |line: &str| line.trim_end_matches(',').parse::<f64>().is_ok() || line.trim_end_matches(',') == "null";
    let (mut out, mut inside) = (String::new(), false);
    for line in pretty.lines() {
        let text = line.trim_start();
        let goes_on = out.ends_with('[') || inside;
        inside = goes_on && is_number(text);
        let ends = goes_on && text.starts_with(']');
        if !inside && !ends && !out.is_empty() {
            out.push('\n');
        } else if inside && out.ends_with(',') {
            out.push(' ');
        }
        out.push_str(if inside || ends { text } else { line });
    }
    out + "\n"
}

/// Compares a text with its file, the version aside.
pub(crate) fn text(name: &str, text: &str) {
    let actual = text.replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
    let path = file(&format!("{name}.txt"));
    if writes() {
        fs::write(path, actual).unwrap();
        return;
    }
    let golden = read(&path);
    let changed = golden.lines().zip(actual.lines()).find(|(golden, actual)| golden != actual);
    assert!(golden == actual, "{name}: the first line that differs: {changed:#?}\n{actual}\n{HINT}");
}

const HINT: &str = "a change on purpose: ECO2_GOLDEN=write cargo test -p eco2-cli --test golden, with the reason";

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files").join(name)
}

fn read(path: &PathBuf) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn writes() -> bool {
    let writes = std::env::var("ECO2_GOLDEN").is_ok_and(|word| word == "write");
    assert!(!(writes && std::env::var_os("CI").is_some()), "ECO2_GOLDEN=write is refused where CI is set");
    writes
}

/// `devices[].gaps` as `devices`, `[]`, `gaps`.
fn steps(path: &str) -> Vec<&str> {
    path.split('.')
        .flat_map(|part| part.strip_suffix("[]").map_or([part, ""], |name| [name, "[]"]))
        .filter(|step| !step.is_empty())
        .collect()
}

fn mask(value: &mut Value, steps: &[&str]) {
    let Some((step, rest)) = steps.split_first() else {
        if !value.is_null() {
            *value = Value::String("[MASKED]".to_owned());
        }
        return;
    };
    match value {
        Value::Array(list) if *step == "[]" => list.iter_mut().for_each(|item| mask(item, rest)),
        Value::Object(fields) => fields.get_mut(*step).into_iter().for_each(|field| mask(field, rest)),
        _ => {}
    }
}

/// Where two documents differ, fields aside that only the second has and that may be new.
fn differences(golden: &Value, actual: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", golden, actual, &mut found);
    found
}

fn compare(path: &str, golden: &Value, actual: &Value, found: &mut Vec<String>) {
    match (golden, actual) {
        (Value::Object(golden), Value::Object(actual)) => {
            for (name, value) in golden {
                match actual.get(name) {
                    Some(other) => compare(&below(path, name), value, other, found),
                    None => found.push(format!("{}: {value} is gone", below(path, name))),
                }
            }
            let new = actual.iter().filter(|(name, _)| !golden.contains_key(*name));
            let refused = new.filter(|(name, _)| !may_be_added(&below(path, name)));
            found.extend(refused.map(|(name, value)| format!("{}: {value} is new", below(path, name))));
        }
        (Value::Array(golden), Value::Array(actual)) if golden.len() == actual.len() => {
            for (at, (golden, actual)) in golden.iter().zip(actual).enumerate() {
                compare(&format!("{path}[{at}]"), golden, actual, found);
            }
        }
        _ if golden == actual => {}
        _ => found.push(format!("{path}: {actual} instead of {golden}")),
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Whether a field is on the list, whatever place its devices or spans have.
fn may_be_added(path: &str) -> bool {
    let mut general = String::new();
    let mut within = false;
    for letter in path.chars() {
        within = (within || letter == '[') && letter != ']';
        if !within || letter == '[' {
            general.push(letter);
        }
    }
    let general = general.trim_start_matches("[]").trim_start_matches('.').trim_start_matches("merge.parts[].");
    ADDED.contains(&general)
}

#[test]
fn a_difference_of_one_microjoule_and_a_field_that_is_not_listed_are_seen() {
    let golden = serde_json::json!({"energy": {"total_uj": 5}, "devices": [{"id": "a"}]});
    let mut actual = golden.clone();
    actual["devices"][0]["range_kind"] = "hard".into();
    assert_eq!(differences(&golden, &actual), Vec::<String>::new(), "listed");
    actual["energy"]["total_uj"] = 6.into();
    actual["devices"][0]["colour"] = "red".into();
    assert_eq!(differences(&golden, &actual), ["devices[0].colour: \"red\" is new", "energy.total_uj: 6 instead of 5"]);
    actual["devices"] = Value::Array(Vec::new());
    assert_eq!(differences(&golden, &actual).len(), 2, "a list of another length");
}

#[test]
fn masks_reach_into_lists() {
    let mut value = serde_json::json!({"devices": [{"gaps": [1], "id": "a"}], "self": null});
    mask(&mut value, &steps("devices[].gaps"));
    mask(&mut value, &steps("self"));
    assert_eq!(value, serde_json::json!({"devices": [{"gaps": "[MASKED]", "id": "a"}], "self": null}));
}
