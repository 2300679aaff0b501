//! BoAmps documents against the schemas of their authors.

use eco2_report::boamps_json;
use serde_json::Value;

use crate::fixture::{kilowatt_hour, report};

/// Returns the schema with each reference to another file replaced by that file's schema; a file that is not there allows anything.
fn inlined(value: Value, folder: &std::path::Path) -> Value {
    match value {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str).and_then(|uri| uri.rsplit('/').next());
            if let Some(name) = name {
                let text = std::fs::read_to_string(folder.join(name)).unwrap_or_else(|_| "{}".to_owned());
                return inlined(serde_json::from_str(&text).unwrap(), folder);
            }
            let kept = fields.into_iter().filter(|(name, _)| name != "id" && name != "$schema");
            kept.map(|(name, value)| (name, inlined(value, folder))).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(|item| inlined(item, folder)).collect::<Vec<_>>().into(),
        other => other,
    }
}

/// The schemas of BoAmps are not shipped. `ECO2_BOAMPS_SCHEMAS` names the folder `model` of a checkout of them.
#[test]
fn boamps_is_valid_by_the_schemas_of_its_authors() {
    let Some(folder) = std::env::var_os("ECO2_BOAMPS_SCHEMAS").map(std::path::PathBuf::from) else {
        eprintln!("skipped: ECO2_BOAMPS_SCHEMAS does not name the folder with the schemas of BoAmps");
        return;
    };
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("report_schema.json")).unwrap()).unwrap();
    let validator = jsonschema::draft4::new(&inlined(schema, &folder)).unwrap();
    let mut labelled = report();
    labelled.run.labels.insert("cloud_provider".into(), "aws".into());
    for document in [report(), kilowatt_hour("run-1", None), labelled]
        .iter()
        .map(|report| serde_json::from_str::<Value>(&boamps_json(report).unwrap()).unwrap())
    {
        let faults: Vec<String> =
            validator.iter_errors(&document).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert_eq!(faults, [""; 0], "{document:#}");
        let mut broken = document;
        broken["measures"] = serde_json::json!([]);
        assert!(!validator.is_valid(&broken), "the schemas are read");
    }
}
