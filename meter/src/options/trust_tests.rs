//! Which origin may set which option.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use super::load::{Places, load_files};
use super::*;

/// Options that load code, name paths or decide where data is sent. Written down here and not computed from the table.
const GUARDED: [&str; 23] = [
    "json",
    "trace",
    "log",
    "state_dir",
    "intensity_series",
    "provider_url",
    "sysfs",
    "procfs",
    "nvml",
    "amdsmi",
    "redfish",
    "redfish_ca",
    "redfish_insecure",
    "ipmi",
    "agent",
    "webhook",
    "email_to",
    "email_server",
    "email_user",
    "email_from",
    "email_ca",
    "push",
    "tariff_series",
];

fn line(key: &Row) -> String {
    format!("{} = {}\n", key.name, key.example)
}

/// A file with every option at its example.
fn every_option() -> String {
    opt::all().map(line).collect()
}

fn names(refused: &[Refused]) -> Vec<&'static str> {
    refused.iter().map(Refused::key).collect()
}

#[test]
fn k17_project_file_sets_no_code_path_or_address_and_other_keys_apply() {
    let layer = Options::from_toml(every_option(), Origin::project("eco2.toml")).unwrap();
    assert_eq!(names(layer.refused()), GUARDED);
    let options = Options::resolve([layer]).unwrap();
    for key in opt::all() {
        let is_default = options.show(key) == Options::default().show(key);
        assert_eq!(is_default, GUARDED.contains(&key.name), "{}", key.name);
    }
    assert_eq!((options.nvml, options.json, options.provider_url), (None, None, None));
    assert_eq!(names(&options.refused), GUARDED);
}

#[test]
fn k17_refused_key_is_reported_with_its_line_and_flag() {
    let text = "zone = \"DE\"\nnvml = \"./evil.so\"\n\nlog = \"../x\"\n";
    let layer = Options::from_toml(text, Origin::project("eco2.toml")).unwrap();
    let reported: Vec<String> = layer.refused().iter().map(Refused::to_string).collect();
    assert_eq!(
        reported,
        [
            "eco2.toml:2: nvml is ignored: it loads code, and a project's file may not set it; set it with --nvml, with \
             ECO2_NVML or in the user's configuration file",
            "eco2.toml:4: log is ignored: it names a path to write, and a project's file may not set it; set it with \
             ECO2_LOG or in the user's configuration file",
        ]
    );
}

#[test]
fn k17_json_text_of_a_project_is_held_to_the_same_rule_and_a_wrong_value_is_not_read() {
    let layer = Options::from_json(r#"{"nvml": 3, "pue": 1.5}"#, Origin::project("eco2.json")).unwrap();
    assert_eq!(names(layer.refused()), ["nvml"]);
    let mut layer = Layer::default();
    layer.set(&opt::SYSFS, "/tmp", Origin::project("p")).unwrap();
    assert_eq!(names(layer.refused()), ["sysfs"]);
}

#[test]
fn k17_trusted_origins_set_every_option() {
    let text = every_option();
    let origins = [Origin::system("s"), Origin::user("u"), Origin::code("c")];
    for origin in origins {
        assert_eq!(names(Options::from_toml(&text, origin).unwrap().refused()), [""; 0]);
    }
    let variables = GUARDED.map(|name| opt::named(name).unwrap().variable);
    let texts = variables.map(|variable| match variable {
        "ECO2_PROVIDER_URL" => (variable, "https://intensity.example.org"),
        "ECO2_WEBHOOK" => (variable, "slack"),
        "ECO2_EMAIL_TO" => (variable, "ops@example.org"),
        "ECO2_PUSH" => (variable, "textfile=/x"),
        "ECO2_REDFISH_INSECURE" => (variable, "true"),
        _ => (variable, "/x"),
    });
    let (layer, _) = Options::from_env(texts).unwrap();
    assert_eq!(names(layer.refused()), [""; 0]);
}

#[test]
fn k17_project_file_cannot_turn_off_the_report_of_its_refused_keys() {
    let hides = |origin: Origin| {
        let quiet = Options::from_toml("quiet = true", origin).unwrap();
        Options::resolve([quiet]).unwrap().hides_refusals()
    };
    assert!(!hides(Origin::project("eco2.toml")));
    assert!(hides(Origin::user("config.toml")));
}

fn loaded(user: &Path) -> Options {
    let places = Places { project: "/nowhere/eco2.toml".into(), user: Some(user.into()), system: "/nowhere".into() };
    Options::resolve(load_files(&places).unwrap().layers).unwrap()
}

#[test]
fn k17_user_file_that_others_can_write_sets_no_guarded_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "nvml = \"/x.so\"\nzone = \"FR\"\n").unwrap();
    for (mode, trusted) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false), (0o666, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let options = loaded(&file);
        assert_eq!(options.nvml.is_some(), trusted, "{mode:o}");
        assert_eq!(options.zone.as_deref(), Some("FR"), "{mode:o}");
        let reported = options.refused.iter().map(Refused::to_string).collect::<String>();
        assert_eq!(reported.contains("chmod go-w"), !trusted, "{reported}");
    }
}

#[test]
fn k17_user_file_of_another_user_sets_no_guarded_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "nvml = \"/x.so\"\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    if chown(&file, Some(4242), None).is_err() {
        // Only root may give a file away; elsewhere there is nothing to look at.
        return;
    }
    let options = loaded(&file);
    assert_eq!((options.nvml, names(&options.refused)), (None, vec!["nvml"]));
}
