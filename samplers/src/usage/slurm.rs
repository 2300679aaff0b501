//! Finds the control group that SLURM makes for a job.

use std::fs;
use std::path::{Path, PathBuf};

use super::groups::process_of;
use crate::Roots;

/// Returns the path of a job's group below the mount point, and the user that the path names, if it does; `None` while there is no such
/// group. With cgroup v1 it is `slurm/uid_N/job_ID`, with v2 `system.slice/slurmstepd.scope/job_ID`; both may have the node's name.
#[must_use]
pub fn slurm_job_group(roots: &Roots, id: &str) -> Option<(PathBuf, Option<u32>)> {
    let job = format!("job_{id}");
    if id.is_empty() || id.contains('/') {
        return None;
    }
    let mount = roots.sysfs.join("fs/cgroup");
    for hierarchy in ["cpuacct", "cpu,cpuacct", "cpuacct,cpu"].map(|name| mount.join(name)) {
        for base in folders(&hierarchy, |name| name == "slurm" || name.starts_with("slurm_")) {
            for user in folders(&hierarchy.join(&base), |name| name.starts_with("uid_")) {
                let path = Path::new(&base).join(&user).join(&job);
                if hierarchy.join(&path).is_dir() {
                    return Some((path, user.strip_prefix("uid_").and_then(|uid| uid.parse().ok())));
                }
            }
        }
    }
    let system = Path::new("system.slice");
    let scopes = folders(&mount.join(system), |name| name.ends_with("slurmstepd.scope"));
    let mut paths = scopes.into_iter().map(|scope| system.join(scope).join(&job));
    paths.find(|path| mount.join(path).is_dir()).map(|path| (path, None))
}

/// Returns a process of the group at a path below the mount point.
#[must_use]
pub fn first_process_of(roots: &Roots, path: &Path) -> Option<u32> {
    process_of(&roots.sysfs.join("fs/cgroup"), path)
}

fn folders(of: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_wanted(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_of_a_job_is_found_in_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { sysfs: dir.path().into(), ..Roots::default() };
        assert_eq!(slurm_job_group(&roots, "7"), None);
        let make = |path: &str| fs::create_dir_all(dir.path().join("fs/cgroup").join(path)).unwrap();
        make("system.slice/n1_slurmstepd.scope/job_7");
        let v2 = Path::new("system.slice/n1_slurmstepd.scope/job_7");
        assert_eq!(slurm_job_group(&roots, "7"), Some((v2.into(), None)));
        assert_eq!(first_process_of(&roots, v2), None);
        fs::write(dir.path().join("fs/cgroup").join(v2).join("cgroup.procs"), "41\n").unwrap();
        assert_eq!(first_process_of(&roots, v2), Some(41));
        make("cpuacct/slurm_n1/uid_1000/job_7");
        assert_eq!(slurm_job_group(&roots, "7"), Some(("slurm_n1/uid_1000/job_7".into(), Some(1000))));
        assert_eq!(slurm_job_group(&roots, "../job_7"), None);
    }
}
