//! Which run a record belongs to, and which records make one run.

use std::fs;

use crate::rig::{Rig, ran};

/// A run in a SLURM job, started by torchrun with an id that the user gives to every launch.
fn in_job(rig: &Rig, job: &str, restarts: &str) {
    let mut run = rig.measuring("--quiet", "true");
    let step =
        [("SLURM_STEP_ID", "0"), ("SLURM_PROCID", "0"), ("SLURM_NTASKS", "1"), ("SLURM_RESTART_COUNT", restarts)];
    let torch = [("TORCHELASTIC_RUN_ID", "456"), ("RANK", "0"), ("WORLD_SIZE", "1"), ("MASTER_PORT", "29500")];
    run.env("SLURM_JOB_ID", job).envs(step).envs(torch);
    assert_eq!(ran(&mut run).code, Some(0));
}

#[test]
fn k11_two_slurm_jobs_with_one_launcher_id_are_two_runs_and_a_requeue_is_one() {
    let rig = Rig::measured();
    in_job(&rig, "1001", "0");
    in_job(&rig, "1002", "0");
    assert_eq!(rig.logs().len(), 2, "{:?}", rig.logs());
    let last = rig.eco2("report last --json").report();
    assert_eq!((last.run.attempts.len(), last.run.labels["slurm.job_id"].as_str()), (1, "1002"));
    in_job(&rig, "1002", "1");
    assert_eq!(rig.logs().len(), 2, "{:?}", rig.logs());
    assert_eq!(rig.eco2("report last --json").report().run.attempts.len(), 2);
}

#[test]
fn k11_folder_with_records_of_several_runs_is_refused_unless_forced() {
    let rig = Rig::measured();
    fs::create_dir(rig.path("runs")).unwrap();
    for name in ["a", "b"] {
        assert_eq!(rig.run(&format!("--quiet --name name-{name} --json runs/{name}.json"), "true").code, Some(0));
    }
    let ids = ["a", "b"].map(|name| rig.report(&format!("runs/{name}.json")).run.id);
    for words in
        ["merge runs", "report runs", "compare runs runs/a.json", "check-budget --max-co2 1 -r runs", "optimize runs"]
    {
        let refused = rig.eco2(words);
        assert!(matches!(refused.code, Some(1 | 2)), "{words}: {refused:?}");
        for message in [&ids[0], &ids[1], "name-a", "name-b", "runs:", "--force"] {
            assert!(refused.err.contains(message), "{words}: {message}: {refused:?}");
        }
    }
    let sum: u64 =
        ["a", "b"].map(|name| rig.report(&format!("runs/{name}.json")).energy.total_uj.unwrap()).iter().sum();
    for words in ["merge runs --json --force", "report runs --json --force", "merge runs/a.json runs/b.json --json"] {
        let merged = rig.eco2(words);
        assert_eq!(merged.report().energy.total_uj, Some(sum), "{words}");
        assert_eq!(merged.err.contains(&ids[0]), words.starts_with("merge"), "named on standard error: {merged:?}");
    }
    fs::remove_file(rig.path("runs/b.json")).unwrap();
    fs::copy(rig.path("runs/a.json"), rig.path("runs/copy.json")).unwrap();
    let twice = rig.eco2("report runs --json").report();
    assert_eq!(twice.run.id, ids[0], "two records of one run are no strangers");
}

#[test]
fn k11_beginning_of_several_ids_lists_them() {
    let rig = Rig::measured();
    rig.run("--quiet", "true");
    rig.run("--quiet", "true");
    let several = rig.eco2("report 2");
    assert_eq!(several.code, Some(1));
    for log in rig.logs() {
        let id = log.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(several.err.contains(&id), "{id}: {several:?}");
    }
}
