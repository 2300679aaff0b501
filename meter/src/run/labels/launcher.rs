//! Finds the launcher of this process (torchrun, mpirun, srun and others) in its environment: its rank, the number of
//! processes, the run's id and the number of restarts.
//!
//! The nearest launcher applies. A run id that the user sets wins over a launcher's. Ranks of a launcher without an id
//! are recognised by their common parent process: its process id and its start time identify it within a boot.

use std::collections::HashMap;
use std::path::Path;

use super::found::{Found, Launch, put, read};

/// The variables that a launcher sets.
struct Launcher {
    /// Name of the launcher, for the label `launcher`.
    name: &'static str,
    /// The variable that shows that this launcher started the process.
    mark: &'static str,
    /// The variable with the rank of the process.
    rank: &'static str,
    /// The variable with the number of processes.
    world: &'static str,
    /// The variable with the rank among the processes of one node.
    local_rank: &'static str,
    /// The variable with the number of the node.
    node_rank: &'static str,
}

/// The launchers, nearest first: torchrun runs inside mpirun or srun, mpirun inside a SLURM allocation. SLURM's own
/// rank counts only in a step, because a batch script has `SLURM_PROCID=0` too. torchrun, accelerate, DeepSpeed, Ray
/// and PyTorchJob all set `RANK`; `flavour` finds which of them it was.
const LAUNCHERS: &[Launcher] = &[
    Launcher {
        name: "torchrun",
        mark: "RANK",
        rank: "RANK",
        world: "WORLD_SIZE",
        local_rank: "LOCAL_RANK",
        node_rank: "GROUP_RANK",
    },
    Launcher {
        name: "Horovod",
        mark: "HOROVOD_RANK",
        rank: "HOROVOD_RANK",
        world: "HOROVOD_SIZE",
        local_rank: "HOROVOD_LOCAL_RANK",
        node_rank: "HOROVOD_CROSS_RANK",
    },
    Launcher {
        name: "Open MPI",
        mark: "OMPI_COMM_WORLD_RANK",
        rank: "OMPI_COMM_WORLD_RANK",
        world: "OMPI_COMM_WORLD_SIZE",
        local_rank: "OMPI_COMM_WORLD_LOCAL_RANK",
        node_rank: "",
    },
    Launcher {
        name: "MPI (PMI)",
        mark: "PMI_RANK",
        rank: "PMI_RANK",
        world: "PMI_SIZE",
        local_rank: "MPI_LOCALRANKID",
        node_rank: "",
    },
    Launcher {
        name: "MPI (PMIx)",
        mark: "PMIX_RANK",
        rank: "PMIX_RANK",
        world: "",
        local_rank: "PALS_LOCAL_RANKID",
        node_rank: "",
    },
    Launcher {
        name: "SLURM",
        mark: "SLURM_STEP_ID",
        rank: "SLURM_PROCID",
        world: "SLURM_NTASKS",
        local_rank: "SLURM_LOCALID",
        node_rank: "SLURM_NODEID",
    },
    Launcher {
        name: "Kubernetes Job",
        mark: "JOB_COMPLETION_INDEX",
        rank: "JOB_COMPLETION_INDEX",
        world: "",
        local_rank: "",
        node_rank: "",
    },
];

/// The lowest step id that SLURM reserves: interactive, batch script, external (slurm.h, `SLURM_INTERACTIVE_STEP` and
/// above). Smaller ids are the user's own steps.
const FIRST_PSEUDO_STEP: u32 = 0xffff_fffa;

/// Launchers that set `RANK`, by the prefix of a variable that only each of them sets.
const FLAVOURS: &[(&str, &str)] = &[
    ("ACCELERATE_", "accelerate"),
    ("CROSS_SIZE", "DeepSpeed"),
    ("DEEPSPEED_", "DeepSpeed"),
    ("DS_", "DeepSpeed"),
    ("RAY_", "Ray"),
    ("TORCHELASTIC_", "torchrun"),
    ("PET_", "PyTorchJob"),
];

