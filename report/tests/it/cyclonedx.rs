//! A run as a CycloneDX bill of materials: values, and the keys that the format permits. `python/tests/hf_modality.py` checks it by the
//! format's own schema.

use eco2_report::cyclonedx_json;
use serde_json::Value;

use crate::exports::{plain, value};
use crate::fixture::bare;

/// Whether an object has these keys and only further ones of `may`, as CycloneDX permits no others.
fn has_keys(value: &Value, must: &[&str], may: &[&str]) -> bool {
    let object = value.as_object().unwrap();
    must.iter().all(|key| object.contains_key(*key))
        && object.keys().all(|key| must.contains(&key.as_str()) || may.contains(&key.as_str()))
}

#[test]
fn cyclonedx_has_the_energy_of_the_model() {
    let mut report = plain();
    report.run.labels.insert("model".into(), "llama-8b".into());
    let made = value(cyclonedx_json(&report));
    assert!(has_keys(&made, &["bomFormat", "specVersion"], &["version", "metadata", "components"]));
    assert_eq!((made["bomFormat"].as_str(), made["specVersion"].as_str()), (Some("CycloneDX"), Some("1.7")));
    let model = &made["components"][0];
    assert!(has_keys(model, &["type", "name"], &["bom-ref", "modelCard"]));
    assert_eq!((model["type"].as_str(), model["name"].as_str()), (Some("machine-learning-model"), Some("llama-8b")));
    let considerations = &model["modelCard"]["considerations"]["environmentalConsiderations"];
    let used = &considerations["energyConsumptions"][0];
    let must = ["activity", "energyProviders", "activityEnergyCost"];
    assert!(has_keys(used, &must, &["co2CostEquivalent", "properties"]));
    assert_eq!(used["activity"], "training");
    assert_eq!(used["activityEnergyCost"], serde_json::json!({"value": 1.0, "unit": "kWh"}));
    assert_eq!(used["co2CostEquivalent"], serde_json::json!({"value": 56e-6, "unit": "tCO2eq"}));
    let provider = &used["energyProviders"][0];
    assert!(has_keys(provider, &["organization", "energySource", "energyProvided"], &["description"]));
    assert_eq!(
        (provider["energySource"].as_str(), &provider["energyProvided"]),
        (Some("unknown"), &used["activityEnergyCost"])
    );
    let property = |name: &str| {
        let all = used["properties"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).map(|one| one["value"].as_str().unwrap().to_owned())
    };
    assert_eq!((property("eco2:scope").as_deref(), property("eco2:pue").as_deref()), (Some("machine"), Some("1")));
    report.run.labels.insert("activity".into(), "validation".into());
    report.carbon.as_mut().unwrap().grams = None;
    let made = value(cyclonedx_json(&report));
    let used =
        &made["components"][0]["modelCard"]["considerations"]["environmentalConsiderations"]["energyConsumptions"][0];
    assert_eq!((used["activity"].as_str(), used.get("co2CostEquivalent")), (Some("validation"), None), "never zero");
    let error = cyclonedx_json(&bare()).unwrap_err().to_string();
    assert!(error.contains("CycloneDX requires a number in `activityEnergyCost`"), "{error}");
}
