//! Finds the control groups of containers and pods by the names that runtimes, Kubernetes and systemd give them ([`find_groups`]). No
//! runtime is asked.
//!
//! Known names, where ID is 64 hexadecimal digits, and `.scope` and `.slice` are of systemd:
//! - containers: `ID` (Docker, containerd and Kubernetes without systemd), `docker-ID.scope`, `cri-containerd-ID.scope`,
//!   `crio-ID.scope`, `libpod-ID.scope` (Podman) and `nerdctl-ID.scope`; `libpod-conmon-ID.scope` is the process that watches a
//!   container and is none;
//! - pods: `podUID` below `kubepods`, and `kubepods-burstable-podUID.slice`, in which `_` is written for `-`.
//!
//! Only folders are looked into whose names are those of systemd, a runtime or Kubernetes, and in which root alone makes groups. A
//! user may make any names below an own slice, and a container within itself: nothing there is looked at, so that no user passes
//! energy to another, hides another's container, or makes the search long.
//!
//! systemd writes other characters of a name as `\x2d`.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Roots, sysfs};

/// Most folders that are looked into at a time.
const MOST_FOLDERS: usize = 4_096;
/// Length of the id of a container, hexadecimal digits.
const CONTAINER_ID: usize = 64;
/// Digits of a container's id that are shown.
const SHOWN_ID: usize = 12;

/// What a control group belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupKind {
    /// A container.
    Container,
    /// A pod of Kubernetes.
    Pod,
}

/// A control group that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownGroup {
    /// What it belongs to.
    pub kind: GroupKind,
    /// The first digits of a container's id, or a pod's UID.
    pub id: String,
    /// Its path below the mount point.
    pub path: PathBuf,
}

impl KnownGroup {
    /// Recognises a control group by its path below the mount point.
    ///
    /// ```
    /// use std::path::Path;
    /// use eco2_samplers::usage::{GroupKind, KnownGroup};
    ///
    /// let group = KnownGroup::of(Path::new("kubepods/pod6f5902ac-237d-4b43-9f32-8a6c5b3fd1c2")).unwrap();
    /// assert_eq!((group.kind, group.id.as_str()), (GroupKind::Pod, "6f5902ac-237d-4b43-9f32-8a6c5b3fd1c2"));
    /// ```
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let names: Vec<String> = path.iter().map(|part| part.to_str().map(unescaped)).collect::<Option<_>>()?;
        let (name, parents) = names.split_last()?;
        let (kind, id) = known(name, parents)?;
        Some(Self { kind, id, path: path.to_owned() })
    }
}

/// Returns what a group of this name is, below these parents, from the mount point on.
fn known(name: &str, parents: &[String]) -> Option<(GroupKind, String)> {
    // Every parent has to be one that is looked into: what is below another one is its owner's.
    if !(0..parents.len()).all(|at| is_searched(&parents[at], &parents[..at])) {
        return None;
    }
    if let Some(id) = pod(name).filter(|_| is_kubernetes(parents)) {
        return Some((GroupKind::Pod, id));
    }
    let id = container(name).filter(|_| !parents.is_empty())?;
    Some((GroupKind::Container, id.chars().take(SHOWN_ID).collect()))
}

/// Whether a folder of this name, below these parents, is looked into.
fn is_searched(name: &str, parents: &[String]) -> bool {
    const TOP: [&str; 7] = ["system.slice", "machine.slice", "docker", "libpod_parent", "default", "k8s.io", "kubelet"];
    if is_kubernetes(parents) {
        return matches!(name, "burstable" | "besteffort" | "guaranteed") || is_kubepods(name) || pod(name).is_some();
    }
    is_kubepods(name) && parents.iter().all(|parent| parent.starts_with("kubelet"))
        || parents.is_empty() && (TOP.contains(&name) || name == "kubelet.slice")
}

fn is_kubernetes(parents: &[String]) -> bool {
    parents.iter().any(|parent| is_kubepods(parent))
}

