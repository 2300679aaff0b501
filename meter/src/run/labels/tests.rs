//! Tests of the search for a run's labels in scripted environments and folders.

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

/// Returns the labels that are found below a folder with these files.
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
    let shell = [&job[..], &[("SLURM_STEP_ID", "4294967290")]].concat();
    assert!(!found(&shell).labels.contains_key("rank"), "an interactive shell is no rank");
}

fn launch(variables: &[(&str, &str)]) -> Launch {
    found(variables).launch
}

#[test]
fn every_launcher_gives_rank_run_and_attempt() {
    let torch =
        [("RANK", "3"), ("WORLD_SIZE", "8"), ("TORCHELASTIC_RUN_ID", "job/7"), ("TORCHELASTIC_RESTART_COUNT", "2")];
    let expected = Launch {
        launcher: Some("torchrun"),
        run_id: Some("job-7".to_owned()),
        rank: Some(3),
        world_size: Some(8),
        attempt: 2,
        requeue: 0,
    };
    assert_eq!(launch(&torch), expected);
    let accelerate = [&torch[..], &[("ACCELERATE_MIXED_PRECISION", "bf16"), ("SLURM_RESTART_COUNT", "1")]].concat();
    assert_eq!(launch(&accelerate), Launch { launcher: Some("accelerate"), requeue: 1, ..expected });
    let step = [("SLURM_JOB_ID", "77"), ("SLURM_STEP_ID", "0"), ("SLURM_PROCID", "1"), ("SLURM_NTASKS", "2")];
    let of_step = launch(&step);
    assert_eq!(
        (of_step.run_id.as_deref(), of_step.rank, of_step.launcher),
        (Some("slurm-77.0"), Some(1), Some("SLURM"))
    );
    let mpi = [("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2"), ("PMIX_NAMESPACE", "prterun-n1-9@1")];
    assert_eq!(launch(&mpi).run_id.as_deref(), Some("mpi-prterun-n1-9-1"));
    for (variables, name, rank) in [
        (&[("RANK", "1"), ("CROSS_SIZE", "1"), ("LOCAL_SIZE", "2")][..], "DeepSpeed", 1),
        (&[("RANK", "1"), ("WORLD_SIZE", "2"), ("RAY_JOB_ID", "02000000")], "Ray", 1),
        (&[("HOROVOD_RANK", "5"), ("HOROVOD_SIZE", "6")], "Horovod", 5),
        (&[("PMI_RANK", "2"), ("PMI_SIZE", "4")], "MPI (PMI)", 2),
        (&[("JOB_COMPLETION_INDEX", "4")], "Kubernetes Job", 4),
    ] {
        let launch = launch(variables);
        assert_eq!((launch.launcher, launch.rank), (Some(name), Some(rank)), "{variables:?}");
    }
}

#[test]
fn an_id_that_is_given_names_the_run_and_none_is_made_of_what_many_share() {
    let torch = [("RANK", "0"), ("TORCHELASTIC_RUN_ID", "none")];
    assert_eq!(launch(&torch).run_id, None, "torchrun calls every run without an id by the same name");
    assert_eq!(launch(&[&torch[..], &[("WANDB_RUN_ID", "abc")]].concat()).run_id.as_deref(), Some("abc"));
    assert_eq!(launch(&[("SLURM_JOB_ID", "77")]).run_id, None, "an interactive allocation");
    let batch =
        [("SLURM_JOB_ID", "77"), ("ENVIRONMENT", "BATCH"), ("SLURM_ARRAY_JOB_ID", "70"), ("SLURM_ARRAY_TASK_ID", "3")];
    assert_eq!(launch(&batch).run_id.as_deref(), Some("slurm-70_3"));
    assert_eq!((folder_name("../a b"), folder_name(".hidden")), ("-.-a-b".to_owned(), "-hidden".to_owned()));
}

