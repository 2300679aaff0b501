//! Options seen from outside: every option through every origin, and what is refused.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::layer::MAX_TEXT_BYTES;
use super::load::{Places, load_files};
use super::*;

fn toml(text: &str) -> Result<Layer, OptionsError> {
    Options::from_toml(text, Origin::user("eco2.toml"))
}

fn json(text: &str) -> Result<Layer, OptionsError> {
    Options::from_json(text, Origin::code("options"))
}

fn env(variable: &str, value: &str) -> Result<(Layer, Vec<Warning>), OptionsError> {
    Options::from_env([(variable, value)])
}

/// The key's example as a TOML text, its JSON twin, and the text a variable would hold.
fn spellings(key: &Row) -> (String, String, String) {
    let as_toml = format!("{} = {}", key.name, key.example);
    let named = ["team", "forest", "otlp"].map(|name| (format!("{{ {name} ="), format!("{{ \"{name}\":")));
    let as_json = named.iter().fold(key.example.to_owned(), |text, (toml, json)| text.replace(toml, json));
    let as_json = match key.name.split_once('.') {
        Some((group, name)) => format!("{{\"{group}\": {{\"{name}\": {as_json}}}}}"),
        None => format!("{{\"{}\": {as_json}}}", key.name),
    };
    let as_text = key.example.replace(['"', '[', ']', '{', '}', ' '], "");
    (as_toml, as_json, as_text)
}

/// A limit on cost needs a price, from wherever.
fn resolved(layer: Layer) -> Options {
    let price = Options::from_toml("budget.price_per_kwh = 9", Origin::system("s")).unwrap();
    Options::resolve([price, layer]).unwrap()
}

#[test]
fn every_option_has_an_effect_through_every_origin() {
    for key in opt::all() {
        let (as_toml, as_json, as_text) = spellings(key);
        let from_toml = resolved(toml(&as_toml).unwrap());
        assert_ne!(from_toml.show(key), Options::default().show(key), "{}", key.name);
        let mut by_code = Layer::default();
        by_code.set(key, as_text.as_str(), Origin::code("--flag")).unwrap();
        let (by_env, warnings) = env(key.variable, &as_text).unwrap();
        assert_eq!(warnings, []);
        for other in [json(&as_json).unwrap(), by_env, by_code] {
            assert_eq!(resolved(other).show(key), from_toml.show(key), "{}", key.name);
        }
        let changed = from_toml.rows().into_iter().zip(resolved(Layer::default()).rows());
        let changed: Vec<_> = changed.filter(|(one, other)| one.1 != other.1).map(|(one, _)| one.0).collect();
        assert_eq!(changed, [key.name], "and no other option changes");
    }
}

#[test]
fn no_name_is_declared_twice() {
    for (place, key) in opt::all().enumerate() {
        for other in opt::all().take(place) {
            assert!(key.name != other.name && key.variable != other.variable, "{}", key.name);
        }
    }
}

#[test]
fn one_precedence_whatever_the_order_of_layers() {
    let system = Options::from_toml("name = \"system\"", Origin::system("/etc/eco2/config.toml")).unwrap();
    let user = Options::from_toml("name = \"user\"", Origin::user("~/.config/eco2/config.toml")).unwrap();
    let project = Options::from_toml("\nname = \"project\"", Origin::project("eco2.toml")).unwrap();
    let (environment, _) = env("ECO2_NAME", "environment").unwrap();
    let mut code = Layer::default();
    code.set(&opt::NAME, "code", Origin::code("--name")).unwrap();
    let mut layers = vec![system, user, project, environment, code];
    let winners = ["--name", "ECO2_NAME", "eco2.toml:2", "~/.config/eco2/config.toml:1", "/etc/eco2/config.toml:1"];
    for winner in winners {
        let mut shuffled = layers.clone();
        shuffled.reverse();
        for order in [layers.clone(), shuffled] {
            assert_eq!(Options::resolve(order).unwrap().origin(&opt::NAME).to_string(), winner);
        }
        layers.pop();
    }
    let default = Options::resolve(layers).unwrap();
    assert_eq!(default, Options::default());
    assert_eq!(default.origin(&opt::NAME).to_string(), "default");
}

