//! Which rank of how many this process is, from the launcher nearest to it.

use std::collections::HashMap;

use super::found::{Found, Launch, put};

/// What a launcher sets.
struct Launcher {
    name: &'static str,
    /// The variable that shows that it launched this process.
    mark: &'static str,
    rank: &'static str,
    world: &'static str,
    local_rank: &'static str,
    node_rank: &'static str,
}

/// Nearest first: torchrun runs inside mpirun or srun, mpirun inside a SLURM allocation. SLURM's own rank counts only in
/// a step: a batch script has `SLURM_PROCID=0` too. `RANK` is set by torchrun, accelerate, DeepSpeed, Ray and PyTorchJob
/// alike; which of them it was is told by [`flavour`].
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

/// Step ids from here on are no steps of the user's: interactive, batch script, external (slurm.h, `SLURM_INTERACTIVE_STEP`
/// and those above it).
const FIRST_PSEUDO_STEP: u32 = 0xffff_fffa;

/// Says of a launcher that all call `RANK` which one it was: each leaves a variable of its own.
const FLAVOURS: &[(&str, &str)] = &[
    ("ACCELERATE_", "accelerate"),
    ("CROSS_SIZE", "DeepSpeed"),
    ("DEEPSPEED_", "DeepSpeed"),
    ("DS_", "DeepSpeed"),
    ("RAY_", "Ray"),
    ("TORCHELASTIC_", "torchrun"),
    ("PET_", "PyTorchJob"),
];

/// Adds `launcher`, `rank`, `world_size`, `local_rank` and `node_rank`, and warns of launchers that contradict each other.
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

/// Whether this process is one of a SLURM step's tasks, and no shell beside them.
pub(super) fn in_slurm_step(environment: &HashMap<String, String>) -> bool {
    number(environment, "SLURM_STEP_ID").is_some_and(|step| step < FIRST_PSEUDO_STEP)
}

fn is_present(environment: &HashMap<String, String>, launcher: &Launcher) -> bool {
    number(environment, launcher.rank).is_some()
        && environment.contains_key(launcher.mark)
        && (launcher.name != "SLURM" || in_slurm_step(environment))
}

fn flavour(environment: &HashMap<String, String>, launcher: &Launcher) -> &'static str {
    let marked = |prefix: &str| environment.keys().any(|name| name.starts_with(prefix));
    let found = FLAVOURS.iter().find(|(prefix, _)| launcher.mark == "RANK" && marked(prefix));
    found.map_or(launcher.name, |(_, name)| name)
}

/// Two launchers of as many processes that number this one differently. Of different sizes they are nested, as torchrun
/// in one SLURM task a node is, and both are right.
fn contradiction(environment: &HashMap<String, String>, nearest: &Launcher, other: &Launcher) -> Option<String> {
    let of = |launcher: &Launcher| Some((number(environment, launcher.rank)?, number(environment, launcher.world)?));
    let ((rank, world), (other_rank, other_world)) = (of(nearest)?, of(other)?);
    (world == other_world && rank != other_rank).then(|| {
        let (near, far) = (flavour(environment, nearest), other.name);
        format!("{near} says rank {rank} of {world}, {far} says rank {other_rank}; {near} is nearer and was believed")
    })
}

pub(super) fn number(environment: &HashMap<String, String>, variable: &str) -> Option<u32> {
    environment.get(variable)?.trim().parse().ok()
}
