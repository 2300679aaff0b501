//! BoAmps documents against the rules of the format's five schemas.

use eco2_report::{Error, boamps_json};
use serde_json::{Map, Value, json};

use crate::fixture::{kilowatt_hour, report};

/// Returns the schema of an object: its required fields, and all that the format knows, by type. Here others are not permitted.
fn object(required: &[&str], fields: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> = fields.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect();
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

/// Returns the fields of a type.
fn all<'a>(kind: &Value, names: &[&'a str]) -> Vec<(&'a str, Value)> {
    names.iter().map(|name| (*name, kind.clone())).collect()
}

fn words(words: &[&str]) -> Value {
    json!({"enum": words})
}

fn list(item: &Value) -> Value {
    json!({"type": "array", "minItems": 1, "items": item})
}

/// Returns the rules of `report_schema.json` with the four schemas that it names, in words of our own: required fields, types, ranges
/// and words of lists, as they are in the repository Boavizta/BoAmps (folder `model`, CC BY 4.0; report at commit 01f4c8e, algorithm
/// 60ddc5b, dataset 82d2cb8, hardware b6937e6) and for measures in its fork Saauan/BoAmps (`boamps_model.md`, dc01920).
/// `python/tests/test_upstream.py` compares the fields with CodeCarbon's data model of the same schemas.
fn rules() -> Value {
    let (text, number) = (json!({"type": "string"}), json!({"type": "number"}));
    let share = json!({"type": "number", "minimum": 0, "maximum": 1});
    let algorithm = [
        all(
            &text,
            &[
                "trainingType",
                "algorithmType",
                "algorithmName",
                "algorithmUri",
                "foundationModelName",
                "foundationModelUri",
            ],
        ),
        all(&text, &["framework", "frameworkVersion", "classPath", "optimizer", "quantization"]),
        all(&number, &["parametersNumber", "layersNumber", "epochsNumber"]),
    ];
    let kinds = ["tabular", "audio", "boolean", "image", "video", "object", "text", "token", "word", "other"];
    let dataset = [
        vec![("dataUsage", words(&["input", "output"])), ("dataType", words(&kinds))],
        vec![("source", words(&["public", "private", "other"]))],
        all(&text, &["dataFormat", "shape", "sourceUri", "owner"]),
        all(&number, &["dataSize", "dataQuantity"]),
    ];
    let measure = [
        all(&text, &["measurementMethod", "manufacturer", "version", "cpuTrackingMode", "gpuTrackingMode"]),
        all(&share, &["averageUtilizationCpu", "averageUtilizationGpu"]),
        all(&number, &["powerCalibrationMeasurement", "durationCalibrationMeasurement"]),
        all(&number, &["powerConsumption", "measurementDuration"]),
        vec![("measurementDateTime", moment())],
    ];
    let hardware = [
        all(&text, &["componentName", "componentType", "manufacturer", "family", "series"]),
        all(&json!({"type": "integer"}), &["nbComponent", "memorySize"]),
        vec![("share", share.clone())],
    ];
    let publisher = [
        all(&text, &["name", "division", "projectName", "publicKey"]),
        vec![("confidentialityLevel", words(&["public", "internal", "confidential", "secret"]))],
    ];
    let header = [
        all(&text, &["licensing", "formatVersion", "formatVersionSpecificationUri", "reportId"]),
        vec![("reportDatetime", moment()), ("reportStatus", words(&["draft", "final", "corrective", "other"]))],
        vec![("publisher", object(&["confidentialityLevel"], &publisher.concat()))],
    ];
    let task = [
        all(&text, &["taskStage", "taskFamily", "taskDescription"]),
        vec![("nbRequest", number.clone()), ("measuredAccuracy", share)],
        vec![("estimatedAccuracy", words(&["veryPoor", "poor", "average", "good", "veryGood"]))],
        vec![("algorithms", list(&object(&[], &algorithm.concat())))],
        vec![("dataset", list(&object(&["dataUsage", "dataType"], &dataset.concat())))],
    ];
    let infrastructure = [
        vec![("infraType", words(&["publicCloud", "privateCloud", "onPremise", "other"]))],
        all(&text, &["cloudProvider", "cloudInstance", "cloudService"]),
        vec![("components", list(&object(&["componentType", "nbComponent"], &hardware.concat())))],
    ];
    let environment = [
        all(&text, &["country", "location"]),
        all(&number, &["latitude", "longitude", "powerSourceCarbonIntensity"]),
        vec![("powerSupplierType", words(&["public", "private", "internal", "other"]))],
        vec![("powerSource", words(&["solar", "wind", "nuclear", "hydroelectric", "gas", "coal", "other"]))],
    ];
    let fields = [
        ("header", object(&["reportDatetime"], &header.concat())),
        ("task", object(&["taskStage", "taskFamily", "algorithms", "dataset"], &task.concat())),
        ("measures", list(&object(&["measurementMethod", "powerConsumption"], &measure.concat()))),
        ("system", object(&["os"], &all(&text, &["os", "distribution", "distributionVersion"]))),
        ("software", object(&["language"], &all(&text, &["language", "version"]))),
        ("infrastructure", object(&["infraType", "components"], &infrastructure.concat())),
        ("environment", object(&["country"], &environment.concat())),
        ("quality", words(&["high", "medium", "low"])),
    ];
    object(&["task", "measures", "infrastructure"], &fields)
}