#[test]
fn labels_are_laid_over_each_other_label_by_label() {
    let file = toml("[labels]\nteam = \"nlp\"\nseed = \"3\"\nfast = \"true\"").unwrap();
    let (environment, _) = env("ECO2_LABELS", "team=vision, model=vit").unwrap();
    let mut code = Layer::default();
    code.set(&opt::LABELS, Input::pair("note", "a=b,c"), Origin::code("--label")).unwrap();
    let options = Options::resolve([file, environment, code]).unwrap();
    let labels: Vec<_> = options.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("fast", "true"), ("model", "vit"), ("note", "a=b,c"), ("seed", "3"), ("team", "vision")]);
    assert_eq!(options.label_origin("team").to_string(), "ECO2_LABELS");
    assert_eq!(options.label_origin("seed").to_string(), "eco2.toml:3");
}

#[test]
fn k19_number_or_flag_as_a_label_is_refused() {
    for value in ["3", "0.5", "true", "[\"a\"]"] {
        let refused = toml(&format!("[labels]\nseed = {value}")).unwrap_err().to_string();
        assert!(refused.contains("labels") && refused.contains("values as text"), "{refused}");
        let refused =
            Options::from_json(format!("{{\"labels\": {{\"seed\": {value}}}}}"), Origin::code("options_json"));
        assert!(refused.unwrap_err().to_string().contains("values as text"), "{value}");
    }
}

#[test]
fn a_zone_replaces_only_a_weaker_intensity() {
    let file = || toml("intensity = 50\nzone = \"FR\"").unwrap();
    assert_eq!(Options::resolve([file()]).unwrap().intensity, Some(50.0));
    let (zone, _) = env("ECO2_ZONE", "DE").unwrap();
    let options = Options::resolve([file(), zone]).unwrap();
    assert_eq!((options.intensity, options.zone.as_deref()), (None, Some("DE")));
    let (intensity, _) = env("ECO2_INTENSITY", "70").unwrap();
    assert_eq!(Options::resolve([file(), intensity]).unwrap().intensity, Some(70.0));
}

#[test]
fn d31_variables_are_typed() {
    let typed = [
        ("ECO2_MAX_CO2_KG", "5"),
        ("ECO2_PUE", " 1.25 "),
        ("ECO2_SOURCES", "nvml, rapl-perf,nvml"),
        ("ECO2_ESTIMATE", "0"),
        ("ECO2_QUIET", "Yes"),
        ("ECO2_PID", "17"),
        ("ECO2_INTERVAL", "0.5"),
        ("ECO2_LOG", "off"),
        ("ECO2_ZONE", ""),
        ("PATH", "/bin"),
    ];
    let (layer, warnings) = Options::from_env(typed).unwrap();
    let options = Options::resolve([layer]).unwrap();
    assert_eq!(warnings, []);
    assert_eq!((options.budget.max_co2_kg, options.pue), (Some(5.0), 1.25));
    assert_eq!(options.sources.unwrap(), ["nvml", "rapl-perf"]);
    assert_eq!((options.estimate, options.quiet, options.pid), (false, true, Some(17)));
    assert_eq!(options.interval, Some(Duration::from_millis(500)));
    assert_eq!((options.log, options.zone), (Log::Off, None));
    for (variable, value) in [("ECO2_MAX_CO2_KG", "five"), ("ECO2_PID", "1.5"), ("ECO2_ESTIMATE", "maybe")] {
        let error = env(variable, value).unwrap_err().to_string();
        assert!(error.starts_with(variable) && error.contains("allowed: "), "{error}");
    }
}

