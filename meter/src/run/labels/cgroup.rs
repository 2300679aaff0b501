//! The container and the pod of this process, from its cgroup path or, where that is hidden, from its mounts.

use std::collections::BTreeMap;
use std::path::Path;

use super::found::{put, read};

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

/// What the container's runtime mounted as one of its three files in `/etc`. Other lines say nothing about this process:
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
