//! What to tell people about NVML: a reason, and one thing to do.

use std::time::Duration;

use eco2_core::report::{SourceStatus, Status};
use nvml_wrapper::error::NvmlError;

use super::source::NvmlSource;
use crate::Roots;

const CONTAINER: &str = "run the container with `--gpus all` and NVIDIA_DRIVER_CAPABILITIES=utility,compute";

fn status(status: Status, reason: impl Into<String>, remedy: &str) -> SourceStatus {
    SourceStatus { name: super::NAME.into(), status, reason: reason.into(), remedy: remedy.into() }
}

/// The driver answers.
pub(super) fn open(source: &NvmlSource) -> SourceStatus {
    let driver = source.driver().unwrap_or_else(|| "of unknown version".into());
    let gpus = match source.gpu_count() {
        0 => return status(Status::Absent, format!("driver {driver} lists no GPU"), CONTAINER),
        1 => "1 GPU".into(),
        count => format!("{count} GPUs"),
    };
    let reason = format!("{gpus}, driver {driver}");
    if source.losses.is_empty() {
        return status(Status::Ok, reason, "");
    }
    let reason = format!("{reason}; {}", source.losses.join("; "));
    let remedy = if reason.contains("permission") { "give this user access to /dev/nvidia*" } else { "" };
    status(Status::Degraded, reason, remedy)
}

/// The environment hides every GPU.
pub(super) fn nothing_visible(remarks: &[String]) -> SourceStatus {
    let mut reason = "CUDA_VISIBLE_DEVICES selects no GPU".to_owned();
    remarks.iter().for_each(|remark| reason.push_str(&format!("; {remark}")));
    status(Status::Off, reason, "unset CUDA_VISIBLE_DEVICES, or name the GPUs that the program uses")
}

/// The library or the driver is not there.
pub(super) fn closed(error: &NvmlError, roots: &Roots) -> SourceStatus {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_) => absent(error, roots),
        NvmlError::DriverNotLoaded => {
            let reason = "the NVIDIA driver library is there, but the driver is not loaded";
            status(Status::Absent, reason, "load the driver: `modprobe nvidia`")
        }
        NvmlError::LibRmVersionMismatch => {
            let reason = "the driver in the kernel and its library have different versions, as after an upgrade";
            status(Status::Denied, reason, "reboot, or reload the driver")
        }
        NvmlError::NoPermission => {
            status(Status::Denied, "the NVIDIA driver denies permission", "give this user access to /dev/nvidia*")
        }
        error => status(Status::Denied, format!("NVML does not start: {error}"), "see whether `nvidia-smi` works"),
    }
}

fn absent(error: &NvmlError, roots: &Roots) -> SourceStatus {
    if let Some(path) = &roots.nvml {
        let reason = format!("{} cannot be loaded: {error}", path.display());
        return status(Status::Absent, reason, "name the path of a libnvidia-ml.so.1 with --nvml");
    }
    let reason = "no NVIDIA driver library (libnvidia-ml.so.1) can be loaded";
    // The kernel has the driver and we have no library: a container without the driver's user half.
    if roots.procfs.join("driver/nvidia/version").exists() {
        return status(Status::Absent, format!("{reason}, though the kernel has the driver"), CONTAINER);
    }
    status(Status::Absent, reason, "on a machine with an NVIDIA GPU, install the NVIDIA driver")
}

/// Whether the driver may start later without anything being installed.
pub(super) fn may_come(error: &NvmlError) -> bool {
    !matches!(error, NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_))
}

/// The driver does not answer.
pub(super) fn hung(deadline: Duration) -> SourceStatus {
    let reason = format!("the NVIDIA driver did not answer within {} s", deadline.as_secs_f64());
    status(Status::Hung, reason, "see the kernel log for Xid messages; reset the GPU or reboot")
}

/// No thread for a library that can hang.
pub(super) fn no_thread() -> SourceStatus {
    status(Status::Denied, "no thread could be started to ask the driver", "raise the limit of processes (`ulimit -u`)")
}