#[test]
fn a_variable_of_the_python_package_is_no_option_and_no_warning() {
    let (layer, warnings) = Options::from_env([("ECO2_LIBRARY", "/a"), ("ECO2_COMMAND", "/b")]).unwrap();
    assert_eq!((layer, warnings), (Layer::default(), Vec::new()));
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let (layer, warnings) = Options::from_env([("ECO2_ZOEN", "DE"), ("ECO2_QQQQ", "1"), ("ECO3_X", "1")]).unwrap();
    assert!(layer.is_empty());
    let shown: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(
        shown,
        [
            "ECO2_ZOEN is not a variable of eco2 and was ignored; did you mean ECO2_ZONE?",
            "ECO2_QQQQ is not a variable of eco2 and was ignored",
        ]
    );
}

#[test]
fn intervals_have_units_and_a_range() {
    for (text, nanos) in [("10ms", 10_000_000), ("1s", 1_000_000_000), ("100us", 100_000), ("60", 60_000_000_000)] {
        let (layer, _) = env("ECO2_INTERVAL", text).unwrap();
        assert_eq!(Options::resolve([layer]).unwrap().interval, Some(Duration::from_nanos(nanos)), "{text}");
    }
    let from_json = Options::resolve([json("{\"interval\": 0.0001}").unwrap()]).unwrap();
    assert_eq!(from_json.interval, Some(Duration::from_micros(100)));
    for wrong in ["99us", "61s", "1h", "-1", "ms", "inf", "nan", "1 s s"] {
        assert!(env("ECO2_INTERVAL", wrong).is_err(), "{wrong}");
    }
}

