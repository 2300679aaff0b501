//! `eco2 config`: the user's file, and the origins of options.

use std::fs;

use crate::rig::{Rig, ran};

const FILE: &str = "config/eco2/config.toml";

fn file(rig: &Rig) -> String {
    fs::read_to_string(rig.path(FILE)).unwrap_or_default()
}

#[test]
fn value_that_is_set_is_used_by_the_next_run_and_shown_with_its_origin() {
    let rig = Rig::measured();
    let set = rig.eco2("config set zone DE");
    assert_eq!((set.code, file(&rig).as_str()), (Some(0), "zone = \"DE\"\n"), "{set:?}");
    let path = rig.path(FILE).display().to_string();
    assert_eq!(set.out, format!("zone = DE in {path}\n"));
    assert_eq!(rig.eco2("config path").out, format!("{path}\n"));
    assert_eq!(rig.run("--quiet --json r.json", "true").code, Some(0));
    assert_eq!(rig.report("r.json").carbon.unwrap().zone, "DE");
    rig.put("eco2.toml", "[labels]\nteam = \"nlp\"\n");
    let shown = ran(rig.command("config show").env("ECO2_PUE", "1.2"));
    let expected = format!("zone         DE   {path}:1\npue          1.2  ECO2_PUE\nlabels.team  nlp  eco2.toml:2\n");
    assert_eq!(shown.out, expected);
    let json = ran(rig.command("config show --json").env("ECO2_PUE", "1.2")).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["schema"].as_str(), json["user_file"].as_str()), (Some("eco2.config/1"), Some(path.as_str())));
    let levels: Vec<_> = json["options"].as_array().unwrap().iter().map(|option| &option["level"]).collect();
    assert_eq!(levels, ["user", "environment", "project"]);
    let all = rig.eco2("config show --all").out;
    assert!(all.lines().any(|line| line.starts_with("pue ") && line.ends_with("default")), "{all}");
    assert!(all.contains("not set: world average") || all.contains("DE"), "{all}");
}

#[test]
fn each_kind_of_value_has_the_notation_that_the_options_read() {
    let rig = Rig::bare();
    for (name, value) in [
        ("pue", "1.2"),
        ("interval", "10ms"),
        ("sources", "rapl-sysfs,nvml"),
        ("gpus", "0,1"),
        ("quiet", "yes"),
        ("log", "off"),
        ("budget.max_co2_kg", "5"),
        ("labels.team", "nlp"),
        ("offsets", "forest=120"),
        ("embodied", "1500"),
    ] {
        let set = rig.eco2(&format!("config set {name} {value}"));
        assert_eq!(set.code, Some(0), "{name}: {set:?}");
    }
    let expected = "pue = 1.2\ninterval = \"10ms\"\nsources = [\"rapl-sysfs\", \"nvml\"]\ngpus = [\"0\", \"1\"]\nquiet = true\n\
                    log = false\noffsets = { forest = \"120\" }\nembodied = \"1500\"\n\n[budget]\nmax_co2_kg = 5\n\n[labels]\nteam = \"nlp\"\n";
    assert_eq!(file(&rig), expected);
}

#[test]
fn comments_and_order_of_the_file_are_kept() {
    let rig = Rig::bare();
    rig.put(FILE, "# Settings of the lab\nzone = \"FR\" # moved in 2026\n\n# measured\npue = 1.3\n\n[budget] # of a run\nmax_co2_kg = 1\n");
    for words in ["config set zone DE", "config set budget.max_energy_kwh 2", "config set pue 1.4"] {
        assert_eq!(rig.eco2(words).code, Some(0));
    }
    let changed = "# Settings of the lab\nzone = \"DE\" # moved in 2026\n\n# measured\npue = 1.4\n\n[budget] # of a run\nmax_co2_kg = 1\n\
                   max_energy_kwh = 2\n";
    assert_eq!(file(&rig), changed);
    assert_eq!(rig.eco2("config unset zone").code, Some(0));
    let rest =
        "# Settings of the lab\n\n# measured\npue = 1.4\n\n[budget] # of a run\nmax_co2_kg = 1\nmax_energy_kwh = 2\n";
    assert_eq!(file(&rig), rest);
    assert_eq!(rig.eco2("config unset budget.max_co2_kg").code, Some(0));
    let again = rig.eco2("config unset zone");
    assert!(again.code == Some(2) && again.err.contains("does not set zone"), "{again:?}");
}

