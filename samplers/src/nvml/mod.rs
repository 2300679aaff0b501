//! NVIDIA GPUs through NVML.
//!
//! Each board is one domain, named by its UUID: its energy counter where it has one (Volta and newer), else its power.
//! Beside a counter, `<uuid>/power` is the power of the same board at 10 Hz: an overlapping domain that is never summed,
//! for comparing the counter with integrated power. On Grace superchips `<uuid>/module` holds the GPU and the CPU.
//! A counter has no range: when it falls it was reset (driver reload, GPU reset, or 32 bits), and the core begins a
//! new segment. The driver's calls can hang, so the search has a deadline, and the source asks for a thread of its own.
//!
//! While NVML is open the driver's module cannot be unloaded; a measured run holds it open as long as the process lives.

mod events;
mod fault;
mod gpu;
mod library;
mod limit;
mod list;
mod meter;
mod power;
mod raw;
mod retry;
mod shares;
mod source;
mod stamp;
mod status;
mod visible;

use std::sync::mpsc;
use std::time::Duration;

use eco2_core::report::SourceStatus;

pub use limit::{BoardLimit, HeldLimits, LimitError};
pub use visible::Visibility;

use crate::deadline::quiet_thread;
use crate::found::Found;
use crate::{Roots, Source};
use source::NvmlSource;

/// The source's name.
const NAME: &str = "nvml";
/// A driver that has not initialised by then hangs; without persistence mode a large machine takes seconds.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);
/// Initialising loads and links the driver's libraries.
const STACK_BYTES: usize = 1 << 20;

/// Looks for the GPUs that a CUDA program of this process would see.
#[must_use]
pub fn discover(roots: &Roots) -> Found {
    discover_visible(roots, &Visibility::from_env())
}

/// Looks for the GPUs that are visible.
#[must_use]
pub fn discover_visible(roots: &Roots, visibility: &Visibility) -> Found {
    discover_within(roots, visibility, OPEN_DEADLINE)
}

/// Looks for GPUs and gives up after a while: a driver in trouble may never answer.
#[must_use]
pub fn discover_within(roots: &Roots, visibility: &Visibility, deadline: Duration) -> Found {
    let (send, receive) = mpsc::channel();
    let (path, visibility) = (roots.nvml.clone(), visibility.clone());
    let open = move || {
        // Nobody waits any more when the deadline has passed.
        let _ = send.send(NvmlSource::open(path, visibility));
    };
    if quiet_thread("eco2-nvml-open", STACK_BYTES, open).is_err() {
        return only(status::no_thread());
    }
    match receive.recv_timeout(deadline) {
        Ok((source, None)) => found(source),
        Ok((source, Some(error))) => {
            let source = status::may_come(&error).then(|| Box::new(source) as Box<dyn Source>);
            Found { source, statuses: vec![status::closed(&error, roots)] }
        }
        Err(_) => only(status::hung(deadline)),
    }
}

fn found(source: NvmlSource) -> Found {
    if source.selects_nothing() {
        return only(status::nothing_visible(&source.losses));
    }
    let status = status::open(&source);
    Found { source: Some(Box::new(source)), statuses: vec![status] }
}

fn only(status: SourceStatus) -> Found {
    Found { source: None, statuses: vec![status] }
}