/// Whether a folder has pods. Below `kubelet.slice`, systemd writes the name of the parent before its own.
fn is_kubepods(name: &str) -> bool {
    name.strip_prefix("kubelet-").unwrap_or(name).starts_with("kubepods")
}

/// The control groups that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundGroups {
    /// Each group once.
    pub groups: Vec<KnownGroup>,
    /// Whether every folder was looked into; else a group that is not found may be there.
    pub is_whole: bool,
}

/// Returns the control groups of these kinds.
#[must_use]
pub fn find_groups(roots: &Roots, kinds: &[GroupKind]) -> FoundGroups {
    let mount = roots.sysfs.join("fs/cgroup");
    // The hierarchy that counts CPU time: the first of these that there is.
    let hierarchies = ["cpuacct", "cpu,cpuacct", "cpuacct,cpu"].map(|name| mount.join(name));
    let root = hierarchies.into_iter().find(|folder| folder.is_dir()).unwrap_or(mount);
    let mut queue = VecDeque::from([root.clone()]);
    let mut found: BTreeMap<(GroupKind, String), KnownGroup> = BTreeMap::new();
    for _ in 0..MOST_FOLDERS {
        let Some(folder) = queue.pop_front() else { break };
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        // Links lead out of the hierarchy, or around in it.
        let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        for path in folders.map(|entry| entry.path()) {
            let Ok(below) = path.strip_prefix(&root) else { continue };
            if let Some(group) = KnownGroup::of(below).filter(|group| kinds.contains(&group.kind)) {
                found.entry((group.kind, group.id.clone())).or_insert(group);
            }
            let names: Option<Vec<String>> = below.iter().map(|part| part.to_str().map(unescaped)).collect();
            let is_wanted =
                |names: Vec<String>| names.split_last().is_some_and(|(name, parents)| is_searched(name, parents));
            if names.is_some_and(is_wanted) {
                queue.push_back(path);
            }
        }
    }
    FoundGroups { groups: found.into_values().collect(), is_whole: queue.is_empty() }
}

/// Returns the name of a pod as the folder of its logs has it: the kubelet names it `NAMESPACE_NAME_UID`. No process has to be read.
#[must_use]
pub fn pod_name(roots: &Roots, uid: &str) -> Option<String> {
    let entries = fs::read_dir(roots.pod_logs()).ok()?;
    entries.flatten().find_map(|entry| {
        let folder = entry.file_name();
        let (namespace, rest) = folder.to_str()?.split_once('_')?;
        let (name, of) = rest.split_once('_')?;
        (of == uid && is_name(namespace) && is_name(name)).then(|| format!("{namespace}/{name}"))
    })
}

/// Whether a text from outside is a name that can be shown.
fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=253).contains(&text.len()) && text.chars().all(is_plain)
}

/// Returns the name of a pod or a container as its processes have it in their environment: `namespace/pod` by the downward API of
/// Kubernetes, else the host name. `None` where no process can be read.
#[must_use]
pub fn group_name(roots: &Roots, path: &Path) -> Option<String> {
    let mount = roots.sysfs.join("fs/cgroup");
    let pid = process_of(&mount, path)?;
    let bytes = fs::read(roots.procfs.join(pid.to_string()).join("environ")).ok()?;
    let value = |name: &str| {
        let entries = bytes.split(|byte| *byte == 0);
        let found = entries.filter_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")).next()?;
        let text = String::from_utf8(found.to_vec()).ok()?;
        is_name(&text).then_some(text)
    };
    match (value("POD_NAMESPACE"), value("POD_NAME")) {
        (Some(namespace), Some(pod)) => Some(format!("{namespace}/{pod}")),
        (None, Some(pod)) => Some(pod),
        (_, None) => value("HOSTNAME"),
    }
}

/// Returns a process of the group at a path below the mount point.
pub(super) fn process_of(mount: &Path, path: &Path) -> Option<u32> {
    let folders = ["cpuacct", "cpu,cpuacct", "cpuacct,cpu", "", "unified"].map(|name| mount.join(name).join(path));
    folders.iter().find_map(|folder| first_process(folder, 2))
}

