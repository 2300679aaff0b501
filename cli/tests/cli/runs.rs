//! `eco2 runs` and `eco2 show`, and that every command finds a run by the same words.

use std::fs;

use crate::rig::Rig;

/// Three runs: two of one name.
fn with_runs() -> Rig {
    let rig = Rig::measured();
    for flags in ["--name train --label seed=1", "--name train --label seed=2", "--name eval"] {
        assert_eq!(rig.run(&format!("--quiet {flags}"), "true").code, Some(0));
    }
    rig
}

/// Column of a CSV table by its header.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let at = rows.next().unwrap().iter().position(|header| *header == name).unwrap();
    rows.map(|row| row[at].to_owned()).collect()
}

#[test]
fn runs_are_listed_and_filtered() {
    let rig = with_runs();
    let csv = rig.eco2("runs --format csv").out;
    assert_eq!(column(&csv, "name"), ["eval", "train", "train"], "newest first");
    assert_eq!(column(&rig.eco2("runs --label seed=1 --format csv").out, "name"), ["train"]);
    assert_eq!(column(&rig.eco2("runs --name e* --quality measured --format csv").out, "name"), ["eval"]);
    assert!(column(&rig.eco2("runs --until 1d --format csv").out, "name").is_empty());
    let text = rig.eco2("runs --limit 2").out;
    assert!(text.starts_with("ID ") && text.contains("2 of 3 runs"), "{text}");
    assert_eq!(rig.eco2("runs -o runs.md").code, Some(0));
    assert!(fs::read_to_string(rig.path("runs.md")).unwrap().starts_with("| ID | NAME |"));
    let document: serde_json::Value = serde_json::from_str(&rig.eco2("runs --json").out).unwrap();
    let sum: u64 =
        document["runs"].as_array().unwrap().iter().map(|run| run["energy"]["total_uj"].as_u64().unwrap()).sum();
    assert_eq!(
        (document["schema"].as_str(), document["totals"]["energy_uj"].as_u64()),
        (Some("eco2.runs/1"), Some(sum))
    );
}

#[test]
fn the_same_words_name_a_run_in_every_command() {
    let rig = with_runs();
    let csv = rig.eco2("runs --format csv").out;
    let (ids, short) = (column(&csv, "run_id"), column(&csv, "short_id"));
    for run in ["last", "eval", &ids[0], &short[0], &short[0][..4]] {
        assert_eq!(rig.eco2(&format!("show {run} --json")).report().run.id, ids[0], "{run}");
        assert_eq!(rig.eco2(&format!("report {run} --json")).report().run.id, ids[0], "{run}");
        let comparison = rig.eco2(&format!("compare {run} last~1 --json"));
        assert!(comparison.out.contains(&ids[0]) && comparison.out.contains(&ids[1]), "{run}: {comparison:?}");
        assert_eq!(rig.eco2(&format!("check-budget {run} --max-co2 1")).code, Some(0), "{run}");
    }
    assert_eq!(rig.eco2("show").out, rig.eco2("show last").out);
    assert_eq!(rig.eco2("show last~3").code, Some(1));
}

#[test]
fn a_name_of_several_runs_lists_them_with_the_command_to_use() {
    let rig = with_runs();
    let short = column(&rig.eco2("runs --format csv").out, "short_id");
    let ran = rig.eco2("show train");
    assert_eq!(ran.code, Some(1));
    for text in [&short[1], &short[2], &format!("`eco2 show {}`", short[1]), "`eco2 runs --name 'train'`"] {
        assert!(ran.err.contains(text), "{text}: {}", ran.err);
    }
    assert!(!ran.err.contains(&short[0]), "{}", ran.err);
}

#[test]
fn a_script_names_its_run_and_does_not_hide_it() {
    let rig = Rig::measured();
    rig.put("train.sh", "true\n");
    let ran =
        crate::rig::ran(rig.command("run --quiet").args(["--", "sh", "train.sh"]).env("ECO2_NVML", rig.path("none")));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(rig.eco2("show train.sh --json").report().run.name, "train.sh");
}

#[test]
fn wrong_times_and_an_empty_folder_have_answers() {
    let rig = Rig::bare();
    let ran = rig.eco2("runs --since yesterday");
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("--since: \"yesterday\" is no time") && ran.err.contains("7d"), "{}", ran.err);
    assert_eq!(rig.eco2("runs").out, "No runs match.\n");
    assert!(rig.eco2("show").err.contains("no run 'last'"));
}
