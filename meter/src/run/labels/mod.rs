//! Finds labels of a run in its environment ([`find`]): job, rank, container and pod. A label is a name with a value,
//! by which runs are grouped.
//!
//! Labels come from environment variables, procfs and the files of a pod; nothing is guessed from host names or the
//! network. Names follow OpenTelemetry if it defines one (`k8s.pod.name`, `container.id`). Labels that the user sets
//! win over found ones.

mod found;
mod launcher;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use eco2_core::cut_text;
pub use found::{Found, Launch};
use found::{LONGEST, put, read};
pub(crate) use launcher::folder_name;

/// Largest number of labels that are taken from a pod: the number that a user may set.
const MAX_POD_LABELS: usize = 64;
/// The folders that labels are read from; tests and containers name others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// Mount point of procfs.
    pub procfs: PathBuf,
    /// The folder of the Kubernetes downward API volume.
    pub podinfo: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { procfs: PathBuf::from("/proc"), podinfo: PathBuf::from("/etc/podinfo") }
    }
}

/// Variables whose value becomes a label, each with the name of the label.
const VARIABLES: &[(&str, &str)] = &[
    ("SLURM_JOB_ID", "slurm.job_id"),
    ("SLURM_JOB_NAME", "slurm.job_name"),
    ("SLURM_JOB_PARTITION", "slurm.partition"),
    ("SLURM_JOB_ACCOUNT", "slurm.account"),
    ("SLURM_CLUSTER_NAME", "slurm.cluster"),
    ("SLURM_ARRAY_JOB_ID", "slurm.array_job_id"),
    ("SLURM_ARRAY_TASK_ID", "slurm.array_task_id"),
    ("SLURM_STEP_ID", "slurm.step_id"),
    ("SLURM_PROCID", "slurm.procid"),
    ("SLURM_NODEID", "slurm.nodeid"),
    ("SLURM_RESTART_COUNT", "slurm.restart_count"),
    ("POD_NAME", "k8s.pod.name"),
    ("POD_NAMESPACE", "k8s.namespace.name"),
    ("POD_UID", "k8s.pod.uid"),
    ("NODE_NAME", "k8s.node.name"),
    ("SLURMD_NODENAME", "node"),
    ("NODE_NAME", "node"),
    ("JOB_COMPLETION_INDEX", "k8s.job.completion_index"),
    ("TORCHELASTIC_RUN_ID", "torchelastic.run_id"),
    ("TORCHELASTIC_RESTART_COUNT", "torchelastic.restart_count"),
    ("RAY_JOB_ID", "ray.job_id"),
];

/// Looks for labels in the environment and below the roots.
///
/// ```
/// use eco2::labels::{Roots, find};
///
/// let roots = Roots { procfs: "/proc".into(), podinfo: "/etc/podinfo".into() };
/// let found = find([("RANK", "3"), ("WORLD_SIZE", "8"), ("SLURM_JOB_ID", "77")], &roots);
/// assert_eq!((found.launch.rank, found.launch.world_size), (Some(3), Some(8)));
/// assert_eq!(found.labels["slurm.job_id"], "77");
/// ```
pub fn find<K: AsRef<OsStr>, V: AsRef<OsStr>>(variables: impl IntoIterator<Item = (K, V)>, roots: &Roots) -> Found {
    let environment = readable(variables);
    let mut found = Found::default();
    for (variable, label) in VARIABLES {
        if let Some(value) = environment.get(*variable) {
            put(&mut found.labels, label, value);
        }
    }
    launcher::add_ranks(&environment, &mut found);
    found::add_container(&roots.procfs, &mut found.labels);
    add_pod_labels(&roots.podinfo, &mut found.labels);
    launcher::add_run(&environment, &roots.procfs, &mut found);
    found
}

/// Returns the labels of a run: those that the user sets, and those found under other names.
///
/// ```
/// use eco2::labels::{Roots, find, merged};
///
/// let found = find([("SLURM_JOB_ID", "77"), ("SLURM_JOB_NAME", "train")], &Roots::default());
/// let labels = merged(&[("slurm.job_name".to_owned(), "bert".to_owned())].into(), &found);
/// assert_eq!((labels["slurm.job_id"].as_str(), labels["slurm.job_name"].as_str()), ("77", "bert"));
/// ```
#[must_use]
pub fn merged(given: &BTreeMap<String, String>, found: &Found) -> BTreeMap<String, String> {
    let mut labels = found.labels.clone();
    labels.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    labels
}

/// Returns the variables that are text and not empty.
fn readable<K: AsRef<OsStr>, V: AsRef<OsStr>>(variables: impl IntoIterator<Item = (K, V)>) -> HashMap<String, String> {
    let text = |(name, value): (K, V)| Some((name.as_ref().to_str()?.to_owned(), value.as_ref().to_str()?.to_owned()));
    variables.into_iter().filter_map(text).filter(|(_, value)| !value.trim().is_empty()).collect()
}

/// Adds a pod's labels from the file of the downward API: one `key="value"` per line, with the value escaped.
fn add_pod_labels(podinfo: &Path, labels: &mut BTreeMap<String, String>) {
    let text = read(&podinfo.join("labels")).unwrap_or_default();
    for (name, quoted) in text.lines().filter_map(|line| line.split_once('=')).take(MAX_POD_LABELS) {
        // Label values hold letters, digits, '-', '_' and '.' only: nothing in them is ever escaped.
        put(labels, &format!("k8s.pod.label.{}", cut_text(name.trim(), LONGEST)), quoted.trim().trim_matches('"'));
    }
}