/// Returns a process of a group, or of a group within it down to this depth.
fn first_process(folder: &Path, depth: usize) -> Option<u32> {
    let text = sysfs::read_long_text(&folder.join("cgroup.procs")).ok()?;
    let own = text.lines().find_map(|line| line.trim().parse().ok());
    let inner = || {
        let folders = fs::read_dir(folder).ok()?.flatten().filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()));
        folders.take(64).find_map(|entry| first_process(&entry.path(), depth.checked_sub(1)?))
    };
    own.or_else(inner)
}

fn container(name: &str) -> Option<&str> {
    let id = match name.strip_suffix(".scope") {
        None => name,
        Some(scope) => {
            let (runtime, id) = scope.rsplit_once('-')?;
            if runtime.ends_with("conmon") {
                return None;
            }
            id
        }
    };
    (id.len() == CONTAINER_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// Returns the UID of a pod: 32 hexadecimal digits, in groups or not.
fn pod(name: &str) -> Option<String> {
    let id = match name.strip_suffix(".slice") {
        None => name.strip_prefix("pod")?,
        Some(slice) => slice.rsplit_once("-pod")?.1,
    };
    let id = id.replace('_', "-");
    let digits = id.bytes().filter(|byte| *byte != b'-').collect::<Vec<_>>();
    (digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit)).then_some(id)
}

/// Returns a name of systemd with its escapes `\x2d` resolved.
fn unescaped(name: &str) -> String {
    let mut parts = name.split("\\x");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii_graphic);
        match (code, part.get(2..)) {
            (Some(code), Some(rest)) => format!("{text}{}{rest}", char::from(code)),
            _ => format!("{text}\\x{part}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "6f5902ac-237d-4b43-9f32-8a6c5b3fd1c2";

    fn known(path: &str) -> Option<(GroupKind, String)> {
        KnownGroup::of(Path::new(path)).map(|group| (group.kind, group.id))
    }

    #[test]
    fn f47_groups_are_recognised_in_every_form_of_their_names() {
        let short = ID[..12].to_owned();
        for path in [
            format!("docker/{ID}"),
            format!("system.slice/docker-{ID}.scope"),
            format!("kubepods/burstable/pod{UID}/{ID}"),
            format!("kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
            format!("kubepods.slice/crio-{ID}.scope"),
            format!("machine.slice/libpod-{ID}.scope"),
            format!("system.slice/docker\\x2d{ID}.scope"),
        ] {
            assert_eq!(known(&path), Some((GroupKind::Container, short.clone())), "{path}");
        }
        // A user may make any of these.
        for own in [
            "user.slice/user-1000.slice",
            "user.slice/user-1000.slice/user@1000.service",
            "system.slice/a.service",
            "docker/b",
        ] {
            for name in [format!("libpod-{ID}.scope"), format!("docker/{ID}"), format!("kubepods/pod{UID}")] {
                assert_eq!(known(&format!("{own}/{name}")), None, "{own}/{name}");
            }
        }
        let escaped = UID.replace('-', "_");
        for path in [
            format!("kubepods/pod{UID}"),
            format!("kubepods/besteffort/pod{UID}"),
            format!("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{escaped}.slice"),
            format!("kubepods.slice/kubepods-pod{escaped}.slice"),
            format!("kubelet/kubepods/pod{UID}"),
            format!("kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{escaped}.slice"),
            format!(
                "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{escaped}.slice"
            ),
        ] {
            assert_eq!(known(&path), Some((GroupKind::Pod, UID.to_owned())), "{path}");
        }
        for path in [
            "",
            "system.slice",
            "user.slice/user-1000.slice",
            "slurm/uid_1000",
            &format!("podx{UID}"),
            &format!("pod{UID}"),
            &format!("machine.slice/libpod-conmon-{ID}.scope"),
            &format!("docker/{}", &ID[1..]),
            "kubepods/pod-------",
            &format!("user.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{escaped}.slice"),
            "a\\xzz.scope",
            "a\\x2",
            "\\x",
        ] {
            assert_eq!(known(path), None, "{path}");
        }
    }

    #[test]
    fn f47_groups_are_found_in_trees_of_v1_v2_and_both() {
        let write = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for hierarchy in ["", "cpuacct", "cpu,cpuacct"] {
            let dir = tempfile::tempdir().unwrap();
            let roots = Roots { sysfs: dir.path().join("sys"), procfs: dir.path().join("proc"), ..Roots::default() };
            let mount = roots.sysfs.join("fs/cgroup").join(hierarchy);
            let pod = format!("kubepods/pod{UID}");
            for path in [pod.clone(), format!("{pod}/{ID}"), format!("{pod}/{ID}/docker/{ID}")] {
                fs::create_dir_all(mount.join(path)).unwrap();
            }
            std::os::unix::fs::symlink(&mount, mount.join("around")).unwrap();
            let all = [GroupKind::Container, GroupKind::Pod];
            let FoundGroups { groups: found, is_whole } = find_groups(&roots, &all);
            assert!(is_whole);
            let kinds: Vec<GroupKind> = found.iter().map(|group| group.kind).collect();
            assert_eq!(kinds, all, "{hierarchy:?}: {found:?}");
            assert_eq!(found[0].path, Path::new(&format!("{pod}/{ID}")), "the outermost");
            assert_eq!(find_groups(&roots, &[GroupKind::Pod]).groups.len(), 1);
            assert_eq!(group_name(&roots, &found[1].path), None);
            write(&mount.join(&pod).join("cgroup.procs"), "");
            write(&mount.join(&pod).join(ID).join("cgroup.procs"), "77\n");
            write(&dir.path().join("proc/77/environ"), "A=b\0POD_NAME=train-0\0POD_NAMESPACE=ml\0");
            assert_eq!(group_name(&roots, &found[1].path).as_deref(), Some("ml/train-0"));
            write(&dir.path().join("proc/77/environ"), "HOSTNAME=a\u{1b}[2J\0");
            assert_eq!(group_name(&roots, &found[1].path), None, "a name from outside is checked");
        }
    }

    #[test]
    fn name_of_a_pod_is_that_of_the_folder_of_its_logs() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { sysfs: dir.path().join("sys"), ..Roots::default() };
        assert_eq!(pod_name(&roots, UID), None);
        let make = |name: &str| fs::create_dir_all(dir.path().join("var/log/pods").join(name)).unwrap();
        make(&format!("ml_other_{}", UID.replace('6', "7")));
        make(&format!("ml_a\u{1b}[2J_{UID}"));
        make(UID);
        assert_eq!(pod_name(&roots, UID), None, "names are checked");
        make(&format!("ml_train-0.a_{UID}"));
        assert_eq!(pod_name(&roots, UID).as_deref(), Some("ml/train-0.a"));
    }

    #[test]
    fn users_cannot_make_the_search_long_and_an_unfinished_one_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { sysfs: dir.path().join("sys"), ..Roots::default() };
        let mount = roots.sysfs.join("fs/cgroup");
        for number in 0..MOST_FOLDERS {
            fs::create_dir_all(mount.join(format!("user.slice/user-1000.slice/app.slice/{number}"))).unwrap();
        }
        fs::create_dir_all(mount.join(format!("system.slice/docker-{ID}.scope"))).unwrap();
        let found = find_groups(&roots, &[GroupKind::Container]);
        assert!(found.is_whole && found.groups.len() == 1, "{found:?}");
        for number in 0..MOST_FOLDERS {
            fs::create_dir_all(mount.join(format!("kubepods/pod{number:032x}"))).unwrap();
        }
        assert!(!find_groups(&roots, &[GroupKind::Container]).is_whole);
    }
}
