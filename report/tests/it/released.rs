//! The JSON Schemas against those of released versions, in `data/released/VERSION`: what an earlier version wrote stays valid, and no
//! field disappears. A release adds a folder with its schemas.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use eco2_report::{SCHEMA_JSON, SUMMARY_SCHEMA_JSON};
use serde_json::{Value, json};

/// Keywords that [`Pair::compare`] understands, or that permit and refuse nothing.
const KEYWORDS: [&str; 21] = [
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "exclusiveMinimum",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "x-unit",
];

/// Two versions of a schema; references lead into their roots.
struct Pair<'a> {
    old: &'a Value,
    new: &'a Value,
}

fn resolved<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    match node.get("$ref").and_then(Value::as_str) {
        Some(reference) => resolved(root, root.pointer(reference.trim_start_matches('#')).unwrap()),
        None => node,
    }
}

fn strings(node: &Value, key: &str) -> BTreeSet<String> {
    let list = node.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Types that a schema permits; `None`: all. Each integer is a number.
fn types(node: &Value) -> Option<BTreeSet<String>> {
    let mut found = match node.get("type")? {
        Value::String(single) => BTreeSet::from([single.clone()]),
        _ => strings(node, "type"),
    };
    if found.contains("number") {
        found.insert("integer".to_owned());
    }
    Some(found)
}

/// Values that a schema lists; `None`: it lists none, and permits all of its type.
fn values(node: &Value) -> Option<Vec<&Value>> {
    let listed = node.get("enum").and_then(Value::as_array).map(|list| list.iter().collect());
    listed.or_else(|| Some(vec![node.get("const")?]))
}

/// The alternatives of a schema: those of `anyOf`, or the schema itself.
fn alternatives(node: &Value) -> Vec<&Value> {
    node.get("anyOf").and_then(Value::as_array).map_or_else(|| vec![node], |options| options.iter().collect())
}

impl Pair<'_> {
    /// Returns what the new schema refuses or lacks of what the old one permits, each with its path.
    fn compare(&self, old: &Value, new: &Value, path: &str) -> Vec<String> {
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        if old.get("anyOf").is_some() || new.get("anyOf").is_some() {
            let accepted = alternatives(new);
            let fewest = |option| accepted.iter().map(|other| self.compare(option, other, path)).min_by_key(Vec::len);
            return alternatives(old).into_iter().filter_map(fewest).flatten().collect();
        }
        let mut found = Vec::new();
        match (types(old), types(new)) {
            (_, None) => {}
            (Some(before), Some(now)) if before.is_subset(&now) => {}
            (before, now) => found.push(format!("{path}: type {now:?}, was {before:?}")),
        }
        match (values(old), values(new)) {
            (_, None) => {}
            (Some(before), Some(now)) if before.iter().all(|value| now.contains(value)) => {}
            (before, now) => found.push(format!("{path}: values {now:?}, were {before:?}")),
        }
        for (key, sign) in
            [("minimum", 1.0), ("exclusiveMinimum", 1.0), ("minItems", 1.0), ("maximum", -1.0), ("maxItems", -1.0)]
        {
            let limit = |node: &Value| node.get(key).and_then(Value::as_f64).map(|value| sign * value);
            if limit(new).is_some_and(|now| limit(old).is_none_or(|before| now > before)) {
                found.push(format!("{path}: {key} is narrower"));
            }
        }
        if new.get("pattern").is_some() && new.get("pattern") != old.get("pattern") {
            found.push(format!("{path}: pattern"));
        }
        let required = strings(new, "required");
        found.extend(
            required.difference(&strings(old, "required")).map(|name| format!("{path}/{name}: newly required")),
        );
        self.compare_properties(old, new, path, &mut found);
        found
    }

    fn compare_properties(&self, old: &Value, new: &Value, path: &str, found: &mut Vec<String>) {
        for (name, property) in old.get("properties").and_then(Value::as_object).into_iter().flatten() {
            match new.pointer(&format!("/properties/{name}")) {
                Some(now) => found.extend(self.compare(property, now, &format!("{path}/{name}"))),
                None => found.push(format!("{path}/{name}: removed")),
            }
        }
        for key in ["items", "additionalProperties"] {
            match (old.get(key), new.get(key)) {
                (Some(before), Some(now)) if before.is_object() && now.is_object() => {
                    found.extend(self.compare(before, now, &format!("{path}/*")));
                }
                (_, None | Some(Value::Bool(true))) => {}
                (before, now) if before == now => {}
                _ => found.push(format!("{path}: {key} is narrower")),
            }
        }
    }
}