/// Adds `launcher`, `rank`, `world_size`, `local_rank` and `node_rank`, and warns of launchers that contradict each
/// other.
pub(super) fn add_ranks(environment: &HashMap<String, String>, found: &mut Found) {
    let mut present = LAUNCHERS.iter().filter(|launcher| is_present(environment, launcher));
    let Some(nearest) = present.next() else { return };
    let number = |variable: &str| number(environment, variable);
    found.launch = Launch {
        launcher: Some(flavour(environment, nearest)),
        rank: number(nearest.rank),
        world_size: number(nearest.world),
        ..Launch::default()
    };
    put(&mut found.labels, "launcher", flavour(environment, nearest));
    let labels = [
        ("rank", nearest.rank),
        ("world_size", nearest.world),
        ("local_rank", nearest.local_rank),
        ("node_rank", nearest.node_rank),
    ];
    for (label, variable) in labels {
        if let Some(number) = number(variable) {
            put(&mut found.labels, label, &number.to_string());
        }
    }
    found.warnings.extend(present.filter_map(|other| contradiction(environment, nearest, other)));
}

/// Whether this process is one of the tasks of a SLURM step, and not a shell next to them.
pub(super) fn in_slurm_step(environment: &HashMap<String, String>) -> bool {
    number(environment, "SLURM_STEP_ID").is_some_and(|step| step < FIRST_PSEUDO_STEP)
}

/// Whether the variables of a launcher show that it started this process.
fn is_present(environment: &HashMap<String, String>, launcher: &Launcher) -> bool {
    number(environment, launcher.rank).is_some()
        && environment.contains_key(launcher.mark)
        && (launcher.name != "SLURM" || in_slurm_step(environment))
}

/// Returns the name of the launcher; for one that sets `RANK`, which of [`FLAVOURS`] it is.
fn flavour(environment: &HashMap<String, String>, launcher: &Launcher) -> &'static str {
    let marked = |prefix: &str| environment.keys().any(|name| name.starts_with(prefix));
    let found = FLAVOURS.iter().find(|(prefix, _)| launcher.mark == "RANK" && marked(prefix));
    found.map_or(launcher.name, |(_, name)| name)
}

/// Returns a text if two launchers with the same number of processes give this process different ranks. With different
/// numbers of processes they are nested, such as torchrun in one SLURM task per node, and both are right.
fn contradiction(environment: &HashMap<String, String>, nearest: &Launcher, other: &Launcher) -> Option<String> {
    let of = |launcher: &Launcher| Some((number(environment, launcher.rank)?, number(environment, launcher.world)?));
    let ((rank, world), (other_rank, other_world)) = (of(nearest)?, of(other)?);
    (world == other_world && rank != other_rank).then(|| {
        let (near, far) = (flavour(environment, nearest), other.name);
        format!("{near} sets rank {rank} of {world}, {far} sets rank {other_rank}; {near} is nearer and applies")
    })
}

/// Returns the value of a variable as a number; `None` if it is not set or not a number.
pub(super) fn number(environment: &HashMap<String, String>, variable: &str) -> Option<u32> {
    environment.get(variable)?.trim().parse().ok()
}

/// Variables of run ids that people give, nearest first. Those of MLflow and Weights & Biases name a run that may be
/// resumed.
const GIVEN: &[&str] = &["MLFLOW_RUN_ID", "WANDB_RUN_ID"];
/// Labels that all pods of one job have in common.
const POD_LABELS: &[&str] = &[
    "k8s.pod.label.batch.kubernetes.io/controller-uid",
    "k8s.pod.label.jobset.sigs.k8s.io/jobset-uid",
    "k8s.pod.label.training.kubeflow.org/job-name",
    "k8s.pod.label.jobset.sigs.k8s.io/jobset-name",
    "k8s.pod.label.batch.kubernetes.io/job-name",
];
/// Those of the labels whose values no later job gets again. A JobSet comes before a job, because it contains several
/// jobs.
const POD_UIDS: &[&str] =
    &["k8s.pod.label.jobset.sigs.k8s.io/jobset-uid", "k8s.pod.label.batch.kubernetes.io/controller-uid"];
/// Largest length of an id, bytes: it is the name of a folder.
const LONGEST: usize = 100;

/// Adds the run's id, its restarts and its requeues from the environment.
pub(super) fn add_run(environment: &HashMap<String, String>, procfs: &Path, found: &mut Found) {
    let count = |variable| number(environment, variable).unwrap_or(0);
    found.launch.attempt = count("TORCHELASTIC_RESTART_COUNT");
    found.launch.requeue = count("SLURM_RESTART_COUNT");
    found.launch.run_id = given(environment)
        .or_else(|| launchers(environment, found))
        .or_else(|| pods(found))
        .or_else(|| found.launch.rank.and_then(|_| parents(environment, procfs)))
        .map(|id| folder_name(&id));
}

/// Returns the run id that the user gave to another tool; `None` if there is none.
fn given(environment: &HashMap<String, String>) -> Option<String> {
    GIVEN.iter().find_map(|variable| environment.get(*variable)).cloned()
}

