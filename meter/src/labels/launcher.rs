//! Which rank of how many this process is, from the launcher nearest to it.

use std::collections::HashMap;

use super::{Found, put};

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
/// a step: a batch script has `SLURM_PROCID=0` too.
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
        name: "SLURM",
        mark: "SLURM_STEP_ID",
        rank: "SLURM_PROCID",
        world: "SLURM_NTASKS",
        local_rank: "SLURM_LOCALID",
        node_rank: "SLURM_NODEID",
    },
];

/// Adds `rank`, `world_size`, `local_rank` and `node_rank`, and warns of launchers that contradict each other.
pub(super) fn add_ranks(environment: &HashMap<String, String>, found: &mut Found) {
    let mut present = LAUNCHERS.iter().filter(|launcher| environment.contains_key(launcher.mark));
    let Some(nearest) = present.next() else { return };
    let labels = [
        ("rank", nearest.rank),
        ("world_size", nearest.world),
        ("local_rank", nearest.local_rank),
        ("node_rank", nearest.node_rank),
    ];
    for (label, variable) in labels {
        if let Some(number) = number(environment, variable) {
            put(&mut found.labels, label, &number.to_string());
        }
    }
    found.warnings.extend(present.filter_map(|other| contradiction(environment, nearest, other)));
}

/// Two launchers of as many processes that number this one differently. Of different sizes they are nested, as torchrun
/// in one SLURM task a node is, and both are right.
fn contradiction(environment: &HashMap<String, String>, nearest: &Launcher, other: &Launcher) -> Option<String> {
    let of = |launcher: &Launcher| Some((number(environment, launcher.rank)?, number(environment, launcher.world)?));
    let ((rank, world), (other_rank, other_world)) = (of(nearest)?, of(other)?);
    (world == other_world && rank != other_rank).then(|| {
        let (near, far) = (nearest.name, other.name);
        format!("{near} says rank {rank} of {world}, {far} says rank {other_rank}; {near} is nearer and was believed")
    })
}

fn number(environment: &HashMap<String, String>, variable: &str) -> Option<u32> {
    environment.get(variable)?.trim().parse().ok()
}
