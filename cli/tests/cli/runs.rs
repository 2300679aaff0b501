//! `eco2 runs` and `eco2 show`, and that every command finds a run by the same words.

use std::collections::BTreeSet;
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

#[test]
fn the_index_is_kept_by_every_run_and_a_damaged_one_is_built_again_with_one_line() {
    let rig = with_runs();
    let index = rig.path("state/eco2/runs/.history.sqlite");
    assert!(index.exists(), "the end of a run updates it");
    let whole = rig.eco2("runs --json").out;
    fs::write(&index, "not a database").unwrap();
    let ran = rig.eco2("runs --json");
    assert_eq!((ran.code, ran.out), (Some(0), whole.clone()));
    assert!(ran.err.lines().count() == 1 && ran.err.contains("built again"), "{}", ran.err);
    fs::write(&index, "not a database").unwrap();
    assert_eq!(rig.run("--quiet", "exit 3").code, Some(3), "no fault of the index is one of a run");
    assert_eq!(rig.eco2("runs reindex").out, "Indexed 4 runs.\n");
    assert_eq!(rig.eco2("runs").err, "");
    fs::remove_file(&rig.logs()[0]).unwrap();
    assert_eq!(rig.eco2("runs --format csv").out.lines().count(), 4, "a log that is gone is listed no more");
}

#[test]
fn prune_removes_nothing_without_yes() {
    let rig = with_runs();
    let young = rig.eco2("runs prune --keep 1d --yes");
    assert_eq!((young.code, young.out.as_str()), (Some(0), "No run ended more than 1d ago.\n"));
    let listed = rig.eco2("runs prune --keep 0d");
    assert!(
        listed.out.contains("train") && listed.out.contains("Nothing was removed. `eco2 runs prune --keep 0d --yes`"),
        "{listed:?}"
    );
    assert_eq!(rig.logs().len(), 3);
    rig.eco2("verify --keygen lab.key");
    assert_eq!(rig.eco2("verify --seal last --key lab.key").code, Some(0));
    let files = |suffix: &str| {
        let names = std::fs::read_dir(rig.path("state/eco2/runs")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(suffix)).count()
    };
    assert_eq!(files(".seal"), 1);
    let removed = rig.eco2("runs prune --keep 0d --yes");
    assert!(removed.out.starts_with("Removed 3 runs ("), "{removed:?}");
    assert_eq!(files(".seal"), 0, "a seal is removed with its log");
    assert_eq!((rig.logs().len(), rig.eco2("runs").out.as_str()), (0, "No runs match.\n"));
    for wrong in ["90", "-1d", "soon", "1ms", "30min", "1.5d", "0.5h"] {
        let ran = crate::rig::ran(rig.bin().args(["runs", "prune", "--yes"]).arg(format!("--keep={wrong}")));
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains("--keep") && ran.err.contains("90d"), "{}", ran.err);
    }
    assert_eq!(rig.eco2("runs prune --yes").code, Some(2), "an age is required");
}

#[test]
fn prune_keeps_runs_for_the_days_of_the_variable_of_hf_eco2ai() {
    let rig = with_runs();
    let prune = |days: &str, flags: &[&str]| {
        crate::rig::ran(rig.bin().env("DATA_RETENTION_DAYS", days).args(["runs", "prune"]).args(flags))
    };
    assert_eq!(prune("30", &[]).out, "No run ended more than 30d ago.\n");
    assert!(prune("0", &[]).out.contains("`eco2 runs prune --keep 0d --yes`"), "nothing is removed without --yes");
    assert_eq!(prune("0", &["--keep", "1d"]).out, "No run ended more than 1d ago.\n", "the flag is stronger");
    let wrong = prune("soon", &[]);
    assert!(wrong.code == Some(2) && wrong.err.contains("DATA_RETENTION_DAYS"), "{wrong:?}");
    let none = prune("", &[]);
    assert!(none.code == Some(2) && none.err.contains("--keep 90d"), "{none:?}");
    assert_eq!(rig.logs().len(), 3);
}

#[test]
fn prune_keeps_the_log_of_a_run_that_may_go_on() {
    let rig = Rig::measured();
    rig.run("--quiet", "kill -9 $PPID");
    assert_eq!(rig.run("--quiet", "true").code, Some(0));
    let removed = rig.eco2("runs prune --keep 0d --yes");
    assert!(removed.out.starts_with("Removed 1 run ("), "{removed:?}");
    let listed = rig.eco2("runs --format csv").out;
    assert_eq!((rig.logs().len(), listed.lines().count()), (1, 2), "{listed}");
}

#[test]
fn sums_by_time_are_those_of_all_stored_runs() {
    let rig = with_runs();
    let total = |format: &str| -> u64 {
        let csv = rig.eco2(&format!("report {format} --format csv")).out;
        column(&csv, "energy_uj").iter().map(|uj| uj.parse::<u64>().unwrap()).sum()
    };
    let document: serde_json::Value = serde_json::from_str(&rig.eco2("runs --json").out).unwrap();
    let sum = document["totals"]["energy_uj"].as_u64().unwrap();
    assert_eq!((total("--period hour"), total("--period week"), total("--by seed --period day")), (sum, sum, sum));
    assert_eq!(total("--by seed"), sum);
    let text = rig.eco2("report --by seed --period week").out;
    assert!(text.contains("week (UTC)") && text.contains("(none)"), "{text}");
    assert_eq!(rig.eco2("report last --period day --format methods").code, Some(2));
    assert_eq!(rig.eco2("report").code, Some(2), "a run is required without --by and --period");
}

#[test]
fn processes_that_write_and_list_at_the_same_time_lose_and_double_no_run() {
    let rig = Rig::measured();
    let ids = |csv: &str| column(csv, "run_id");
    let write = || (0..6).for_each(|_| assert_eq!(rig.run("--quiet --name train", "true").code, Some(0)));
    let read = || {
        let mut seen = BTreeSet::new();
        for _ in 0..8 {
            let listed = ids(&rig.eco2("runs --format csv").out);
            let now: BTreeSet<String> = listed.iter().cloned().collect();
            assert_eq!(now.len(), listed.len(), "a run is listed twice: {listed:?}");
            assert!(seen.is_subset(&now), "a run is lost: {seen:?}, then {now:?}");
            seen = now;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(write);
            scope.spawn(read);
        }
    });
    let listed = rig.eco2("runs --format csv").out;
    assert_eq!((ids(&listed).len(), rig.logs().len()), (12, 12));
    assert_eq!(rig.eco2("runs reindex").out, "Indexed 12 runs.\n");
    assert_eq!(rig.eco2("runs --format csv").out, listed, "the index is that of the logs");
}