fn narrowings(old: &Value, new: &Value) -> Vec<String> {
    Pair { old, new }.compare(old, new, "")
}

/// Checks that each keyword of a schema is known; names of properties and definitions are none.
fn know_all_keywords(node: &Value) {
    for (key, inner) in node.as_object().into_iter().flatten() {
        assert!(KEYWORDS.contains(&key.as_str()), "{key}: Pair::compare does not know this keyword");
        match key.as_str() {
            "properties" | "$defs" => inner.as_object().unwrap().values().for_each(know_all_keywords),
            "anyOf" => inner.as_array().unwrap().iter().for_each(know_all_keywords),
            "items" | "additionalProperties" => know_all_keywords(inner),
            _ => {}
        }
    }
}

#[test]
fn what_a_released_version_wrote_stays_valid() {
    let released = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/released");
    let mut compared = 0;
    for version in fs::read_dir(released).unwrap() {
        let folder = version.unwrap().path();
        for (name, text) in [("report", SCHEMA_JSON), ("summary", SUMMARY_SCHEMA_JSON)] {
            let path = folder.join(format!("eco2.{name}-1.schema.json"));
            let old: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let new: Value = serde_json::from_str(text).unwrap();
            know_all_keywords(&old);
            know_all_keywords(&new);
            assert_eq!(narrowings(&old, &new), [""; 0], "{}", path.display());
            compared += 1;
        }
    }
    assert!(compared >= 2);
}

#[test]
fn removed_fields_narrower_types_and_new_required_fields_are_found() {
    let old: Value = serde_json::from_str(SCHEMA_JSON).unwrap();
    for (path, value, finding) in [
        ("/$defs/energy/properties/total_uj/type", json!("integer"), "/energy/total_uj: type"),
        ("/$defs/energy/properties/total_uj/minimum", json!(1), "/energy/total_uj: minimum"),
        ("/$defs/energy/properties", json!({}), "/energy/facility_uj: removed"),
        ("/properties/schema/const", json!("eco2.report/2"), "/schema: values"),
        ("/properties/devices/items", json!({"type": "string"}), "/devices/*: type"),
        ("/additionalProperties", json!(false), ": additionalProperties"),
        ("/required", json!(["energy", "curves", "new"]), "/new: newly required"),
    ] {
        let mut new = old.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        new.pointer_mut(parent).unwrap()[key] = value;
        let found = narrowings(&old, &new);
        assert!(found.iter().any(|line| line.starts_with(finding)), "{path}: {found:?}");
    }
}

#[test]
fn new_fields_wider_types_and_more_values_are_permitted() {
    let old: Value = serde_json::from_str(SCHEMA_JSON).unwrap();
    for (path, value) in [
        ("/$defs/energy/properties/new", json!({"type": "string"})),
        ("/$defs/energy/properties/total_uj/type", json!(["number", "string", "null"])),
        ("/$defs/energy/required", json!([])),
        ("/properties/schema/enum", json!(["eco2.report/1", "eco2.report/2"])),
    ] {
        let mut new = old.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        new.pointer_mut(parent).unwrap()[key] = value;
        assert_eq!(narrowings(&old, &new), [""; 0], "{path}");
    }
}
