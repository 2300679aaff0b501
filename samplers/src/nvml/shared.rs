//! Divides the time of a GPU by assumption among the processes that share it, where the driver does not measure it by process.
//!
//! - MIG divides a GPU into instances, each of some of its slices. The driver measures neither energy nor use by instance: one
//!   with processes is assumed to use its slices all the time, in equal parts by process; slices without processes are idle.
//! - MPS lets the kernels of several client processes run at one time through a server. Drivers that name the server as the
//!   user do not measure its clients: each gets an equal part.
//! - Processes in turns (time slices), where the driver does not report utilisation by process: each gets an equal part.

use std::path::Path;

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use super::fault::ask;
use super::shares::{UserShares, utilization};

/// Name that the kernel shows of the server and of the control process of MPS: 15 characters.
const MPS_SERVER: &str = "nvidia-cuda-mps";

/// Returns the use of a GPU that MIG divides; `None` where its instances cannot be listed.
pub(super) fn mig_users(device: &Device<'static>) -> Option<UserShares> {
    let most = ask(device, Device::mig_device_count).ok()?;
    let (mut instances, mut uuids) = (Vec::new(), Vec::new());
    for index in 0..most {
        // The numbers of instances have gaps.
        let handle = ask(device, |device| match device.mig_device_by_index(index) {
            Err(NvmlError::NotFound) => Ok(None),
            answer => answer.map(Some),
        });
        let Some(instance) = handle.ok()? else { continue };
        let slices = ask(&instance, Device::attributes).ok()?.compute_instance_slice_count;
        uuids.extend(ask(&instance, Device::uuid));
        instances.push((slices, pids(&instance, Device::running_compute_processes)));
    }
    Some(UserShares { instances: uuids, ..by_slices(&instances, most) })
}

/// Divides a GPU of `whole` slices among instances, each with its slices and its processes; `None`: not known.
fn by_slices(instances: &[(u32, Option<Vec<u32>>)], whole: u32) -> UserShares {
    let whole = instances.iter().map(|(slices, _)| slices).sum::<u32>().max(whole).max(1);
    let mut used = UserShares { is_assumed: true, ..UserShares::default() };
    for (slices, pids) in instances {
        let part = f64::from(*slices) / f64::from(whole);
        match pids {
            Some(pids) => used.add_equally(pids, part),
            None => used.unknown += part,
        }
    }
    used
}

/// Divides the time in which a GPU was busy equally among the processes that are present; `None` where none is listed.
pub(super) fn equal_users(device: &Device<'static>) -> Option<UserShares> {
    let mut present = pids(device, Device::running_compute_processes)?;
    present.extend(pids(device, Device::running_graphics_processes).unwrap_or_default());
    present.sort_unstable();
    present.dedup();
    if present.is_empty() {
        return None;
    }
    let mut used = UserShares { is_assumed: true, ..UserShares::default() };
    used.add_equally(&present, utilization(device).unwrap_or(1.0));
    Some(used)
}

/// Gives what the server of MPS used to its clients, in equal parts, where the driver names none of them as a user.
pub(super) fn with_clients(mut used: UserShares, device: &Device<'static>, procfs: &Path) -> UserShares {
    let is_server = |pid: u32| {
        let name = crate::sysfs::read_long_text(&procfs.join(pid.to_string()).join("comm"));
        name.is_ok_and(|name| name.trim_end() == MPS_SERVER)
    };
    let clients = || pids(device, Device::mps_running_compute_processes).filter(|clients| !clients.is_empty());
    let is_named = |pid: &u32| used.processes.iter().any(|(user, _)| user == pid);
    let servers: Vec<(u32, f64)> = used.processes.iter().copied().filter(|(pid, _)| is_server(*pid)).collect();
    let part: f64 = servers.iter().map(|(_, fraction)| fraction).sum();
    if part > 0.0 {
        if let Some(clients) = clients().filter(|clients| !clients.iter().any(is_named)) {
            used.processes.retain(|user| !servers.contains(user));
            used.add_equally(&clients, part);
            used.is_assumed = true;
        }
    }
    used
}

fn pids(
    device: &Device<'static>,
    list: impl Fn(&Device<'static>) -> Result<Vec<ProcessInfo>, NvmlError>,
) -> Option<Vec<u32>> {
    ask(device, list).ok().map(|processes| processes.into_iter().map(|process| process.pid).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m26_instances_get_their_slices_and_their_processes_equal_parts() {
        let instances = [(3, Some(vec![7, 8])), (2, Some(Vec::new())), (1, None)];
        let used = by_slices(&instances, 6);
        assert_eq!((used.processes, used.unknown, used.is_assumed), (vec![(7, 0.25), (8, 0.25)], 1.0 / 6.0, true));
        let beyond = by_slices(&[(4, Some(vec![7])), (4, Some(vec![7]))], 7);
        assert_eq!(beyond.processes, [(7, 0.5), (7, 0.5)], "never more than the whole");
        assert_eq!(by_slices(&[], 0), UserShares { is_assumed: true, ..UserShares::default() });
    }
}