/// A time as the descriptions of its fields require it: `2026-01-02 03:04:05`.
fn moment() -> Value {
    json!({"type": "string", "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"})
}

/// Documents of runs that differ in what is known.
fn documents() -> Vec<Value> {
    let mut labelled = report();
    for (name, value) in [("cloud_provider", "aws"), ("cloud_instance", "p5.48xlarge"), ("task_stage", "training")] {
        labelled.run.labels.insert(name.into(), value.into());
    }
    let mut wrong_words = report();
    (wrong_words.work.samples, wrong_words.work.tokens) = (None, None);
    for name in ["data_type", "infra_type"] {
        wrong_words.run.labels.insert(name.into(), "cellar".into());
    }
    // A merged report may have no date, and a run without a zone no place.
    let mut undated = kilowatt_hour("run-2", None);
    undated.carbon = None;
    (undated.run.started_at, undated.run.ended_at) = (String::new(), String::new());
    let runs = [report(), kilowatt_hour("run-1", None), labelled, wrong_words, undated];
    runs.iter().map(|run| serde_json::from_str(&boamps_json(run).unwrap()).unwrap()).collect()
}

/// Checks the documents, and that documents which break a rule are found.
fn check(schema: &Value, breaks: &[(&str, Value)]) {
    // The authors name draft 4, which does not permit their empty lists `required`.
    let validator = jsonschema::draft7::new(schema).unwrap();
    for document in documents() {
        let faults: Vec<String> =
            validator.iter_errors(&document).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert_eq!(faults, [""; 0], "{document:#}");
        for (place, value) in breaks {
            let mut broken = document.clone();
            let (parent, name) = place.rsplit_once('/').unwrap();
            let Some(parent) = broken.pointer_mut(parent) else { continue };
            parent[name] = value.clone();
            assert!(!validator.is_valid(&broken), "{place}: {value} is found");
        }
    }
}

#[test]
fn a_summary_without_devices_is_refused_because_their_number_is_required() {
    let mut shared = kilowatt_hour("run-2", None);
    shared.devices.clear();
    let refused = boamps_json(&shared).unwrap_err();
    assert!(matches!(refused, Error::NoDevices { .. }), "{refused:?}");
    assert!(refused.to_string().contains("BoAmps requires their number in `nbComponent`"), "{refused}");
}

#[test]
fn boamps_follows_the_rules_of_its_five_schemas() {
    check(
        &rules(),
        &[
            ("/measures", json!([])),
            ("/measures/0/powerConsumption", json!("1")),
            ("/task/algorithms", json!([])),
            ("/task/dataset/0/dataType", json!("picture")),
            ("/infrastructure/components", json!([])),
            ("/infrastructure/components/0/nbComponent", json!(1.5)),
            ("/header/reportDatetime", json!("2026-01-02T03:04:05Z")),
            ("/quality", json!("best")),
            ("/measures/0/measureDuration", json!(1.0)),
        ],
    );
}

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
            kept.map(|(name, value)| (name, inlined(value, folder))).collect::<Map<_, _>>().into()
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
    let text = std::fs::read_to_string(folder.join("report_schema.json")).unwrap();
    check(&inlined(serde_json::from_str(&text).unwrap(), &folder), &[("/measures", json!([]))]);
}
