//! Every answer against the description of the interface: each address is asked, and its answer checked with the schema that
//! `openapi.json` has for it.

use hyper::Method;
use serde_json::{Value, json};

use super::super::access::Channel;
use super::super::reports::tests::{asked, service, stored_run};
use super::super::routes::ROUTES;
use super::super::service::OPENAPI;

const CHANNELS: [Channel; 3] =
    [Channel::Unix { uid: 0, trusted: true }, Channel::Tcp { tls: false }, Channel::Unix { uid: 1000, trusted: false }];

/// Returns what a value is, or refers to.
fn resolved<'a>(described: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(place) => resolved(described, described.pointer(place.trim_start_matches('#')).unwrap()),
        None => value,
    }
}

/// Checks a body with the schema of an answer; an answer without one may have any body.
fn check(described: &Value, answer: &Value, media_type: &str, body: &str, target: &str) {
    let media_type = media_type.split(';').next().unwrap();
    let content = answer["content"].as_object().unwrap_or_else(|| panic!("{target}: no content is described"));
    let of_type = content.get(media_type).unwrap_or_else(|| panic!("{target}: {media_type} is not described"));
    let Some(schema) = of_type.get("schema") else { return };
    let schema = json!({"allOf": [schema], "components": described["components"]});
    let body: Value = serde_json::from_str(body).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(&body).map(|fault| format!("{} {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{target} is not as openapi.json describes it: {faults:#?}");
}

#[test]
fn every_answer_is_as_the_interface_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let id = stored_run(folder.path(), "a", Some("vision")).run.id;
    let service = service(folder.path());
    let described: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut checked = 0;
    for route in ROUTES.iter().filter(|route| route.path != "/events") {
        let operation =
            &resolved(&described, &described["paths"][route.path])[route.method.as_str().to_ascii_lowercase()];
        for example in ["vision", &id, "48213", "absent"] {
            for channel in CHANNELS {
                let target = route.path.replace("{id}", example);
                let (reply, status, body) = asked(&service, route.method.clone(), &target, channel);
                let answer = resolved(&described, &operation["responses"][status.to_string()]);
                assert!(answer.is_object(), "{} {target}: {status} is not described: {body}", route.method);
                check(&described, answer, reply.content_type, &body, &target);
                checked += 1;
            }
        }
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn head_is_answered_where_get_is() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path());
    for route in ROUTES.iter().filter(|route| route.method == Method::GET && route.path != "/events") {
        let target = route.path.replace("{id}", "48213");
        let status = |method| asked(&service, method, &target, CHANNELS[0]).1;
        assert_eq!(status(Method::HEAD), status(Method::GET), "{target}");
    }
}
