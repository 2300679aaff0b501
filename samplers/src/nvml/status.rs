//! Makes the status of NVIDIA GPUs for `eco2 doctor` and the report: a reason, and one remedy.
//!
//! NVML is the library of NVIDIA's driver.

use eco2_core::schema::{SourceStatus, Status};
use nvml_wrapper::error::NvmlError;

use crate::Roots;

/// The source's name.
pub(crate) const NAME: &str = "nvml";
const CONTAINER: &str = "run the container with `--gpus all` and NVIDIA_DRIVER_CAPABILITIES=utility,compute";

fn status(status: Status, reason: impl Into<String>, remedy: &str) -> SourceStatus {
    SourceStatus { name: NAME.into(), status, reason: reason.into(), remedy: remedy.into() }
}

const RESET: &str = "see the kernel log (sudo dmesg) for Xid messages; reset the GPU or reboot";
const ACCESS: &str = "give this user access to /dev/nvidia*";

/// How many GPUs there are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// They are read.
    pub(super) live: usize,
    /// They fell off the bus or need a reset.
    pub(super) lost: usize,
    /// The driver no longer lists them.
    pub(super) gone: usize,
    /// They may not be asked by this user.
    pub(super) denied: usize,
    /// They do not report their UUID, for another reason.
    pub(super) unclear: usize,
}

/// Returns the status where the driver answers.
pub(super) fn open(counted: Counted, driver: Option<&str>, losses: &[String]) -> SourceStatus {
    let driver = driver.unwrap_or("of unknown version");
    let (mut faults, mut remedy) = (Vec::new(), "");
    let mut fault = |count: usize, text: &str, advice: &'static str| {
        if count > 0 {
            faults.push(format!("{} {text}", gpus(count)));
            remedy = if remedy.is_empty() { advice } else { remedy };
        }
    };
    fault(counted.lost, "lost: it fell off the bus or needs a reset", RESET);
    fault(counted.gone, "no longer listed by the driver", RESET);
    fault(counted.denied, "not readable: permission is denied", ACCESS);
    fault(counted.unclear, "not answering", "see whether `nvidia-smi` works");
    if counted.live == 0 {
        return none_live(driver, counted, &faults, remedy);
    }
    let mut reason = format!("{}, driver {driver}", gpus(counted.live));
    faults.iter().chain(losses).for_each(|loss| reason.push_str(&format!("; {loss}")));
    if faults.is_empty() && losses.is_empty() {
        return status(Status::Ok, reason, "");
    }
    if remedy.is_empty() && reason.contains("permission") {
        remedy = ACCESS;
    }
    status(Status::Degraded, reason, remedy)
}

/// Returns the status where the driver answers and no GPU can be read.
fn none_live(driver: &str, counted: Counted, faults: &[String], remedy: &str) -> SourceStatus {
    let state = match counted {
        Counted { lost: 0, gone: 0, denied: 0, unclear: 0, .. } => {
            return status(Status::Absent, format!("driver {driver} lists no GPU"), CONTAINER);
        }
        Counted { lost: 0, gone: 0, denied: 1.., .. } => Status::Denied,
        _ => Status::Lost,
    };
    status(state, format!("{}, driver {driver}", faults.join("; ")), remedy)
}

fn gpus(count: usize) -> String {
    if count == 1 { "1 GPU".into() } else { format!("{count} GPUs") }
}

/// Returns the status where the driver answered and does so no more.
pub(super) fn gone(reason: &str) -> SourceStatus {
    status(Status::Lost, reason, "see whether `nvidia-smi` works; reload the driver or reboot")
}

/// Returns the status where the environment hides every GPU.
pub(super) fn nothing_visible(remarks: &[String]) -> SourceStatus {
    let mut reason = "CUDA_VISIBLE_DEVICES selects no GPU".to_owned();
    remarks.iter().for_each(|remark| reason.push_str(&format!("; {remark}")));
    status(Status::Off, reason, "unset CUDA_VISIBLE_DEVICES, or name the GPUs that the program uses")
}

/// Returns the status where the library or the driver is not there.
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
        NvmlError::NoPermission => status(Status::Denied, "the NVIDIA driver denies permission", ACCESS),
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

/// Returns the status while the driver has not answered yet.
pub(super) fn waiting() -> SourceStatus {
    status(Status::Hung, "the NVIDIA driver has not answered yet; its GPUs are read as soon as it does", RESET)
}

/// Returns the status where the driver does not answer.
pub(super) fn hung() -> SourceStatus {
    let reason = "the NVIDIA driver has not answered for 2 s; its GPUs are read as soon as it does";
    status(Status::Hung, reason, RESET)
}

/// Returns the status where no thread could be started to ask the driver.
pub(super) fn no_thread() -> SourceStatus {
    status(Status::Denied, "no thread could be started to ask the driver", "raise the limit of processes (`ulimit -u`)")
}
