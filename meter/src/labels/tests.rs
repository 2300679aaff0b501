//! Labels of scripted surroundings.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use proptest::prelude::*;

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const UID: &str = "f8c9a3d2-1b2c-4d5e-8f90-123456789abc";

fn found(variables: &[(&str, &str)]) -> Found {
    find(variables.iter().copied(), &Roots { procfs: "/nowhere".into(), podinfo: "/nowhere".into() })
}

/// Labels below a tree with those files.
fn in_tree(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let roots = Roots { procfs: root.path().join("proc"), podinfo: root.path().join("podinfo") };
    find([("HOME", "/home/ann")], &roots).labels
}

#[test]
fn nothing_around_makes_no_labels() {
    assert_eq!(found(&[("PATH", "/bin"), ("SLURM_JOB_ID", "")]), Found::default());
}

#[test]
fn a_slurm_job_is_named() {
    let job = [
        ("SLURM_JOB_ID", "77"),
        ("SLURM_JOB_NAME", "train\u{7} bert"),
        ("SLURM_PROCID", "3"),
        ("SLURM_NTASKS", "8"),
        ("SLURM_NODEID", "1"),
        ("SLURM_RESTART_COUNT", "2"),
    ];
    let labels = found(&job).labels;
    assert_eq!((labels["slurm.job_id"].as_str(), labels["slurm.job_name"].as_str()), ("77", "train bert"));
    assert_eq!(labels["slurm.restart_count"], "2");
    assert!(!labels.contains_key("rank"), "a batch script is no rank");
    let step = [&job[..], &[("SLURM_STEP_ID", "0")]].concat();
    let labels = found(&step).labels;
    assert_eq!((labels["rank"].as_str(), labels["world_size"].as_str()), ("3", "8"));
    assert_eq!(labels["node_rank"], "1");
}

#[test]
fn the_nearest_launcher_gives_the_rank() {
    let slurm = [("SLURM_STEP_ID", "0"), ("SLURM_PROCID", "1"), ("SLURM_NTASKS", "2")];
    let torch = [("RANK", "9"), ("WORLD_SIZE", "16"), ("LOCAL_RANK", "1"), ("GROUP_RANK", "1")];
    let nested = found(&[&slurm[..], &torch[..]].concat());
    assert_eq!((nested.labels["rank"].as_str(), nested.labels["local_rank"].as_str()), ("9", "1"));
    assert!(nested.warnings.is_empty(), "torchrun in one task a node is no contradiction");
    let mpi = [("OMPI_COMM_WORLD_RANK", "4"), ("OMPI_COMM_WORLD_SIZE", "16")];
    let torn = found(&[&mpi[..], &torch[..]].concat());
    assert_eq!(torn.labels["rank"], "9");
    assert_eq!(
        torn.warnings,
        ["torchrun says rank 9 of 16, Open MPI says rank 4; torchrun is nearer and was believed"]
    );
    assert!(!found(&[("RANK", "nine")]).labels.contains_key("rank"));
}

#[test]
fn containers_are_known_by_their_cgroup() {
    let docker = format!("12:cpuset:/docker/{ID}\n0::/\n");
    let scope = format!("0::/system.slice/docker-{ID}.scope\n");
    let nested = format!("1:name=systemd:/kubepods/burstable/pod{UID}/{ID}\n");
    for text in [&docker, &scope, &nested] {
        assert_eq!(in_tree(&[("proc/self/cgroup", text)])["container.id"], ID, "{text}");
    }
    let under = UID.replace('-', "_");
    let slice = format!("0::/kubepods.slice/kubepods-burstable-pod{under}.slice/cri-containerd-{ID}.scope\n");
    for text in [&nested, &slice] {
        assert_eq!(in_tree(&[("proc/self/cgroup", text)])["k8s.pod.uid"], UID, "{text}");
    }
    for text in ["0::/user.slice/user-1000.slice/session-2.scope\n", "0::/\n", "", "garbage"] {
        assert!(in_tree(&[("proc/self/cgroup", text)]).is_empty(), "{text}");
    }
}

#[test]
fn a_hidden_cgroup_is_made_up_for_by_mounts() {
    let mounts = format!(
        "1 2 8:1 /var/lib/kubelet/pods/{UID}/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw\n\
         3 2 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
    );
    let labels = in_tree(&[("proc/self/cgroup", "0::/\n"), ("proc/self/mountinfo", &mounts)]);
    assert_eq!((labels["container.id"].as_str(), labels["k8s.pod.uid"].as_str()), (ID, UID));
    let host = format!("4 2 0:5 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n");
    let bound = format!("5 2 8:1 /var/lib/docker/containers/{ID}/hostname /mnt/copy rw - ext4 /dev/sda1 rw\n");
    for other in [host, bound] {
        assert!(in_tree(&[("proc/self/mountinfo", &other)]).is_empty(), "a host lists its containers' mounts");
    }
}

#[test]
fn a_pod_is_named_by_the_downward_api() {
    let pod = found(&[("POD_NAME", "train-0"), ("POD_NAMESPACE", "ml"), ("NODE_NAME", "gpu-7")]).labels;
    assert_eq!(
        (pod["k8s.pod.name"].as_str(), pod["k8s.namespace.name"].as_str(), pod["k8s.node.name"].as_str()),
        ("train-0", "ml", "gpu-7")
    );
    let labels = in_tree(&[("podinfo/labels", "team=\"nlp\"\nbatch.kubernetes.io/job-name=\"train\"\n\nbad\n")]);
    assert_eq!(labels["k8s.pod.label.team"], "nlp");
    assert_eq!(labels["k8s.pod.label.batch.kubernetes.io/job-name"], "train");
    assert_eq!(labels.len(), 2);
}

#[test]
fn given_labels_win_and_values_are_bounded() {
    let long = "é".repeat(1000);
    let found = found(&[("SLURM_JOB_ID", "77"), ("POD_NAME", &long)]);
    assert_eq!(found.labels["k8s.pod.name"].len(), 256);
    let given = BTreeMap::from([("slurm.job_id".to_owned(), "mine".to_owned())]);
    let labels = merged(&given, &found);
    assert_eq!((labels["slurm.job_id"].as_str(), labels.len()), ("mine", 2));
}

proptest! {
    #[test]
    fn any_surroundings_are_read_without_panic(
        value in proptest::collection::vec(1..=255_u8, 0..100), text in "\\PC{0,200}",
    ) {
        let names = VARIABLES.iter().map(|(name, _)| *name).chain(["RANK", "WORLD_SIZE", "SLURM_NTASKS"]);
        let nowhere = Roots { procfs: "/nowhere".into(), podinfo: "/nowhere".into() };
        find(names.map(|name| (name, OsStr::from_bytes(&value))), &nowhere);
        in_tree(&[("proc/self/cgroup", &text), ("proc/self/mountinfo", &text), ("podinfo/labels", &text)]);
    }
}
