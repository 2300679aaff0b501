//! Results of the search for labels, and the container and pod of this process: from its cgroup path or, where that is hidden,
//! from its mounts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Longest value, bytes.
pub(super) const LONGEST: usize = 256;
/// Files read here are a few lines; a mountinfo of a busy node has some hundred kilobytes.
const MOST_BYTES: u64 = 1 << 20;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// Contradictions, for people.
    pub warnings: Vec<String>,
    /// This process's place in a run of several.
    pub launch: Launch,
}

/// The launcher's data: the rank and number of processes, the run, and its restarts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Launch {
    /// The launcher nearest to this process.
    pub launcher: Option<&'static str>,
    /// The run's id, fit to name a folder; `None` where the process is a run of its own.
    pub run_id: Option<String>,
    /// Which process this is.
    pub rank: Option<u32>,
    /// Of how many.
    pub world_size: Option<u32>,
    /// Restarts by the launcher.
    pub attempt: u32,
    /// Restarts of the whole job by the scheduler.
    pub requeue: u32,
}

/// Sets a label that no earlier, nearer finding has set; control characters and the part beyond 256 bytes are left out.
pub(super) fn put(labels: &mut BTreeMap<String, String>, name: &str, value: &str) {
    let mut clean: String = value.trim().chars().filter(|letter| !letter.is_control()).collect();
    clean.truncate(clean.floor_char_boundary(LONGEST));
    if !clean.is_empty() {
        labels.entry(name.to_owned()).or_insert(clean);
    }
}

/// A small text file; `None` where there is none. What is not UTF-8 is replaced.
pub(super) fn read(path: &Path) -> Option<String> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Hexadecimal digits in a container id of Docker, containerd, CRI-O and podman.
const ID_LENGTH: usize = 64;

/// Adds `container.id` and `k8s.pod.uid` where the process runs in one.
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

/// `…/docker/<id>`, `…/docker-<id>.scope`, `…/cri-containerd-<id>.scope`, `…/crio-<id>.scope`, `…/libpod-<id>.scope`.
fn container(line: &str) -> Option<&str> {
    let words = line.rsplit(['/', '-', ':', '.']);
    words.into_iter().find(|word| is_id(word))
}

/// In a cgroup namespace the path is `/`, but `/etc/hostname` still comes from `/var/lib/docker/containers/<id>/`.
fn mounted_container(line: &str) -> Option<&str> {
    let (_, rest) = behind_etc(line)?.split_once("/containers/")?;
    rest.split('/').next().filter(|word| is_id(word))
}

/// What the container's runtime mounted as one of its three files in `/etc`. Other lines are not about this process:
/// a host lists its containers' mounts too.
fn behind_etc(line: &str) -> Option<&str> {
    // proc_pid_mountinfo(5): id, parent, device, root within the file system, mount point, …
    let mut fields = line.split(' ').skip(3);
    let (source, target) = (fields.next()?, fields.next()?);
    matches!(target, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf").then_some(source)
}

fn is_id(word: &str) -> bool {
    word.len() == ID_LENGTH && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `…/kubepods/burstable/pod<uid>/…`, or with systemd `…/kubepods-burstable-pod<uid with underscores>.slice/…`.
fn pod(line: &str) -> Option<String> {
    line.contains("kubepods").then_some(())?;
    line.split('/').find_map(|part| {
        let (_, rest) = part.rsplit_once("pod")?;
        uid(rest.trim_end_matches(".slice"))
    })
}

/// The kubelet mounts `/var/lib/kubelet/pods/<uid>/etc-hosts`.
fn mounted_pod(line: &str) -> Option<String> {
    let (_, rest) = behind_etc(line)?.split_once("/kubelet/pods/")?;
    uid(rest.split('/').next()?)
}

/// A UUID, or the 32 hexadecimal digits of a static pod.
fn uid(text: &str) -> Option<String> {
    let dashed = text.replace('_', "-");
    let digits = dashed.bytes().filter(u8::is_ascii_hexdigit).count();
    let dashes = dashed.bytes().filter(|byte| *byte == b'-').count();
    (digits == 32 && [0, 4].contains(&dashes) && dashed.len() == digits + dashes).then_some(dashed)
}