#[test]
fn quantities_have_a_unit_or_that_of_their_option() {
    let budget = |text: &str| Options::resolve([toml(&format!("[budget]\n{text}")).unwrap()]).unwrap().budget;
    assert_eq!(budget("max_co2_kg = \"200g\"").max_co2_kg, Some(0.2));
    assert_eq!(budget("max_energy_kwh = \"500 Wh\"").max_energy_kwh, Some(0.5));
    assert_eq!(budget("total_hours = \"90min\"").total_hours, Some(1.5));
    assert_eq!(
        env("ECO2_CPU_WATTS", "0.28kW").map(|(layer, _)| Options::resolve([layer]).unwrap().cpu_watts).unwrap(),
        Some(280.0)
    );
    for wrong in ["max_co2_kg = \"5\"", "max_co2_kg = \"5h\"", "total_hours = \"4kg\"", "max_energy_kwh = \"0kWh\""] {
        assert!(toml(&format!("[budget]\n{wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn a_wrong_value_names_file_line_option_range_and_example() {
    let cases = [
        ("\npue = 0.5", "eco2.toml:2: pue is 0.5; allowed: a finite number of at least 1, such as 1.2"),
        ("pue = \"1.2\"", "eco2.toml:1: pue is \"1.2\"; allowed: a finite number of at least 1, such as 1.2"),
        ("pue = inf", "eco2.toml:1: pue is inf; allowed: a finite number of at least 1, such as 1.2"),
        ("zone = 3", "eco2.toml:1: zone is 3; allowed: a zone's code or name, such as \"DE\""),
        (
            "[budget]\n\nmax_co2_kg = -1",
            "eco2.toml:3: budget.max_co2_kg is -1; allowed: kilograms above 0, or with a unit (g, kg, t), such as 5",
        ),
        (
            "[budget]\nmax_cost = 0",
            "eco2.toml:2: budget.max_cost is 0; allowed: a finite amount of money above 0, such as 20",
        ),
        (
            "[budget]\nmax_energy_kwh = 1e-13",
            "eco2.toml:2: budget.max_energy_kwh is 0.0000000000001; allowed: kilowatt-hours, or with a \
             unit (Wh, kWh, MWh, J, MJ), a microjoule or more, such as 12.5",
        ),
        (
            "[budget]\nmax_co2_kg = 0",
            "eco2.toml:2: budget.max_co2_kg is 0; allowed: kilograms above 0, or with a unit (g, kg, t), such as 5",
        ),
        ("budget = 3", "eco2.toml:1: budget is 3; allowed: a table of limits, such as budget = { max_co2_kg = 5 }"),
        ("quiet = 2020-01-01", "eco2.toml:1: quiet is a date; allowed: true or false, such as true"),
    ];
    for (text, expected) in cases {
        assert_eq!(toml(text).unwrap_err().to_string(), expected);
    }
    let error = json("{\n \"budget\":\n  {\"max_cost\":\n \"x\"}}").unwrap_err().to_string();
    assert!(error.starts_with("options:4: budget.max_cost is \"x\"; allowed"), "{error}");
}

#[test]
fn an_unknown_name_is_an_error_with_the_nearest() {
    let cases = [
        ("\n\nzoen = 1", "eco2.toml:3: no option is named \"zoen\"; did you mean \"zone\"?"),
        ("state-dir = 1", "eco2.toml:1: no option is named \"state-dir\"; did you mean \"state_dir\"?"),
        ("max_co2_kg = 1", "eco2.toml:1: no option is named \"max_co2_kg\"; did you mean \"budget.max_co2_kg\"?"),
        (
            "[budget]\nmax_cots = 1",
            "eco2.toml:2: no option is named \"budget.max_cots\"; did you mean \"budget.max_cost\"?",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(toml(text).unwrap_err().to_string(), expected);
    }
    assert!(toml("qqqq = 1").unwrap_err().to_string().contains("there are name, run_id, attempt, labels, step_name"));
    assert!(json("{\"zoen\": 1}").unwrap_err().to_string().contains("did you mean \"zone\"?"));
}

#[test]
fn a_limit_on_cost_needs_a_price() {
    let error = Options::resolve([toml("budget.max_cost = 3").unwrap()]).unwrap_err().to_string();
    assert_eq!(error, "eco2.toml:1: budget.max_cost needs budget.price_per_kwh; set it too");
}

#[test]
fn json_takes_null_for_absent_and_no_name_twice() {
    assert!(json("{\"zone\": null}").unwrap().is_empty());
    let error = json("{\"zone\": \"DE\",\n\"zone\": \"FR\"}").unwrap_err().to_string();
    assert_eq!(error, "options:2: not valid JSON: \"zone\" is set twice");
    let error = json("{\"labels\":\n {\"a\": \"1\",\n\"a\": \"2\"}}").unwrap_err().to_string();
    assert_eq!(error, "options:3: not valid JSON: \"a\" is set twice");
    for wrong in ["", "[]", "3", "{} x", "{\"pue\": 1e999}", "{\"pue\": NaN}", "{\"zone\": [\"DE\"]}"] {
        assert!(json(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn f42_hostile_text_is_refused_and_bounded() {
    let large = "#".repeat(MAX_TEXT_BYTES + 1);
    assert!(matches!(toml(&large), Err(OptionsError::TooLarge { .. })));
    assert!(matches!(json(&large), Err(OptionsError::TooLarge { .. })));
    let half = MAX_TEXT_BYTES / 2;
    let deep = ["zone = ".to_owned() + &"[".repeat(half), format!("{}a = 1", "a.".repeat(half - 3)), "[a.".repeat(9)];
    for text in deep.iter().chain([&format!("[{}a]", "a.".repeat(half - 3))]) {
        assert!(toml(text).is_err());
    }
    for text in
        ["[".repeat(half), "{\"zone\":".repeat(half / 8), format!("{{\"zone\":{}{}}}", "[".repeat(9), "]".repeat(9))]
    {
        assert!(json(&text).is_err());
    }
    let balanced = format!("{{\"zone\":{}{}}}", "[".repeat(half / 2), "]".repeat(half / 2));
    assert!(json(&balanced).unwrap_err().to_string().contains("nested too deeply"));
    let many: String = (0..65).map(|number| format!("l{number} = 1\n")).collect();
    assert!(toml(&format!("[labels]\n{many}")).unwrap_err().to_string().contains("up to 64"));
    assert!(toml(&format!("name = \"{}\"", "x".repeat(257))).unwrap_err().to_string().len() < 200);
    let error = Options::from_toml(b"zone = 1\n# \xff", Origin::project("eco2.toml")).unwrap_err().to_string();
    assert_eq!(error, "eco2.toml:2: not UTF-8; save it as UTF-8 text");
    let raw = Options::from_env([("ECO2_NAME", OsStr::from_bytes(b"\xff"))]).unwrap_err().to_string();
    assert!(raw.starts_with("ECO2_NAME: not UTF-8"), "{raw}");
}

#[test]
fn k18_path_need_not_be_utf8() {
    let path = OsStr::from_bytes(b"/runs/\xff.json");
    let (layer, _) = Options::from_env([("ECO2_JSON", path), ("ECO2_LOG", path)]).unwrap();
    let options = Options::resolve([layer]).unwrap();
    assert_eq!(options.json.as_deref(), Some(path.as_ref()));
    assert_eq!(options.log, Log::Folder(path.into()));
    let mut code = Layer::default();
    code.set(&opt::TRACE, PathBuf::from(path), Origin::code("--trace")).unwrap();
    assert_eq!(Options::resolve([code]).unwrap().trace.as_deref(), Some(path.as_ref()));
    let mut wrong = Layer::default();
    assert!(wrong.set(&opt::NAME, PathBuf::from("/x"), Origin::code("--name")).is_err(), "a name is no path");
}

#[test]
fn places_follow_the_xdg_specification() {
    let user = |variables: &[(&str, &str)]| Places::standard(variables.iter().copied()).user;
    assert_eq!(user(&[("HOME", "/h")]), Some("/h/.config/eco2/config.toml".into()));
    assert_eq!(user(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c")]), Some("/c/eco2/config.toml".into()));
    assert_eq!(user(&[("XDG_CONFIG_HOME", "relative")]), None);
}

#[test]
fn files_that_are_there_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let places = Places { project: at("project"), user: Some(at("user")), system: at("system/none") };
    fs::write(at("project"), "name = \"project\"").unwrap();
    fs::write(at("user"), "name = \"user\"\npue = 1.5").unwrap();
    let options = Options::resolve(load_files(&places).unwrap().layers).unwrap();
    assert_eq!((options.name.as_deref(), options.pue), (Some("project"), 1.5));
    assert_eq!(options.origin(&opt::PUE).level(), Level::User);
    assert_eq!(options.origin(&opt::PUE).to_string(), format!("{}:2", at("user").display()));
    fs::write(at("user"), vec![b'#'; MAX_TEXT_BYTES + 9]).unwrap();
    assert!(matches!(load_files(&places), Err(OptionsError::TooLarge { .. })));
    fs::remove_file(at("user")).unwrap();
    fs::create_dir(at("user")).unwrap();
    assert!(load_files(&places).unwrap_err().to_string().contains("not a regular file"));
}

proptest! {
    #[test]
    fn any_bytes_are_answered_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Options::from_toml(&bytes, Origin::project("t"));
        let _ = Options::from_json(&bytes, Origin::code("j"));
        let _ = Options::from_env(opt::all().map(|key| (key.variable, OsStr::from_bytes(&bytes))));
    }

    #[test]
    fn near_valid_text_is_answered_without_panic(
        key in 0..opt::all().count(), value in "[-+0-9a-zµ\"'\\[\\]{}=,.:_ \\n\\\\]{0,24}",
    ) {
        let key = opt::all().nth(key).unwrap();
        let name = key.name;
        let _ = toml(&format!("{name} = {value}"));
        let _ = json(&format!("{{\"{name}\": {value}}}"));
        let _ = env(key.variable, &value);
    }

    #[test]
    fn any_number_survives_every_origin(g_per_kwh in 0.0..=5000.0_f64) {
        for layer in [
            toml(&format!("intensity = {g_per_kwh:?}")).unwrap(),
            json(&format!("{{\"intensity\": {g_per_kwh:?}}}")).unwrap(),
            env("ECO2_INTENSITY", &g_per_kwh.to_string()).unwrap().0,
        ] {
            prop_assert_eq!(Options::resolve([layer]).unwrap().intensity, Some(g_per_kwh));
        }
    }
}
