//! Holds the result of the search for a run's labels, and finds the container and the Kubernetes pod of this process:
//! from its cgroup path or, if that is hidden, from its mounts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use eco2_core::cut_text;

/// Largest length of a label's value, bytes.
pub(super) const LONGEST: usize = 256;
/// Largest number of bytes read of a file. Most files read here have a few lines; a mountinfo of a busy node has some
/// hundred kilobytes.
const MOST_BYTES: u64 = 1 << 20;

/// The result of the search for labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Values of the labels by name.
    pub labels: BTreeMap<String, String>,
    /// Texts about contradictions, for people.
    pub warnings: Vec<String>,
    /// The position of this process among those that a launcher started.
    pub launch: Launch,
}

/// Data from the launcher (torchrun, mpirun, srun and others): rank, number of processes, run id and restarts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Launch {
    /// Name of the launcher nearest to this process; `None` without a launcher.
    pub launcher: Option<&'static str>,
    /// Id of the run, which can be the name of a folder; `None` if the process is a run of its own.
    pub run_id: Option<String>,
    /// Rank of this process, counted from 0; `None` if not known.
    pub rank: Option<u32>,
    /// Number of processes; `None` if not known.
    pub world_size: Option<u32>,
    /// Number of restarts by the launcher.
    pub attempt: u32,
    /// Number of restarts of the whole job by the scheduler.
    pub requeue: u32,
}

/// Sets a label unless an earlier search, which is nearer to the process, has set it. Control characters and the part
/// beyond 256 bytes are left out.
pub(super) fn put(labels: &mut BTreeMap<String, String>, name: &str, value: &str) {
    let clean: String = value.trim().chars().filter(|letter| !letter.is_control()).collect();
    if !clean.is_empty() {
        labels.entry(name.to_owned()).or_insert_with(|| cut_text(&clean, LONGEST).to_owned());
    }
}

/// Returns the text of a small file; `None` if there is no such file. Bytes that are not UTF-8 are replaced.
pub(super) fn read(path: &Path) -> Option<String> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Number of hexadecimal digits in a container id of Docker, containerd, CRI-O and podman.
const ID_LENGTH: usize = 64;

/// Adds `container.id` and `k8s.pod.uid` if the process runs in a container or pod.
pub(super) fn add_container(procfs: &Path, labels: &mut BTreeMap<String, String>) {
    let cgroup = read(&procfs.join("self/cgroup")).unwrap_or_default();
    let mounts = read(&procfs.join("self/mountinfo")).unwrap_or_default();
    if let Some(id) = cgroup.lines().find_map(container).or_else(|| mounts.lines().find_map(mounted_container)) {
        put(labels, "container.id", id);
    }
    if let Some(uid) = cgroup.lines().find_map(pod).or_else(|| mounts.lines().find_map(mounted_pod)) {
        put(labels, "k8s.pod.uid", &uid);
    }
}

/// Returns the container id in a cgroup path: `…/docker/<id>`, `…/docker-<id>.scope`, `…/cri-containerd-<id>.scope`,
/// `…/crio-<id>.scope`, `…/libpod-<id>.scope`.
fn container(line: &str) -> Option<&str> {
    let words = line.rsplit(['/', '-', ':', '.']);
    words.into_iter().find(|word| is_id(word))
}

/// Returns the container id in a line of mountinfo. In a cgroup namespace the path is `/`, but `/etc/hostname` is still
/// mounted from `/var/lib/docker/containers/<id>/`.
fn mounted_container(line: &str) -> Option<&str> {
    let (_, rest) = behind_etc(line)?.split_once("/containers/")?;
    rest.split('/').next().filter(|word| is_id(word))
}

/// Returns the source of a mount that the container runtime placed on one of three files in `/etc`. Other lines are not
/// about this process: a host lists its containers' mounts too.
fn behind_etc(line: &str) -> Option<&str> {
    // proc_pid_mountinfo(5): id, parent, device, root within the file system, mount point, …
    let mut fields = line.split(' ').skip(3);
    let (source, target) = (fields.next()?, fields.next()?);
    matches!(target, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf").then_some(source)
}

/// Whether a word has the form of a container id.
fn is_id(word: &str) -> bool {
    word.len() == ID_LENGTH && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the pod's uid in a cgroup path: `…/kubepods/burstable/pod<uid>/…`, or with systemd
/// `…/kubepods-burstable-pod<uid with underscores>.slice/…`.
fn pod(line: &str) -> Option<String> {
    line.contains("kubepods").then_some(())?;
    line.split('/').find_map(|part| {
        let (_, rest) = part.rsplit_once("pod")?;
        uid(rest.trim_end_matches(".slice"))
    })
}

/// Returns the pod's uid in a line of mountinfo: the kubelet mounts `/var/lib/kubelet/pods/<uid>/etc-hosts`.
fn mounted_pod(line: &str) -> Option<String> {
    let (_, rest) = behind_etc(line)?.split_once("/kubelet/pods/")?;
    uid(rest.split('/').next()?)
}

/// Returns the text if it is a UUID or the 32 hexadecimal digits of a static pod.
fn uid(text: &str) -> Option<String> {
    let dashed = text.replace('_', "-");
    let digits = dashed.bytes().filter(u8::is_ascii_hexdigit).count();
    let dashes = dashed.bytes().filter(|byte| *byte == b'-').count();
    (digits == 32 && [0, 4].contains(&dashes) && dashed.len() == digits + dashes).then_some(dashed)
}