/// Returns the run id from a launcher. People give the same launcher id to many launches, and Ray counts its jobs from
/// 1 in every cluster, so within a scheduler's job the id is joined with the job's. All steps of a job with one
/// launcher id are one run, because one step per node is usual.
fn launchers(environment: &HashMap<String, String>, found: &Found) -> Option<String> {
    let text = |variable: &str| environment.get(variable).cloned();
    // Without `--rdzv-id` torchrun names every run "none".
    let elastic = text("TORCHELASTIC_RUN_ID").filter(|id| id != "none");
    // Ray sets it in its workers: in those of Ray Train together with a rank, in actors and tasks without one.
    let is_of_ray = matches!(found.launch.launcher, Some("Ray") | None);
    let ray = || text("RAY_JOB_ID").filter(|_| is_of_ray).map(|id| format!("ray-{id}"));
    let launcher = elastic.or_else(ray).map(|id| match scheduled(environment, found) {
        Some(job) => format!("{job}-{id}"),
        None => id,
    });
    launcher.or_else(|| slurm(environment)).or_else(|| text("PMIX_NAMESPACE").map(|id| format!("mpi-{id}")))
}

/// Returns the id of the scheduler's job that this process belongs to. A requeued job keeps it.
fn scheduled(environment: &HashMap<String, String>, found: &Found) -> Option<String> {
    let of_pod = || POD_UIDS.iter().find_map(|label| found.labels.get(*label)).map(|uid| format!("k8s-{uid}"));
    slurm_job(environment).map(|job| format!("slurm-{job}")).or_else(of_pod)
}

/// Returns the id of the SLURM job; of an array, the ids of the array and of the task in it.
fn slurm_job(environment: &HashMap<String, String>) -> Option<String> {
    let text = |variable: &str| environment.get(variable).map(String::as_str);
    match (text("SLURM_ARRAY_JOB_ID"), text("SLURM_ARRAY_TASK_ID")) {
        (Some(array), Some(task)) => Some(format!("{array}_{task}")),
        _ => text("SLURM_JOB_ID").map(str::to_owned),
    }
}

/// Returns the id of a SLURM step or batch script. A step keeps its number when the job is requeued. Outside of steps
/// only a batch script is one run: in an interactive allocation the user runs many commands.
fn slurm(environment: &HashMap<String, String>) -> Option<String> {
    let text = |variable: &str| environment.get(variable).map(String::as_str);
    let job = slurm_job(environment)?;
    match text("SLURM_STEP_ID").filter(|_| in_slurm_step(environment)) {
        Some(step) => Some(format!("slurm-{job}.{step}")),
        None => (text("ENVIRONMENT") == Some("BATCH")).then(|| format!("slurm-{job}")),
    }
}

/// Returns a run id from the labels that the pods of one job have in common; `None` for a process without a rank.
fn pods(found: &Found) -> Option<String> {
    let id = POD_LABELS.iter().find_map(|label| found.labels.get(*label))?;
    found.launch.rank.map(|_| format!("k8s-{id}"))
}

/// Returns an id from the parent process, which ranks of one launch have in common. Source: proc_pid_stat(5), field 4
/// is the parent and field 22 its start in clock ticks since boot.
fn parents(environment: &HashMap<String, String>, procfs: &Path) -> Option<String> {
    // Process 1 is the parent of all orphans and of all processes that a container or machine starts first, so it
    // identifies no launch.
    let parent = stat_field(&procfs.join("self/stat"), 4).filter(|parent| parent != "1")?;
    let start = stat_field(&procfs.join(&parent).join("stat"), 22)?;
    let boot = read(&procfs.join("sys/kernel/random/boot_id"))?;
    // Two launches from one parent, such as a shell, have different ports.
    let port = environment.get("MASTER_PORT").map_or_else(String::new, |port| format!("-{port}"));
    Some(format!("launch-{}-{parent}-{start}{port}", boot.trim().get(..8)?))
}

/// Returns a field of a `stat` file by its number in the manual. The second field, in parentheses, may contain any
/// character.
fn stat_field(path: &Path, number: usize) -> Option<String> {
    let text = read(path)?;
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(number.checked_sub(3)?).map(str::to_owned)
}

/// An id that is safe as the name of a folder: letters, digits and `._-`, at most 100, and no dot in front.
#[must_use]
pub(crate) fn folder_name(id: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    let name: String = id.trim().chars().map(plain).take(LONGEST).collect();
    name.strip_prefix('.').map(|rest| format!("-{rest}")).unwrap_or(name)
}
