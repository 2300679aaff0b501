//! Source `nvml`: reads NVIDIA GPUs through NVML, the library of NVIDIA's driver.
//!
//! A domain is one sensor or counter. Each board is one domain, named by its UUID: its energy counter where it has one
//! (Volta and newer), else its power. In addition to a counter, `<uuid>/power` is the power of the same board at 10 Hz:
//! an overlapping domain that is never summed, for comparing the counter with integrated power. On Grace superchips
//! `<uuid>/module` holds the GPU and the CPU. A counter has no range: when it falls it was reset (driver reload, GPU
//! reset, or 32 bits), and the core starts a new segment. The driver's calls can hang, so opening and reading each have
//! a thread of their own, and no other thread waits for either.
//!
//! While NVML is open the driver's module cannot be unloaded; a measured run holds it open as long as the process
//! lives.

mod events;
mod fault;
mod gpu;
mod library;
mod limit;
mod meter;
mod power;
mod raw;
mod shared;
mod shares;
mod source;
mod stamp;
mod status;
mod visible;

use std::time::Duration;

pub use limit::{BoardLimit, HeldLimits, LimitError};
pub use visible::Visibility;

use crate::Roots;
use crate::found::Found;
use crate::opening::{Opening, StatusTexts};
use source::NvmlSource;
pub(crate) use status::NAME;

/// How long a driver may take to initialise before it counts as hanging: without persistence mode (which keeps GPUs
/// initialised) a large machine takes seconds.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);

/// Looks for the GPUs that a CUDA program of this process would see.
#[must_use]
pub fn discover(roots: &Roots) -> Found {
    discover_visible(roots, &Visibility::from_env())
}

/// Looks for the GPUs that are visible, for as long as a healthy driver may take.
///
/// ```
/// use eco2_samplers::{Roots, nvml};
///
/// // No GPU is visible to the program: none is read.
/// let visibility = nvml::Visibility { devices: Some(String::new()), ..Default::default() };
/// let roots = Roots { nvml: Some("/nonexistent/libnvidia-ml.so.1".into()), ..Roots::default() };
/// assert!(nvml::discover_visible(&roots, &visibility).source.is_none());
/// ```
#[must_use]
pub fn discover_visible(roots: &Roots, visibility: &Visibility) -> Found {
    discover_within(roots, visibility, OPEN_DEADLINE)
}

/// Looks for GPUs; a driver that takes longer than this is left to open, and read when it answers.
#[must_use]
pub fn discover_within(roots: &Roots, visibility: &Visibility, deadline: Duration) -> Found {
    begin(roots, visibility).within(deadline)
}

/// Starts to look for GPUs on a thread of its own, as a hanging driver may never answer.
pub(crate) fn begin(roots: &Roots, visibility: &Visibility) -> Opening {
    let texts =
        StatusTexts { name: NAME, waiting: status::waiting(), lost: status::hung(), no_thread: status::no_thread() };
    let (roots, visibility) = (roots.clone(), visibility.clone());
    Opening::begin(texts, move || open(&roots, visibility))
}

fn open(roots: &Roots, visibility: Visibility) -> Found {
    match NvmlSource::open(roots, visibility) {
        (source, None) if source.selects_nothing() => Found::nothing(status::nothing_visible(&source.losses)),
        (source, None) => {
            let status = source.status();
            Found::source(source, status)
        }
        (source, Some(error)) => {
            let status = status::closed(&error, roots);
            if status::may_come(&error) { Found::source(source, status) } else { Found::nothing(status) }
        }
    }
}