#[test]
fn k11_job_of_the_scheduler_beats_a_reused_launcher_id() {
    let torch = [("RANK", "0"), ("WORLD_SIZE", "1"), ("TORCHELASTIC_RUN_ID", "456")];
    let id = |job: &[(&str, &str)]| launch(&[&torch[..], job].concat()).run_id.unwrap();
    let step = |job: &'static str, step: &'static str| {
        [("SLURM_JOB_ID", job), ("SLURM_STEP_ID", step), ("SLURM_PROCID", "0"), ("SLURM_NTASKS", "1")]
    };
    let (first, second) = (id(&step("1001", "0")), id(&step("1002", "0")));
    assert_ne!(first, second, "two jobs are two runs");
    let requeued = [&step("1001", "0")[..], &[("SLURM_RESTART_COUNT", "1")]].concat();
    assert_eq!(id(&requeued), first, "a requeued job is the same run");
    assert_eq!(launch(&[&torch[..], &requeued].concat()).requeue, 1);
    assert_eq!(id(&step("1001", "1")), first, "a step a node is usual");
    assert_ne!(id(&[("SLURM_JOB_ID", "1001"), ("SLURM_ARRAY_JOB_ID", "1000"), ("SLURM_ARRAY_TASK_ID", "1")]), first);
    assert_eq!(id(&[]), "456", "no scheduler distinguishes two launches");
    let ray = |job: &'static str| launch(&[("RANK", "1"), ("RAY_JOB_ID", "01000000"), ("SLURM_JOB_ID", job)]).run_id;
    assert_ne!(ray("7"), ray("8"), "every Ray cluster counts its jobs from 1");
    let actor = launch(&[("RAY_JOB_ID", "02000000")]);
    assert_eq!((actor.run_id.as_deref(), actor.rank), (Some("ray-02000000"), None), "an actor has no rank");
    let torch = [("RANK", "0"), ("TORCHELASTIC_RUN_ID", "456"), ("RAY_JOB_ID", "02000000")];
    assert_eq!(launch(&torch).run_id.as_deref(), Some("456"));
}

#[test]
fn k11_kubernetes_job_beats_a_reused_launcher_id() {
    let id = |uid: &str| {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("podinfo")).unwrap();
        let labels = format!("batch.kubernetes.io/controller-uid=\"{uid}\"\n");
        fs::write(root.path().join("podinfo/labels"), labels).unwrap();
        let roots = Roots { procfs: "/nowhere".into(), podinfo: root.path().join("podinfo") };
        find([("RANK", "0"), ("TORCHELASTIC_RUN_ID", "456")], &roots).launch.run_id
    };
    assert_ne!(id("aaa"), id("bbb"));
    assert_eq!(id("aaa"), id("aaa"));
}

#[test]
fn ranks_of_a_launcher_without_an_id_are_known_by_their_parent() {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("self/stat", "42 (a (b) c) S 7 42 42 0 -1");
    put("7/stat", &format!("7 (mpirun) S 1 {} 9876 0", "0 ".repeat(17)));
    put("sys/kernel/random/boot_id", "0123abcd-0000\n");
    let roots = Roots { procfs: root.path().to_owned(), podinfo: "/nowhere".into() };
    let of = |variables: &[(&str, &str)]| find(variables.iter().copied(), &roots).launch.run_id;
    assert_eq!(of(&[("PMI_RANK", "1"), ("PMI_SIZE", "2")]).as_deref(), Some("launch-0123abcd-7-9876"));
    assert_eq!(of(&[("HOME", "/home/ann")]), None, "a process that is no rank is a run of its own");
    put("self/stat", "42 (a) S 1 42 42 0 -1");
    put("1/stat", &format!("1 (init) S 0 {} 9876 0", "0 ".repeat(17)));
    assert_eq!(of(&[("PMI_RANK", "1")]), None, "everything that is orphaned has the first process as parent");
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
    assert_eq!(torn.warnings, ["torchrun sets rank 9 of 16, Open MPI sets rank 4; torchrun is nearer and applies"]);
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
fn a_hidden_cgroup_is_replaced_by_mounts() {
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