#[test]
fn wrong_name_or_value_changes_nothing_and_names_the_remedy() {
    let rig = Rig::bare();
    rig.put(FILE, "pue = 1.3\n");
    for (words, message) in [
        ("zoen DE", "eco2: config set: no option is named \"zoen\"; did you mean \"zone\"?\n"),
        ("pue 0.9", "eco2: config set: pue is \"0.9\"; allowed: a finite number of at least 1, such as 1.2\n"),
        ("zone Germny", "nearest: Germany (DE)"),
        ("zone.x DE", "zone is a table"),
        ("run_id a", "run_id describes one run, and would be set for all: use --run-id or ECO2_RUN_ID"),
        ("budget.total_steps 5", "budget.total_steps describes one run, and would be set for all: use ECO2_"),
        ("budget.max_cost 5", "budget.max_cost needs budget.price_per_kwh; set it too"),
    ] {
        let refused = rig.eco2(&format!("config set {words}"));
        assert!(refused.code == Some(2) && refused.err.contains(message), "{words}: {refused:?}");
        assert_eq!(file(&rig), "pue = 1.3\n");
    }
    rig.put(FILE, "pue = 1.3\nzoen = \"DE\"\n");
    let refused = rig.eco2("config set zone DE");
    assert!(refused.code == Some(2) && refused.err.contains("config.toml:2: no option is named"), "{refused:?}");
    assert_eq!(rig.eco2("config unset zoen").code, Some(0), "a fault can be removed");
    rig.put(FILE, "pue = \n");
    let broken = rig.eco2("config set zone DE");
    assert!(broken.code == Some(2) && broken.err.contains("config.toml:1: not valid TOML"), "{broken:?}");
}

#[test]
fn stronger_origin_is_named_and_a_file_that_cannot_be_written_is_an_error() {
    let rig = Rig::bare();
    let set = ran(rig.command("config set zone DE").env("ECO2_ZONE", "FR"));
    assert_eq!(set.err, "eco2: ECO2_ZONE also sets zone, and is stronger than the user's file\n");
    rig.put("file", "");
    let refused = ran(rig.command("config set zone DE").env("XDG_CONFIG_HOME", rig.path("file")));
    assert!(refused.code == Some(1) && refused.err.contains("file/eco2"), "{refused:?}");
    let homeless = ran(rig.command("config path").env_remove("HOME").env_remove("XDG_CONFIG_HOME"));
    assert!(homeless.code == Some(2) && homeless.err.contains("set HOME or XDG_CONFIG_HOME"), "{homeless:?}");
}

#[test]
fn wrong_setting_elsewhere_does_not_fail_a_change() {
    let rig = Rig::bare();
    let set = ran(rig.command("config set pue 1.3").env("ECO2_PUE", "abc"));
    assert_eq!((set.code, file(&rig).as_str()), (Some(0), "pue = 1.3\n"), "{set:?}");
    assert!(set.err.starts_with("eco2: another setting is wrong: ECO2_PUE: pue is \"abc\""), "{set:?}");
}

#[test]
fn parallel_changes_are_all_kept() {
    let rig = Rig::bare();
    let start = |index: usize| crate::rig::started(&mut rig.command(&format!("config set labels.l{index} x")));
    let children: Vec<_> = (0..24).map(start).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_eq!(file(&rig).lines().filter(|line| line.ends_with("= \"x\"")).count(), 24, "{}", file(&rig));
}

#[test]
fn wrong_label_is_named() {
    let rig = Rig::bare();
    rig.put(FILE, "[labels]\nteam = \"nlp\"\nseed = 1\n");
    let refused = rig.eco2("config show");
    assert!(
        refused.code == Some(2) && refused.err.contains("config.toml:3: labels is { seed = 1 }; allowed:"),
        "{refused:?}"
    );
}
