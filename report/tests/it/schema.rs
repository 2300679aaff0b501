//! The shipped JSON Schema: reports are valid by it, and every field is described with its unit.

use eco2_report::{SCHEMA_JSON, json};
use serde_json::{Map, Value};

use crate::fixture::{bare, kilowatt_hour, report};

fn schema() -> Value {
    serde_json::from_str(SCHEMA_JSON).unwrap()
}

fn errors(report: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    validator.iter_errors(report).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn value(report: &eco2_core::schema::Report) -> Value {
    serde_json::from_str(&json(report).unwrap()).unwrap()
}

#[test]
fn rendered_reports_are_valid() {
    for report in [report(), bare(), kilowatt_hour("a", None)] {
        assert_eq!(errors(&value(&report)), [""; 0]);
    }
}

#[test]
fn the_schema_refuses_what_is_no_report() {
    for (path, bad) in [
        ("/energy/total_uj", Value::from(-1)),
        ("/energy/low_uj", Value::Null),
        ("/schema", Value::from("eco2.report/2")),
        ("/devices/0/quality", Value::from("guessed")),
        ("/devices/0/coverage", Value::from(1.5)),
        ("/run/state", Value::from("done")),
        ("/sources/0/status", Value::from("fine")),
    ] {
        let mut report = value(&report());
        *report.pointer_mut(path).unwrap() = bad;
        assert_eq!(errors(&report).len(), 1, "{path}");
    }
}

/// Follows a `$ref` and, for a nullable object, the alternative that is not null.
fn resolved<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    if let Some(Value::String(reference)) = node.get("$ref") {
        return resolved(root, root.pointer(reference.trim_start_matches('#')).unwrap());
    }
    let object = node.get("anyOf").and_then(Value::as_array).and_then(|options| options.first());
    object.map_or(node, |object| resolved(root, object))
}

/// Every object of the schema that lists properties, with its path.
fn objects<'a>(root: &'a Value, node: &'a Value, path: &str, out: &mut Vec<(String, &'a Map<String, Value>)>) {
    let node = resolved(root, node);
    if let Some(Value::Object(properties)) = node.get("properties") {
        out.push((path.to_owned(), properties));
        for (name, property) in properties {
            objects(root, property, &format!("{path}/{name}"), out);
        }
    }
    if let Some(items) = node.get("items") {
        objects(root, items, &format!("{path}/0"), out);
    }
}

#[test]
fn every_field_of_the_report_is_described_and_nothing_else() {
    let (schema, report) = (schema(), value(&report()));
    let mut found = Vec::new();
    objects(&schema, &schema, "", &mut found);
    assert_eq!(found.len(), 52, "{:?}", found.iter().map(|(path, _)| path).collect::<Vec<_>>());
    for (path, properties) in found {
        let Some(Value::Object(instance)) = report.pointer(&path) else { panic!("{path} is not in the full report") };
        let (described, present): (Vec<_>, Vec<_>) = (properties.keys().collect(), instance.keys().collect());
        assert_eq!(described, present, "{path}");
        for (name, property) in properties {
            let text = property.get("description").and_then(Value::as_str).unwrap_or_default();
            assert!(text.len() > 8, "{path}/{name} needs a description");
            let types = property.get("type").map(Value::to_string).unwrap_or_default();
            if types.contains("integer") || types.contains("number") {
                assert!(property.get("x-unit").is_some(), "{path}/{name} needs its unit");
            }
        }
    }
}
